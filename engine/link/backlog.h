/*
 * engine/link/backlog.h - what waits for its turn in one flow: frames, in order.
 *
 *   [ frames | frames | ... ] -> [ head of FIRST, a large body, held ] -> [ frames ]
 *     ^ leaves from here, a few frames or one piece at a time
 *
 * The frames are written without their flow's number, which only the first one of a turn needs.  A
 * large body stays where it is, and the heads of its pieces are made as they leave.
 *
 * Thread: that of its connection.  Spec: docs/wire.md, "Pieces and turns".
 */
#pragma once

#include "engine/link/turns.h"
#include "engine/portolan.h"
#include "io/base.h"

struct ptl_backlog_item;
struct ptl_outbox;

/* Only backlog.c and backlogs.c touch the fields, but anybody may see whether `size` is 0. */
struct ptl_backlog {
    struct ptl_turn turn;
    struct ptl_backlog_item *first, *last;
    size_t size;     /* bytes that wait */
    size_t large;    /* ... of bodies that go in pieces */
    uint32_t number; /* the flow's */
    bool full;       /* it holds more than a flow may, or has not left half of that since */
};

/* A frame to be: what stands before its body, without a flow's number, and the body. */
struct ptl_backlog_frame {
    struct ptl_span head;
    struct ptl_span body;
    uint32_t count;              /* values in the body */
    const struct ptl_msg *whole; /* NULL, or the message that the body is, or is the end of */
    size_t whole_size;           /* the head is one of FIRST, which tells of so much; else 0 */
    size_t first_size;           /* ... and comes with so much of the body */
    bool is_message;             /* for a port */
};

/* What has left. */
struct ptl_backlog_step {
    size_t bytes;      /* of `size` */
    size_t whole_size; /* something in pieces of so many bytes has left wholly; else 0 */
    uint32_t messages; /* for ports, that have left wholly */
};

void ptl_backlog_init(struct ptl_backlog *backlog, uint32_t number);

/* Append one.  Errors: PTL_ENOMEM; then nothing is appended. */
PTL_MUST_CHECK int ptl_backlog_put(struct ptl_backlog *backlog,
                                   const struct ptl_allocator *allocator,
                                   const struct ptl_backlog_frame *frame);

/* The same for a message that fits the chunk at the end.  False: it does not. */
bool ptl_backlog_message(struct ptl_backlog *backlog, struct ptl_span head, struct ptl_span body);

/* The bytes of the message in pieces that begins with the next frame; 0: none does. */
size_t ptl_backlog_begins(const struct ptl_backlog *backlog);

/*
 * Move some frames to the outbox, one at least: there must be one; and no further one when so many
 * bytes have been moved.  `current` is the flow that a frame without a number is of there.
 * Errors: PTL_ENOMEM; then nothing is moved.
 */
PTL_MUST_CHECK int ptl_backlog_take(struct ptl_backlog *backlog, struct ptl_outbox *outbox,
                                    uint32_t *current, size_t bytes_max,
                                    struct ptl_backlog_step *step);

/* Let everything go. */
void ptl_backlog_drop(struct ptl_backlog *backlog);
