/*
 * engine/link/observed_there.h - shards of ours observe ports of a link's node.
 *
 *   shard --PTL_OP_OBSERVE--> owner --mon1--> peer
 *   shard <--PTL_OP_DOWN--- owner <--kil0-- peer
 *
 * The first observer of a port asks the peer, the last one to leave takes that back.
 * Thread: the link owner's.  Spec: AEMP protocol 4.
 */
#pragma once

#include "engine/port/port.h"
#include "engine/portolan.h"
#include "engine/shard/op.h"

struct ptl_bottleneck;
struct ptl_link;
struct ptl_shard;

/* A shard observes a port there, and no longer: PTL_OP_OBSERVE and PTL_OP_UNOBSERVE.  Errors:
 * PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_link_observe(struct ptl_shard *shard, struct ptl_link *link,
                                    const struct ptl_op *op);
PTL_MUST_CHECK int ptl_link_unobserve(struct ptl_shard *shard, struct ptl_link *link,
                                      const struct ptl_op *op);

/*
 * The peer says that its port `name` is gone: PTL_OP_DOWN to whoever observes it.  Errors:
 * PTL_EFULL when a shard has no room for that now (*full says which; come again), PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_link_port_down(struct ptl_shard *shard, struct ptl_link *link,
                                      struct ptl_span name, const struct ptl_msg *reason,
                                      struct ptl_bottleneck *full);

/*
 * Tell one observer; `failure` is the number of the link's that it is told of, or 0.  Errors:
 * PTL_EFULL, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_observer_tell(struct ptl_shard *shard, struct ptl_observer observer,
                                     uint64_t failure, const struct ptl_msg *reason);
