#include "engine/link/silence.h"

#include "engine/link/connection.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_weight.h"
#include "engine/link/rival.h"
#include "engine/link/stream.h"
#include "engine/shard/node.h"

#define PROBE_NS UINT64_C(5000000000) /* a real node's silence */

/* How long either of the two bears the other's silence. */
static uint64_t silence_borne(const struct ptl_shard *shard, const struct ptl_link *link)
{
    uint64_t ours = (uint64_t)shard->node->options.silence_ms * 1000000;
    uint64_t its_ms = ptl_handshake_peer(&link->connection->handshake)->frames.silence_ms;

    return its_ms != 0 && its_ms < ours / 1000000 ? its_ms * 1000000 : ours;
}

void ptl_link_look_at_silence(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link->state == PTL_LINK_UP);
    uint64_t silence = (uint64_t)shard->node->options.silence_ms * 1000000;
    bool reading = link->connection->reading && link->connection->hearing == PTL_HEARS;

    ptl_connection_look_at_flows(link->connection, shard->now);
    if (ptl_link_unsent(link) != 0) {
        ptl_link_dirty(shard, link);
    }
    /* From now on what the peer says shows that it lives; what lay unread until now does not. */
    link->has_rivals = reading && ptl_rivals_wait(link);

    if (!link->peer_is_portolan) {
        if (shard->now - link->received_at > PROBE_NS && shard->now - link->sent_at > PROBE_NS) {
            ptl_link_keepalive(shard, link);
        }
        return;
    }
    if (!reading) {
        ptl_connection_unblock(link->connection);
        if (link->state != PTL_LINK_UP) {
            return;
        }
        link->received_at = shard->now; /* we do not listen: that is not its silence */
    } else if (shard->polled_at > link->received_at &&
               shard->polled_at - link->received_at > silence) {
        /* Not by the time now: while we worked, it may have said much that we have not read. */
        ptl_link_fail(shard, link, PTL_ESILENT);
        return;
    }
    if (shard->now - link->sent_at > silence_borne(shard, link) / 4) {
        ptl_link_keepalive(shard, link);
    }
}
