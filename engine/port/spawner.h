/*
 * engine/port/spawner.h - which other nodes have made how many of a shard's ports.
 *
 * A spawned port outlives its spawner, and the link to it: that is what it is for.  So it counts
 * for that node until it dies, whatever becomes of the link, and all of them count together, since
 * who may join may join under many IDs.  Thread: the shard's.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/map.h"
#include "io/base.h"

struct ptl_shard;

/* A node that has made some. */
struct ptl_spawner {
    uint64_t hash;
    uint32_t ports; /* alive, of this shard */
    uint32_t id_size;
    char id[PTL_NODE_ID_MAX];
};

struct ptl_spawners {
    struct ptl_map by_id;
    uint32_t ports; /* of all of them */
};

void ptl_spawners_init(struct ptl_spawners *spawners, const struct ptl_allocator *allocator);
void ptl_spawners_drop(struct ptl_spawners *spawners);

/*
 * Count one more port of that node's.  Each is given back when it has died.
 * Errors: PTL_ELIMIT, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_spawner_take(struct ptl_shard *shard, struct ptl_span node,
                                    struct ptl_spawner **spawner);
void ptl_spawner_give(struct ptl_shard *shard, struct ptl_spawner *spawner);
