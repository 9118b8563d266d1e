/*
 * tools/bench/stream.h - one pair of ports: what was sent, what is under way, since when.
 *
 *   number  0 ........ acked ........ flagged ... sent
 *                      |-- under way, times kept --|      of the messages that are acknowledged
 *
 * A stream is touched by its lane's shard only.
 */
#pragma once

#include "engine/portolan.h"

struct ptl_bench_flow;

/* One message that is to be acknowledged. */
struct ptl_bench_pending {
    uint64_t number;
    uint64_t bytes; /* sent by this stream up to here */
    int64_t intended_ns;
    int64_t sent_ns;
    bool is_sample; /* a closed loop would have sent it */
};

struct ptl_bench_stream {
    struct ptl_bench_flow *flow;
    struct ptl_bench_stream *next_ready;
    struct ptl_port to;
    uint64_t sent;    /* messages; the number of the next one */
    uint64_t flagged; /* those up to the last one that asks for an acknowledgement */
    uint64_t acked;
    uint64_t told; /* a key: those up to the value that it was seen with last */
    uint64_t bytes_sent;
    uint64_t bytes_acked;
    struct ptl_bench_pending *pending; /* a ring; `capacity` is 0 or a power of two */
    uint32_t capacity;
    uint32_t first; /* positions only grow, and wrap */
    uint32_t end;
    struct ptl_msg *same; /* what it sends each time, where the flow is_same; NULL: not made yet */
    uint32_t index;       /* among all streams of the run */
    bool is_ready;        /* waits in its flow's queue to send */
    bool is_sampled;      /* a message of the closed loop is under way */
};

/* Remember one more.  False: no memory. */
bool ptl_bench_stream_push(struct ptl_bench_stream *stream,
                           const struct ptl_bench_pending *pending);

/* The oldest, or NULL.  Good until the next push or pop. */
const struct ptl_bench_pending *ptl_bench_stream_oldest(const struct ptl_bench_stream *stream);

void ptl_bench_stream_pop(struct ptl_bench_stream *stream);

void ptl_bench_stream_free(struct ptl_bench_stream *stream);
