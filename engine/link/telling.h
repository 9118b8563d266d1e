/*
 * engine/link/telling.h - shards are told of links that have failed, and the links begin anew.
 *
 *   FAILING --told--> all shards --answered, leavings cleared--> DOWN
 *
 * Thread: the link owner's.  Spec: design G2.
 */
#pragma once

#include <stdbool.h>

struct ptl_shard;

/*
 * Tell shards of failures that could not be told yet, and let links whose failure all shards have
 * answered begin anew.  Returns whether some are left.
 */
bool ptl_links_tell(struct ptl_shard *shard);
