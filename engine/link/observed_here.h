/*
 * engine/link/observed_here.h - a link's node observes ports of ours: a monitor of the link's each.
 *
 *   peer --mon1, MONITOR--> owner of the link --monitor--> port
 *   peer <--kil0, DOWN----- owner of the link <--its end-- port
 *
 * By AEMP's requests the peer observes a port once; by our own frames as often as it has watchers
 * for it, each with a tag.  It has at most so many in all (monitors_max): beyond that it is told at
 * once that it cannot observe.
 *
 * Thread: the link owner's.  Spec: AEMP protocol 4; docs/wire.md, "Frames of a flow".
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

struct ptl_link;
struct ptl_monitoring;
struct ptl_shard;

/*
 * The peer observes that port of ours; the same with a tag, and for the port `watcher` of its own
 * (empty: for none).  Errors: PTL_ENOMEM, those of a monitor.
 */
PTL_MUST_CHECK int ptl_link_peer_observes(struct ptl_shard *shard, struct ptl_link *link,
                                          const struct ptl_port *target);
PTL_MUST_CHECK int ptl_link_peer_monitors(struct ptl_shard *shard, struct ptl_link *link,
                                          const struct ptl_port *target, uint64_t tag,
                                          struct ptl_span watcher);

/* It does so no longer. */
void ptl_link_peer_leaves(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);
void ptl_link_peer_unmonitors(struct ptl_shard *shard, struct ptl_link *link, uint64_t tag);

/* The port of that monitor is gone: the peer is told.  As struct ptl_port_outside's `died`. */
void ptl_link_peer_port_died(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                             const struct ptl_msg *reason);
