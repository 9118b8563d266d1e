#include "engine/fullness.h"

#include "engine/name.h"
#include "engine/node.h"

/* What a shard remembers of a full port or link. */
struct full_key {
    uint64_t hash;
    uint8_t node_size;
    uint8_t name_size;
    char text[2 * UINT8_MAX];
};

/* A link is known by its node; a port by its name, which no link's key can equal. */
static uint64_t key_hash(struct ptl_span node, struct ptl_span name)
{
    return node.size != 0 ? ptl_name_hash(node) : ~ptl_name_hash(name);
}

static bool same_key(const void *entry, struct ptl_span text)
{
    const struct full_key *key = entry;
    return ptl_span_equal(ptl_span(key->text, (size_t)key->node_size + key->name_size), text);
}

static struct ptl_span key_text(struct ptl_span node, struct ptl_span name)
{
    return node.size != 0 ? node : name;
}

static void key_add(struct ptl_map *map, struct ptl_span node, struct ptl_span name)
{
    uint64_t hash = key_hash(node, name);
    struct ptl_span text = key_text(node, name);

    if (ptl_map_find(map, hash, same_key, text) != NULL || ptl_map_reserve(map) < 0) {
        return; /* without memory nothing is refused: the mark is soft */
    }
    struct full_key *key = ptl_alloc_raw(map->allocator, sizeof(*key));
    if (key != NULL) {
        key->hash = hash;
        key->node_size = (uint8_t)node.size;
        key->name_size = (uint8_t)(node.size != 0 ? 0 : name.size);
        memcpy(key->text, text.bytes, text.size);
        ptl_map_insert(map, hash, key);
    }
}

static void key_remove(struct ptl_map *map, struct ptl_span node, struct ptl_span name)
{
    uint64_t hash = key_hash(node, name);
    struct full_key *key = ptl_map_find(map, hash, same_key, key_text(node, name));

    if (key != NULL) {
        ptl_map_remove(map, hash, key);
        ptl_free(map->allocator, key, sizeof(*key));
    }
}

static void keys_drop(struct ptl_map *map)
{
    uint32_t at = 0;
    struct full_key *key;

    while ((key = ptl_map_next(map, &at)) != NULL) {
        ptl_free(map->allocator, key, sizeof(*key));
    }
    ptl_map_drop(map);
}

int ptl_full_board_init(struct ptl_full_board *board, const struct ptl_allocator *allocator)
{
    ptl_map_init(&board->keys, allocator);
    atomic_init(&board->count, 0);
    return -pthread_mutex_init(&board->lock, NULL);
}

static void show(struct ptl_shard *shard, struct ptl_fullness *fullness)
{
    struct ptl_full_board *board = &shard->board;

    pthread_mutex_lock(&board->lock);
    if (fullness->full) {
        key_add(&board->keys, fullness->node, fullness->name);
    } else {
        key_remove(&board->keys, fullness->node, fullness->name);
    }
    atomic_store(&board->count, board->keys.count);
    pthread_mutex_unlock(&board->lock);
    fullness->on_board = fullness->full;
}

void ptl_fullness_set(struct ptl_shard *shard, struct ptl_fullness *fullness, bool full)
{
    fullness->full = full;
    show(shard, fullness);
    if (!full) {
        shard->waiters.news = true;
    }
    if (!fullness->listed) {
        fullness->listed = true;
        fullness->next = shard->to_tell;
        shard->to_tell = fullness;
    }
}

bool ptl_fullness_settled(const struct ptl_fullness *fullness)
{
    return !fullness->listed;
}

/* Returns whether all shards know. */
static bool tell(struct ptl_shard *shard, struct ptl_fullness *fullness)
{
    bool all = true;

    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (((fullness->told & bit) != 0) == fullness->full) {
            continue;
        }
        struct ptl_op op = {
            .kind = fullness->full ? PTL_OP_FULL : PTL_OP_ROOM,
            .to = PTL_TO_SHARD,
            .node = fullness->node,
            .name = fullness->name,
        };
        if (ptl_shard_post(shard, i, &op, true) < 0) {
            all = false;
        } else {
            fullness->told ^= bit;
        }
    }
    return all;
}

bool ptl_fullness_tell(struct ptl_shard *shard)
{
    struct ptl_fullness **at = &shard->to_tell;

    while (*at != NULL) {
        struct ptl_fullness *fullness = *at;
        if (tell(shard, fullness)) {
            *at = fullness->next;
            fullness->listed = false;
        } else {
            at = &fullness->next;
        }
    }
    return shard->to_tell != NULL;
}

void ptl_fullness_told(struct ptl_shard *shard, struct ptl_span node, struct ptl_span name,
                       bool full)
{
    if (full) {
        key_add(&shard->full, node, name);
    } else {
        key_remove(&shard->full, node, name);
        shard->waiters.news = true;
    }
}

static bool has_key(const struct ptl_map *map, const struct ptl_port *port)
{
    if (port->kind == PTL_PORT_REMOTE) {
        return ptl_map_find(map, port->node_hash, same_key, ptl_port_node(port)) != NULL;
    }
    struct ptl_span name = ptl_port_name(port);
    return ptl_map_find(map, ~ptl_name_hash(name), same_key, name) != NULL;
}

bool ptl_is_full(const struct ptl_shard *shard, const struct ptl_port *port)
{
    return shard->full.count != 0 && has_key(&shard->full, port);
}

bool ptl_is_full_outside(struct ptl_shard *shard, const struct ptl_port *port)
{
    if (atomic_load_explicit(&shard->board.count, memory_order_relaxed) == 0) {
        return false;
    }
    pthread_mutex_lock(&shard->board.lock);
    bool full = has_key(&shard->board.keys, port);
    pthread_mutex_unlock(&shard->board.lock);
    return full;
}

void ptl_fullness_drop(struct ptl_shard *shard)
{
    shard->to_tell = NULL;
    keys_drop(&shard->full);
    keys_drop(&shard->board.keys);
    pthread_mutex_destroy(&shard->board.lock);
}
