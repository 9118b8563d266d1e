#include "engine/link/joining.h"

#include "engine/link/candidate.h"
#include "engine/link/connection.h"
#include "engine/link/dial_addresses.h"
#include "engine/link/failure.h"
#include "engine/link/known.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_take.h"
#include "engine/link/linked.h"
#include "engine/link/listener.h"
#include "engine/link/outside.h"
#include "engine/link/peer_limit.h"
#include "engine/link/permission.h"
#include "engine/link/rival.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

/* How large a message it takes: known from now on to all who send. */
static void note_limit(struct ptl_shard *shard, struct ptl_link *link,
                       const struct ptl_handshake_peer *peer)
{
    uint64_t bytes = peer->is_portolan ? peer->message_bytes_max : 0;

    link->peer_bytes_max = bytes != 0 ? bytes : UINT64_MAX;
    ptl_peer_limit_set(shard->node, ptl_link_id(link), bytes, (enum ptl_framing)peer->send_framing);
}

void ptl_link_log_global(struct ptl_shard *shard, const struct ptl_link *link)
{
    if (!link->dialled && link->seeds == 0) {
        ptl_log_about(shard, PTL_LOG_INFO, ptl_link_id(link), "the global node %s is linked, at %s",
                      link->id, link->connection->peer.text);
    }
}

/* How the link's node has proved itself, as rules have it. */
static enum ptl_proof proof_of(const struct ptl_handshake_peer *peer)
{
    switch ((enum ptl_proved_by)peer->proved_by) {
    case PTL_PROVED_BY_SECRET:
        return PTL_PROOF_SECRET;
    case PTL_PROVED_BY_CERTIFICATE:
        return PTL_PROOF_CERTIFICATE;
    case PTL_PROVED_BY_NOTHING:
        return PTL_PROOF_ANONYMOUS;
    }
    ptl_unreachable("no kind of proof");
}

static void log_up(struct ptl_shard *shard, const struct ptl_link *link)
{
    static const char *const proofs[] = {
        [PTL_PROVED_BY_NOTHING] = "nothing",
        [PTL_PROVED_BY_SECRET] = "secret",
        [PTL_PROVED_BY_CERTIFICATE] = "certificate",
    };
    const struct ptl_connection *connection = link->connection;
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&connection->handshake);

    ptl_log_about(shard, ptl_link_is_to_stay(link) ? PTL_LOG_INFO : PTL_LOG_DEBUG,
                  ptl_link_id(link), "linked to %s at %s, sending %s, %s, proved by %s", link->id,
                  connection->peer.text, ptl_framing_name((enum ptl_framing)peer->send_framing),
                  ptl_sealing_text(&connection->sealing), proofs[peer->proved_by]);
}

/*
 * The order is seen by others: the link is up for them (linked.c) before its first frame goes out;
 * that frame tells a node of ours which connection was picked; then what the database says of us,
 * so that the peer knows our role before it reads what has waited; listeners come last, since they
 * may do anything.  Each step may fail the link, and what follows is left out then.
 */
static void come_up(struct ptl_shard *shard, struct ptl_link *link,
                    struct ptl_connection *connection)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&connection->handshake);

    ptl_link_dial_end(shard, link);
    link->connection = connection;
    ptl_link_enter(link, PTL_LINK_UP);
    link->peer_is_portolan = peer->is_portolan;
    link->peer_incarnation = peer->incarnation;
    link->peer_session = peer->session;
    link->peer_features = peer->features;
    link->peer_speaks_global = peer->global_protocol || peer->is_portolan;
    ptl_permission_begin(shard, link, proof_of(peer));
    note_limit(shard, link, peer);
    link->up_at = link->received_at = link->sent_at = shard->now;
    link->messages_in = link->messages_out = link->messages_told = 0;
    link->bytes_in = link->bytes_out = 0;
    ptl_count(&shard->counts.links_up, 1);
    link->has_rivals = false;
    ptl_links_tick_at(shard->links, shard->now + PTL_LINKS_TICK_NS);
    link->dialled = !connection->accepted;
    log_up(shard, link);
    ptl_node_linked(shard->node, ptl_link_id(link), true);
    if (link->peer_is_portolan) {
        ptl_link_keepalive(shard, link); /* the first frame: it says that this one was picked */
    }
    shard->node->link_outside->up(shard, link, &connection->peer);
    int err = link->state == PTL_LINK_UP ? ptl_link_take_waiting(shard, link) : PTL_OK;
    if (err < 0) {
        ptl_link_fail(shard, link, err);
    }
    if (link->state != PTL_LINK_UP) {
        return;
    }
    ptl_link_dirty(shard, link);
    ptl_links_tell_listeners(shard, link, true);
}

static void take(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    ptl_candidate_remove(link, c);
    ptl_candidate_note_seed(shard, link, c);
    if (!c->accepted && c->dialled[0] != 0) {
        int err = ptl_node_learn(shard->node, ptl_link_id(link), c->dialled);
        (void)err; /* without memory it is not remembered */
    }
    ptl_connection_take_up(c);
    come_up(shard, link, c);
    if (link->state == PTL_LINK_UP) { /* else it failed at once: the others may have their try */
        ptl_candidates_refuse_duplicates(shard, link);
    }
}

/* A second connection of the linked node: is it a newer session, or the other of two at once? */
static void compare(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    if (ptl_rival_is(link, c)) {
        return; /* until the one that is linked is heard, or fails */
    }
    if (ptl_candidate_is_newer(link, c)) {
        ptl_link_fail(shard, link, PTL_ESWITCHED); /* this one goes on when all have been told */
        return;
    }
    ptl_candidate_note_seed(shard, link, c);
    ptl_connection_refuse(c, PTL_EDUPLICATE);
}

void ptl_candidate_decide(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    ptl_assert(c->link == link && c->state == PTL_CONNECTION_PROVED);
    if (link->state == PTL_LINK_FAILING) {
        return; /* until all have been told: candidates_go_on() in telling.c */
    }
    if (link->state == PTL_LINK_UP) {
        compare(shard, link, c);
        return;
    }
    /* Both sides compare the same two IDs, so exactly one of them picks. */
    struct ptl_span self = ptl_span(shard->node->self.id, shard->node->self.id_size);
    size_t shorter = self.size < link->id_size ? self.size : link->id_size;
    int order = memcmp(self.bytes, link->id, shorter);
    bool we_pick = order != 0 ? order < 0 : self.size < link->id_size;

    /* A frame of the peer's behind its proof says that it has picked this one. */
    if (ptl_candidate_is_real(c) || we_pick || ptl_connection_has_bytes(c)) {
        take(shard, link, c);
    }
}

bool ptl_candidate_proved(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    if (link->state != PTL_LINK_UP) {
        return true;
    }
    /* Perhaps the old link is dead and nobody has noticed: bytes into it make that known. */
    ptl_link_keepalive(shard, link);
    if (!ptl_candidate_is_real(c) || ptl_rival_is(link, c)) {
        return true;
    }
    ptl_candidate_note_seed(shard, link, c);
    ptl_connection_close(c, PTL_EDUPLICATE, PTL_LOG_INFO);
    return false;
}
