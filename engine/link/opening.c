#include "engine/link/opening.h"

#include "engine/link/candidate.h"
#include "engine/link/dial.h"
#include "engine/link/ending.h"
#include "engine/link/handover.h"
#include "engine/link/joining.h"
#include "engine/link/link.h"
#include "engine/link/node_links.h"
#include "engine/link/nonce.h"
#include "engine/link/peer_room.h"
#include "engine/link/secrets.h"
#include "engine/link/seed.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"
#include "io/address.h"

struct ptl_span *ptl_connection_next_line(struct ptl_connection *c)
{
    for (unsigned i = 0; i < 2; i++) {
        if (c->opening[i].size != 0) {
            return &c->opening[i];
        }
    }
    return NULL;
}

void ptl_connection_send_lines(struct ptl_connection *c)
{
    const struct ptl_span *line = ptl_connection_next_line(c);

    bool greeting = line == &c->opening[0]; /* said in the clear, to its last byte */
    bool proof = line == &c->opening[1] && ptl_sealing_may_say(&c->sealing);

    if (c->sending || !(greeting || proof || ptl_sealing_has_words(&c->sealing))) {
        return;
    }
    int err;
    if (greeting) {
        err = ptl_stream_send(c->shard->loop, c->stream, line, 1);
        c->sending = err == PTL_OK;
    } else {
        err = ptl_connection_hand(c, line, proof ? 1 : 0);
    }
    if (err < 0) {
        ptl_connection_over(c, err);
    }
}

int ptl_connection_greet(struct ptl_connection *c)
{
    struct ptl_node *node = c->shard->node;
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];

    c->secrets = ptl_secrets_hold(node);
    struct ptl_handshake_options options = {
        .node_id = ptl_span(node->self.id, node->self.id_size),
        .secret = c->secrets->secret,
        .other = c->secrets->other,
        .framings = ptl_span_text(node->options.framings),
        .provider = ptl_span_text("portolan-" PTL_VERSION),
        .incarnation = node->self.incarnation,
        .features = PTL_FEATURE_ROOM | PTL_FEATURE_DATABASE,
        .message_bytes_max = node->options.message_bytes_max,
        .frames = {.version = 1,
                   .lanes = 1,
                   .flows = PTL_INFLOWS_MAX,
                   .flow_room = PTL_FLOW_ROOM,
                   .lane_room = PTL_LANE_ROOM,
                   .silence_ms = node->options.silence_ms},
        .tls = ptl_node_sealing_is_offered(c->shard->node),
        .tls_required = node->options.tls == PTL_TLS_REQUIRE,
        .anonymous = ptl_node_sealing_anonymous(node),
    };

    ptl_loop_random(c->shard->loop, nonce, sizeof(nonce));
    int err = ptl_handshake_init(&c->handshake, c->shard->allocator, &options,
                                 ptl_span(nonce, sizeof(nonce)), ptl_span_text(c->peer.text));
    if (err < 0) {
        return err;
    }
    ptl_connection_enter(c, PTL_CONNECTION_GREETING);
    /* Known to all shards before it is said: whoever meets it knows us by it. */
    ptl_node_nonce(node, c, true);
    c->opening[0] = ptl_handshake_greeting(&c->handshake);
    ptl_connection_send_lines(c);
    return PTL_OK;
}

static void prove(struct ptl_connection *c, uint64_t session)
{
    ptl_assert(!c->proof_sent);
    int size = ptl_handshake_prove(&c->handshake, session, c->proof);

    if (size < 0) {
        ptl_connection_over(c, size);
        return;
    }
    c->proof_sent = true;
    c->opening[1] = ptl_span(c->proof, (size_t)size);
    ptl_connection_send_lines(c);
}

void ptl_connection_prove(struct ptl_connection *c)
{
    if (!c->proof_sent && ptl_handshake_state(&c->handshake) >= PTL_HANDSHAKE_PROOF &&
        ptl_sealing_may_say(&c->sealing) && ptl_candidate_may_prove(c->link, c)) {
        prove(c, c->link->failed_at + 1);
    }
}

/* Somebody goes by our own ID: ourselves, if the nonce is one of ours. */
static void meet_own_id(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    if (!ptl_node_nonce_is_ours(c->shard->node, peer->nonce)) {
        if (!c->accepted) {
            prove(c, 0); /* whoever it is can tell then that there are two of us */
        } else if (!peer->is_portolan) {
            ptl_connection_close(c, PTL_ETWIN, PTL_LOG_WARN); /* as a real node would do */
        }
        return;
    }
    ptl_connection_close(c, PTL_ESELF, PTL_LOG_DEBUG); /* the seed has a line of its own */
}

static bool become_candidate(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    struct ptl_link *link = ptl_link_get(c->shard, peer->node_id);

    if (link == NULL) {
        ptl_connection_over(c, PTL_ENOMEM);
        return false;
    }
    ptl_connection_enter(c, PTL_CONNECTION_PROVING);
    c->link = link;
    /* It holds its place until it is proved, but behind those that have said nothing. */
    ptl_stranger_greeted(&c->shard->links->strangers, &c->stranger);
    ptl_candidate_add(link, c);
    return c->state == PTL_CONNECTION_PROVING;
}

