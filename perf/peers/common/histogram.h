/*
 * perf/peers/common/histogram.h - how often something took how long, for percentiles.
 *
 * Log-linear: 128 steps to an octave, so a percentile is exact below 128 ns and at most 0.8 % too
 * high above.  Plain memory without pointers: it may live in memory that two processes share.
 */
#pragma once
#include <stdint.h>

#define PEER_STEPS 128
#define PEER_BUCKETS (58 * PEER_STEPS) /* the 57 octaves from 128 on, and what is below */

struct peer_histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[PEER_BUCKETS];
};

void peer_histogram_add(struct peer_histogram *histogram, uint64_t ns);

/* The least time that this share (0 to 1) of all was not above; 0 when there is none. */
uint64_t peer_histogram_at(const struct peer_histogram *histogram, double share);
