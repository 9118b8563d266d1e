#include "engine/link/handover.h"

#include "engine/link/connection.h"
#include "engine/link/dial.h"
#include "engine/link/link.h"
#include "engine/link/shard_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

void ptl_connection_start_detach(struct ptl_connection *c)
{
    if (!c->sending) {
        ptl_stream_detach(c->shard->loop, c->stream);
    }
}

void ptl_connection_detached(void *owner, int handle)
{
    struct ptl_connection *c = owner;
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    struct ptl_node *node = c->shard->node;
    struct ptl_shard *from = c->shard;
    struct ptl_op op = {.kind = PTL_OP_HANDOVER, .to = PTL_TO_SHARD, .as.handed.connection = c};
    struct ptl_parcel *parcel = (struct ptl_parcel *)c->handover;

    /* From ptl_shard_hand() on it is the other shard's: nothing here may refer to it by then. */
    ptl_assert(c->state == PTL_CONNECTION_MOVING && !c->sending && c->dial == NULL);
    c->handle = handle;
    c->stream = NULL;
    ptl_connection_unlist(c);
    ptl_assert(sizeof(*parcel) + ptl_op_size(&op) <= sizeof(c->handover));
    ptl_op_pack(&op, parcel->bytes);
    unsigned owner_index = ptl_shard_of(ptl_name_hash(peer->node_id), node->shard_count);
    c->shard = &node->shards[owner_index];
    c->out.spares = &c->shard->links->spare_chunks;
    ptl_shard_hand(c->shard, parcel, from);
}

/*
 * The attempt is over: it has reached somebody.  Who it is not is told at once, so that the next
 * address is tried; the connection lives on all the same, as one to the node that is there.
 */
static void end_attempt(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    struct ptl_dial *dial = c->dial;
    struct ptl_link *wanted = dial->owner.link;

    c->dial = NULL; /* first: the dial may begin with another connection */
    dial->connection = NULL;
    if (wanted == NULL || ptl_span_equal(ptl_link_id(wanted), peer->node_id)) {
        ptl_dial_reached(dial);
        return;
    }
    ptl_log_about(c->shard, PTL_LOG_WARN, ptl_link_id(wanted),
                  "at %s is %.*s, not %s: check its address", c->dialled, (int)peer->node_id.size,
                  (const char *)peer->node_id.bytes, wanted->id);
    ptl_dial_failed(dial, PTL_ENOADDRESS);
}

bool ptl_connection_find_owner(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    unsigned owner = ptl_shard_of(ptl_name_hash(peer->node_id), c->shard->node->shard_count);

    ptl_assert(c->state == PTL_CONNECTION_GREETING && c->link == NULL);
    if (c->dial != NULL) {
        end_attempt(c);
    }
    if (owner == c->shard->index) {
        return true;
    }
    ptl_connection_enter(c, PTL_CONNECTION_MOVING);
    ptl_connection_leave_place(c);
    ptl_connection_start_detach(c);
    return false;
}
