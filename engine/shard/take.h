/*
 * engine/shard/take.h - operations that have come to a shard, by its rings and its inbox.
 *
 *   rings, inbox --record--> take --by its kind, struct ptl_tower--> ports, links, database
 *
 * What a record says is seen where it lies.  The short cut for what nearly all of them are, a small
 * message for a port here, goes by no table of kinds.
 */
#pragma once

#include "engine/shard/op.h"

struct ptl_shard;

/*
 * Steps of the turn (engine/shard/tower.h), none of them due again: first the shard looks how far
 * the rings reach, then the inbox is taken, then the rings up to there.
 */
uint64_t ptl_shard_look(struct ptl_shard *shard);
uint64_t ptl_shard_take_inbox(struct ptl_shard *shard);
uint64_t ptl_shard_take_rings(struct ptl_shard *shard);

/* An op has arrived at its shard. */
void ptl_shard_take(struct ptl_shard *shard, const struct ptl_op *op);

/* Free what an op points to: it will not be taken. */
void ptl_op_drop(struct ptl_shard *shard, const struct ptl_op *op);

/* Free what the inbox holds: the shard takes nothing more. */
void ptl_shard_drop_inbox(struct ptl_shard *shard);
