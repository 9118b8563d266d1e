#include "engine/link/link.h"

#include "engine/link/shard_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

static bool same_link(const void *entry, struct ptl_span id)
{
    const struct ptl_link *link = entry;
    return ptl_span_equal(ptl_link_id(link), id);
}

#define BIT(state) (1u << PTL_LINK_##state)

/* What may follow each state.  UP goes DOWN without a failure only at the node's end. */
static const uint8_t follows[] = {
    [PTL_LINK_DOWN] = BIT(DIALING) | BIT(UP) | BIT(FAILING),
    [PTL_LINK_DIALING] = BIT(UP) | BIT(FAILING),
    [PTL_LINK_UP] = BIT(FAILING) | BIT(DOWN),
    [PTL_LINK_FAILING] = BIT(DOWN),
};

void ptl_link_enter(struct ptl_link *link, enum ptl_link_state state)
{
    ptl_assert((follows[link->state] & 1u << state) != 0);
    ptl_assert((state == PTL_LINK_UP) == (link->connection != NULL));
    link->state = (uint8_t)state;
}

struct ptl_link *ptl_link_find(struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_map_find(&shard->links->by_id, ptl_name_hash(node), same_link, node);
}

struct ptl_link *ptl_link_get(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_link *link = ptl_link_find(shard, node);

    if (link != NULL) {
        return link;
    }
    ptl_assert(node.size != 0 && node.size <= PTL_NODE_ID_MAX);
    if (ptl_map_reserve(&shard->links->by_id) < 0) {
        return NULL;
    }
    link = ptl_alloc(shard->allocator, sizeof(*link));
    if (link == NULL) {
        return NULL;
    }
    link->hash = ptl_name_hash(node);
    memcpy(link->id, node.bytes, node.size);
    link->id_size = (uint8_t)node.size;
    /* What was issued before an earlier link to this node failed and was forgotten is stale, too:
     * such an op counts as a failure of this one (ptl_link_take). */
    link->failed_at = shard->links->forgotten_at;
    link->inherited = link->failed_at != 0;
    link->idle_at = shard->now;
    link->peer_bytes_max = UINT64_MAX;
    ptl_observed_init(&link->observed_there, shard->allocator);
    ptl_map_init(&link->monitors_there, shard->allocator);
    ptl_map_init(&link->observed_here, shard->allocator);
    ptl_leavings_init(&link->leavings);
    ptl_map_init(&link->told_full, shard->allocator);
    ptl_map_init(&link->remote_full, shard->allocator);
    link->fullness.node = ptl_link_id(link);
    ptl_map_insert(&shard->links->by_id, link->hash, link);
    return link;
}
