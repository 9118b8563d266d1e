/*
 * tools/bench/schedule.h - when an open loop sends: times that are fixed before anything is sent,
 * so that a system which stalls does not delay the questions whose answers would show it.
 *
 * A value: a copy goes through the same times.
 */
#pragma once

#include "tools/bench/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define PTL_BENCH_COUNTED_MAX 100000 /* arrivals gone through in one go */

struct ptl_bench_schedule {
    int64_t begin_ns;
    double interval_ns; /* between two arrivals, on average */
    double offset_ns;   /* of the next one, from the beginning */
    bool poisson;
    struct ptl_bench_random random;
};

/* When the next message is due. */
static inline int64_t ptl_bench_schedule_due(const struct ptl_bench_schedule *schedule)
{
    return schedule->begin_ns + (int64_t)schedule->offset_ns;
}

/* Go on to the one after it. */
static inline void ptl_bench_schedule_advance(struct ptl_bench_schedule *schedule)
{
    double share = schedule->poisson ? -log(ptl_bench_random_share(&schedule->random)) : 1;

    schedule->offset_ns += share * schedule->interval_ns;
}

/* How many are due before that time; where they are very many by chance, as many as on average. */
static inline uint64_t ptl_bench_schedule_count(const struct ptl_bench_schedule *schedule,
                                                int64_t until_ns)
{
    struct ptl_bench_schedule copy = *schedule;
    uint64_t count = 0;

    while (ptl_bench_schedule_due(&copy) < until_ns) {
        if (count == PTL_BENCH_COUNTED_MAX) {
            double left_ns = (double)(until_ns - copy.begin_ns) - copy.offset_ns;
            return count + (uint64_t)ceil(left_ns / copy.interval_ns);
        }
        ptl_bench_schedule_advance(&copy);
        count++;
    }
    return count;
}
