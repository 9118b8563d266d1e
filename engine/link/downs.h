/*
 * engine/link/downs.h - shards are told of links that have failed, each in the order of the
 * failures.
 *
 *   failing links   [ 7 ] -> [ 8 ] -> [ 9 ]
 *                     ^        ^
 *   shard 0 is told --'        '-- shard 1 is, as the rings have room (engine/shard/untold.h)
 *
 * Thread: the link owner's.  Spec: design G2.
 */
#pragma once

#include <stdbool.h>

struct ptl_link;
struct ptl_shard;

/* This link is the last that has failed: all shards have to be told. */
void ptl_link_tell_failed(struct ptl_shard *shard, struct ptl_link *link);

/* Whether all shards have been, of this and those before it. */
bool ptl_link_failure_is_told(const struct ptl_shard *shard, const struct ptl_link *link);
