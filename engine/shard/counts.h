/*
 * engine/shard/counts.h - what a shard counts (engine/stats.h says what each is).
 *
 *   the shard: load, add, store     no locked instruction: nobody else writes
 *   any thread: load                a count is never torn, and no two of them are of one moment
 */
#pragma once

#include "engine/stats.h"

#include <stdatomic.h>

/* Begins zeroed. */
struct ptl_counts {
#define PTL_COUNT_FIELD(name, what) _Atomic uint64_t name;
    PTL_STATS_COUNTERS(PTL_COUNT_FIELD)
    PTL_STATS_GAUGES(PTL_COUNT_FIELD)
#undef PTL_COUNT_FIELD
    _Atomic uint64_t handshakes_failed[PTL_REASONS];
    _Atomic uint64_t handled[PTL_STATS_BUCKETS];
    _Atomic uint64_t handled_ns;
    _Atomic uint64_t refused_outside; /* `refused`, of the program's threads: they write it */
    uint32_t calls;                   /* which of them is timed: stint.h */
    uint32_t measured_turn;           /* when the gauges were written last */
};

/* So many more.  Thread: the shard's. */
static inline void ptl_count(_Atomic uint64_t *count, uint64_t more)
{
    uint64_t before = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, before + more, memory_order_relaxed);
}

/* Thread: any. */
static inline uint64_t ptl_counted(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* It is so now.  Thread: the shard's. */
static inline void ptl_gauge(_Atomic uint64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}
