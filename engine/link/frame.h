/*
 * engine/link/frame.h - one frame of our own framing: bytes to fields, and fields to bytes.
 *
 *   [ kind | number | length | (flow) | (parts) (count) fields ] [ body ]
 *     '------------------ ptl_frame_head() ------------------'    follows as it is
 *
 * No memory, no state: which flow is the current one, and what a kind means, is for others.  A
 * frame is never longer than PTL_FRAME_SIZE_MAX, so of a cut one nobody needs to keep more.
 *
 * Thread: any.  Spec: docs/wire.md.
 */
#pragma once

#include "engine/message/name.h"
#include "io/base.h"
#include "io/err.h"

#define PTL_FRAME_START 4          /* bytes that tell how long a frame is */
#define PTL_FRAME_LENGTH_MAX 17408 /* bytes behind these */
#define PTL_FRAME_KIND_BITS 0x3f   /* of the first byte */
#define PTL_FRAME_HAS_PARTS 0x40
#define PTL_FRAME_HAS_FLOW 0x80
#define PTL_FRAME_COUNT_BEHIND 255 /* as number: the count stands behind the parts */
#define PTL_FRAME_SIZE_MAX (PTL_FRAME_START + PTL_FRAME_LENGTH_MAX)
#define PTL_FRAME_VALUES_MAX 16384 /* bytes of values in one frame, or of a piece */
#define PTL_FRAME_PARTS_MAX 255    /* bytes of all parts */
#define PTL_FRAME_PORT_MAX (2 + PTL_PORT_NAME_MAX)
#define PTL_FRAME_CREDIT_SIZE 8 /* one grant in CREDIT */
#define PTL_FRAME_HEAD_MAX                                                                         \
    (PTL_FRAME_START + 4 + 1 + PTL_FRAME_PARTS_MAX + 4 + 12 + PTL_FRAME_PORT_MAX)
#define PTL_FRAME_LANE UINT32_MAX /* in CREDIT: not a flow but the lane itself */

_Static_assert(PTL_FRAME_HEAD_MAX + PTL_FRAME_VALUES_MAX <= PTL_FRAME_SIZE_MAX,
               "all fit one frame");

enum ptl_frame_kind {
    PTL_FRAME_NONE,

    /* Of the link: they go first. */
    PTL_FRAME_HEARTBEAT,
    PTL_FRAME_OPEN,
    PTL_FRAME_CLOSE,
    PTL_FRAME_CLOSED,
    PTL_FRAME_CREDIT,
    PTL_FRAME_GOODBYE,
    PTL_FRAME_ERROR,

    /* Of a flow. */
    PTL_FRAME_MESSAGE = 16,
    PTL_FRAME_FIRST,
    PTL_FRAME_PIECE,
    PTL_FRAME_KILL,
    PTL_FRAME_MONITOR,
    PTL_FRAME_UNMONITOR,
    PTL_FRAME_DOWN,
    PTL_FRAME_SPAWN,

    /* Requests to the node port; which is which: docs/wire.md. */
    PTL_FRAME_REQUESTS = 32,
    PTL_FRAME_KINDS = 64,
};

/* What is wrong with a frame, by the code that ERROR tells the peer. */
enum ptl_frame_fault {
    PTL_FAULT_NONE,
    PTL_FAULT_HEAD,   /* its head, or the fields of its kind */
    PTL_FAULT_FLOW,   /* a flow that is not open, or is */
    PTL_FAULT_LANE,   /* a port of another lane */
    PTL_FAULT_PIECES, /* a piece without a first one, or too much of them */
    PTL_FAULT_SIZE,   /* more than the receiver takes */
    PTL_FAULT_BODY,   /* values that are none */
    PTL_FAULT_CREDIT, /* more than was granted */
    PTL_FAULT_MEMORY, /* not the peer's */
};

enum ptl_frame_port_type {
    PTL_FRAME_PORT_NODE,  /* the node port */
    PTL_FRAME_PORT_MADE,  /* node-made: by number */
    PTL_FRAME_PORT_NAMED, /* by name */
};

struct ptl_frame_port {
    uint8_t type;         /* enum ptl_frame_port_type */
    uint64_t number;      /* MADE */
    struct ptl_span name; /* NAMED: 1 to PTL_PORT_NAME_MAX bytes, UTF-8 */
};

struct ptl_frame {
    uint8_t kind;       /* enum ptl_frame_kind, or one of a later version */
    uint8_t fault;      /* enum ptl_frame_fault: as a frame by itself; then no other field counts */
    bool has_flow;      /* it has a flow's number */
    uint8_t whole_kind; /* FIRST: of what it is the first piece */
    uint32_t flow;      /* has_flow */
    uint32_t count;     /* values in the body; FIRST: in the whole one */
    uint32_t number;    /* OPEN, CLOSE, CLOSED: the flow; ERROR: the code */
    uint64_t tag;       /* MONITOR, UNMONITOR, DOWN; FIRST: the whole body's bytes */
    struct ptl_frame_port port; /* OPEN: of the receiver; MONITOR: the watcher, of the sender */
    struct ptl_span parts;      /* one after another, without the byte before them */
    struct ptl_span body;       /* values, the bytes of a piece, grants, text; what else is left */
};

