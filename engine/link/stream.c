#include "engine/link/stream.h"

#include "engine/link/ending.h"
#include "engine/link/flow_full.h"
#include "engine/link/handover.h"
#include "engine/link/joining.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/opening.h"
#include "engine/link/places.h"
#include "engine/link/receive.h"
#include "engine/link/rival.h"
#include "engine/link/seed.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

/* ---- Going on ------------------------------------------------------------------------------ */

static bool is_over(const struct ptl_connection *c)
{
    return c->end_err != PTL_OK && !ptl_connection_has_bytes(c);
}

/* Both sides are proved: the link takes it, has it wait, or closes it. */
static bool decide(struct ptl_connection *c)
{
    if (is_over(c)) {
        ptl_connection_over(c, c->end_err);
        return false;
    }
    ptl_candidate_decide(c->shard, c->link, c);
    return c->state == PTL_CONNECTION_UP;
}

/* It is closed as soon as the peer has our proof, which may still have to be sent. */
static void wait_for_proof(struct ptl_connection *c)
{
    ptl_connection_prove(c);
    if (c->state == PTL_CONNECTION_REFUSED && is_over(c)) {
        ptl_connection_over(c, c->end_err);
    }
}

/* Take packets out of what is unread. */
static void read_unread(struct ptl_connection *c)
{
    struct ptl_span input = ptl_unread_bytes(&c->unread);
    size_t before = input.size;

    if (c->hearing != PTL_HEARS || input.size == 0 || !ptl_connection_read(c, &input)) {
        return;
    }
    ptl_assert(input.size <= before);
    ptl_unread_taken(&c->unread, before - input.size);
    if (input.size == 0) {
        ptl_unread_ease(&c->unread);
    }
}

static void unseal(struct ptl_connection *c, struct ptl_span bytes);

/* What has come while we did not know yet that both want TLS. */
static bool unseal_early(struct ptl_connection *c)
{
    struct ptl_unread early = c->sealing.early;

    ptl_unread_init(&c->sealing.early, c->shard->allocator);
    unseal(c, ptl_unread_bytes(&early));
    ptl_unread_drop(&early);
    return c->state != PTL_CONNECTION_CLOSING;
}

/* One step of the machine.  Returns whether something changed, so that another may follow. */
static bool step(struct ptl_connection *c)
{
    if (ptl_unread_bytes(&c->sealing.early).size != 0) {
        return unseal_early(c);
    }
    switch ((enum ptl_connection_state)c->state) {
    case PTL_CONNECTION_GREETING:
    case PTL_CONNECTION_TWIN:
    case PTL_CONNECTION_PROVING:
    case PTL_CONNECTION_BELIEVED:
        return ptl_opening_step(c);
    case PTL_CONNECTION_PROVED:
        return decide(c);
    case PTL_CONNECTION_REFUSED:
        wait_for_proof(c);
        break;
    case PTL_CONNECTION_UP:
        read_unread(c);
        break;
    case PTL_CONNECTION_CONNECTING:
    case PTL_CONNECTION_MOVING:
    case PTL_CONNECTION_FINISHING:
    case PTL_CONNECTION_CLOSING:
        break;
    }
    return false;
}

/*
 * Steps may close others, fail links and so come back to this connection: whoever is inside already
 * goes on, with whatever state that has left.  It is freed by the loop only, so `c` stays good.
 */
void ptl_connection_work(struct ptl_connection *c)
{
    if (c->working) {
        return;
    }
    c->working = true;
    while (step(c)) {
    }
    c->working = false;
    if (c->state != PTL_CONNECTION_UP || c->hearing != PTL_HEARS || ptl_connection_has_bytes(c)) {
        return;
    }
    /* All is understood: read on, or there is nothing more to come. */
    if (c->end_err != PTL_OK) {
        ptl_connection_over(c, c->end_err);
    } else if (!c->reading) {
        c->reading = true;
        ptl_stream_read(c->shard->loop, c->stream, true);
    }
}

void ptl_connection_resume(struct ptl_connection *c)
{
    if (c->state == PTL_CONNECTION_UP && c->hearing == PTL_HEARS_LATER) {
        c->hearing = PTL_HEARS;
        if (ptl_connection_unstall(c)) {
            ptl_connection_work(c);
        }
    }
}

void ptl_connection_unblock(struct ptl_connection *c)
{
    if (ptl_connection_waits_for_peer(c)) {
        c->answer_anyway = true; /* until it takes something */
        ptl_connection_wait_no_more(c);
        ptl_connection_resume(c);
    }
}

void ptl_connection_flush(struct ptl_connection *c)
{
    if (c->sending || ptl_connection_next_line(c) != NULL) {
        return;
    }
    int err = ptl_connection_fill(c);
    if (err == PTL_OK || c->out.size != 0) {
        err = ptl_connection_send(c);
    }
    if (err < 0) {
        ptl_connection_over(c, err);
    }
}

