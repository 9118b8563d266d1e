/*
 * engine/link/telling.h - links that have failed begin anew, when all shards know.
 *
 *   FAILING --told: downs.h--> all shards --answered, leavings cleared--> DOWN
 *
 * Thread: the link owner's.  Spec: design G2.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_shard;

/* Whether all shards have answered to the failure that is told first: it may begin anew. */
bool ptl_links_answered(const struct ptl_shard *shard);

/*
 * A step of the turn: clear some of what failed links have left, and let those that all shards have
 * answered begin anew.
 */
uint64_t ptl_links_go_on(struct ptl_shard *shard);
