/*
 * engine/link/links.h - the link room's part in a shard: made, closed, quiet.
 */
#pragma once

#include "engine/shard/tower.h"

/* What links add to a shard's life. */
extern const struct ptl_part ptl_links_part;

/* Fail the link to that node, if there is one; the second, only if it has failed since `known`. */
void ptl_links_fail(struct ptl_shard *shard, struct ptl_span node, int err);
void ptl_links_fail_once_more(struct ptl_shard *shard, struct ptl_span node, uint64_t known);
