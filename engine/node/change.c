#include "engine/directory/node_directory.h"
#include "engine/link/secrets.h"
#include "engine/link/seed.h"
#include "engine/node/node_own.h"
#include "engine/node/options.h"
#include "engine/shard/node.h"

int ptl_node_set_secrets(struct ptl_node *node, const void *secret, size_t secret_size,
                         const void *other, size_t other_size)
{
    struct ptl_span first = ptl_span(secret, secret_size);
    struct ptl_span second = ptl_span(other, other_size);

    int err = ptl_options_check_secrets(first, second, atomic_load(&node->own->is_open));
    return err < 0 ? err : ptl_secrets_set(node, first, second);
}

/* A secret that was long enough for loopback may not be for these. */
static int check_seeds(struct ptl_node *node, const char *const *seeds, bool *is_open)
{
    int err = ptl_options_check_seeds(seeds, is_open);

    if (err == PTL_OK) {
        struct ptl_secrets *secrets = ptl_secrets_hold(node);
        err = ptl_options_check_secrets(secrets->secret, secrets->other, *is_open);
        ptl_secrets_release(node, secrets);
    }
    return err;
}

int ptl_node_set_seeds(struct ptl_node *node, const char *const *seeds)
{
    bool is_open = atomic_load(&node->own->is_open);

    int err = check_seeds(node, seeds, &is_open);
    if (err == PTL_OK) {
        err = ptl_seeds_set(node, seeds);
    }
    if (err == PTL_OK) {
        atomic_store(&node->own->is_open, is_open);
        ptl_shard_wake(&node->shards[0], NULL);
    }
    return err;
}

int ptl_node_set_limits(struct ptl_node *node, const struct ptl_node_limits *limits)
{
    if (limits->size != sizeof(*limits)) {
        return PTL_EINVAL;
    }
    ptl_options_set_limits(node, *limits);
    return PTL_OK;
}

bool ptl_node_has_tried_seeds(const struct ptl_node *node)
{
    return !ptl_seeds_unsettled(node);
}

int ptl_node_set_announces(struct ptl_node *node, const char *const *announces)
{
    bool is_open = false; /* what others are told opens nothing */

    int err = ptl_options_check_addresses(announces, &is_open);
    if (err == PTL_OK) {
        err = ptl_whereabouts_announce(node, announces);
    }
    if (err == PTL_OK) {
        ptl_shard_wake(&node->shards[0], NULL);
    }
    return err;
}
