#include "engine/shard/here.h"

#include "engine/shard/shard.h"

/*
 * A turn may begin within another one's where the simulator runs all shards on one thread:
 * ptl_shard_enter() returns what was there before, for whoever leaves to put it back.
 */
_Thread_local struct ptl_here ptl_here;

struct ptl_shard *ptl_shard_enter(struct ptl_shard *shard)
{
    struct ptl_shard *before = ptl_here.shard;

    ptl_here.node = shard == NULL ? NULL : shard->node;
    ptl_here.shard = shard;
    return before;
}
