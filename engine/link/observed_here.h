/*
 * engine/link/observed_here.h - a link's node observes ports of ours: a monitor of the link's each.
 *
 *   peer --mon1--> owner of the link --monitor--> port
 *   peer <--kil0-- owner of the link <--its end-- port
 *
 * Thread: the link owner's.  Spec: AEMP protocol 4.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

struct ptl_link;
struct ptl_shard;

/* The peer observes port `name` of ours.  Errors: PTL_ENOMEM, PTL_ENAME, those of a monitor. */
PTL_MUST_CHECK int ptl_link_peer_observes(struct ptl_shard *shard, struct ptl_link *link,
                                          struct ptl_span name);

/* It does so no longer. */
void ptl_link_peer_leaves(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);

/* Our port `name` is gone: the peer is told, if it observes it. */
void ptl_link_peer_died(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                        const struct ptl_msg *reason);
