/*
 * tools/bench/mark.h - what a message of the load carries: whose it is, its number, and whether it
 * shall be acknowledged.
 *
 *   [bytes of the size asked for, the mark in the first 8]   8 bytes or more
 *   [bytes of the size asked for, mark]                      fewer, or JSON: it has no bytes
 *
 * A large message of which a stream sends the same again and again is made once: its number is
 * PTL_BENCH_UNNUMBERED, and who takes it counts.
 *
 * In the database the value is the second form as an array.  A *stream* is a pair of ports, a
 * sender here and a receiver there, or a key; numbers run without a hole in each, from 0 on.
 */
#pragma once

#include "engine/portolan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PTL_BENCH_STREAMS_MAX ((uint32_t)1 << 21)

#define PTL_BENCH_UNNUMBERED (((uint64_t)1 << 42) - 1)

struct ptl_bench_mark {
    uint64_t number; /* below 2^42 */
    uint32_t stream; /* below PTL_BENCH_STREAMS_MAX */
    bool acknowledge;
};

static inline uint64_t ptl_bench_mark_pack(const struct ptl_bench_mark *mark)
{
    return mark->number << 22 | (uint64_t)mark->stream << 1 | (mark->acknowledge ? 1 : 0);
}

static inline struct ptl_bench_mark ptl_bench_mark_unpack(uint64_t packed)
{
    return (struct ptl_bench_mark){
        .number = packed >> 22,
        .stream = (uint32_t)(packed >> 1) & (PTL_BENCH_STREAMS_MAX - 1),
        .acknowledge = packed & 1,
    };
}

/* The mark of a message that carries one; an acknowledgement is a mark alone. */
static inline bool ptl_bench_mark_read(const struct ptl_msg *msg, struct ptl_bench_mark *mark)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;
    uint64_t packed;

    if (ptl_next(&cursor, &value) < 0 ||
        (value.type == PTL_ARRAY && ptl_next(&cursor, &value) < 0)) {
        return false;
    }
    if (value.type == PTL_BYTES && value.string.size >= sizeof packed) {
        memcpy(&packed, value.string.chars, sizeof packed);
        *mark = ptl_bench_mark_unpack(packed);
        return true;
    }
    if ((value.type == PTL_BYTES || value.type == PTL_TEXT) && ptl_next(&cursor, &value) < 0) {
        return false;
    }
    if (value.type != PTL_INT && value.type != PTL_UINT) {
        return false;
    }
    *mark = ptl_bench_mark_unpack(value.natural);
    return true;
}
