/*
 * tools/bench/tally.h - what all workers of one run have seen, counted without locks.
 *
 * Each shard has a slice of its own, a cache line apart, that it alone writes, and so has what
 * lives on the shard of the service, whichever that is.
 */
#pragma once

#include "engine/portolan.h"

#include <stdatomic.h>

struct ptl_bench_tally;
struct ptl_bench_slice;

/* All slices together. */
struct ptl_bench_seen_there {
    uint64_t messages;
    uint64_t bytes;
    uint64_t reordered; /* not of the number that was to come next in its stream */
    uint64_t strange;   /* no mark, or that of another stream */
};

/* With one holder.  NULL: no memory. */
struct ptl_bench_tally *ptl_bench_tally_make(unsigned shards);

/* One more holder. */
void ptl_bench_tally_hold(struct ptl_bench_tally *tally);

/* One less; the last one frees it.  Thread: any. */
void ptl_bench_tally_drop(struct ptl_bench_tally *tally);

unsigned ptl_bench_tally_shards(const struct ptl_bench_tally *tally);

/* That of a shard; at the number of shards that of the service itself.  Owns: the tally. */
struct ptl_bench_slice *ptl_bench_tally_slice(struct ptl_bench_tally *tally, unsigned shard);

/* Count a message.  Thread: the slice's shard. */
void ptl_bench_slice_count(struct ptl_bench_slice *slice, const struct ptl_msg *msg, bool in_order);
void ptl_bench_slice_count_strange(struct ptl_bench_slice *slice);

struct ptl_bench_seen_there ptl_bench_tally_sum(const struct ptl_bench_tally *tally);

/* The next handler that calls _stall_if_told() sleeps there. */
void ptl_bench_tally_stall(struct ptl_bench_tally *tally, int64_t stall_ns);
void ptl_bench_tally_stall_if_told(struct ptl_bench_tally *tally);
