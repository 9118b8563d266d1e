#include "engine/link/peer_limit.h"

#include "engine/link/node_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

/* "\u0000" for one byte. */
#define JSON_TIMES 6

struct limit {
    uint64_t hash;
    uint64_t bytes; /* of a message as we count it */
    uint64_t sure;  /* of one that fits whatever it holds */
    uint8_t id_size;
    char id[PTL_NODE_ID_MAX];
};

static bool same_node(const void *entry, struct ptl_span id)
{
    const struct limit *limit = entry;
    return ptl_span_equal(ptl_span(limit->id, limit->id_size), id);
}

void ptl_peer_limits_init(struct ptl_node *node)
{
    ptl_map_init(&node->links->peer_limits.by_node, node->allocator);
    atomic_init(&node->links->peer_limits.count, 0);
    atomic_init(&node->links->peer_limits.least, UINT64_MAX);
}

void ptl_peer_limits_drop(struct ptl_node *node)
{
    struct ptl_map *map = &node->links->peer_limits.by_node;
    struct limit *limit;
    uint32_t at = 0;

    while ((limit = ptl_map_next(map, &at)) != NULL) {
        ptl_free(node->allocator, limit, sizeof(*limit));
    }
    ptl_map_drop(map);
}

/* Under the lock. */
static void remove_limit(struct ptl_node *node, struct limit *limit)
{
    struct ptl_peer_limits *limits = &node->links->peer_limits;

    ptl_map_remove(&limits->by_node, limit->hash, limit);
    ptl_free(node->allocator, limit, sizeof(*limit));
    atomic_store(&limits->count, limits->by_node.count);
    if (limits->by_node.count == 0) {
        atomic_store(&limits->least, UINT64_MAX);
    }
}

static struct limit *find(struct ptl_node *node, struct ptl_span peer)
{
    return ptl_map_find(&node->links->peer_limits.by_node, ptl_name_hash(peer), same_node, peer);
}

/* Under the lock.  The entry for this node, made if need be; NULL: no memory. */
static struct limit *get(struct ptl_node *node, struct ptl_span peer)
{
    struct ptl_peer_limits *limits = &node->links->peer_limits;
    struct limit *limit = find(node, peer);

    if (limit != NULL || ptl_map_reserve(&limits->by_node) < 0) {
        return limit;
    }
    limit = ptl_alloc(node->allocator, sizeof(*limit));
    if (limit == NULL) {
        return NULL;
    }
    limit->hash = ptl_name_hash(peer);
    ptl_assert(peer.size <= sizeof(limit->id));
    limit->id_size = (uint8_t)peer.size;
    memcpy(limit->id, peer.bytes, peer.size);
    ptl_map_insert(&limits->by_node, limit->hash, limit);
    atomic_store(&limits->count, limits->by_node.count);
    return limit;
}

void ptl_peer_limit_set(struct ptl_node *node, struct ptl_span peer, uint64_t bytes,
                        enum ptl_framing framing)
{
    struct ptl_peer_limits *limits = &node->links->peer_limits;
    uint64_t sure = framing == PTL_FRAMING_JSON ? bytes / JSON_TIMES : bytes;

    if (bytes == 0 || (bytes >= node->options.message_bytes_max &&
                       sure / 2 >= node->options.db_value_bytes_max + PTL_DB_KEY_MAX)) {
        /* It takes whatever we send: nobody has to look. */
        ptl_peer_limit_forget(node, peer);
        return;
    }
    pthread_mutex_lock(&node->links->lock);
    struct limit *limit = get(node, peer);
    if (limit != NULL) {
        limit->bytes = bytes;
        limit->sure = sure;
        if (bytes < atomic_load(&limits->least)) {
            /* Only ever lower, until no limit is left: what is below it needs no lock, and too
             * low a mark costs no more than that. */
            atomic_store(&limits->least, bytes);
        }
    }
    pthread_mutex_unlock(&node->links->lock);
}

void ptl_peer_limit_forget(struct ptl_node *node, struct ptl_span peer)
{
    if (atomic_load(&node->links->peer_limits.count) == 0) {
        return;
    }
    pthread_mutex_lock(&node->links->lock);
    struct limit *limit = find(node, peer);
    if (limit != NULL) {
        remove_limit(node, limit);
    }
    pthread_mutex_unlock(&node->links->lock);
}

bool ptl_peer_refuses(struct ptl_node *node, struct ptl_span peer, size_t size)
{
    if (size <= atomic_load_explicit(&node->links->peer_limits.least, memory_order_relaxed)) {
        return false;
    }
    pthread_mutex_lock(&node->links->lock);
    const struct limit *limit = find(node, peer);
    bool refuses = limit != NULL && size > limit->bytes;
    pthread_mutex_unlock(&node->links->lock);
    return refuses;
}

size_t ptl_peer_takes(struct ptl_node *node, struct ptl_span peer)
{
    if (atomic_load_explicit(&node->links->peer_limits.count, memory_order_relaxed) == 0) {
        return SIZE_MAX;
    }
    pthread_mutex_lock(&node->links->lock);
    const struct limit *limit = find(node, peer);
    size_t sure = limit != NULL ? limit->sure : SIZE_MAX;
    pthread_mutex_unlock(&node->links->lock);
    return sure;
}
