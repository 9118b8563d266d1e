/*
 * engine/link/link_take.h - operations for ports of other nodes, as they come to the link's owner.
 * Thread: the link owner's.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/op.h"

struct ptl_link;
struct ptl_shard;

/*
 * An op for a port of another node.  Errors: PTL_ENOMEM; what is stale is lost, and that is none.
 */
PTL_MUST_CHECK int ptl_link_take(struct ptl_shard *shard, const struct ptl_op *op);

/* The link has come up: what waited for that is taken, in order.  Errors: as of a packet. */
PTL_MUST_CHECK int ptl_link_take_waiting(struct ptl_shard *shard, struct ptl_link *link);

/* The same for one that was accepted: where it cannot be taken, the link fails, and tells. */
void ptl_link_take_accepted(struct ptl_shard *shard, const struct ptl_op *op);
