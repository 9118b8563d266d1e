/*
 * engine/link/links.h - the link room's part in a shard: made, closed, quiet; and operations for
 * ports of other nodes, which go out by their links.
 */
#pragma once

#include "engine/shard/tower.h"

/* What links add to a shard's life. */
extern const struct ptl_part ptl_links_part;

/* An operation for a port of another node has come to the owner of the link there. */
void ptl_links_take(struct ptl_shard *shard, const struct ptl_op *op);

/* Fail the link to that node, if there is one; the second, only if it has failed since `known`. */
void ptl_links_fail(struct ptl_shard *shard, struct ptl_span node, int err);
void ptl_links_fail_once_more(struct ptl_shard *shard, struct ptl_span node, uint64_t known);
