#include "engine/link/connection.h"

#include "engine/link/addresses.h"
#include "engine/link/candidate.h"
#include "engine/link/dial.h"
#include "engine/link/failure.h"
#include "engine/link/joining.h"
#include "engine/link/packet.h"
#include "engine/link/peer_room.h"
#include "engine/link/receive.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/node/node.h"
#include "io/address.h"

#include <stdio.h>

/* What a packet may have beside a message: heads, the name, of a request its word and another name.
 * A peer with our limit may send a message of just that size. */
#define PACKET_EXTRA_MAX 1024

/* A backlog that was read keeps so much memory for the next one. */
#define BACKLOG_KEPT_MAX ((size_t)16384)

#define STARVED_CLOSE 16 /* strangers closed at a time when there are no descriptors */
#define STARVED_AGAIN_NS UINT64_C(60000000000)

static const struct ptl_stream_hooks hooks;

static struct ptl_node *node_of(const struct ptl_connection *c)
{
    return c->shard->node;
}

/* ---- Lists --------------------------------------------------------------------------------- */

static void list_all(struct ptl_connection *c)
{
    struct ptl_links *links = &c->shard->links;

    c->all_next = links->all;
    c->all_link = &links->all;
    if (links->all != NULL) {
        links->all->all_link = &c->all_next;
    }
    links->all = c;
}

static void unlist_all(struct ptl_connection *c)
{
    *c->all_link = c->all_next;
    if (c->all_next != NULL) {
        c->all_next->all_link = c->all_link;
    }
}

/* By deadline: one that comes from another shard has used some of its time there. */
static void list_half_open(struct ptl_connection *c)
{
    struct ptl_links *links = &c->shard->links;
    struct ptl_connection *before = links->half_open_last;

    while (before != NULL && before->deadline > c->deadline) {
        before = before->half_before;
    }
    struct ptl_connection *after = before == NULL ? links->half_open_first : before->half_next;
    c->half_open = true;
    c->half_before = before;
    c->half_next = after;
    *(before == NULL ? &links->half_open_first : &before->half_next) = c;
    *(after == NULL ? &links->half_open_last : &after->half_before) = c;
    ptl_links_tick_at(links, c->deadline);
}

static void unlist_half_open(struct ptl_connection *c)
{
    struct ptl_links *links = &c->shard->links;

    if (!c->half_open) {
        return;
    }
    c->half_open = false;
    if (c->half_before == NULL) {
        links->half_open_first = c->half_next;
    } else {
        c->half_before->half_next = c->half_next;
    }
    if (c->half_next == NULL) {
        links->half_open_last = c->half_before;
    } else {
        c->half_next->half_before = c->half_before;
    }
}

/* ---- Strangers ----------------------------------------------------------------------------- */

static void evict(struct ptl_stranger *stranger)
{
    struct ptl_connection *c =
        (struct ptl_connection *)((char *)stranger - offsetof(struct ptl_connection, stranger));

    ptl_connection_close(c, PTL_EHALFOPEN, PTL_LOG_WARN);
    ptl_assert(stranger->source == NULL);
}

/* An accepted connection takes one of the shard's places; perhaps another loses it. */
static int take_place(struct ptl_connection *c)
{
    struct ptl_strangers *strangers = &c->shard->links.strangers;
    struct ptl_stranger *victim;

    while ((victim = ptl_strangers_victim(strangers, c->source)) != NULL) {
        evict(victim);
    }
    return ptl_stranger_add(strangers, &c->stranger, c->source);
}

static void leave_place(struct ptl_connection *c)
{
    ptl_stranger_remove(&c->shard->links.strangers, &c->stranger);
}

/* Told to the operator once in a while, whatever strangers do. */
static void tell_starved(struct ptl_shard *shard)
{
    uint64_t told = atomic_load(&shard->node->starved_told_at);

    if ((told == 0 || shard->now - told >= STARVED_AGAIN_NS) &&
        atomic_compare_exchange_strong(&shard->node->starved_told_at, &told, shard->now)) {
        ptl_log(shard->node, PTL_LOG_ERROR,
                "no descriptor is left for a connection: strangers are closed to make room; "
                "allow more open files");
    }
}

