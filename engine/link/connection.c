#include "engine/link/connection.h"

#include "engine/link/given_up.h"
#include "engine/link/nonce.h"
#include "engine/link/refusals.h"
#include "engine/link/secrets.h"
#include "engine/link/shard_links.h"
#include "engine/message/message.h"
#include "engine/port/room.h"
#include "engine/shard/node.h"
#include "io/address.h"

#include <inttypes.h>
#include <stdio.h>

/* What a packet may have beside a message: heads, the name, of a request its word and another name.
 * A peer with our limit may send a message of just that size. */
#define PACKET_EXTRA_MAX 1024

/* One flow may hold this part of a link's room before it is full. */
#define FLOWS_A_ROOM 4

void ptl_connection_list(struct ptl_connection *c)
{
    struct ptl_shard_links *links = c->shard->links;

    c->all_next = links->all;
    c->all_link = &links->all;
    if (links->all != NULL) {
        links->all->all_link = &c->all_next;
    }
    links->all = c;
}

void ptl_connection_unlist(struct ptl_connection *c)
{
    *c->all_link = c->all_next;
    if (c->all_next != NULL) {
        c->all_next->all_link = c->all_link;
    }
}

/* ---- States -------------------------------------------------------------------------------- */

#define BIT(state) (1u << PTL_CONNECTION_##state)

/* What may follow each state. */
static const uint16_t follows[] = {
    [PTL_CONNECTION_CONNECTING] = BIT(GREETING) | BIT(CLOSING),
    [PTL_CONNECTION_GREETING] = BIT(TWIN) | BIT(MOVING) | BIT(PROVING) | BIT(CLOSING),
    [PTL_CONNECTION_TWIN] = BIT(BELIEVED) | BIT(CLOSING),
    [PTL_CONNECTION_MOVING] = BIT(GREETING) | BIT(CLOSING),
    [PTL_CONNECTION_PROVING] = BIT(BELIEVED) | BIT(CLOSING),
    [PTL_CONNECTION_BELIEVED] = BIT(PROVED) | BIT(REFUSED) | BIT(CLOSING),
    [PTL_CONNECTION_PROVED] = BIT(REFUSED) | BIT(UP) | BIT(CLOSING),
    [PTL_CONNECTION_REFUSED] = BIT(CLOSING),
    [PTL_CONNECTION_UP] = BIT(FINISHING) | BIT(CLOSING),
    [PTL_CONNECTION_FINISHING] = BIT(CLOSING),
    [PTL_CONNECTION_CLOSING] = 0,
};

/* Whether it stands on the list of those that have to be up before a deadline. */
static bool is_half_open(enum ptl_connection_state state)
{
    return state < PTL_CONNECTION_UP && state != PTL_CONNECTION_MOVING;
}

/* By deadline: one that comes from another shard has used some of its time there. */
static void list_half_open(struct ptl_connection *c)
{
    struct ptl_shard_links *links = c->shard->links;
    struct ptl_connection *before = links->half_open_last;

    while (before != NULL && before->deadline > c->deadline) {
        before = before->half_before;
    }
    struct ptl_connection *after = before == NULL ? links->half_open_first : before->half_next;
    c->half_before = before;
    c->half_next = after;
    *(before == NULL ? &links->half_open_first : &before->half_next) = c;
    *(after == NULL ? &links->half_open_last : &after->half_before) = c;
    ptl_links_tick_at(links, c->deadline);
}

static void unlist_half_open(struct ptl_connection *c)
{
    struct ptl_shard_links *links = c->shard->links;

    *(c->half_before == NULL ? &links->half_open_first : &c->half_before->half_next) = c->half_next;
    *(c->half_next == NULL ? &links->half_open_last : &c->half_next->half_before) = c->half_before;
}

void ptl_connection_enter(struct ptl_connection *c, enum ptl_connection_state state)
{
    bool was_half_open = is_half_open(c->state);

    ptl_assert((follows[c->state] & 1u << state) != 0);
    c->state = (uint8_t)state;
    if (was_half_open && !is_half_open(state)) {
        unlist_half_open(c);
    } else if (!was_half_open && is_half_open(state)) {
        list_half_open(c);
    }
}

/* ---- Birth and death ----------------------------------------------------------------------- */

void ptl_connection_leave_place(struct ptl_connection *c)
{
    ptl_stranger_remove(&c->shard->links->strangers, &c->stranger);
}

