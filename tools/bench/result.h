/*
 * tools/bench/result.h - what came of a load.
 */
#pragma once

#include "tools/bench/flow.h"
#include "tools/bench/target.h"

/* What both ends have used and done, at one time. */
struct ptl_bench_moment {
    int64_t at_ns;
    int64_t here_cpu_ns;
    struct ptl_bench_there there; /* of all targets together */
    bool is_known;                /* every target has answered */
};

enum ptl_bench_ending {
    PTL_BENCH_DONE,
    PTL_BENCH_GONE,     /* a target went away */
    PTL_BENCH_SIGNALED, /* somebody ended it */
    PTL_BENCH_FAILED,   /* a send was refused for good */
};

struct ptl_bench_result {
    enum ptl_bench_ending ending;
    char reason[512]; /* of the ending; empty when it is done */
    int signal;
    double seconds; /* measured */
    struct ptl_bench_counts counts;
    struct ptl_bench_counts bulk;     /* of the large messages beside */
    bool is_one_process;              /* both ends are here */
    uint64_t hops;                    /* each message is counted so often there; 0: not at all */
    struct ptl_bench_moment from, to; /* the ends of what was measured */
    struct ptl_bench_moment last;     /* when all was acknowledged, or given up */
    struct ptl_histogram latency;
    struct ptl_histogram closed;
    struct ptl_histogram late;
    struct ptl_histogram bulk_latency;
};

/* A result of nothing yet.  False: no memory.  Owns: the caller, until ptl_bench_result_free(). */
bool ptl_bench_result_init(struct ptl_bench_result *result);

void ptl_bench_result_free(struct ptl_bench_result *result);

/* Messages that were sent and not acknowledged, those of the bulk included. */
uint64_t ptl_bench_result_unanswered(const struct ptl_bench_result *result);

/* Whether it ended before the last messages were waited for. */
bool ptl_bench_result_is_cut_short(const struct ptl_bench_result *result);

/* Messages that nobody told of: sent, and neither received nor lost with a target. */
uint64_t ptl_bench_result_lost(const struct ptl_bench_result *result);

/* Those that came in another order than they were sent in, there or back. */
uint64_t ptl_bench_result_reordered(const struct ptl_bench_result *result);

/* Nanoseconds of the processors for one message; below 0: not known. */
double ptl_bench_result_cpu_here(const struct ptl_bench_result *result);
double ptl_bench_result_cpu_there(const struct ptl_bench_result *result);

/* Messages, and bytes, a second. */
double ptl_bench_result_rate(const struct ptl_bench_result *result);
double ptl_bench_result_bytes(const struct ptl_bench_result *result);

/* Whether that rate was reached: chance and the last moment may cost a hundredth. */
bool ptl_bench_result_is_reached(const struct ptl_bench_result *result, double rate);
