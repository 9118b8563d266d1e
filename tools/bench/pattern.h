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
};

struct ptl_bench_pattern {
    const char *name;
    const char *what; /* a line for people */
    enum ptl_bench_worker worker;
    unsigned in_flight; /* of all streams together, where --in-flight is not given */
    bool one_sender;    /* all streams begin at one port */
    bool bulk;          /* a stream of large messages runs beside */
};

/* The pattern of that name, or NULL. */
const struct ptl_bench_pattern *ptl_bench_pattern_find(const char *name);

/* The one at `index`, or NULL past the last. */
const struct ptl_bench_pattern *ptl_bench_pattern_at(unsigned index);