struct ptl_connection *ptl_connection_make(struct ptl_shard *shard, const struct ptl_address *peer)
{
    struct ptl_connection *c = ptl_alloc(shard->allocator, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->shard = shard;
    c->seed = -1;
    c->toward = -1;
    c->peer = *peer;
    c->source = ptl_address_source(peer);
    c->reading = true;
    /* The clock itself, not the turn's time: the deadline of one that moves is compared on
     * another shard. */
    c->made_at = ptl_loop_now(shard->loop);
    c->deadline = c->made_at + (uint64_t)shard->node->options.handshake_ms * 1000000;
    ptl_unread_init(&c->unread, shard->allocator);
    ptl_outbox_init(&c->out, shard->allocator, &shard->links->spare_chunks);
    ptl_connection_list(c);
    list_half_open(c);
    return c;
}

int ptl_connection_open(struct ptl_shard *shard, const struct ptl_address *address,
                        const char *host_port, int seed, struct ptl_dial *dial,
                        struct ptl_connection **connection)
{
    if (shard->stop_step >= PTL_STOP_TELL) {
        return PTL_ESTOPPED;
    }
    struct ptl_connection *c = ptl_connection_make(shard, address);
    if (c == NULL) {
        return PTL_ENOMEM;
    }
    c->dial = dial;
    c->seed = seed;
    snprintf(c->dialled, sizeof(c->dialled), "%s", host_port);
    int err = ptl_loop_connect(shard->loop, address, shard->links->hooks->stream, c, &c->stream);
    if (err < 0) {
        ptl_connection_enter(c, PTL_CONNECTION_CLOSING);
        ptl_connection_unlist(c);
        ptl_connection_free(c);
        return err;
    }
    *connection = c;
    return PTL_OK;
}

void ptl_connection_free(struct ptl_connection *c)
{
    const struct ptl_allocator *allocator = c->shard->allocator;

    ptl_node_nonce(c->shard->node, c, false);
    ptl_handshake_drop(&c->handshake);
    ptl_secrets_release(c->shard->node, c->secrets);
    ptl_decoder_drop(&c->decoder);
    if (c->framed) {
        ptl_frames_in_drop(&c->frames_in);
        ptl_frames_out_drop(&c->frames_out);
    }
    ptl_sealing_drop(&c->sealing);
    ptl_unread_drop(&c->unread);
    ptl_outbox_drop(&c->out);
    ptl_parcel_free(c->stalled, allocator);
    ptl_free(allocator, c, sizeof(*c));
}

/* ---- What its end is to the log ------------------------------------------------------------ */

#define WHO_TEXT_MAX (PTL_ADDRESS_TEXT_MAX + PTL_NODE_ID_MAX + 16)

/* Whose it was, and under which name it went. */
static void describe(const struct ptl_connection *c, char who[WHO_TEXT_MAX])
{
    struct ptl_span id = ptl_handshake_peer(&c->handshake)->node_id;

    snprintf(who, WHO_TEXT_MAX, "%s %s%s%.*s%s", c->accepted ? "from" : "to", c->peer.text,
             id.size != 0 ? " (" : "", (int)id.size, id.size != 0 ? (const char *)id.bytes : "",
             id.size != 0 ? ")" : "");
}

/* A line of a kind of its own, which is told however many were told of that host at debug. */
static void warn_of_stranger(const struct ptl_connection *c, int err,
                             const struct ptl_refusals_more *more)
{
    char who[WHO_TEXT_MAX], same[48] = "", others[48] = "";

    describe(c, who);
    if (more->same != 0) {
        snprintf(same, sizeof(same), " ... and %" PRIu64 " more from there", more->same);
    }
    if (more->others != 0) {
        snprintf(others, sizeof(others), " ... and %" PRIu64 " of others", more->others);
    }
    ptl_log_about(c->shard, PTL_LOG_WARN, ptl_address_host(&c->peer),
                  "connection %s failed: %s%s%s", who, ptl_err_text(err), same, others);
}

/* One that was never proved: anybody can have it end in any way, as often as he likes. */
static void log_stranger(const struct ptl_connection *c, int err)
{
    struct ptl_refusals_more more;
    char who[WHO_TEXT_MAX];

    if (ptl_refusal_is(err) &&
        ptl_refusal_of_stranger_is_news(c->shard->node, c->source, c->shard->now, &more)) {
        warn_of_stranger(c, err, &more);
        return;
    }
    describe(c, who);
    /* The name that a stranger gives is nobody's. */
    ptl_log_about(c->shard, PTL_LOG_DEBUG, ptl_address_host(&c->peer), "connection %s: %s", who,
                  ptl_err_text(err));
}

/* What comes back with each attempt is told once in a while. */
static enum ptl_log_level level_of_close(const struct ptl_connection *c, int err,
                                         enum ptl_log_level level)
{
    struct ptl_span address =
        c->accepted ? ptl_address_host(&c->peer) : ptl_span_text(c->peer.text);