/* The peer is who it says: none of the strangers any more.  True: there may be more to do. */
static bool believe(struct ptl_connection *c)
{
    ptl_assert(ptl_connection_is_proved(c));
    ptl_connection_enter(c, PTL_CONNECTION_BELIEVED);
    ptl_connection_leave_place(c);
    if (ptl_handshake_peer(&c->handshake)->own_id) {
        ptl_connection_close(c, PTL_ETWIN, PTL_LOG_ERROR);
        return false;
    }
    return ptl_candidate_proved(c->shard, c->link, c);
}

/* Lines of the peer are awaited, or our proof may go out. */
static bool is_opening(enum ptl_connection_state state)
{
    return state == PTL_CONNECTION_GREETING || state == PTL_CONNECTION_TWIN ||
           state == PTL_CONNECTION_PROVING || state == PTL_CONNECTION_BELIEVED;
}

/* Both want TLS, and nothing more is said in the clear.  True: there may be more to do. */
static bool begin_tls(struct ptl_connection *c)
{
    const struct ptl_node *node = c->shard->node;
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    struct ptl_span node_id = node->options.tls_verify_node ? peer->node_id : ptl_span(NULL, 0);
    struct ptl_span early = ptl_unread_bytes(&c->unread);

    enum ptl_tls_demand demand =
        ptl_handshake_may_be_anonymous(&c->handshake) ? PTL_TLS_MAY_PROVE : PTL_TLS_MUST_PROVE;
    int err = ptl_sealing_begin(&c->sealing, c->shard->node,
                                ptl_handshake_is_tls_client(&c->handshake), demand, node_id, early);
    ptl_unread_taken(&c->unread, early.size);
    if (err < 0) {
        ptl_connection_over(c, err);
        return false;
    }
    ptl_connection_send_lines(c);
    return is_opening(c->state);
}

void ptl_opening_sealed(struct ptl_connection *c)
{
    bool is_client = ptl_handshake_is_tls_client(&c->handshake);

    ptl_assert(is_opening(c->state));
    ptl_log_about(c->shard, PTL_LOG_DEBUG, ptl_address_host(&c->peer), "%s: %s, as its %s",
                  c->peer.text, ptl_tls_text(c->sealing.tls), is_client ? "client" : "server");
    ptl_handshake_take_tls(&c->handshake, ptl_tls_is_verified(c->sealing.tls));
    if (c->state == PTL_CONNECTION_TWIN) {
        meet_own_id(c);
    } else {
        ptl_connection_prove(c);
    }
}

/* The peer's nonce is known.  True: there may be more to do. */
static bool take_nonce(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    if (peer->tls && !ptl_node_nonce_is_ours(c->shard->node, peer->nonce)) {
        return begin_tls(c);
    }
    if (peer->own_id) {
        meet_own_id(c);
    }
    return is_opening(c->state);
}

/* Take one line of the peer.  True: there may be more to do. */
static bool take_line(struct ptl_connection *c)
{
    enum ptl_handshake_state before = ptl_handshake_state(&c->handshake);
    int used = ptl_handshake_feed(&c->handshake, ptl_unread_bytes(&c->unread));

    if (used < 0) {
        ptl_connection_over(c, used);
        return false;
    }
    ptl_assert((size_t)used <= ptl_unread_bytes(&c->unread).size);
    ptl_unread_taken(&c->unread, (size_t)used);
    if (used == 0) {
        if (c->end_err != PTL_OK) {
            ptl_connection_over(c, c->end_err);
        }
        return false;
    }
    if (before == PTL_HANDSHAKE_NONCE) {
        return take_nonce(c);
    }
    return before == PTL_HANDSHAKE_PROOF ? believe(c) : is_opening(c->state);
}

/* The peer has greeted: what for depends on who it says it is. */
static bool take_greeting(struct ptl_connection *c)
{
    if (ptl_handshake_peer(&c->handshake)->own_id) {
        ptl_connection_enter(c, PTL_CONNECTION_TWIN);
        return true;
    }
    return ptl_connection_find_owner(c) && become_candidate(c);
}

/* Lines of a candidate: its nonce, after which we may have to be the first to prove; its proof. */
static bool take_proving_line(struct ptl_connection *c)
{
    bool more = take_line(c);

    if (more && c->state == PTL_CONNECTION_PROVING &&
        ptl_handshake_state(&c->handshake) == PTL_HANDSHAKE_PROOF) {
        ptl_connection_prove(c);
    }
    return more && is_opening(c->state);
}

/* Theirs is good; ours may still have to wait. */
static bool prove_at_last(struct ptl_connection *c)
{
    ptl_connection_prove(c);
    if (c->state == PTL_CONNECTION_BELIEVED && c->proof_sent) {
        ptl_connection_enter(c, PTL_CONNECTION_PROVED);
    }
    return c->state == PTL_CONNECTION_PROVED;
}

bool ptl_opening_step(struct ptl_connection *c)
{
    switch ((enum ptl_connection_state)c->state) {
    case PTL_CONNECTION_GREETING:
        if (ptl_handshake_state(&c->handshake) == PTL_HANDSHAKE_GREETING) {
            return take_line(c);
        }
        return take_greeting(c);
    case PTL_CONNECTION_TWIN:
        return take_line(c);
    case PTL_CONNECTION_PROVING:
        return take_proving_line(c);
    case PTL_CONNECTION_BELIEVED:
        return prove_at_last(c);
    default:
        ptl_unreachable("not in its opening");
    }
}
