/*
 * tools/bench/clock.h - the time of a run: read in nanoseconds, and cut into warm-up and measuring.
 *
 *   begin ---- warm-up ----> measured_from ---- measuring ----> end      sending stops at the end
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct ptl_bench_clock {
    int64_t begin_ns;
    int64_t measured_from_ns;
    int64_t end_ns;
};

static inline int64_t ptl_bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* What this process has used of the processors. */
static inline int64_t ptl_bench_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static inline bool ptl_bench_is_measured(const struct ptl_bench_clock *clock, int64_t at_ns)
{
    return at_ns >= clock->measured_from_ns && at_ns < clock->end_ns;
}