    if (!ptl_refusal_is(err)) {
        return level;
    }
    /* A seed has a line of its own. */
    if (c->seed >= 0 || !ptl_refusal_is_news(c->shard->node, address, c->shard->now)) {
        return PTL_LOG_DEBUG;
    }
    return level < PTL_LOG_WARN ? level : PTL_LOG_WARN;
}

void ptl_connection_log_close(const struct ptl_connection *c, int err, enum ptl_log_level level)
{
    bool proved = ptl_connection_is_proved(c);
    char who[WHO_TEXT_MAX];

    if (c->accepted && !proved) {
        log_stranger(c, err);
        return;
    }
    describe(c, who);
    ptl_log_about(c->shard, level_of_close(c, err, level),
                  proved ? ptl_handshake_peer(&c->handshake)->node_id : ptl_address_host(&c->peer),
                  "connection %s: %s", who, ptl_err_text(err));
}

void ptl_connection_wait_no_more(struct ptl_connection *c)
{
    if (c->waiter != NULL) {
        ptl_waiter_free(c->shard, c->waiter);
    }
}

void ptl_connection_close(struct ptl_connection *c, int err, enum ptl_log_level level)
{
    enum ptl_connection_state was = c->state;

    if (was == PTL_CONNECTION_CLOSING) {
        return;
    }
    ptl_connection_log_close(c, err, level); /* while its state still says how far it came */
    if (was < PTL_CONNECTION_UP && err != PTL_ESTOPPED) {
        ptl_count(&c->shard->counts.handshakes_failed[ptl_given_up_for(err)], 1);
    }
    ptl_connection_enter(c, PTL_CONNECTION_CLOSING);
    ptl_making_end(&c->shard->links->makings, &c->making);
    ptl_connection_leave_place(c);
    ptl_connection_wait_no_more(c);
    /* It stays until the loop has let go of the stream: on_closed() frees it. */
    c->shard->links->closing++;
    ptl_stream_close(c->shard->loop, c->stream);
    c->shard->links->hooks->closed(c, was, err); /* last: it may open and close others */
}

void ptl_connection_refuse(struct ptl_connection *c, int err)
{
    ptl_assert(err < 0);
    if (c->sending) {
        /* With our proof it can believe that this is us, and where our address leads. */
        ptl_connection_enter(c, PTL_CONNECTION_REFUSED);
        c->refused = err;
    } else {
        ptl_connection_close(c, err, PTL_LOG_INFO);
    }
}

bool ptl_connection_has_bytes(const struct ptl_connection *c)
{
    return ptl_unread_bytes(&c->unread).size != 0;
}

int ptl_connection_fill(struct ptl_connection *c)
{
    return c->framed ? ptl_frames_out_fill(&c->frames_out, &c->out) : PTL_OK;
}

size_t ptl_connection_unsent(const struct ptl_connection *c)
{
    return c->out.size + c->frames_out.waiting.size;
}

size_t ptl_connection_unweighed(const struct ptl_connection *c)
{
    return c->frames_out.waiting.unweighed;
}

int ptl_connection_hand(struct ptl_connection *c, const struct ptl_span spans[], unsigned count)
{
    ptl_assert(!c->sending);
    int err = ptl_sealing_is_on(&c->sealing)
                  ? ptl_sealing_send(&c->sealing, c->shard->loop, c->stream, spans, count)
                  : ptl_stream_send(c->shard->loop, c->stream, spans, count);
    c->sending = err == PTL_OK;
    return err;
}

int ptl_connection_send(struct ptl_connection *c)
{
    struct ptl_span spans[PTL_SEND_SPANS_MAX];
    unsigned count = ptl_outbox_spans(&c->out, spans, PTL_SEND_SPANS_MAX);

    if (count == 0 && !ptl_sealing_has_words(&c->sealing)) {
        return PTL_OK;
    }
    return ptl_connection_hand(c, spans, count);
}

static void begin_framing(struct ptl_connection *c, const struct ptl_handshake_peer *peer)
{
    const struct ptl_node *node = c->shard->node;
    size_t most = node->options.message_bytes_max + PACKET_EXTRA_MAX;

    c->framed = peer->send_framing == PTL_FRAMING_FRAMES;
    if (!c->framed) {
        ptl_decoder_init(&c->decoder, c->shard->allocator, (enum ptl_framing)peer->receive_framing,
                         most);
        return;
    }
    ptl_frames_in_init(&c->frames_in, c->shard->allocator, node->self.incarnation,
                       peer->incarnation, most);
    ptl_frames_out_init(&c->frames_out, c->shard->allocator, node->self.incarnation,
                        peer->incarnation, peer->frames.flows,
                        peer->message_bytes_max != 0 ? peer->message_bytes_max : UINT64_MAX);
    ptl_backlogs_limit(&c->frames_out.waiting, node->options.link_room / FLOWS_A_ROOM,
                       c->shard->links->hooks->flow_full, c);
}

int ptl_connection_decode(struct ptl_connection *c, struct ptl_span *input,
                          struct ptl_packet *packet)
{
    return c->framed ? ptl_frames_in_next(&c->frames_in, input, packet)
                     : ptl_decoder_next(&c->decoder, input, packet);
}

size_t ptl_connection_held(const struct ptl_connection *c)
{
    return c->framed ? ptl_frames_in_held(&c->frames_in) : ptl_decoder_held(&c->decoder);
}

void ptl_connection_look_at_flows(struct ptl_connection *c, uint64_t now_ns)
{
    if (c->framed) {
        ptl_frames_out_tick(&c->frames_out, &c->out, now_ns);
    }
}

void ptl_connection_take_up(struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    ptl_connection_enter(c, PTL_CONNECTION_UP);
    /* What the peer has sent behind its proof is unread, and is decoded next. */
    ptl_node_nonce(c->shard->node, c, false);
    begin_framing(c, peer);
    if (peer->is_portolan && peer->message_bytes_max != 0 &&
        peer->message_bytes_max < SIZE_MAX - PACKET_EXTRA_MAX) {
        ptl_outbox_limit(&c->out, peer->message_bytes_max + PACKET_EXTRA_MAX);
    }
    if (c->framed) {
        ptl_stream_keep_short(c->shard->loop, c->stream);
    }
    if (!peer->is_portolan) {
        ptl_stream_user_timeout(c->shard->loop, c->stream, PTL_REAL_USER_TIMEOUT_MS);
    }
}

static void stop_hearing(struct ptl_connection *c, enum ptl_hearing instead)
{
    ptl_assert(c->hearing != PTL_DEAF || instead == PTL_DEAF);
    c->hearing = (uint8_t)instead;
    if (c->reading && c->end_err == PTL_OK) {
        c->reading = false;
        ptl_stream_read(c->shard->loop, c->stream, false);
    }
}

void ptl_connection_hold(struct ptl_connection *c)
{
    stop_hearing(c, PTL_HEARS_LATER);
}

void ptl_connection_deafen(struct ptl_connection *c)
{
    stop_hearing(c, PTL_DEAF);
}

size_t ptl_connection_unconfirmed(const struct ptl_connection *c)
{
    if (c->state != PTL_CONNECTION_FINISHING) {
        return 0;
    }
    /* GOODBYE is nobody's loss, and the last of it. */
    size_t bytes = c->out.size + ptl_stream_unconfirmed(c->shard->loop, c->stream);
    size_t goodbye = c->framed ? PTL_FRAME_START : 0;
    if (ptl_sealing_is_on(&c->sealing)) {
        goodbye += 2 * PTL_SEALED_EXTRA; /* that of TLS follows ours */
    }
    return bytes > goodbye ? bytes - goodbye : 0;
}

void ptl_connection_finish_on(struct ptl_connection *c)
{
    ptl_assert(c->state == PTL_CONNECTION_FINISHING && !c->sending);
    int err = ptl_connection_send(c);
    if (err == PTL_OK && !c->sending && ptl_sealing_finish(&c->sealing)) {
        err = ptl_connection_send(c);
    }
    if (err < 0) {
        ptl_connection_close(c, PTL_ESTOPPED, PTL_LOG_DEBUG); /* which says it, too */
    } else if (!c->sending) {
        ptl_stream_finish(c->shard->loop, c->stream);
    }
}

void ptl_connection_finish(struct ptl_connection *c)
{
    if (c->state != PTL_CONNECTION_UP || c->sending || c->end_err != PTL_OK) {
        ptl_connection_close(c, PTL_ESTOPPED, PTL_LOG_DEBUG);
        return;
    }
    ptl_connection_enter(c, PTL_CONNECTION_FINISHING);
    ptl_making_end(&c->shard->links->makings, &c->making);
    ptl_connection_wait_no_more(c);
    if (!c->reading) {
        c->reading = true;
        ptl_stream_read(c->shard->loop, c->stream, true);
    }
    if (c->framed && ptl_frames_out_goodbye(&c->out) < 0) {
        ptl_log_about(c->shard, PTL_LOG_DEBUG, ptl_address_host(&c->peer),
                      "%s is not told that we stop: %s", c->peer.text, ptl_err_text(PTL_ENOMEM));
    }
    ptl_connection_finish_on(c);
}
