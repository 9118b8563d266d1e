/*
 * tools/bench/options.h - the command line of `portolan bench`.
 *
 * What other commands take as well (--seed, --secret, ...) is left to ptl_options_parse().
 */
#pragma once

#include "tools/bench/pattern.h"
#include "tools/bench/sizes.h"
#include "tools/command.h"

/* Where the other end is. */
enum ptl_bench_embedded {
    PTL_BENCH_APART,
    PTL_BENCH_TWO_NODES, /* both in this process */
    PTL_BENCH_TWO_PORTS, /* of one node in this process */
};

struct ptl_bench_options {
    struct ptl_options common;
    const struct ptl_bench_pattern *pattern;
    struct ptl_list targets; /* node IDs; none: the node that --seed leads to */
    struct ptl_bench_sizes sizes;
    uint64_t ports;
    uint64_t entries;  /* keys of the database */
    uint64_t watchers; /* of the run's family, at each target */
    uint64_t hops;     /* ports that a message goes through there */
    struct ptl_bench_sizes bulk;
    uint64_t bulk_in_flight; /* on each link */
    uint64_t links;          /* nodes of ours, each with its own link to every target */
    uint64_t in_flight;      /* of all streams together; an open loop has none */
    double rate;             /* messages a second of all streams together; 0: a closed loop */
    bool poisson;            /* arrivals at random instead of evenly */
    int64_t duration_ns;     /* what is measured */
    int64_t warm_up_ns;      /* before it */
    int64_t stall_ns;        /* a handler there sleeps once for so long; 0: none does */
    int64_t cut_every_ns;    /* verify: a connection is cut so often; 0: never */
    uint64_t kill_every;     /* verify: a port is killed after so many messages; 0: never */
    uint64_t random_seed;
    enum ptl_bench_embedded embedded;
    const char *hdr;       /* the file of percentiles, or NULL */
    double expect_rate;    /* 0: none is expected */
    int64_t expect_p99_ns; /* 0: none is expected */
    bool is_sweep;
    int64_t slo_p99_ns; /* of a sweep */
    uint32_t given;     /* a bit for each option of ours that is on the command line */
};

/*
 * Take the command line apart; argv[0] is "bench".  Returns PTL_EXIT_OK, or PTL_EXIT_USAGE after
 * one line on standard error.  `common.help` may be set; then all else means nothing.
 * Owns: strings stay argv's, whose order changes, or are of `common`, which ptl_options_free()
 * frees whatever this returned.
 */
int ptl_bench_options_parse(int argc, char **argv, struct ptl_bench_options *options);

/*
 * The name of an option of ours at `index`, without its "--", or NULL past the last; and whether
 * the next word is its value.
 */
const char *ptl_bench_option_at(unsigned index, bool *takes_value);

/* How many streams there are, those of large messages beside them not counted. */
uint32_t ptl_bench_options_streams(const struct ptl_bench_options *options);
