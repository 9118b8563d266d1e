#include "engine/directory/peer.h"

#include "engine/directory/key.h"
#include "engine/message/name.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"

static bool same_peer(const void *entry, struct ptl_span node)
{
    return ptl_span_equal(ptl_port_node(&((const struct ptl_peer *)entry)->port), node);
}

struct ptl_peer *ptl_peer_find(struct ptl_shard *shard, struct ptl_span node)
{
    return ptl_map_find(&shard->directory->peers, ptl_name_hash(node), same_peer, node);
}

struct ptl_peer *ptl_peer_get(struct ptl_shard *shard, struct ptl_span node)
{
    struct ptl_peer *peer = ptl_peer_find(shard, node);

    if (peer != NULL) {
        return peer;
    }
    if (ptl_map_reserve(&shard->directory->peers) < 0) {
        return NULL;
    }
    peer = ptl_alloc(shard->allocator, sizeof(*peer));
    if (peer != NULL) {
        int err = ptl_port_at(&shard->node->self, node, ptl_span(NULL, 0), &peer->port);
        ptl_assert(err == PTL_OK); /* a linked node's ID */
        peer->hash = ptl_name_hash(node);
        ptl_map_init(&peer->watches, shard->allocator);
        ptl_map_insert(&shard->directory->peers, peer->hash, peer);
    }
    return peer;
}

void ptl_peer_remove(struct ptl_shard *shard, struct ptl_peer *peer)
{
    ptl_assert(peer->feed == NULL && peer->watches.count == 0); /* its outlets lead to it */
    ptl_assert(peer->replacing == NULL);
    ptl_map_remove(&shard->directory->peers, peer->hash, peer);
    ptl_free(shard->allocator, peer, sizeof(*peer));
}

/*
 * Something is gone that counted more than what a peer brings: perhaps the one for the sake of
 * which the other was ignored.  A node that was global, say, died and attached to another before
 * its link to us was missed.  So whoever was not listened to tells all once more.
 */
void ptl_peers_ask_again(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;

    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        peer->asking |= peer->ignored;
        peer->ignored = false;
        directory->asking |= peer->asking;
    }
}

static int ask(struct ptl_shard *shard, const struct ptl_peer *peer)
{
    struct ptl_shard_directory *directory = shard->directory;

    ptl_buffer_clear(&directory->packet);
    ptl_key_put(&directory->packet, ptl_span_text("portolan::db_again"));
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .body = ptl_buffer_span(&directory->packet),
        .count = 1,
    };
    directory->asking_untold.to = ptl_place_of(shard->node, &peer->port);
    return directory->packet.err < 0
               ? PTL_ENOMEM
               : ptl_route_untold(shard, &directory->asking_untold, &peer->port, &op);
}

/* As a ptl_untold_fn. */
static int ask_all(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_peer *peer;
    uint32_t at = 0;
    int err = PTL_OK;

    (void)untold;
    (void)units;
    while ((peer = ptl_map_next(&directory->peers, &at)) != NULL) {
        int asked = peer->asking ? ask(shard, peer) : PTL_OK;
        peer->asking = asked < 0;
        err = asked < 0 ? asked : err; /* on the way to others there may be room */
    }
    directory->asking = err < 0;
    return err;
}

void ptl_peers_ask(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;

    if (directory->asking && !ptl_untold_waits(&directory->asking_untold)) {
        directory->asking_untold.tell = ask_all;
        ptl_untold_tell(shard, &directory->asking_untold);
    }
}

void ptl_peers_drop(struct ptl_shard *shard)
{
    struct ptl_peer *peer;
    uint32_t at = 0;

    while ((peer = ptl_map_next(&shard->directory->peers, &at)) != NULL) {
        ptl_map_drop(&peer->watches);
        ptl_free(shard->allocator, peer, sizeof(*peer));
    }
    ptl_map_drop(&shard->directory->peers);
}
