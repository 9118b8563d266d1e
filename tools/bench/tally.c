#include "tools/bench/tally.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES 64

struct ptl_bench_slice {
    alignas(LINE_BYTES) _Atomic uint64_t messages;
    _Atomic uint64_t bytes;
    _Atomic uint64_t reordered;
    _Atomic uint64_t strange;
};

struct ptl_bench_tally {
    atomic_uint holders;
    unsigned shards;
    alignas(LINE_BYTES) _Atomic int64_t stall_ns; /* of the next handler; 0: none */
    struct ptl_bench_slice slices[];
};

struct ptl_bench_tally *ptl_bench_tally_make(unsigned shards)
{
    size_t size = sizeof(struct ptl_bench_tally) + (shards + 1) * sizeof(struct ptl_bench_slice);
    struct ptl_bench_tally *tally = aligned_alloc(LINE_BYTES, size);

    if (tally) {
        memset(tally, 0, size);
        tally->shards = shards;
        atomic_init(&tally->holders, 1);
    }
    return tally;
}

void ptl_bench_tally_hold(struct ptl_bench_tally *tally)
{
    atomic_fetch_add(&tally->holders, 1);
}

void ptl_bench_tally_drop(struct ptl_bench_tally *tally)
{
    if (atomic_fetch_sub(&tally->holders, 1) == 1) {
        free(tally);
    }
}

unsigned ptl_bench_tally_shards(const struct ptl_bench_tally *tally)
{
    return tally->shards;
}

struct ptl_bench_slice *ptl_bench_tally_slice(struct ptl_bench_tally *tally, unsigned shard)
{
    return &tally->slices[shard];
}

/* One writer: no need for an atomic addition. */
static void add(_Atomic uint64_t *count, uint64_t more)
{
    uint64_t value = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, value + more, memory_order_relaxed);
}

/* The bytes of the size that was asked for, in front of a mark or around it. */
static size_t bytes_of(const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    if (ptl_next(&cursor, &value) < 0 ||
        (value.type == PTL_ARRAY && ptl_next(&cursor, &value) < 0)) {
        return 0;
    }
    return value.type == PTL_BYTES || value.type == PTL_TEXT ? value.string.size : 0;
}

void ptl_bench_slice_count(struct ptl_bench_slice *slice, const struct ptl_msg *msg, bool in_order)
{
    add(&slice->messages, 1);
    add(&slice->bytes, bytes_of(msg));
    if (!in_order) {
        add(&slice->reordered, 1);
    }
}

void ptl_bench_slice_count_strange(struct ptl_bench_slice *slice)
{
    add(&slice->strange, 1);
}

static uint64_t load(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

struct ptl_bench_seen_there ptl_bench_tally_sum(const struct ptl_bench_tally *tally)
{
    struct ptl_bench_seen_there sum = {.messages = 0};

    for (unsigned i = 0; i <= tally->shards; i++) {
        sum.messages += load(&tally->slices[i].messages);
        sum.bytes += load(&tally->slices[i].bytes);
        sum.reordered += load(&tally->slices[i].reordered);
        sum.strange += load(&tally->slices[i].strange);
    }
    return sum;
}

void ptl_bench_tally_stall(struct ptl_bench_tally *tally, int64_t stall_ns)
{
    atomic_store(&tally->stall_ns, stall_ns);
}

void ptl_bench_tally_stall_if_told(struct ptl_bench_tally *tally)
{
    if (atomic_load_explicit(&tally->stall_ns, memory_order_relaxed) > 0) {
        int64_t stall_ns = atomic_exchange(&tally->stall_ns, 0);
        struct timespec time = {
            .tv_sec = stall_ns / 1000000000,
            .tv_nsec = stall_ns % 1000000000,
        };
        nanosleep(&time, NULL);
    }
}