void ptl_connections_starved(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;
    unsigned missing = STARVED_CLOSE - ptl_connections_evict(shard, STARVED_CLOSE);

    tell_starved(shard);
    for (unsigned i = 0; missing != 0 && i < node->shard_count; i++) {
        if (i != shard->index) {
            atomic_store(&node->shards[i].evict, missing);
            ptl_shard_wake(&node->shards[i], shard);
        }
    }
}

unsigned ptl_connections_evict(struct ptl_shard *shard, unsigned count)
{
    struct ptl_stranger *victim;
    unsigned evicted = 0;

    while (evicted < count && (victim = ptl_strangers_worst(&shard->links.strangers)) != NULL) {
        evict(victim);
        evicted++;
    }
    return evicted;
}

/* ---- Birth and death ----------------------------------------------------------------------- */

static struct ptl_connection *make(struct ptl_shard *shard, const struct ptl_address *peer)
{
    struct ptl_connection *c = ptl_alloc(shard->allocator, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->shard = shard;
    c->seed = -1;
    c->peer = *peer;
    c->source = ptl_address_source(peer);
    c->reading = true;
    c->made_at = ptl_loop_now(shard->loop);
    c->deadline = c->made_at + (uint64_t)shard->node->options.handshake_ms * 1000000;
    ptl_buffer_init(&c->backlog, shard->allocator, SIZE_MAX);
    ptl_outbox_init(&c->out, shard->allocator);
    list_all(c);
    list_half_open(c);
    return c;
}

void ptl_connection_free(struct ptl_connection *c)
{
    const struct ptl_allocator *allocator = c->shard->allocator;

    ptl_node_nonce(node_of(c), c, false);
    ptl_handshake_drop(&c->handshake);
    ptl_decoder_drop(&c->decoder);
    ptl_buffer_drop(&c->backlog);
    ptl_outbox_drop(&c->out);
    ptl_parcel_free(c->stalled, allocator);
    ptl_free(allocator, c, sizeof(*c));
}

static void on_closed(void *owner)
{
    struct ptl_connection *c = owner;

    c->shard->links.closing--;
    unlist_all(c);
    ptl_connection_free(c);
}

static void log_close(const struct ptl_connection *c, int err, enum ptl_log_level level)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    /* What strangers do is of no weight, and the name that one gives is nobody's. */
    ptl_log_about(c->shard, c->accepted && !c->proved ? PTL_LOG_DEBUG : level,
                  c->proved ? peer->node_id : ptl_address_host(&c->peer),
                  "connection %s %s%s%.*s%s: %s", c->accepted ? "from" : "to", c->peer.text,
                  peer->node_id.size != 0 ? " (" : "", (int)peer->node_id.size,
                  peer->node_id.size != 0 ? (const char *)peer->node_id.bytes : "",
                  peer->node_id.size != 0 ? ")" : "", ptl_err_text(err));
}

void ptl_connection_close(struct ptl_connection *c, int err, enum ptl_log_level level)
{
    struct ptl_link *link = c->link;
    struct ptl_dial *dial = c->dial;

    if (c->state == PTL_CONNECTION_CLOSING) {
        return;
    }
    ptl_assert(link == NULL || link->connection != c);
    log_close(c, err, level);
    bool was_candidate = c->state == PTL_CONNECTION_PROVING || c->state == PTL_CONNECTION_PROVED;
    c->state = PTL_CONNECTION_CLOSING;
    ptl_making_end(c);
    unlist_half_open(c);
    leave_place(c);
    ptl_connection_wait_no_more(c);
    c->shard->links.closing++;
    ptl_stream_close(c->shard->loop, c->stream);
    if (c->seed >= 0 && link == NULL && dial == NULL) {
        ptl_seed_lost(node_of(c), c->seed, err, c->shard);
        c->seed = -1;
    }
    c->dial = NULL;
    c->link = NULL;
    if (dial != NULL) {
        dial->connection = NULL;
        ptl_dial_failed(dial, err);
    }
    if (was_candidate && link != NULL) {
        if (err != PTL_EDUPLICATE) {
            ptl_candidate_failed(c->shard, link, c, err);
        }
        ptl_candidate_remove(link, c);
        /* It may have been all that the link was for. */
        ptl_links_tick_at(&c->shard->links, c->shard->now + PTL_LINKS_TICK_NS);
        if (!c->accepted || c->proved) {
            ptl_link_attempt_failed(c->shard, link, err);
        }
    }
}

