/*
 * tools/bench/flow.h - streams of one lane that are loaded alike: when each sends, and what comes
 * of it.
 *
 *   closed loop   a stream may have `window` messages under way; what is acknowledged is replaced
 *   open loop     the flow's schedule says when, its streams send in turn; latency counts from the
 *                 time that the schedule said, whenever the message could be sent
 *
 * A flow is touched by its lane's shard only.
 */
#pragma once

#include "tools/bench/clock.h"
#include "tools/bench/histogram.h"
#include "tools/bench/schedule.h"
#include "tools/bench/sizes.h"
#include "tools/bench/stream.h"

#define PTL_BENCH_BURST 256 /* messages in one go; then others on the shard have their turn */

struct ptl_bench_counts {
    uint64_t sent;
    uint64_t acked;
    uint64_t measured; /* acknowledged while it was measured */
    uint64_t measured_bytes;
    uint64_t refused;   /* ptl_send() found no room */
    uint64_t reordered; /* an acknowledgement that was not the next one */
    uint64_t unsent;    /* due by the schedule, and not sent before the end */
};

struct ptl_bench_deeds;
struct ptl_bench_flow;

/* How the streams of a flow do what they do. */
struct ptl_bench_means {
    /* Do it once.  Errors: PTL_EFULL (try again when there is room), or one that ends the flow. */
    int (*act)(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, size_t size,
               const struct ptl_bench_pending *pending);
    /* As ptl_on_room(), for what `act` found full. */
    int (*on_room)(struct ptl_bench_flow *flow, struct ptl_bench_stream *stream, ptl_room_fn *tell);
};

/* Messages to stream->to. */
extern const struct ptl_bench_means ptl_bench_messages;

struct ptl_bench_flow {
    const struct ptl_bench_means *means;
    struct ptl_node *node;
    const struct ptl_bench_clock *clock;
    const struct ptl_bench_sizes *sizes;
    struct ptl_bench_random random;
    struct ptl_bench_stream *streams; /* `count` of them */
    uint32_t count;
    uint32_t cursor; /* open loop: the one whose turn it is; at the end: the next to be flushed */
    bool is_open;
    bool is_plain; /* marks stand beside the bytes: see tools/bench/mark.h */
    bool is_same;  /* all are of one size, and each is to be acknowledged: each stream makes one */
    struct ptl_bench_schedule schedule;
    uint32_t window;   /* of one stream */
    uint64_t limit;    /* of all of them together */
    bool may_skip;     /* what a later number acknowledges is acknowledged too */
    bool is_unordered; /* acknowledgements come as they come, by ptl_bench_flow_complete() */
    uint32_t acknowledge_every;
    struct ptl_bench_stream *ready; /* closed loop: those that may send, first come first */
    struct ptl_bench_stream **ready_end;
    uint8_t *bytes; /* what messages carry, as large as the largest */
    size_t drawn;   /* size of the next message; a refused one is not drawn anew */
    bool is_drawn;
    bool is_blocked;   /* waits for room */
    bool is_finishing; /* nothing new is sent but what asks for the last acknowledgements */
    int err;           /* why it cannot go on, or 0 */
    struct ptl_bench_counts counts;
    struct ptl_histogram latency;
    struct ptl_histogram interval; /* since somebody last looked */
    struct ptl_histogram closed;   /* open loop: what a closed loop with one under way had seen */
    struct ptl_histogram late;     /* open loop: from when it was due until it was sent */
    void (*goes_on)(struct ptl_bench_flow *flow); /* called when there is room again */
    const struct ptl_bench_deeds *deeds;          /* what `means` acts by; messages need none */
    void *lane;
};

/*
 * Take `count` streams, whose `to` and `index` the caller then sets.  The rest of the fields above
 * `ready` is the caller's too.  False: no memory.
 */
bool ptl_bench_flow_init(struct ptl_bench_flow *flow, uint32_t count);

void ptl_bench_flow_free(struct ptl_bench_flow *flow);

/* All streams of a closed loop may send. */
void ptl_bench_flow_start(struct ptl_bench_flow *flow);

/* Send what may be sent, a burst at most.  True: there is more. */
bool ptl_bench_flow_pump(struct ptl_bench_flow *flow);

/* From now on nothing new is sent.  Pump until ptl_bench_flow_is_drained(). */
void ptl_bench_flow_finish(struct ptl_bench_flow *flow);

/* Whether it has finished and all is acknowledged. */
bool ptl_bench_flow_is_drained(const struct ptl_bench_flow *flow);

/* The handler of a stream's port here; `data` is the stream.  Then pumps by goes_on(). */
ptl_handler_fn ptl_bench_flow_take;

/* The acknowledgement of number `number` of a stream has come, in whatever way.  Then pumps. */
void ptl_bench_flow_acknowledge(struct ptl_bench_stream *stream, uint64_t number);

/* The same where is_unordered: `pending` is what `act` was given.  Then pumps. */
void ptl_bench_flow_complete(struct ptl_bench_stream *stream,
                             const struct ptl_bench_pending *pending);

/* What a message carries: the bytes asked for, with the mark in them or else beside. */
struct ptl_bench_body {
    const void *bytes;
    size_t size;
    uint64_t mark;
    bool is_beside;
};

struct ptl_bench_body ptl_bench_flow_body(struct ptl_bench_flow *flow,
                                          const struct ptl_bench_stream *stream, size_t size,
                                          bool acknowledge);
