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

struct ptl_bench_flow {
    struct ptl_node *node;
    const struct ptl_bench_clock *clock;
    const struct ptl_bench_sizes *sizes;
    struct ptl_bench_random random;
    struct ptl_bench_stream *streams; /* `count` of them */
    uint32_t count;
    uint32_t cursor; /* open loop: the one whose turn it is; at the end: the next to be flushed */
    bool is_open;
    bool is_plain; /* marks stand beside the bytes: see tools/bench/mark.h */
    struct ptl_bench_schedule schedule;
    uint32_t window;
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
    void (*goes_on)(struct ptl_bench_flow *flow); /* called when there is room again */
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
