/*
 * engine/link/backlogs.h - all that waits on a connection that speaks frames, by flows.
 *
 *   flow 1  [ frames ]         --.
 *   flow 2  [ FIRST, PIECE .. ]  +-- in fair turns, by bytes --> outbox, which is kept short
 *   flow 0  [ requests ]       --'
 *
 * Two things restrain turns.  What is in the making at the receiver at one time is bounded, so a
 * large message may have to wait until others have left (its flow is parked).  And what a flow
 * holds has a mark, over which it is full, and others are not.
 *
 * Thread: that of its connection.  Spec: docs/wire.md, "Pieces and turns"; design G5, G6.
 */
#pragma once

#include "engine/link/backlog.h"

/* Of the large bodies that one flow holds, this much weighs on the link, and what is beyond on the
 * flow alone: one large message refuses no other flow's small ones. */
#define PTL_BACKLOG_LARGE_WEIGHT ((size_t)65536)

/* A flow's has become full, or is no longer. */
typedef void ptl_backlog_full_fn(void *owner, struct ptl_backlog *backlog, bool full);

/* Only backlogs.c touches the fields, but anybody may read the first three. */
struct ptl_backlogs {
    size_t size;       /* bytes that wait */
    size_t unweighed;  /* ... of them, beyond what each flow's large bodies may weigh */
    uint64_t messages; /* ... for ports */
    const struct ptl_allocator *allocator;
    struct ptl_turns turns;
    struct ptl_list parked; /* what comes next in them may not begin yet */
    struct ptl_backlog node_port;
    uint64_t making, making_max; /* bytes of messages that have begun, and not left wholly */
    size_t flow_room;            /* a flow that holds more is full */
    ptl_backlog_full_fn *tell;   /* or NULL: nobody minds */
    void *owner;
};

/* `bytes_max`: of the largest message that the peer takes. */
void ptl_backlogs_init(struct ptl_backlogs *all, const struct ptl_allocator *allocator,
                       uint64_t bytes_max);

/* From now on a flow that holds more than `flow_room` bytes is full, until half of that is left;
 * `tell` is told. */
void ptl_backlogs_limit(struct ptl_backlogs *all, size_t flow_room, ptl_backlog_full_fn *tell,
                        void *owner);

/* Append a frame to a flow's.  Errors: PTL_ENOMEM; then nothing is appended. */
PTL_MUST_CHECK int ptl_backlogs_put(struct ptl_backlogs *all, struct ptl_backlog *backlog,
                                    const struct ptl_backlog_frame *frame);

/* The same for a message that fits where the flow's last frame is; False: it does not. */
bool ptl_backlogs_message(struct ptl_backlogs *all, struct ptl_backlog *backlog,
                          struct ptl_span head, struct ptl_span body);

/*
 * Fill the outbox up to `ahead` bytes, in fair turns.  `current` as of ptl_backlog_take().
 * Errors: PTL_ENOMEM; what was moved remains so.
 */
PTL_MUST_CHECK int ptl_backlogs_take(struct ptl_backlogs *all, struct ptl_outbox *outbox,
                                     uint32_t *current, size_t ahead);

/* Let everything go; the flows' own backlogs must have been dropped. */
void ptl_backlogs_drop(struct ptl_backlogs *all);
