/*
 * engine/directory/directory.h - the replicated database in a node: every shard has a part, by
 * family.
 *
 *   ports, threads --SET, ASK, WATCH--> the family's shard: store --outlets--> watchers, peers
 *   a peer's link ----REPLACE, UPDATE ...----^                        (outlet.h)
 *
 * Who asks and who answers sit on different shards, so everything is an op (PTL_OP_DIRECTORY) to
 * the shard that has the family; what concerns a whole node goes to all shards.  The owner of a
 * link reads the peer's requests (request.h); shard 0 decides on our role (role_choice.h).
 *
 * This is the top of the room: it knows each op's taker, what is worked off in a turn, and how a
 * shard's part begins and ends.  What it keeps stands in database.h.
 *
 * Thread: the shard's.  Spec: design section 8 and G7; AEMP protocol 5.
 */
#pragma once

#include "engine/directory/database.h"

struct ptl_part;

/* What the database adds to a shard's life. */
extern const struct ptl_part ptl_directory_part;

/* An op of kind PTL_OP_DIRECTORY. */
void ptl_directory_take(struct ptl_shard *shard, const struct ptl_op *op);

/* The link to that node has failed: what came through it is gone. */
void ptl_directory_link_down(struct ptl_shard *shard, struct ptl_span node);

/* A step of the turn: tell what is to be told, a slice of it. */
uint64_t ptl_directory_work(struct ptl_shard *shard);

/* The node stops: questions that wait are answered with that. */
void ptl_directory_stop(struct ptl_shard *shard);
