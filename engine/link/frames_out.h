/*
 * engine/link/frames_out.h - packets go out as frames.
 *
 *   ["echo", 1, 2]          MESSAGE on echo's flow (OPEN before the first one)
 *   ["", "kil1", "echo"]    KILL on the same
 *   ["", "g_upd", ...]      a request of its own kind
 *   ["", ""]                HEARTBEAT
 *
 * What has no frame of its own goes as a message to the node port, word and all.
 *
 * While the outbox is short, small frames go there at once.  What is large, and all that comes
 * while others wait, waits for its turn in its flow's backlog; the outbox is filled from there.
 *
 * Thread: that of its connection.  Spec: docs/wire.md.
 */
#pragma once

#include "engine/link/backlogs.h"
#include "engine/link/outflow.h"
#include "engine/portolan.h"
#include "io/base.h"

struct ptl_outbox;

/*
 * Bytes that an outbox is filled with: what is in it goes out in that order, whatever comes, so it
 * is short; and long enough to be worth a call of the kernel.  Six pieces, and what stands around
 * those of a round size: with four a stream of 1 MiB messages lost a quarter of its rate, with
 * eight a small message beside 64 MiB ones came half as late again.
 */
#ifdef PTL_SIMULATED
#define PTL_FRAMES_AHEAD ((size_t)2048) /* so that something waits, now and then */
#else
#define PTL_FRAMES_AHEAD ((size_t)99328)
#endif

/* Only frames_out.c touches the fields, but what waits may be read. */
struct ptl_frames_out {
    struct ptl_outflows flows;
    struct ptl_backlogs waiting;
    uint64_t own_incarnation, peer_incarnation;
    uint32_t current;     /* the flow that a frame without a number is of */
    uint64_t round_at_ns; /* when the hand may begin another round */
};

/* The peer allows so many flows, and takes no larger messages. */
void ptl_frames_out_init(struct ptl_frames_out *out, const struct ptl_allocator *allocator,
                         uint64_t own_incarnation, uint64_t peer_incarnation, uint64_t flows_max,
                         uint64_t bytes_max);

/*
 * Append one packet, as ptl_outbox_packet() does, or have it wait for its turn.  Errors:
 * PTL_ENOMEM; then no part of it is appended, but perhaps frames that say nothing by themselves.
 */
PTL_MUST_CHECK int ptl_frames_out_packet(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                                         struct ptl_span name, struct ptl_span body, uint32_t count,
                                         const struct ptl_msg *whole);

/*
 * The short way of a small message to a port, in an open flow.  False, and nothing is done: it is
 * not that, or there is no room at hand.
 */
bool ptl_frames_out_message(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                            struct ptl_span name, struct ptl_span body, uint32_t count);

/*
 * Append MONITOR, or UNMONITOR, of the peer's port `name`: by that tag, and for that port of ours
 * (empty: for none).  Append DOWN, which answers to the peer's MONITOR with that tag: behind all
 * that was sent to the port `watcher` of the peer's (empty: to none).  Errors: as of a packet.
 */
PTL_MUST_CHECK int ptl_frames_out_monitor(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                                          struct ptl_span name, uint64_t tag,
                                          struct ptl_span watcher);
PTL_MUST_CHECK int ptl_frames_out_unmonitor(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                                            struct ptl_span name, uint64_t tag);
PTL_MUST_CHECK int ptl_frames_out_down(struct ptl_frames_out *out, struct ptl_outbox *outbox,
                                       uint64_t tag, struct ptl_span watcher,
                                       struct ptl_span reason, uint32_t count);

/* Fill the outbox with what waits.  Errors: PTL_ENOMEM; what was moved remains so. */
PTL_MUST_CHECK int ptl_frames_out_fill(struct ptl_frames_out *out, struct ptl_outbox *outbox);

/* Time has passed: close some of what has been idle for long. */
void ptl_frames_out_tick(struct ptl_frames_out *out, struct ptl_outbox *outbox, uint64_t now_ns);

/* Append ERROR with that code (enum ptl_frame_fault), or GOODBYE: nothing follows behind either. */
PTL_MUST_CHECK int ptl_frames_out_error(struct ptl_outbox *outbox, unsigned code);
PTL_MUST_CHECK int ptl_frames_out_goodbye(struct ptl_outbox *outbox);

void ptl_frames_out_drop(struct ptl_frames_out *out);
