/*
 * engine/link/peer_full.h - which ports are full, as a link's owner keeps it: ports of ours that
 * the peer has been told of, and ports of the peer's.
 *
 * What is said about them on the wire is peer_room.h; what waits for one here, flow_full.h.
 * Names cost memory: at most PTL_PEER_FULL_MAX on either side.  Thread: the link owner's.
 */
#pragma once

#include "engine/port/fullness.h"
#include "engine/portolan.h"
#include "io/base.h"

struct ptl_link;
struct ptl_shard;

/* Ports of one node that another one takes for full, and is told of. */
#define PTL_PEER_FULL_MAX 4096

/* Whether the peer knows that our port `name` is full. */
bool ptl_peer_is_told(const struct ptl_link *link, struct ptl_span name);

/* It knows now (it did not); and no longer: false when it did not.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_peer_told(struct ptl_shard *shard, struct ptl_link *link,
                                 struct ptl_span name);
bool ptl_peer_told_no_more(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);

/* Why a port of the peer's is full; for each reason by itself it may be so. */
enum ptl_peer_full_why {
    PTL_FULL_THERE = 1, /* the peer has said so */
    PTL_FULL_HERE = 2,  /* too much waits here for that port */
};

/* Whether nothing is known of the peer's port `name`, and of so many others that it may not be. */
bool ptl_peer_full_is_crowded(const struct ptl_link *link, struct ptl_span name);

/*
 * The peer's port `name` is full, or for that reason no longer; its senders are told when that
 * changes something.  Errors: PTL_ENOMEM (of full ones: it is not).
 */
PTL_MUST_CHECK int ptl_peer_full_set(struct ptl_shard *shard, struct ptl_link *link,
                                     struct ptl_span name, enum ptl_peer_full_why why);
void ptl_peer_full_clear(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                         enum ptl_peer_full_why why);

/* The link is lost: whoever waits for one of its ports may go on, and learns it in another way. */
void ptl_peer_full_reset(struct ptl_shard *shard, struct ptl_link *link);

/* Free what all shards have been told of.  True: nothing is left. */
bool ptl_peer_full_sweep(struct ptl_shard *shard, struct ptl_link *link);

/* Free all: the shard is closing. */
void ptl_peer_full_drop(struct ptl_shard *shard, struct ptl_link *link);
