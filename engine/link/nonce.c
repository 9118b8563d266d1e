#include "engine/link/nonce.h"

#include "engine/link/connection.h"
#include "engine/link/node_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

void ptl_node_nonce(struct ptl_node *node, struct ptl_connection *connection, bool used)
{
    if (used == connection->nonce_listed) {
        return;
    }
    uint64_t hash = ptl_name_hash(ptl_handshake_nonce(&connection->handshake));
    pthread_mutex_lock(&node->links->lock);
    if (used && ptl_map_reserve(&node->links->nonces) == PTL_OK) {
        ptl_map_insert(&node->links->nonces, hash, connection);
        connection->nonce_listed = true;
    } else if (!used) {
        ptl_map_remove(&node->links->nonces, hash, connection);
        connection->nonce_listed = false;
    }
    pthread_mutex_unlock(&node->links->lock);
}

bool ptl_node_nonce_is_ours(struct ptl_node *node, struct ptl_span nonce)
{
    /* 66 random bytes: their hash is enough to tell ours from all others. */
    pthread_mutex_lock(&node->links->lock);
    bool ours =
        ptl_map_find(&node->links->nonces, ptl_name_hash(nonce), NULL, ptl_span(NULL, 0)) != NULL;
    pthread_mutex_unlock(&node->links->lock);
    return ours;
}
