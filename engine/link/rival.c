#include "engine/link/rival.h"

#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/shard/node.h"

#define TELL_AGAIN_NS UINT64_C(60000000000)

bool ptl_rival_is(const struct ptl_link *link, const struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    return peer->is_portolan != link->peer_is_portolan ||
           (peer->is_portolan && peer->incarnation != link->peer_incarnation);
}

bool ptl_rivals_wait(const struct ptl_link *link)
{
    const struct ptl_connection *c = link->candidates;

    while (c != NULL && !(ptl_connection_is_proved(c) && ptl_rival_is(link, c))) {
        c = c->candidate_next;
    }
    return c != NULL;
}

static void tell_of_rival(struct ptl_shard *shard, struct ptl_link *link,
                          const struct ptl_connection *rival)
{
    if (link->rival_told_at != 0 && shard->now - link->rival_told_at < TELL_AGAIN_NS) {
        return;
    }
    link->rival_told_at = shard->now;
    ptl_log(shard->node, PTL_LOG_ERROR,
            "two nodes use the ID %s: the one at %s is linked and answers, the one at %s is "
            "refused: give every node an ID of its own",
            link->id, link->connection->peer.text, rival->peer.text);
}

/* Closing one takes it off the list and may take others along: then it is begun again. */
void ptl_rivals_refuse(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_connection *c = link->candidates;

    ptl_assert(link->state == PTL_LINK_UP);
    link->has_rivals = false;
    while (c != NULL) {
        struct ptl_connection *next = c->candidate_next;
        if (ptl_connection_is_proved(c) && ptl_rival_is(link, c)) {
            tell_of_rival(shard, link, c);
            ptl_connection_close(c, PTL_ERIVAL, PTL_LOG_INFO);
            next = link->candidates;
        }
        c = next;
    }
}
