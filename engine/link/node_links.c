#include "engine/link/node_links.h"

#include "engine/link/known.h"
#include "engine/link/linked.h"
#include "engine/link/permission.h"
#include "engine/link/sealing.h"
#include "engine/link/secrets.h"
#include "engine/link/seed.h"
#include "engine/shard/node.h"

int ptl_node_links_init(struct ptl_node *node, const struct ptl_node_options *options)
{
    struct ptl_node_links *links = ptl_alloc(node->allocator, sizeof(*links));

    if (links == NULL) {
        return PTL_ENOMEM;
    }
    node->links = links;
    pthread_mutex_init(&links->lock, NULL);
    ptl_map_init(&links->known, node->allocator);
    ptl_map_init(&links->linked, node->allocator);
    ptl_map_init(&links->nonces, node->allocator);
    ptl_peer_limits_init(node);
    atomic_init(&links->rules.number, 1);
    int err = ptl_secrets_set(node, ptl_span(options->secret, options->secret_size),
                              ptl_span(options->other_secret, options->other_secret_size));
    return err < 0 ? err : ptl_seeds_init(node, options->seeds);
}

void ptl_node_links_drop(struct ptl_node *node)
{
    struct ptl_node_links *links = node->links;

    if (links == NULL) {
        return;
    }
    ptl_node_sealing_drop(node);
    ptl_rules_in_force_drop(node);
    ptl_known_drop(node);
    ptl_linked_drop(node);
    ptl_map_drop(&links->nonces); /* its connections are gone */
    ptl_peer_limits_drop(node);
    ptl_seeds_drop(node);
    ptl_secrets_release(node, links->secrets);
    pthread_mutex_destroy(&links->lock);
    ptl_free(node->allocator, links, sizeof(*links));
    node->links = NULL;
}