void ptl_connection_refuse(struct ptl_connection *c, int err)
{
    if (c->sending) {
        c->refused = err; /* then it can believe that this is us, and where our address leads */
    } else {
        ptl_connection_close(c, err, PTL_LOG_INFO);
    }
}

/* Nothing more will come, or nothing good. */
static void over(struct ptl_connection *c, int err)
{
    if (c->link != NULL && c->link->connection == c) {
        ptl_link_fail(c->shard, c->link, err);
        return;
    }
    bool ours = !c->accepted && c->state <= PTL_CONNECTION_GREETING;
    if (ours && ptl_handshake_peer(&c->handshake)->own_id) {
        ptl_connection_close(c, PTL_ETWIN, PTL_LOG_ERROR); /* no node keeps such a connection */
        return;
    }
    if (c->refused < 0) {
        err = c->refused;
    } else if (!c->accepted && c->proof_sent && !c->proved && c->ended) {
        err = PTL_EREFUSED; /* it says nothing of why */
    }
    ptl_connection_close(c, err, ours ? PTL_LOG_INFO : PTL_LOG_WARN);
}

/* ---- Our lines ----------------------------------------------------------------------------- */

static struct ptl_span *next_line(struct ptl_connection *c)
{
    for (unsigned i = 0; i < 2; i++) {
        if (c->opening[i].size != 0) {
            return &c->opening[i];
        }
    }
    return NULL;
}

static void send_lines(struct ptl_connection *c)
{
    const struct ptl_span *line = next_line(c);

    if (c->sending || line == NULL) {
        return;
    }
    int err = ptl_stream_send(c->shard->loop, c->stream, line, 1);
    if (err < 0) {
        over(c, err);
        return;
    }
    c->sending = true;
}

static int greet(struct ptl_connection *c)
{
    const struct ptl_node *node = node_of(c);
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];
    struct ptl_handshake_options options = {
        .node_id = ptl_span(node->self.id, node->self.id_size),
        .secret = ptl_span(node->options.secret, node->options.secret_size),
        .framings = ptl_span_text(node->options.framings),
        .provider = ptl_span_text("portolan-" PTL_VERSION),
        .incarnation = node->self.incarnation,
        .features = PTL_FEATURE_ROOM | PTL_FEATURE_DATABASE,
        .message_bytes_max = node->options.message_bytes_max,
    };

    ptl_loop_random(c->shard->loop, nonce, sizeof(nonce));
    int err = ptl_handshake_init(&c->handshake, c->shard->allocator, &options,
                                 ptl_span(nonce, sizeof(nonce)), ptl_span_text(c->peer.text));
    if (err < 0) {
        return err;
    }
    c->state = PTL_CONNECTION_GREETING;
    ptl_node_nonce(node_of(c), c, true);
    c->opening[0] = ptl_handshake_greeting(&c->handshake);
    send_lines(c);
    return PTL_OK;
}

static void prove(struct ptl_connection *c, uint64_t session)
{
    int size = ptl_handshake_prove(&c->handshake, session, c->proof);

    if (size < 0) {
        over(c, size);
        return;
    }
    c->proof_sent = true;
    c->opening[1] = ptl_span(c->proof, (size_t)size);
    send_lines(c);
}

void ptl_connection_prove(struct ptl_connection *c)
{
    if (!c->proof_sent && ptl_handshake_state(&c->handshake) >= PTL_HANDSHAKE_PROOF &&
        ptl_candidate_may_prove(c->link, c)) {
        prove(c, c->link->failed_at + 1);
    }
}

/* ---- Hooks --------------------------------------------------------------------------------- */