/* ---- What the loop tells ------------------------------------------------------------------- */

static void on_connected(void *owner, int err)
{
    struct ptl_connection *c = owner;

    ptl_shard_stamp(c->shard);
    if (err == PTL_OK) {
        err = ptl_connection_greet(c);
    }
    if (err < 0) {
        ptl_connection_over(c, err);
    }
}

/* Keep what cannot be taken now; when that is much, nothing more is read until it is taken. */
static int keep(struct ptl_connection *c, struct ptl_span bytes)
{
    int err = ptl_unread_keep(&c->unread, bytes);

    if (err == PTL_OK && c->reading && c->state != PTL_CONNECTION_MOVING &&
        ptl_unread_bytes(&c->unread).size > PTL_UNREAD_MAX / 2) {
        c->reading = false;
        ptl_stream_read(c->shard->loop, c->stream, false);
    }
    return err;
}

/* Bytes of the peer, as it has said them. */
static void receive(struct ptl_connection *c, struct ptl_span bytes)
{
    if (c->state == PTL_CONNECTION_FINISHING) {
        return;
    }
    /* Whatever comes shows that the peer lives, whether it can be taken now or not. */
    if (ptl_link_runs_on(c->link, c)) {
        c->link->received_at = c->shard->now;
        if (c->link->has_rivals) {
            ptl_rivals_refuse(c->shard, c->link);
        }
    }
    /* Most packets are taken where the loop has received them, without a copy. */
    if (c->state == PTL_CONNECTION_UP && c->hearing == PTL_HEARS && !ptl_connection_has_bytes(c)) {
        if (!ptl_connection_read(c, &bytes) || bytes.size == 0) {
            return;
        }
    }
    if (keep(c, bytes) < 0) {
        ptl_connection_over(c, PTL_ENOMEM);
        return;
    }
    ptl_connection_work(c);
}

static void end(struct ptl_connection *c, int err);

/* In order, or because something is wrong, of which the peer is told what it may know. */
static void end_tls(struct ptl_connection *c, int err)
{
    if (err == PTL_ECLOSED) {
        end(c, 0);
        return;
    }
    if (c->state < PTL_CONNECTION_UP) {
        c->sealing.failed = err;
        ptl_connection_send_lines(c);
    }
    if (c->state != PTL_CONNECTION_CLOSING && !(c->sealing.failed != PTL_OK && c->sending)) {
        ptl_connection_over(c, err);
    }
}

/* Bytes of the peer that are sealed.  What is in them may end everything: so it is looked anew. */
static void unseal(struct ptl_connection *c, struct ptl_span bytes)
{
    uint8_t room[PTL_TLS_RECORD];
    int count = 0;

    while (c->state < PTL_CONNECTION_FINISHING && ptl_sealing_may_hear(&c->sealing)) {
        bool was_up = ptl_sealing_may_say(&c->sealing);
        count = ptl_tls_open(c->sealing.tls, &bytes, room, sizeof(room), &c->sealing.words);
        if (!was_up && ptl_sealing_may_say(&c->sealing)) {
            ptl_opening_sealed(c);
        }
        if (count <= 0) {
            break;
        }
        receive(c, ptl_span(room, (size_t)count));
    }
    if (c->state >= PTL_CONNECTION_FINISHING) {
        return;
    }
    if (count < 0) {
        end_tls(c, count);
    } else {
        ptl_connection_send_lines(c);
    }
}

static void on_received(void *owner, struct ptl_span bytes)
{
    struct ptl_connection *c = owner;

    ptl_shard_stamp(c->shard);
    ptl_count(&c->shard->counts.link_bytes_in, bytes.size);
    if (ptl_link_runs_on(c->link, c)) {
        c->link->bytes_in += bytes.size;
    }
    if (!ptl_sealing_is_on(&c->sealing)) {
        receive(c, bytes);
    } else {
        unseal(c, bytes);
    }
}

static void end(struct ptl_connection *c, int err)
{
    c->end_err = err == 0 ? PTL_ECLOSED : err;
    if (c->state == PTL_CONNECTION_MOVING) {
        return; /* whoever gets it finds out again */
    }
    if (c->state == PTL_CONNECTION_FINISHING) {
        ptl_connection_close(c, PTL_ESTOPPED, PTL_LOG_DEBUG);
        return;
    }
    /* What the peer said before it closed in order still counts. */
    if (err == 0 && (c->hearing != PTL_HEARS || ptl_connection_has_bytes(c)) &&
        c->state >= PTL_CONNECTION_PROVED) {
        return;
    }
    ptl_connection_over(c, c->sealing.failed != PTL_OK ? c->sealing.failed : c->end_err);
}

static void on_ended(void *owner, int err)
{
    struct ptl_connection *c = owner;

    ptl_shard_stamp(c->shard);
    if (c->end_err == PTL_OK) { /* TLS may have said so before */
        end(c, err);
    }
}

