/*
 * engine/directory/keep.h - which links the database wants kept, and which it wants failed.
 *
 * Thread: the link owner's.
 */
#pragma once

#include "engine/shard/op.h"

struct ptl_shard;

/* PTL_DIR_KEEP: the node is global, keep a link to it; PTL_DIR_LEAVE: nobody says so any more. */
void ptl_directory_take_keep(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_directory_take_leave(struct ptl_shard *shard, const struct ptl_op *op);

/* PTL_DIR_FAIL: what its node says could not be taken, or what it had to know is lost. */
void ptl_directory_take_fail(struct ptl_shard *shard, const struct ptl_op *op);