static void on_connected(void *owner, int err)
{
    struct ptl_connection *c = owner;

    ptl_shard_stamp(c->shard);
    if (err == PTL_OK) {
        err = greet(c);
    }
    if (err < 0) {
        over(c, err);
    }
}

static int keep(struct ptl_connection *c, struct ptl_span bytes)
{
    if (c->backlog_at == c->backlog.size) {
        ptl_buffer_clear(&c->backlog);
        c->backlog_at = 0;
    }
    int err = ptl_buffer_append(&c->backlog, bytes.bytes, bytes.size);
    if (err == PTL_OK && c->reading && c->state != PTL_CONNECTION_MOVING &&
        c->backlog.size - c->backlog_at > PTL_BACKLOG_MAX / 2) {
        c->reading = false;
        ptl_stream_read(c->shard->loop, c->stream, false);
    }
    return err;
}

static struct ptl_span backlog(const struct ptl_connection *c)
{
    return ptl_span_skip(ptl_span(c->backlog.bytes, c->backlog.size), c->backlog_at);
}

static void on_received(void *owner, struct ptl_span bytes)
{
    struct ptl_connection *c = owner;

    ptl_shard_stamp(c->shard);
    if (c->state == PTL_CONNECTION_FINISHING) {
        return;
    }
    if (c->link != NULL && c->link->connection == c) {
        c->link->received_at = c->shard->now;
        if (c->link->has_rivals) {
            ptl_link_heard(c->shard, c->link);
        }
    }
    if (c->state == PTL_CONNECTION_UP && !c->paused && backlog(c).size == 0) {
        if (!ptl_connection_read(c, &bytes) || bytes.size == 0) {
            return;
        }
    }
    if (keep(c, bytes) < 0) {
        over(c, PTL_ENOMEM);
        return;
    }
    ptl_connection_work(c);
}

static void on_ended(void *owner, int err)
{
    struct ptl_connection *c = owner;

    ptl_shard_stamp(c->shard);
    c->ended = true;
    c->end_err = err == 0 ? PTL_ECLOSED : err;
    if (c->state == PTL_CONNECTION_MOVING) {
        return; /* whoever gets it finds out again */
    }
    if (c->state == PTL_CONNECTION_FINISHING) {
        ptl_connection_close(c, PTL_ESTOPPED, PTL_LOG_DEBUG);
        return;
    }
    /* What the peer said before it closed in order still counts. */
    if (err == 0 && (c->paused || backlog(c).size != 0) && c->state >= PTL_CONNECTION_PROVED) {
        return;
    }
    over(c, c->end_err);
}

static void start_detach(struct ptl_connection *c)
{
    if (!c->sending) {
        ptl_stream_detach(c->shard->loop, c->stream);
    }
}

static void on_sent(void *owner, int result)
{
    struct ptl_connection *c = owner;
    struct ptl_span *line = next_line(c);

    ptl_shard_stamp(c->shard);
    c->sending = false;
    if (result < 0) {
        if (c->state == PTL_CONNECTION_MOVING) {
            start_detach(c);
        } else {
            over(c, result);
        }
        return;
    }
    if (line != NULL) {
        *line = ptl_span_skip(*line, (size_t)result);
    } else {
        ptl_outbox_sent(&c->out, (size_t)result);
    }
    if (c->state == PTL_CONNECTION_MOVING) {
        start_detach(c);
        return;
    }
    send_lines(c);
    if (c->link != NULL && c->link->connection == c) {
        ptl_link_sent(c->shard, c->link);
    } else if (c->refused < 0 && !c->sending) {
        ptl_connection_close(c, c->refused, PTL_LOG_INFO);
    }
}

static void on_detached(void *owner, int handle)
{
    struct ptl_connection *c = owner;
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    struct ptl_node *node = node_of(c);
    struct ptl_shard *from = c->shard;
    struct ptl_op op = {.kind = PTL_OP_HANDOVER, .to = PTL_TO_SHARD, .pointer = c};
    struct ptl_parcel *parcel = (struct ptl_parcel *)c->handover;

    c->handle = handle;
    c->stream = NULL;
    unlist_all(c);
    ptl_assert(sizeof(*parcel) + ptl_op_size(&op) <= sizeof(c->handover));
    ptl_op_pack(&op, parcel->bytes);
    unsigned owner_index = ptl_shard_of(ptl_name_hash(peer->node_id), node->shard_count);
    c->shard = &node->shards[owner_index];
    ptl_shard_hand(c->shard, parcel, from);
}

