#include "engine/link/linked.h"

#include "engine/link/node_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

static bool same_text(const void *entry, struct ptl_span text)
{
    return ptl_span_equal(ptl_span_text(entry), text);
}

void ptl_node_linked(struct ptl_node *node, struct ptl_span node_id, bool up)
{
    uint64_t hash = ptl_name_hash(node_id);

    ptl_assert(node_id.size > 0 && node_id.size <= PTL_NODE_ID_MAX);
    pthread_mutex_lock(&node->links->lock);
    char *text = ptl_map_find(&node->links->linked, hash, same_text, node_id);
    if (!up && text != NULL) {
        ptl_map_remove(&node->links->linked, hash, text);
        ptl_text_free(node->allocator, text);
    } else if (up && text == NULL && ptl_map_reserve(&node->links->linked) == PTL_OK) {
        text = ptl_text_copy(node->allocator, (const char *)node_id.bytes, node_id.size);
        if (text != NULL) {
            ptl_map_insert(&node->links->linked, hash, text);
        }
    }
    pthread_mutex_unlock(&node->links->lock);
}

bool ptl_node_is_linked(struct ptl_node *node, struct ptl_span node_id)
{
    pthread_mutex_lock(&node->links->lock);
    bool linked =
        ptl_map_find(&node->links->linked, ptl_name_hash(node_id), same_text, node_id) != NULL;
    pthread_mutex_unlock(&node->links->lock);
    return linked;
}

/* Under the lock: `each` may look at the ID and copy it, and do nothing else with the node. */
void ptl_links(struct ptl_node *node, void (*each)(const char *node_id, void *data), void *data)
{
    const char *text;
    uint32_t at = 0;

    pthread_mutex_lock(&node->links->lock);
    while ((text = ptl_map_next(&node->links->linked, &at)) != NULL) {
        each(text, data);
    }
    pthread_mutex_unlock(&node->links->lock);
}

void ptl_linked_drop(struct ptl_node *node)
{
    char *text;
    uint32_t at = 0;

    while ((text = ptl_map_next(&node->links->linked, &at)) != NULL) {
        ptl_text_free(node->allocator, text);
    }
    ptl_map_drop(&node->links->linked);
}
