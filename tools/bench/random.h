/*
 * tools/bench/random.h - random numbers that a seed repeats (SplitMix64, Steele and others 2014).
 */
#pragma once

#include <stdint.h>

struct ptl_bench_random {
    uint64_t state;
};

static inline uint64_t ptl_bench_random_next(struct ptl_bench_random *random)
{
    uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* Above 0, up to 1. */
static inline double ptl_bench_random_share(struct ptl_bench_random *random)
{
    return (double)((ptl_bench_random_next(random) >> 11) + 1) * 0x1.0p-53;
}