static const struct ptl_stream_hooks hooks = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .detached = on_detached,
    .closed = on_closed,
};

int ptl_connection_open(struct ptl_shard *shard, const struct ptl_address *address,
                        struct ptl_dial *dial, struct ptl_connection **connection)
{
    if (shard->stop_step >= PTL_STOP_TELL) {
        return PTL_ESTOPPED;
    }
    struct ptl_connection *c = make(shard, address);
    if (c == NULL) {
        return PTL_ENOMEM;
    }
    c->dial = dial;
    c->seed = dial->seed;
    snprintf(c->dialled, sizeof(c->dialled), "%s", dial->host_port);
    int err = ptl_loop_connect(shard->loop, address, &hooks, c, &c->stream);
    if (err < 0) {
        unlist_half_open(c);
        unlist_all(c);
        ptl_connection_free(c);
        return err;
    }
    *connection = c;
    return PTL_OK;
}

void ptl_connection_accepted(struct ptl_shard *shard, struct ptl_stream *stream,
                             const struct ptl_address *peer)
{
    struct ptl_connection *c = make(shard, peer);

    if (c == NULL) {
        ptl_stream_close(shard->loop, stream);
        ptl_log(shard->node, PTL_LOG_ERROR, "connection from %s: %s", peer->text,
                ptl_err_text(PTL_ENOMEM)); /* whoever it is: memory lacks for all */
        return;
    }
    c->accepted = true;
    c->stream = stream;
    ptl_stream_adopt(shard->loop, stream, &hooks, c);
    int err = take_place(c);
    if (err == PTL_OK) {
        err = greet(c);
    }
    if (err < 0) {
        over(c, err);
    }
}

void ptl_connection_arrive(struct ptl_shard *shard, struct ptl_connection *c)
{
    ptl_assert(c->shard == shard && c->state == PTL_CONNECTION_MOVING);
    c->ended = false;
    c->reading = true;
    int err = shard->stop_step >= PTL_STOP_TELL
                  ? PTL_ESTOPPED
                  : ptl_loop_attach(shard->loop, c->handle, &hooks, c, &c->stream);
    if (err < 0) {
        ptl_loop_discard(shard->loop, c->handle);
        if (c->seed >= 0) {
            ptl_seed_lost(node_of(c), c->seed, err, shard);
        }
        log_close(c, err, PTL_LOG_WARN);
        ptl_connection_free(c);
        return;
    }
    list_all(c);
    list_half_open(c);
    c->state = PTL_CONNECTION_GREETING;
    if (c->accepted && take_place(c) < 0) {
        over(c, PTL_ENOMEM);
        return;
    }
    send_lines(c);
    ptl_connection_work(c);
}

/* ---- The opening --------------------------------------------------------------------------- */

/* Somebody goes by our own ID: ourselves, if the nonce is one of ours. */
static void meet_own_id(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    if (!ptl_node_nonce_is_ours(node_of(c), peer->nonce)) {
        if (!c->accepted) {
            prove(c, 0); /* whoever it is can tell then that there are two of us */
        } else if (!peer->is_portolan) {
            ptl_connection_close(c, PTL_ETWIN, PTL_LOG_WARN); /* as a real node would do */
        }
        return;
    }
    if (c->seed >= 0) {
        ptl_seed_is_self(node_of(c), c->seed);
        c->seed = -1;
        if (c->dial != NULL) {
            struct ptl_dial *dial = c->dial;
            c->dial = NULL;
            dial->connection = NULL;
            ptl_dial_reached(dial);
        }
    }
    ptl_connection_close(c, PTL_ESELF, PTL_LOG_DEBUG); /* the seed has a line of its own */
}