/* Whether these kinds, a bit each, are frames that this version knows. */
#define PTL_FRAME_BIT(kind) (UINT64_C(1) << (kind))

/*
 * Read the frame at the front of `bytes`.  Returns its size; 0: it is cut, come again with more.
 * Of kinds that are not in `known` only the head is looked at: to be stepped over.  Whether values
 * are values is not looked at.  With a fault the size may be 0, too.
 * Owns: spans lie in `bytes`.
 */
PTL_MUST_CHECK size_t ptl_frame_read(struct ptl_span bytes, uint64_t known,
                                     struct ptl_frame *frame);

/* A message as it lies in the input: see below. */
struct ptl_frame_message {
    uint32_t flow; /* as the current one, if the frame has no number */
    uint32_t count;
    struct ptl_span body;
};

/*
 * The short way of what nearly all frames are: read the one at the front of `bytes` if it is a
 * small message, whole and without parts; of the flow `current` if it does not say.  Returns its
 * size; 0: it is something else, or something is wrong with it.
 */
static inline size_t ptl_frame_read_message(struct ptl_span bytes, uint32_t current,
                                            struct ptl_frame_message *message)
{
    const uint8_t *at = bytes.bytes;

    if (bytes.size < PTL_FRAME_START ||
        (at[0] & (PTL_FRAME_KIND_BITS | PTL_FRAME_HAS_PARTS)) != PTL_FRAME_MESSAGE ||
        at[1] == PTL_FRAME_COUNT_BEHIND) {
        return 0;
    }
    size_t head = PTL_FRAME_START + ((at[0] & PTL_FRAME_HAS_FLOW) != 0 ? 4 : 0);
    size_t size = PTL_FRAME_START + ((size_t)at[2] | (size_t)at[3] << 8);
    if (bytes.size < size || size < head || size - head > PTL_FRAME_VALUES_MAX) {
        return 0;
    }
    message->flow = head == PTL_FRAME_START ? current
                                            : (uint32_t)at[4] | (uint32_t)at[5] << 8 |
                                                  (uint32_t)at[6] << 16 | (uint32_t)at[7] << 24;
    message->count = at[1];
    message->body = ptl_span(at + head, size - head);
    return size;
}

/* The reverse of that: what stands before the body, with the flow's number or without; returns its
 * bytes. */
static inline size_t ptl_frame_message_head(uint32_t flow, bool has_flow, uint32_t count,
                                            size_t body_size, uint8_t out[PTL_FRAME_START + 4])
{
    size_t length = body_size + (has_flow ? 4 : 0);

    out[0] = (uint8_t)(PTL_FRAME_MESSAGE | (has_flow ? PTL_FRAME_HAS_FLOW : 0));
    out[1] = (uint8_t)count;
    out[2] = (uint8_t)length;
    out[3] = (uint8_t)(length >> 8);
    for (unsigned i = 0; i < 4; i++) {
        out[PTL_FRAME_START + i] = (uint8_t)(flow >> (8 * i));
    }
    return PTL_FRAME_START + (has_flow ? 4 : 0);
}

/*
 * Write all that stands before the body, which is `body_size` bytes and follows as it is; returns
 * its bytes.  `frame->body` does not count.
 */
size_t ptl_frame_head(const struct ptl_frame *frame, size_t body_size,
                      uint8_t out[static PTL_FRAME_HEAD_MAX]);

/*
 * In pieces goes all that stands behind the count in one frame: a kind's fields, which
 * ptl_frame_fields() writes, and then the values.  Put together again ptl_frame_read_whole() reads
 * it, and may find a fault.
 */
#define PTL_FRAME_FIELDS_MAX (12 + PTL_FRAME_PORT_MAX)
bool ptl_frame_goes_in_pieces(unsigned kind);
size_t ptl_frame_fields(const struct ptl_frame *frame, uint8_t out[static PTL_FRAME_FIELDS_MAX]);
void ptl_frame_read_whole(unsigned kind, uint32_t count, struct ptl_span whole,
                          struct ptl_frame *frame);

/* Take the next part off the front of a frame's parts.  False: there is none. */
bool ptl_frame_next_part(struct ptl_span *parts, uint8_t *type, struct ptl_span *part);

/* Grant `index` in the body of CREDIT, which has body.size / PTL_FRAME_CREDIT_SIZE of them. */
void ptl_frame_credit(struct ptl_span body, size_t index, uint32_t *flow, uint32_t *limit);
void ptl_frame_put_credit(uint8_t out[static PTL_FRAME_CREDIT_SIZE], uint32_t flow, uint32_t limit);
