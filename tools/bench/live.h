/*
 * tools/bench/live.h - a line a second on a terminal, while it runs.
 */
#pragma once

#include "tools/bench/load.h"
#include "tools/bench/result.h"

#define PTL_BENCH_LIVE_NS 1000000000LL

struct ptl_bench_live {
    bool is_on;
    int64_t next_ns; /* when the next line is due; INT64_MAX: never */
    int64_t at_ns;   /* of the last one */
    int64_t here_cpu_ns;
    int64_t there_cpu_ns;
    uint64_t acked;
    struct ptl_histogram interval;
};

/* On where standard output is a terminal and nothing else is to be printed there. */
void ptl_bench_live_start(struct ptl_bench_live *live, const struct ptl_bench_load *load);

/*
 * Print the line that is due, over the last one. Takes as long as all lanes need to be looked at.
 */
void ptl_bench_live_print(struct ptl_bench_live *live, struct ptl_bench_load *load);

/* Leave the last line alone, and free. */
void ptl_bench_live_end(struct ptl_bench_live *live);
