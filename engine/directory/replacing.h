/*
 * engine/directory/replacing.h - what may be millions of entries and comes in: a whole database, a
 * family's whole copy, a long update.
 *
 *   link's owner --REPLACE, COPY--> begin --> entry, entry ... --> sweep --TAKEN--> link's owner
 *                --UPDATE, OWNED, CHANGE--> begin --> key, key ... (update.h) --TAKEN-->
 *                                      a slice a turn
 *
 * A whole copy replaces all entries that the peer had before.  What the same peer says behind it
 * must not be applied before it is in: so its link is not read until all shards that have a part of
 * it have said that they have taken theirs.  A peer has one at a time, therefore.
 *
 * What is wrong with an entry leaves it out, with a line in the log; what is wrong with the whole
 * costs the peer its link, and with that all of its entries.
 * Thread: the shard's.  Spec: design section 8, G7.
 */
#pragma once

#include "engine/directory/database.h"

struct ptl_replacing;

/* PTL_DIR_REPLACE and PTL_DIR_COPY. */
void ptl_replacing_take(struct ptl_shard *shard, const struct ptl_op *op);

/* PTL_DIR_UPDATE, PTL_DIR_OWNED and PTL_DIR_CHANGE: what is not long is taken at once. */
void ptl_replacing_take_update(struct ptl_shard *shard, const struct ptl_op *op);

/* Go on with those that are under way: a slice of them all. */
void ptl_replacings_work(struct ptl_shard *shard);

/* Its link is down: forget it, if there is one; what it has set goes as all does.  And all. */
void ptl_replacing_drop(struct ptl_shard *shard, struct ptl_peer *peer);
void ptl_replacings_drop(struct ptl_shard *shard);
