/*
 * engine/link/observed_there.h - shards of ours observe ports of a link's node.
 *
 *   shard --PTL_OP_OBSERVE--> owner --mon1, MONITOR--> peer
 *   shard <--PTL_OP_DOWN--- owner <--kil0, DOWN-- peer
 *
 * By AEMP's requests the first observer of a port asks the peer, and the last one to leave takes
 * that back.  Over our own framing each asks by itself, and names the port for which it does, so
 * that the peer tells it behind all that was sent to that one (G5), which other flows do not delay.
 * Thread: the link owner's.  Spec: AEMP protocol 4; docs/wire.md, "Frames of a flow".
 */
#pragma once

#include "engine/port/port.h"
#include "engine/portolan.h"
#include "engine/shard/op.h"

struct ptl_bottleneck;
struct ptl_link;
struct ptl_shard;

/*
 * A shard observes a port there, and no longer: PTL_OP_OBSERVE, whose body is the watcher's name,
 * and PTL_OP_UNOBSERVE.  Both keep their place among what waits for the link.  Errors: PTL_ENOMEM.
 */
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

/* The same for the one observer of that number, by the peer's DOWN. */
PTL_MUST_CHECK int ptl_link_monitor_down(struct ptl_shard *shard, struct ptl_link *link,
                                         uint64_t number, const struct ptl_msg *reason,
                                         struct ptl_bottleneck *full);

/*
 * Tell one observer; `failure` is the number of the link's that it is told of, or 0.  Errors:
 * PTL_EFULL, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_observer_tell(struct ptl_shard *shard, struct ptl_observer observer,
                                     uint64_t failure, const struct ptl_msg *reason);
