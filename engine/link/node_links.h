/*
 * engine/link/node_links.h - what all shards of a node share of the room of links.
 */
#pragma once

#include "engine/link/peer_limit.h"
#include "engine/link/permission.h"
#include "engine/link/refusals.h"
#include "engine/link/seed.h"
#include "engine/link/stop_losses.h"
#include "engine/shard/map.h"

#include <pthread.h>
#include <stdatomic.h>

struct ptl_node;
struct ptl_secrets;
struct ptl_tls_context;

struct ptl_node_links {
    char *tls_anonymous;              /* the beginning of IDs, or NULL: constant; sealing.c */
    struct ptl_seed *seeds;           /* PTL_SEEDS_MAX places */
    _Atomic unsigned seed_count;      /* places that are in use; it only grows */
    _Atomic bool seed_news;           /* one has changed, or its state: shard 0 looks */
    _Atomic uint64_t starved_told_at; /* ns: that there are no descriptors; 0: never */

    pthread_mutex_t lock; /* guards what follows: rarely touched, never for long */
    struct ptl_secrets *secrets;
    struct ptl_tls_context *tls; /* NULL: no certificates, or not wanted; sealing.c */
    struct ptl_map known;        /* where nodes listen: known.c */
    struct ptl_map linked;       /* char *: IDs of linked nodes, by hash: linked.c */
    struct ptl_map nonces;       /* struct ptl_connection: by hash of our nonce: nonce.c */
    struct ptl_peer_limits peer_limits;
    struct ptl_losses losses;
    struct ptl_refusals refusals, refusals_of_strangers;
    struct ptl_rules_in_force rules;
};

/*
 * Make it, with the secrets and seeds of the program's options, and free it, if there is one.
 * Errors: PTL_ENOMEM: what was made is to be freed too.  Thread: the node's maker.
 */
PTL_MUST_CHECK int ptl_node_links_init(struct ptl_node *node,
                                       const struct ptl_node_options *options);
void ptl_node_links_drop(struct ptl_node *node);
