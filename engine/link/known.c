#include "engine/link/known.h"

#include "engine/link/node_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"
#include "io/address.h"

/* Where a node is known to listen. */
struct known {
    uint64_t hash;
    char *node_id;
    char *addresses; /* HOST:PORT,HOST:PORT */
    bool told;       /* by the program: what we find out ourselves does not replace it */
};

static bool same_known(const void *entry, struct ptl_span node_id)
{
    return ptl_span_equal(ptl_span_text(((const struct known *)entry)->node_id), node_id);
}

static void free_known(struct ptl_node *node, struct known *known)
{
    ptl_text_free(node->allocator, known->node_id);
    ptl_text_free(node->allocator, known->addresses);
    ptl_free(node->allocator, known, sizeof(*known));
}

static struct known *make_known(struct ptl_node *node, struct ptl_span node_id,
                                const char *addresses, bool told)
{
    ptl_assert(node_id.size > 0 && node_id.size <= PTL_NODE_ID_MAX);
    struct known *known = ptl_alloc(node->allocator, sizeof(*known));

    if (known == NULL) {
        return NULL;
    }
    known->hash = ptl_name_hash(node_id);
    known->told = told;
    known->node_id = ptl_text_copy(node->allocator, (const char *)node_id.bytes, node_id.size);
    known->addresses = ptl_text_copy(node->allocator, addresses, strlen(addresses));
    if (known->node_id == NULL || known->addresses == NULL) {
        free_known(node, known);
        return NULL;
    }
    return known;
}

/* Under the lock.  Takes `known` over. */
static int put_known(struct ptl_node *node, struct known *known)
{
    struct known *old =
        ptl_map_find(&node->links->known, known->hash, same_known, ptl_span_text(known->node_id));

    /* What the operator has said counts more than what the network says. */
    if (old != NULL && old->told && !known->told) {
        free_known(node, known);
        return PTL_OK;
    }
    if (old != NULL) {
        ptl_map_remove(&node->links->known, old->hash, old);
        free_known(node, old);
    }
    int err = ptl_map_reserve(&node->links->known);
    if (err < 0) {
        free_known(node, known);
        return err;
    }
    ptl_map_insert(&node->links->known, known->hash, known);
    return PTL_OK;
}

static int add_known(struct ptl_node *node, struct ptl_span node_id, const char *addresses,
                     bool told)
{
    struct known *known = make_known(node, node_id, addresses, told);

    if (known == NULL) {
        return PTL_ENOMEM;
    }
    pthread_mutex_lock(&node->links->lock);
    int err = put_known(node, known);
    pthread_mutex_unlock(&node->links->lock);
    return err;
}

static bool addresses_valid(const char *addresses)
{
    do {
        size_t size = strcspn(addresses, ",");
        char one[PTL_HOST_TEXT_MAX + 8];
        struct ptl_host host;
        if (size >= sizeof(one)) {
            return false;
        }
        memcpy(one, addresses, size);
        one[size] = 0;
        if (ptl_host_parse(one, &host) < 0) {
            return false;
        }
        addresses += size + (addresses[size] == ',');
    } while (*addresses != 0);
    return true;
}

int ptl_node_known(struct ptl_node *node, const char *node_id, const char *addresses)
{
    if (!ptl_node_id_valid(ptl_span_text(node_id))) {
        return PTL_ENAME;
    }
    if (!addresses_valid(addresses)) {
        return PTL_EADDRESS;
    }
    return add_known(node, ptl_span_text(node_id), addresses, true);
}

int ptl_node_learn(struct ptl_node *node, struct ptl_span node_id, const char *addresses)
{
    return add_known(node, node_id, addresses, false);
}

void ptl_node_unlearn(struct ptl_node *node, struct ptl_span node_id)
{
    struct ptl_map *all = &node->links->known;

    pthread_mutex_lock(&node->links->lock);
    struct known *known = all->count <= PTL_LEARNT_MAX
                              ? NULL
                              : ptl_map_find(all, ptl_name_hash(node_id), same_known, node_id);
    if (known != NULL && !known->told) {
        ptl_map_remove(all, known->hash, known);
        free_known(node, known);
    }
    pthread_mutex_unlock(&node->links->lock);
}

/* A copy: another thread may replace what is known as soon as the lock is let go. */
char *ptl_node_known_addresses(struct ptl_node *node, struct ptl_span node_id, uint32_t *size)
{
    char *copy = NULL;

    pthread_mutex_lock(&node->links->lock);
    const struct known *known =
        ptl_map_find(&node->links->known, ptl_name_hash(node_id), same_known, node_id);
    if (known != NULL) {
        copy = ptl_text_copy(node->allocator, known->addresses, strlen(known->addresses));
        *size = (uint32_t)strlen(known->addresses) + 1;
    }
    pthread_mutex_unlock(&node->links->lock);
    return copy;
}

void ptl_known_drop(struct ptl_node *node)
{
    struct known *known;
    uint32_t at = 0;

    while ((known = ptl_map_next(&node->links->known, &at)) != NULL) {
        free_known(node, known);
    }
    ptl_map_drop(&node->links->known);
}
