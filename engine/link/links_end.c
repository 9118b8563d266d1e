#include "engine/link/links_end.h"

#include "engine/link/connection.h"
#include "engine/link/known.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_weight.h"
#include "engine/link/linked.h"
#include "engine/link/listener.h"
#include "engine/link/peer_full.h"
#include "engine/link/peer_limit.h"
#include "engine/link/permission.h"
#include "engine/link/shard_links.h"
#include "engine/link/stream.h"
#include "engine/shard/node.h"

void ptl_links_deafen(struct ptl_shard *shard)
{
    for (struct ptl_connection *c = shard->links->all; c != NULL; c = c->all_next) {
        if (c->state == PTL_CONNECTION_UP) {
            ptl_connection_deafen(c);
        }
    }
}

void ptl_links_close(struct ptl_shard *shard)
{
    struct ptl_connection *c = shard->links->all;

    while (c != NULL) {
        struct ptl_connection *next = c->all_next;
        if (ptl_link_runs_on(c->link, c)) {
            c->link->connection = NULL;
            ptl_link_enter(c->link, PTL_LINK_DOWN);
            ptl_node_linked(shard->node, ptl_link_id(c->link), false);
        }
        /* One that moves is closed where it arrives.  The next one was read before: closing takes a
         * connection off this list only when the loop has let go. */
        if (c->state != PTL_CONNECTION_MOVING) {
            c->link = c->state == PTL_CONNECTION_UP ? NULL : c->link;
            ptl_connection_finish(c);
        }
        c = next;
    }
}

bool ptl_links_closed(const struct ptl_shard *shard)
{
    for (const struct ptl_connection *c = shard->links->all; c != NULL; c = c->all_next) {
        bool waits = shard->now < shard->links->close_at || c->state != PTL_CONNECTION_FINISHING ||
                     ptl_connection_unconfirmed(c) != 0;
        if (c->state != PTL_CONNECTION_MOVING && waits) {
            return false;
        }
    }
    return true;
}

/* ---- Freeing ------------------------------------------------------------------------------- */

static void free_link(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_free(shard->allocator, link->addresses, link->addresses_size);
    ptl_assert(!link->dirty && link->candidates == NULL && link->connection == NULL);
    ptl_link_drop_waiting(shard, link);
    ptl_peer_full_drop(shard, link);
    ptl_permission_drop(shard, link);
    ptl_observed_drop(&link->observed_there);
    ptl_map_drop(&link->monitors_there);
    ptl_map_drop(&link->observed_here); /* the monitors themselves are gone already */
    ptl_leavings_drop(shard, &link->leavings);
    ptl_msg_free(link->reason);
    if (shard->links->last == link) {
        shard->links->last = NULL;
    }
    ptl_map_remove(&shard->links->by_id, link->hash, link);
    ptl_peer_limit_forget(shard->node, ptl_link_id(link));
    ptl_node_unlearn(shard->node, ptl_link_id(link));
    ptl_free(shard->allocator, link, sizeof(*link));
}

void ptl_link_forget(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link->state == PTL_LINK_DOWN);
    /* Links made later inherit the newest failure of those forgotten: what was issued before it,
     * and is still under way, is stale for whichever link it names. */
    if (link->failed_at > shard->links->forgotten_at) {
        shard->links->forgotten_at = link->failed_at;
    }
    ptl_link_weigh_no_more(shard, link);
    free_link(shard, link);
}

void ptl_links_drop(struct ptl_shard *shard)
{
    struct ptl_link *link;

    shard->links->dirty = NULL;
    while ((link = ptl_map_take(&shard->links->by_id)) != NULL) {
        link->dirty = false;
        link->candidates = NULL;
        link->connection = NULL;
        free_link(shard, link);
    }
    ptl_map_drop(&shard->links->by_id);
    ptl_strangers_drop(&shard->links->strangers);
    while (shard->links->listeners != NULL) {
        struct ptl_link_listener *listener = shard->links->listeners;
        shard->links->listeners = listener->next;
        ptl_link_listener_free(shard, listener);
    }
}
