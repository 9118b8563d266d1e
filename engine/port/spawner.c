#include "engine/port/spawner.h"

#include "engine/message/name.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

static bool same_node(const void *entry, struct ptl_span node)
{
    const struct ptl_spawner *spawner = entry;
    return ptl_span_equal(ptl_span(spawner->id, spawner->id_size), node);
}

void ptl_spawners_init(struct ptl_spawners *spawners, const struct ptl_allocator *allocator)
{
    ptl_map_init(&spawners->by_id, allocator);
    spawners->ports = 0;
}

void ptl_spawners_drop(struct ptl_spawners *spawners)
{
    ptl_assert(spawners->by_id.count == 0); /* their ports are gone */
    ptl_map_drop(&spawners->by_id);
}

/* A shard's part of a limit of the node: names fall to shards by chance. */
static uint32_t part_of(const struct ptl_shard *shard, unsigned limit)
{
    unsigned shards = shard->node->shard_count;

    return limit / shards + (limit % shards != 0);
}

static struct ptl_spawner *get(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_map *map = &shard->ports->spawners.by_id;
    uint64_t hash = ptl_name_hash(node);
    struct ptl_spawner *spawner = ptl_map_find(map, hash, same_node, node);

    if (spawner != NULL || ptl_map_reserve(map) < 0) {
        return spawner;
    }
    spawner = ptl_alloc(shard->allocator, sizeof(*spawner));
    if (spawner != NULL) {
        ptl_assert(node.size <= sizeof(spawner->id));
        spawner->hash = hash;
        spawner->id_size = (uint32_t)node.size;
        memcpy(spawner->id, node.bytes, node.size);
        ptl_map_insert(map, hash, spawner);
    }
    return spawner;
}

int ptl_spawner_take(struct ptl_shard *shard, struct ptl_span node, struct ptl_spawner **spawner)
{
    if (shard->ports->spawners.ports >= part_of(shard, shard->node->options.spawned_all_max)) {
        return PTL_ELIMIT;
    }
    struct ptl_spawner *its = get(shard, node);
    if (its == NULL) {
        return PTL_ENOMEM;
    }
    if (its->ports >= part_of(shard, ptl_limit(&shard->node->limits.spawned_max))) {
        return PTL_ELIMIT;
    }
    its->ports++;
    shard->ports->spawners.ports++;
    *spawner = its;
    return PTL_OK;
}

void ptl_spawner_give(struct ptl_shard *shard, struct ptl_spawner *spawner)
{
    ptl_assert(spawner->ports != 0 && shard->ports->spawners.ports != 0);
    shard->ports->spawners.ports--;
    if (--spawner->ports == 0) {
        ptl_map_remove(&shard->ports->spawners.by_id, spawner->hash, spawner);
        ptl_free(shard->allocator, spawner, sizeof(*spawner));
    }
}
