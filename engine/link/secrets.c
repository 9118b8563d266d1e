#include "engine/link/secrets.h"

#include "engine/link/node_links.h"
#include "engine/shard/node.h"
#include "io/proof.h"

static struct ptl_span put(uint8_t *bytes, struct ptl_span from)
{
    if (from.size > 0) {
        memcpy(bytes, from.bytes, from.size);
    }
    return ptl_span(bytes, from.size);
}

int ptl_secrets_set(struct ptl_node *node, struct ptl_span secret, struct ptl_span other)
{
    size_t size = sizeof(struct ptl_secrets) + secret.size + other.size;
    struct ptl_secrets *fresh = ptl_alloc(node->allocator, size);

    if (fresh == NULL) {
        return PTL_ENOMEM;
    }
    fresh->size = size;
    fresh->secret = put(fresh->bytes, secret);
    fresh->other = put(fresh->bytes + secret.size, other);
    atomic_init(&fresh->holds, 1);
    pthread_mutex_lock(&node->links->lock);
    struct ptl_secrets *before = node->links->secrets;
    node->links->secrets = fresh;
    pthread_mutex_unlock(&node->links->lock);
    ptl_secrets_release(node, before);
    return PTL_OK;
}

struct ptl_secrets *ptl_secrets_hold(struct ptl_node *node)
{
    pthread_mutex_lock(&node->links->lock);
    struct ptl_secrets *secrets = node->links->secrets;
    atomic_fetch_add(&secrets->holds, 1); /* under the lock the node's own hold keeps it alive */
    pthread_mutex_unlock(&node->links->lock);
    return secrets;
}

void ptl_secrets_release(struct ptl_node *node, struct ptl_secrets *secrets)
{
    if (secrets != NULL && atomic_fetch_sub(&secrets->holds, 1) == 1) {
        size_t size = secrets->size;
        ptl_wipe(secrets, size);
        ptl_free(node->allocator, secrets, size);
    }
}