/* It is known who calls: go to the shard that owns that node.  True: it is this one. */
static bool find_owner(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    unsigned owner = ptl_shard_of(ptl_name_hash(peer->node_id), node_of(c)->shard_count);
    struct ptl_dial *dial = c->dial;

    if (dial != NULL) {
        struct ptl_link *wanted = dial->link;
        c->dial = NULL;
        dial->connection = NULL;
        if (wanted != NULL &&
            !ptl_span_equal(ptl_span(wanted->id, wanted->id_size), peer->node_id)) {
            ptl_log_about(c->shard, PTL_LOG_WARN, ptl_span_text(wanted->id),
                          "at %s is %.*s, not %s: check its address", c->dialled,
                          (int)peer->node_id.size, (const char *)peer->node_id.bytes, wanted->id);
            ptl_dial_failed(dial, PTL_ENOADDRESS);
        } else {
            ptl_dial_reached(dial);
        }
    }
    if (owner == c->shard->index) {
        return true;
    }
    c->state = PTL_CONNECTION_MOVING;
    unlist_half_open(c);
    leave_place(c);
    start_detach(c);
    return false;
}

static bool become_candidate(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    struct ptl_link *link = ptl_link_get(c->shard, peer->node_id);

    if (link == NULL) {
        over(c, PTL_ENOMEM);
        return false;
    }
    c->state = PTL_CONNECTION_PROVING;
    c->link = link;
    ptl_stranger_greeted(&c->shard->links.strangers, &c->stranger);
    ptl_candidate_add(link, c);
    return c->state == PTL_CONNECTION_PROVING;
}

/* The peer is who it says: none of the strangers any more.  True: there may be more to do. */
static bool believe(struct ptl_connection *c)
{
    c->proved = true;
    leave_place(c);
    if (ptl_handshake_peer(&c->handshake)->own_id) {
        ptl_connection_close(c, PTL_ETWIN, PTL_LOG_ERROR);
        return false;
    }
    return ptl_candidate_proved(c->shard, c->link, c);
}

/* Take one line of the peer.  True: there may be more to do. */
static bool take_line(struct ptl_connection *c)
{
    enum ptl_handshake_state before = ptl_handshake_state(&c->handshake);
    int used = ptl_handshake_feed(&c->handshake, backlog(c));

    if (used < 0) {
        over(c, used);
        return false;
    }
    c->backlog_at += (size_t)used;
    if (used == 0) {
        if (c->ended) {
            over(c, c->end_err);
        }
        return false;
    }
    if (before == PTL_HANDSHAKE_NONCE && ptl_handshake_peer(&c->handshake)->own_id) {
        meet_own_id(c);
    } else if (before == PTL_HANDSHAKE_PROOF) {
        return believe(c);
    }
    return c->state == PTL_CONNECTION_GREETING || c->state == PTL_CONNECTION_PROVING;
}

static bool open_step(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);
    enum ptl_handshake_state state = ptl_handshake_state(&c->handshake);

    if (c->state == PTL_CONNECTION_GREETING && state != PTL_HANDSHAKE_GREETING && !peer->own_id) {
        return find_owner(c) && become_candidate(c);
    }
    if (state == PTL_HANDSHAKE_UP) {
        /* Theirs is good; ours may still have to wait. */
        ptl_connection_prove(c);
        if (c->state == PTL_CONNECTION_PROVING && c->proof_sent) {
            c->state = PTL_CONNECTION_PROVED;
        }
        return c->state == PTL_CONNECTION_PROVED;
    }
    if (!take_line(c)) {
        return false;
    }
    if (c->state == PTL_CONNECTION_PROVING &&
        ptl_handshake_state(&c->handshake) == PTL_HANDSHAKE_PROOF) {
        ptl_connection_prove(c);
    }
    return c->state == PTL_CONNECTION_GREETING || c->state == PTL_CONNECTION_PROVING;
}

