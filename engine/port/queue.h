/*
 * engine/port/queue.h - what waits at a port, in order: operations, and notices of its monitors.
 *
 *   parcels   [ 7 ] -> [ 8 ] -> [ 9 ]          each in a block of memory of its own
 *   notices   [before 8] -> [before 10]        each in its monitor: to wait needs no memory
 *
 * Parcels are numbered as they come; a notice stands behind those that were there before it.
 * Thread: the shard's.
 */
#pragma once

#include "engine/shard/list.h"
#include "engine/shard/op.h"

/* A monitor that has fired, as it waits at its port.  Embedded in it. */
struct ptl_notice {
    struct ptl_list listed;
    uint64_t before;        /* the number of the parcel that it stands before */
    uint64_t failure;       /* not 0: of a link, with this number */
    struct ptl_msg *reason; /* a hold on it; NULL: there was no memory */
};

/* Only engine/port/queue.c touches the fields. */
struct ptl_queue {
    struct ptl_parcel *first, *last;
    uint64_t first_number, next_number; /* of parcels; they may wrap */
    struct ptl_list notices;
    uint64_t weight; /* bytes */
};

/* What stands first: one of the two is not NULL, unless the queue is empty. */
struct ptl_queued {
    struct ptl_parcel *parcel;
    struct ptl_notice *notice;
};

void ptl_queue_init(struct ptl_queue *queue);

static inline bool ptl_queue_empty(const struct ptl_queue *queue)
{
    return queue->first == NULL && ptl_list_empty(&queue->notices);
}

/* Bytes that wait, with those of the messages and reasons that are held. */
static inline uint64_t ptl_queue_weight(const struct ptl_queue *queue)
{
    return queue->weight;
}

/* Put it behind all others; `first`: before all others.  Owns: the queue. */
void ptl_queue_put(struct ptl_queue *queue, struct ptl_parcel *parcel, bool first);
void ptl_queue_put_notice(struct ptl_queue *queue, struct ptl_notice *notice, bool first);

/* What stands first, and stays there; and taken out of the queue, for the caller to own. */
struct ptl_queued ptl_queue_first(const struct ptl_queue *queue);
struct ptl_queued ptl_queue_take(struct ptl_queue *queue);