static void count_sent(const struct ptl_connection *c, int result)
{
    uint64_t bytes = result > 0 ? (uint64_t)result : 0;

    ptl_count(&c->shard->counts.link_bytes_out, bytes);
    if (ptl_link_runs_on(c->link, c)) {
        c->link->bytes_out += bytes;
    }
}

static void on_sent(void *owner, int result)
{
    struct ptl_connection *c = owner;
    struct ptl_span *line = ptl_connection_next_line(c);

    ptl_shard_stamp(c->shard);
    ptl_assert(c->sending);
    c->sending = false;
    count_sent(c, result);
    if (result >= 0 && ptl_sealing_is_going(&c->sealing)) {
        result =
            ptl_sealing_sent(&c->sealing, c->shard->loop, c->stream, (size_t)result, &c->sending);
        if (c->sending) {
            return;
        }
    }
    if (result < 0) {
        if (c->state == PTL_CONNECTION_MOVING) {
            ptl_connection_start_detach(c);
        } else if (c->state == PTL_CONNECTION_FINISHING) {
            ptl_connection_close(c, PTL_ESTOPPED, PTL_LOG_DEBUG);
        } else {
            ptl_connection_over(c, result);
        }
        return;
    }
    if (line != NULL) {
        *line = ptl_span_skip(*line, (size_t)result);
    } else {
        ptl_outbox_sent(&c->out, (size_t)result);
    }
    if (c->state == PTL_CONNECTION_MOVING) {
        ptl_connection_start_detach(c); /* a stream cannot move while it sends */
        return;
    }
    if (c->state == PTL_CONNECTION_FINISHING) {
        ptl_connection_finish_on(c);
        return;
    }
    ptl_connection_send_lines(c);
    if (c->sealing.failed != PTL_OK && !c->sending) {
        ptl_connection_over(c, c->sealing.failed);
    } else if (ptl_link_runs_on(c->link, c)) {
        ptl_link_sent(c->shard, c->link);
    } else if (c->state == PTL_CONNECTION_REFUSED && !c->sending) {
        ptl_connection_close(c, c->refused, PTL_LOG_INFO);
    }
}

static void on_closed(void *owner)
{
    struct ptl_connection *c = owner;

    ptl_assert(c->state == PTL_CONNECTION_CLOSING && c->shard->links->closing != 0);
    ptl_assert(c->link == NULL && c->waiter == NULL); /* its end has told both */
    c->shard->links->closing--;
    ptl_connection_unlist(c);
    ptl_connection_free(c);
}

static const struct ptl_stream_hooks stream_hooks = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .detached = ptl_connection_detached,
    .closed = on_closed,
};

const struct ptl_connection_hooks ptl_connection_hooks = {
    .stream = &stream_hooks,
    .closed = ptl_connection_closed,
    .flow_full = ptl_connection_flow_full,
};

/* ---- Arrivals ------------------------------------------------------------------------------ */

void ptl_connection_accepted(struct ptl_shard *shard, struct ptl_stream *stream,
                             const struct ptl_address *peer)
{
    struct ptl_connection *c = ptl_connection_make(shard, peer);

    if (c == NULL) {
        ptl_stream_close(shard->loop, stream);
        ptl_log(shard->node, PTL_LOG_ERROR, "connection from %s: %s", peer->text,
                ptl_err_text(PTL_ENOMEM)); /* whoever it is: memory lacks for all */
        return;
    }
    c->accepted = true;
    c->stream = stream;
    ptl_stream_adopt(shard->loop, stream, &stream_hooks, c);
    int err = ptl_connection_take_place(c);
    if (err == PTL_OK) {
        err = ptl_connection_greet(c);
    }
    if (err < 0) {
        ptl_connection_over(c, err);
    }
}

void ptl_connection_arrive(struct ptl_shard *shard, struct ptl_connection *c)
{
    ptl_assert(c->shard == shard && c->state == PTL_CONNECTION_MOVING);
    c->end_err = PTL_OK; /* the loop finds out again */
    c->reading = true;
    int err = shard->stop_step >= PTL_STOP_TELL
                  ? PTL_ESTOPPED
                  : ptl_loop_attach(shard->loop, c->handle, &stream_hooks, c, &c->stream);
    if (err < 0) {
        ptl_loop_discard(shard->loop, c->handle);
        if (c->seed >= 0) {
            ptl_seed_lost(c->shard->node, c->seed, err, shard);
        }
        ptl_connection_log_close(c, err, PTL_LOG_WARN);
        ptl_connection_free(c);
        return;
    }
    /* It goes on where it was: its greeting is out or waits, the peer's is taken already. */
    ptl_connection_list(c);
    ptl_connection_enter(c, PTL_CONNECTION_GREETING);
    if (c->accepted && ptl_connection_take_place(c) < 0) {
        ptl_connection_over(c, PTL_ENOMEM);
        return;
    }
    ptl_connection_send_lines(c);
    ptl_connection_work(c);
}
