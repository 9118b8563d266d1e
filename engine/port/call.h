/*
 * engine/port/call.h - calls to what is no port: a shard's part of the database.
 */
#pragma once

#include "engine/portolan.h"

/*
 * Ask shard `place` by an op of kind PTL_OP_DIRECTORY and this number: the values of `msg`, then
 * the ID of a reply port.  As ptl_call() without timeout and monitor; `tell` gets the result, or
 * the error that came instead of it.
 */
PTL_MUST_CHECK int ptl_call_directory(struct ptl_node *node, unsigned place, uint64_t number,
                                      const struct ptl_msg *msg, ptl_reply_fn *tell, void *data,
                                      ptl_release_fn *release);