/* Returns whether something changed, so that another step may follow. */
static bool step(struct ptl_connection *c)
{
    switch ((enum ptl_connection_state)c->state) {
    case PTL_CONNECTION_GREETING:
    case PTL_CONNECTION_PROVING:
        return open_step(c);
    case PTL_CONNECTION_PROVED:
        if (c->ended && backlog(c).size == 0) {
            over(c, c->end_err);
            return false;
        }
        if (c->refused < 0) {
            return false;
        }
        ptl_candidate_decide(c->shard, c->link, c);
        return c->state == PTL_CONNECTION_UP;
    case PTL_CONNECTION_UP: {
        struct ptl_span input = backlog(c);
        if (c->paused || input.size == 0) {
            return false;
        }
        size_t before = input.size;
        if (!ptl_connection_read(c, &input)) {
            return false;
        }
        c->backlog_at += before - input.size;
        if (input.size == 0) {
            ptl_buffer_ease(&c->backlog, BACKLOG_KEPT_MAX); /* it is rarely needed */
            c->backlog_at = 0;
        }
        return false;
    }
    default:
        return false;
    }
}

void ptl_connection_work(struct ptl_connection *c)
{
    if (c->working) {
        return;
    }
    c->working = true;
    while (step(c)) {
    }
    c->working = false;
    if (c->state != PTL_CONNECTION_UP || c->paused || backlog(c).size != 0) {
        return;
    }
    if (c->ended) {
        over(c, c->end_err);
    } else if (!c->reading) {
        c->reading = true;
        ptl_stream_read(c->shard->loop, c->stream, true);
    }
}

bool ptl_connection_has_bytes(const struct ptl_connection *c)
{
    return backlog(c).size != 0;
}

void ptl_connection_take_up(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    c->state = PTL_CONNECTION_UP;
    unlist_half_open(c);
    ptl_node_nonce(node_of(c), c, false);
    ptl_decoder_init(&c->decoder, c->shard->allocator, (enum ptl_framing)peer->receive_framing,
                     node_of(c)->options.message_bytes_max + PACKET_EXTRA_MAX);
    if (peer->is_portolan && peer->message_bytes_max != 0 &&
        peer->message_bytes_max < SIZE_MAX - PACKET_EXTRA_MAX) {
        ptl_outbox_limit(&c->out, peer->message_bytes_max + PACKET_EXTRA_MAX);
    }
    if (!peer->is_portolan) {
        ptl_stream_user_timeout(c->shard->loop, c->stream, PTL_REAL_USER_TIMEOUT_MS);
    }
}

void ptl_connection_resume(struct ptl_connection *c)
{
    if (c->state == PTL_CONNECTION_UP && c->paused) {
        c->paused = false;
        if (ptl_connection_unstall(c)) {
            ptl_connection_work(c);
        }
    }
}

void ptl_connection_deafen(struct ptl_connection *c)
{
    c->paused = true;
    if (c->reading && !c->ended) {
        c->reading = false;
        ptl_stream_read(c->shard->loop, c->stream, false);
    }
}

size_t ptl_connection_unconfirmed(const struct ptl_connection *c)
{
    return c->state == PTL_CONNECTION_FINISHING ? ptl_stream_unconfirmed(c->shard->loop, c->stream)
                                                : 0;
}

void ptl_connection_finish(struct ptl_connection *c)
{
    if (c->state != PTL_CONNECTION_UP || c->sending || c->ended) {
        ptl_connection_close(c, PTL_ESTOPPED, PTL_LOG_DEBUG);
        return;
    }
    c->state = PTL_CONNECTION_FINISHING;
    ptl_making_end(c);
    ptl_connection_wait_no_more(c);
    ptl_stream_finish(c->shard->loop, c->stream);
    if (!c->reading) {
        c->reading = true;
        ptl_stream_read(c->shard->loop, c->stream, true);
    }
}

void ptl_connection_flush(struct ptl_connection *c)
{
    struct ptl_span spans[PTL_SEND_SPANS_MAX];

    if (c->sending || next_line(c) != NULL) {
        return;
    }
    unsigned count = ptl_outbox_spans(&c->out, spans, PTL_SEND_SPANS_MAX);
    if (count == 0) {
        return;
    }
    int err = ptl_stream_send(c->shard->loop, c->stream, spans, count);
    if (err < 0) {
        over(c, err);
        return;
    }
    c->sending = true;
}
