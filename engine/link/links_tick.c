#include "engine/link/links_tick.h"

#include "engine/link/backoff.h"
#include "engine/link/connection.h"
#include "engine/link/dial.h"
#include "engine/link/dial_addresses.h"
#include "engine/link/dialling.h"
#include "engine/link/kept.h"
#include "engine/link/link.h"
#include "engine/link/links_end.h"
#include "engine/link/node_links.h"
#include "engine/link/peer_full.h"
#include "engine/link/places.h"
#include "engine/link/seed.h"
#include "engine/link/shard_links.h"
#include "engine/link/silence.h"
#include "engine/shard/node.h"

#define IDLE_NS UINT64_C(60000000000) /* a link that nobody wants is forgotten after this */

/* Nothing waits for it, nobody observes through it, and no other shard holds something of it. */
static bool is_idle(const struct ptl_link *link)
{
    return link->state == PTL_LINK_DOWN && link->candidates == NULL && !link->dirty &&
           !ptl_link_observes(link) && link->waiting_first == NULL &&
           link->observed_here.count == 0 && !link->fullness.full &&
           ptl_fullness_settled(&link->fullness) && link->remote_full.count == 0 &&
           link->keep_until == 0;
}

/* One that has never been up or failed has nothing to remember: most likely a stranger has given
 * that node's name and gone away.  Nor has one that has never been up and was only kept: somebody
 * has named a node that is not there. */
static uint64_t forget_at(const struct ptl_link *link)
{
    bool unused =
        link->failed_at == 0 || link->inherited || (link->up_at == 0 && link->keep_backoff != 0);
    return unused ? link->idle_at : link->idle_at + IDLE_NS;
}

/* A link to a global node is down.  Returns when to look again. */
static uint64_t keep_link(struct ptl_shard *shard, struct ptl_link *link)
{
    if (link->keep_until <= shard->now || shard->stop_step != PTL_STOP_NOT) {
        ptl_link_keep_no_more(shard, link);
        return shard->now;
    }
    if (link->keep_at > shard->now) {
        return link->keep_at;
    }
    ptl_backoff_before_keeping(shard, link);
    ptl_link_dial(shard, link);
    return shard->now;
}

static uint64_t look_at_dialling(struct ptl_shard *shard, struct ptl_link *link)
{
    if (shard->now >= link->next_at || shard->now >= link->give_up_at) {
        ptl_link_dial_on(shard, link);
    }
    if (link->state != PTL_LINK_DIALING) {
        return shard->now + PTL_LINKS_TICK_NS;
    }
    return link->next_at < link->give_up_at ? link->next_at : link->give_up_at;
}

/* Returns when the link wants to be looked at again. */
static uint64_t tick_link(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert((link->state == PTL_LINK_UP) == (link->connection != NULL));
    if (!ptl_peer_full_sweep(shard, link) && link->state == PTL_LINK_DOWN) {
        return shard->now + PTL_LINKS_TICK_NS;
    }
    switch ((enum ptl_link_state)link->state) {
    case PTL_LINK_DIALING:
        return look_at_dialling(shard, link);
    case PTL_LINK_UP:
        return ptl_link_look_at_silence(shard, link);
    case PTL_LINK_DOWN:
        if (link->keep_until != 0) {
            return keep_link(shard, link);
        }
        return is_idle(link) ? forget_at(link) : UINT64_MAX;
    case PTL_LINK_FAILING:
        break;
    }
    return UINT64_MAX;
}

static uint64_t tick_half_open(struct ptl_shard *shard)
{
    struct ptl_connection *c;

    while ((c = shard->links->half_open_first) != NULL && c->deadline <= shard->now) {
        ptl_connection_close(c, PTL_EHANDSHAKE, PTL_LOG_WARN);
    }
    return c == NULL ? UINT64_MAX : c->deadline;
}

static void sooner(uint64_t *next, uint64_t at)
{
    *next = at < *next ? at : *next;
}

static void tick(struct ptl_shard *shard, uint64_t now)
{
    struct ptl_shard_links *links = shard->links;
    struct ptl_link *link, *idle = NULL;
    uint32_t at = 0;

    if (atomic_load_explicit(&shard->links->evict, memory_order_relaxed) != 0) {
        ptl_connections_evict(shard, atomic_exchange(&shard->links->evict, 0));
    }
    bool seed_news = shard->index == 0 && atomic_load(&shard->node->links->seed_news);
    if (now < links->tick_at && !seed_news) {
        return;
    }
    /* Whoever wants a tick from here on, links that are looked at now among them, says so anew. */
    links->tick_at = UINT64_MAX;
    links->gap = now - links->looked_at;
    links->looked_at = now;
    uint64_t next = tick_half_open(shard);
    while ((link = ptl_map_next(&links->by_id, &at)) != NULL) {
        sooner(&next, tick_link(shard, link));
        if (is_idle(link) && (links->crowded || forget_at(link) <= now)) {
            link->dirty_next = idle; /* it has nothing to flush */
            idle = link;
        }
    }
    links->crowded = false;
    /* Forgotten only now: the walk above does not bear that anything but its last is removed. */
    while ((link = idle) != NULL) {
        ptl_assert(!link->dirty);
        idle = link->dirty_next;
        if (is_idle(link)) {
            ptl_link_forget(shard, link);
        }
    }
    sooner(&next, ptl_dials_tick(shard, now));
    if (shard->index == 0) {
        sooner(&next, ptl_seeds_tick(shard, now));
    }
    /* What happened meanwhile may want it even earlier. */
    ptl_links_tick_at(links, next);
}

uint64_t ptl_links_tick(struct ptl_shard *shard)
{
    if (shard->stop_step < PTL_STOP_TELL) {
        tick(shard, shard->now);
    }
    return UINT64_MAX;
}

uint64_t ptl_links_due(struct ptl_shard *shard)
{
    return shard->stop_step < PTL_STOP_TELL ? shard->links->tick_at : UINT64_MAX;
}
