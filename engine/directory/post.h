/*
 * engine/directory/post.h - how shards tell each other of the database: ops in order, and links to
 * fail when even that cannot be.
 *
 *   post --ring has room--> the other shard
 *     '--full--> parcels, one queue a shard --as it has room: shard/untold.h--> ring
 *           '--no memory--> a bit: of the peer, or of its owner --> its link fails, and begins anew
 *
 * Thread: the shard's.
 */
#pragma once

#include "engine/directory/database.h"

/* The shard that has a family. */
unsigned ptl_directory_place(const struct ptl_shard *shard, struct ptl_span family);

/* The shard that owns the link to a node. */
unsigned ptl_directory_owner(const struct ptl_shard *shard, struct ptl_span node);

/*
 * Post an op of ours: it goes through the ring, or waits in order until there is room.  Not for
 * floods: what waits has no limit but that roles and links change rarely.
 */
void ptl_directory_post(struct ptl_shard *shard, unsigned to, const struct ptl_op *op);
void ptl_directory_post_all(struct ptl_shard *shard, const struct ptl_op *op);

/* Whether something waits for room in the ring to that shard: nothing may overtake it. */
bool ptl_directory_waits(const struct ptl_shard *shard, unsigned to);

/* Have the link of `node` failed: its database cannot be taken, or not be told. */
void ptl_directory_fail(struct ptl_shard *shard, struct ptl_span node, int err);

/* Something here needs the network's database: an ordinary node attaches, if it has not yet. */
void ptl_directory_need(struct ptl_shard *shard);

void ptl_directory_post_init(struct ptl_shard_directory *directory);

/* Free what waits: the shard is closing, or never ran. */
void ptl_directory_post_drop(struct ptl_shard *shard);
