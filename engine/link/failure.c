#include "engine/link/failure.h"

#include "engine/link/backoff.h"
#include "engine/link/candidate.h"
#include "engine/link/connection.h"
#include "engine/link/dial_addresses.h"
#include "engine/link/downs.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_weight.h"
#include "engine/link/linked.h"
#include "engine/link/listener.h"
#include "engine/link/peer_full.h"
#include "engine/link/shard_links.h"
#include "engine/link/stop_losses.h"
#include "engine/message/message.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

static struct ptl_msg *failure_reason(struct ptl_shard *shard, const struct ptl_link *link, int err)
{
    const char *text = err == PTL_ECLOSED ? "Unexpected end-of-file" : ptl_err_text(err);
    struct ptl_msg *reason;

    return ptl_msg_make(shard->node, &reason, "ttt", "transport_error", link->id, text) < 0
               ? NULL
               : reason;
}

/* The peer has ended the link, and knows it. */
static bool is_ended_by_peer(int err)
{
    return err == PTL_ECLOSED || err == PTL_EGOODBYE;
}

/* How much the operator has to know of it. */
static enum ptl_log_level weight_of(const struct ptl_link *link, bool was_up, int err)
{
    bool holds = link->seeds != 0 || link->db.peer == PTL_PEER_GLOBAL;

    if (was_up && !ptl_link_is_to_stay(link)) {
        bool gone = is_ended_by_peer(err) || err > PTL_EFULL; /* or the kernel's word for it */
        return gone ? PTL_LOG_DEBUG : PTL_LOG_INFO;
    }
    if (was_up) {
        return is_ended_by_peer(err) && !holds ? PTL_LOG_INFO : PTL_LOG_WARN;
    }
    return link->keep_until != 0 && link->keep_backoff != 0 ? PTL_LOG_DEBUG : PTL_LOG_INFO;
}

/* From now on what was issued before is stale, and nobody outside may rely on what is under way. */
static void count_failure(struct ptl_shard *shard, struct ptl_link *link)
{
    link->failed_at = ++shard->ports->failures;
    atomic_store(&shard->ports->told_outside, PTL_TELLING_OUTSIDE);
    link->inherited = false;
    link->again = PTL_OK;
}

/* What is not known to be out; what waits for a connection is counted as it is cleared away. */
static void count_lost(struct ptl_shard *shard, struct ptl_link *link)
{
    const struct ptl_connection *connection = link->connection;

    ptl_link_count_out(shard, link);
    if (connection != NULL) {
        ptl_count(&shard->counts.lost,
                  ptl_outbox_messages(&connection->out) + connection->frames_out.waiting.messages);
    }
}

/* What was observed there, what waited and what was known to be full is of no use any more. */
static void lose_all(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_leavings_begin(&link->leavings, &link->observed_there, link->waiting_first);
    ptl_map_drop(&link->monitors_there);
    link->waiting_first = link->waiting_last = NULL;
    link->weight = 0;
    ptl_peer_full_reset(shard, link);
    ptl_link_weigh(shard, link);
}

/* Behind those that failed before: shards are told in that order, at the end of this turn. */
static void enlist(struct ptl_shard_links *links, struct ptl_link *link)
{
    link->failing_next = NULL;
    *(links->failing_last == NULL ? &links->failing_first : &links->failing_last->failing_next) =
        link;
    links->failing_last = link;
}

void ptl_link_fail(struct ptl_shard *shard, struct ptl_link *link, int err)
{
    struct ptl_connection *connection = link->connection;
    bool was_up = link->state == PTL_LINK_UP;

    ptl_assert(err < 0);
    if (link->state == PTL_LINK_FAILING) {
        link->again = err; /* once all have been told of this failure it fails once more */
        return;
    }
    /* What is read from the link (when it came up, what waits, who connected) goes before that is
     * taken from it. */
    if (was_up) {
        ptl_backoff_after_failure(shard, link);
    }
    if (shard->stop_step != PTL_STOP_NOT) {
        ptl_stop_losses_of_link(shard, link); /* nobody is left here to be told of them */
    }
    ptl_count(was_up ? &shard->counts.links_lost : &shard->counts.links_unreachable, 1);
    count_lost(shard, link);
    ptl_link_dial_end(shard, link);
    link->connection = NULL; /* so that its end is not taken for another failure */
    ptl_link_enter(link, PTL_LINK_FAILING);
    count_failure(shard, link);
    link->reason = failure_reason(shard, link, err);
    if (connection != NULL) {
        ptl_connection_close(connection, err, PTL_LOG_DEBUG);
    }
    lose_all(shard, link);
    ptl_log_about(shard, weight_of(link, was_up, err), ptl_link_id(link), "%s %s: %s",
                  was_up ? "lost the link to" : "could not link to", link->id, ptl_err_text(err));
    link->db = (struct ptl_link_database){.attachment = 0};
    if (was_up) {
        ptl_node_linked(shard->node, ptl_link_id(link), false);
        ptl_links_tell_listeners(shard, link, false);
    }
    ptl_link_lose_seeds(shard, link);
    enlist(shard->links, link);
    ptl_link_tell_failed(shard, link);
}
