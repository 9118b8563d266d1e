#include "engine/link/silence.h"

#include "engine/link/connection.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_weight.h"
#include "engine/link/rival.h"
#include "engine/link/stream.h"
#include "engine/shard/node.h"

#define MS_NS UINT64_C(1000000)
#define PROBE_NS UINT64_C(5000000000) /* a real node's silence */
#define UNSAID_MS 2000 /* what is borne by one of ours that says nothing of it: no frames */
#define LOOKS 8        /* before a silence is too long */
#define HEARTBEATS 4   /* in that time */

/* The peer's silence that we bear.  One that is not told of ours thinks that it is the usual. */
static uint64_t borne_here(const struct ptl_shard *shard, const struct ptl_link *link)
{
    uint64_t ms = shard->node->options.silence_ms;

    return (link->connection->framed || ms > UNSAID_MS ? ms : UNSAID_MS) * MS_NS;
}

/* Ours that the peer bears. */
static uint64_t borne_there(const struct ptl_link *link)
{
    const struct ptl_connection *c = link->connection;
    uint64_t ms = c->framed ? ptl_handshake_peer(&c->handshake)->frames.silence_ms : UNSAID_MS;

    return ms < UINT64_MAX / MS_NS ? ms * MS_NS : UINT64_MAX;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * The shard was stopped, starved or busy, and has not listened: that is not the peer's silence.  It
 * has as much time to be heard as it had left before.
 */
static void allow_for_gap(const struct ptl_shard *shard, struct ptl_link *link, uint64_t every)
{
    uint64_t gap = shard->links->gap;

    if (gap > 2 * every) {
        link->received_at = lesser(link->received_at + (gap - every), shard->now);
    }
}

static bool is_too_long(const struct ptl_shard *shard, const struct ptl_link *link)
{
    /* Not by the time now: while we worked, it may have said much that we have not read. */
    return shard->polled_at > link->received_at &&
           shard->polled_at - link->received_at > borne_here(shard, link);
}

/* A node of ours.  False: it is gone. */
static bool is_alive(struct ptl_shard *shard, struct ptl_link *link, bool reading, uint64_t every)
{
    if (!reading) {
        ptl_connection_unblock(link->connection);
        link->received_at = shard->now; /* we do not listen: that is not its silence */
        return link->state == PTL_LINK_UP;
    }
    allow_for_gap(shard, link, every);
    if (is_too_long(shard, link)) {
        ptl_link_fail(shard, link, PTL_ESILENT);
        return false;
    }
    return true;
}

static uint64_t look_at_ours(struct ptl_shard *shard, struct ptl_link *link, bool reading)
{
    uint64_t silence = lesser(borne_here(shard, link), borne_there(link));
    uint64_t every = lesser(silence / LOOKS, PTL_LINKS_TICK_NS);

    /* Behind bytes that are on their way it would say nothing that they do not. */
    if (is_alive(shard, link, reading, every) && link->connection->out.size == 0 &&
        shard->now - link->sent_at >= borne_there(link) / HEARTBEATS) {
        ptl_link_keepalive(shard, link);
    }
    return shard->now + every;
}

static uint64_t look_at_real(struct ptl_shard *shard, struct ptl_link *link)
{
    if (shard->now - link->received_at > PROBE_NS && shard->now - link->sent_at > PROBE_NS) {
        ptl_link_keepalive(shard, link);
    }
    return shard->now + PTL_LINKS_TICK_NS;
}

uint64_t ptl_link_look_at_silence(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link->state == PTL_LINK_UP);
    bool reading = link->connection->reading && link->connection->hearing == PTL_HEARS;

    ptl_connection_look_at_flows(link->connection, shard->now);
    if (ptl_link_unsent(link) != 0) {
        ptl_link_dirty(shard, link);
    }
    /* From now on what the peer says shows that it lives; what lay unread until now does not. */
    link->has_rivals = reading && ptl_rivals_wait(link);
    return link->peer_is_portolan ? look_at_ours(shard, link, reading) : look_at_real(shard, link);
}
