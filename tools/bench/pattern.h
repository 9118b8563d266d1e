/*
 * tools/bench/pattern.h - the table of what can be loaded: who sends to whom, and what comes back.
 */
#pragma once

#include <stdbool.h>

/* What stands at the other end of a stream. */
enum ptl_bench_worker {
    PTL_BENCH_SINK,   /* a port a stream: takes, acknowledges what is marked */
    PTL_BENCH_SHARED, /* the same, one port for all streams */
    PTL_BENCH_RELAY,  /* a port a stream: sends on what comes, at last back to the sender */
    PTL_BENCH_WATCH,  /* watches the run's family: acknowledges each change that is marked */
    PTL_BENCH_NOBODY, /* nothing is made there */
};

/* What a stream does instead of sending a message, if anything. */
enum ptl_bench_deed {
    PTL_BENCH_SEND,
    PTL_BENCH_SET,     /* sets its key in the run's family */
    PTL_BENCH_SET_ASK, /* the same, and asks for it, which is the acknowledgement */
    PTL_BENCH_CHURN,   /* spawns a port there, monitors and kills it, and is told */
    PTL_BENCH_JOIN,    /* there are no streams: see tools/bench/join.h */
    PTL_BENCH_VERIFY,  /* nor here: see tools/bench/verify.h */
};

struct ptl_bench_pattern {
    const char *name;
    const char *what; /* a line for people */
    enum ptl_bench_worker worker;
    enum ptl_bench_deed deed;
    unsigned in_flight; /* of all streams together, where --in-flight is not given */
    bool one_sender;    /* all streams begin at one port */
    bool has_bulk;      /* a stream of large messages runs beside */
    bool has_hops;      /* through several ports */
    bool has_keys;      /* a stream is a key of the database */
    bool may_skip;      /* of several values of a key only the last need be told */
};

/* The pattern of that name, or NULL. */
const struct ptl_bench_pattern *ptl_bench_pattern_find(const char *name);

/* The one at `index`, or NULL past the last. */
const struct ptl_bench_pattern *ptl_bench_pattern_at(unsigned index);
