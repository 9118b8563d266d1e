#include "perf/peers/common/histogram.h"

#include <math.h>

#define STEP_BITS 7
_Static_assert(PEER_STEPS == 1 << STEP_BITS, "the steps of an octave are the bits below its first");

static unsigned octave(uint64_t ns)
{
    return ns < PEER_STEPS ? 0 : 64u - (unsigned)__builtin_clzll(ns) - STEP_BITS;
}

/* The first octave's steps are 1 ns; each further octave's are twice those of the one before. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned high = octave(ns);

    return high == 0 ? (unsigned)ns : high * PEER_STEPS + (unsigned)(ns >> (high - 1)) - PEER_STEPS;
}

static uint64_t highest_in(unsigned bucket)
{
    unsigned high = bucket / PEER_STEPS;

    if (high == 0) {
        return bucket;
    }
    uint64_t low = (uint64_t)(bucket % PEER_STEPS + PEER_STEPS) << (high - 1);
    return low + ((uint64_t)1 << (high - 1)) - 1;
}

void peer_histogram_add(struct peer_histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->buckets[bucket_of(ns)]++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

uint64_t peer_histogram_at(const struct peer_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count);
    uint64_t seen = 0;

    for (unsigned i = 0; i < PEER_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t top = highest_in(i);
            return top < histogram->max_ns ? top : histogram->max_ns;
        }
    }
    return 0;
}
