/*
 * engine/port/flow.h - what waits at a port, in its order: ops in parcels, and notices of its
 * monitors; and what the shards are told of how much that is.  Thread: the shard's.
 */
#pragma once

#include "engine/port/monitoring.h"
#include "engine/port/port.h"
#include "engine/port/queue.h"

/* Whether something waits there: what comes now then waits behind it. */
static inline bool ptl_flow_waits(const struct ptl_slot *slot)
{
    return slot->more != NULL && !ptl_queue_empty(&slot->more->queue);
}

/* Whose notice it is. */
static inline struct ptl_monitoring *ptl_flow_monitoring(struct ptl_notice *notice)
{
    return ptl_container(notice, struct ptl_monitoring, notice);
}

/*
 * A kill waits at the port: what comes behind it would be dropped with the port, and is dropped
 * now, so that only one kill ever waits.  Notices stay, for what the port sends until then: see
 * ptl_port_pending_failure().
 */
static inline bool ptl_flow_is_doomed(const struct ptl_port_more *more)
{
    return more != NULL && more->doomed;
}

/* Put it behind all others; `first`: back to the front. */
void ptl_flow_put(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_parcel *parcel,
                  bool first);
void ptl_flow_put_notice(struct ptl_shard *shard, struct ptl_monitoring *monitoring, bool first);

/* Take the first, where something waits. */
struct ptl_queued ptl_flow_take(struct ptl_shard *shard, struct ptl_port_more *more);

/* The port runs in its turn, if something waits there and it does not wait itself. */
void ptl_flow_make_ready(struct ptl_shard *shard, struct ptl_port_more *more);

/* Tell the shards, if it is full or is not any more. */
void ptl_flow_weigh(struct ptl_shard *shard, struct ptl_slot *slot);

/* An op is dropped with the port that it was for, or not even taken. */
void ptl_flow_drop_op(struct ptl_shard *shard, const struct ptl_op *op);

/* Drop the first that waits, where something does. */
void ptl_flow_drop_first(struct ptl_shard *shard, struct ptl_port_more *more);
