/*
 * engine/link/frames_in.h - frames come in as packets.
 *
 *   bytes --frame--> of a flow: its port's name, its values --> packet      the reverse of
 *         '--part of one, or of a message: kept                              frames_out.h
 *
 * A message that lies whole in the input is used where it lies.  What is about a port, or a request
 * of its own kind, becomes the packet that an AEMP node would have sent.
 *
 * Thread: that of its connection.  Spec: docs/wire.md.
 */
#pragma once

#include "engine/link/frame.h"
#include "engine/link/inflow.h"
#include "io/base.h"
#include "io/buffer.h"

struct ptl_packet;

/*
 * The words of requests that stand for frames which AEMP has not: ["", WORD, TAG, ...], and then
 * of MONITOR the port and its watcher, of DOWN the reason.
 */
#define PTL_REQUEST_MONITOR "portolan::monitor"
#define PTL_REQUEST_UNMONITOR "portolan::unmonitor"
#define PTL_REQUEST_DOWN "portolan::down"

/* What the peer is granted from the beginning: told in the greeting, and of no meaning before there
 * are credits. */
#define PTL_FLOW_ROOM 65536
#define PTL_LANE_ROOM 1048576

/* Only frames_in.c touches the fields, but `flow`, `fault` and `peer_code` may be read. */
struct ptl_frames_in {
    struct ptl_inflows flows;
    struct ptl_inflow node_port; /* flow 0 */
    struct ptl_inflow *flow;     /* of the last packet, a message in the input; or NULL */
    struct ptl_whole *taken;     /* what the last packet lies in */
    struct ptl_buffer cut; /* the beginning of a frame; all of it: what the last packet lies in */
    bool cut_taken;
    struct ptl_buffer made; /* a packet that was put together */
    uint64_t own_incarnation, peer_incarnation;
    size_t message_bytes_max;
    size_t in_pieces; /* bytes kept of what comes in pieces */
    size_t promised;  /* ... that it will have when it is whole */
    uint32_t current; /* the flow that a frame without a number is of */
    int32_t err;      /* the first error: for good */
    uint8_t fault;    /* PTL_EFRAME: enum ptl_frame_fault; 0: the peer says that we are at fault */
    uint32_t peer_code; /* ... and this is the code it gives */
};

void ptl_frames_in_init(struct ptl_frames_in *in, const struct ptl_allocator *allocator,
                        uint64_t own_incarnation, uint64_t peer_incarnation,
                        size_t message_bytes_max);

/*
 * As ptl_decoder_next() (io/framing.h).  Errors, for good: PTL_EFRAME, PTL_ENOMEM, PTL_EGOODBYE
 * (no fault: the peer ends the link, and all that it had to say was told before).
 * Owns: the packet's name and body are good until the next call.
 */
PTL_MUST_CHECK int ptl_frames_in_next(struct ptl_frames_in *in, struct ptl_span *input,
                                      struct ptl_packet *packet);

/* How many bytes of memory it holds of what has not come whole. */
size_t ptl_frames_in_held(const struct ptl_frames_in *in);

/* Give all memory back.  Allowed more than once. */
void ptl_frames_in_drop(struct ptl_frames_in *in);
