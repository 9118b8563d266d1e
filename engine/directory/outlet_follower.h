/*
 * engine/directory/outlet_follower.h - outlets to the watchers of this node: what of a family its
 * programs watch is told to their followers (follower.h), a piece at a time.
 *
 * Thread: the family's shard.
 */
#pragma once

#include "engine/directory/outlet.h"

/* What a family watch looks at. */
enum ptl_watch_how { PTL_WATCH_ALL, PTL_WATCH_ONE, PTL_WATCH_BEGINNING };

/* PTL_DIR_WATCH: begin to tell a follower; without memory it is told to ask again. */
void ptl_outlet_take_watch(struct ptl_shard *shard, const struct ptl_op *op);

/* PTL_DIR_NEXT: it has taken what it was told; PTL_DIR_UNWATCH: it has ended. */
void ptl_outlet_take_next(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_outlet_take_unwatch(struct ptl_shard *shard, const struct ptl_op *op);
