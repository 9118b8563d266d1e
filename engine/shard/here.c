#include "engine/shard/here.h"

#include "engine/shard/shard.h"

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
