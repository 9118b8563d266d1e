#include "engine/shard/here.h"

#include "engine/shard/shard.h"

/*
 * The shard that has its turn on this thread; NULL on a thread of the program. A turn may begin
 * within another one's where the simulator runs all shards on one thread: ptl_shard_enter() returns
 * what was there before, for whoever leaves to put it back.
 */
static _Thread_local struct ptl_shard *turning;

struct ptl_shard *ptl_shard_here(const struct ptl_node *node)
{
    return turning != NULL && turning->node == node ? turning : NULL;
}

struct ptl_shard *ptl_shard_enter(struct ptl_shard *shard)
{
    struct ptl_shard *before = turning;

    turning = shard;
    return before;
}
