/*
 * engine/port/call.h - calls to what is no port: a shard's part of the database.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/op.h"

/*
 * Ask the database of shard `place` in these words: the values of `msg`, then the ID of a reply
 * port.  As ptl_call() without timeout and monitor; `tell` gets the result, or the error that came
 * instead of it.
 */
PTL_MUST_CHECK int ptl_call_shard(struct ptl_node *node, unsigned place,
                                  const struct ptl_op_words *words, const struct ptl_msg *msg,
                                  ptl_reply_fn *tell, void *data, ptl_release_fn *release);
