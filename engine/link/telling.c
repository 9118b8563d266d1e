#include "engine/link/telling.h"

#include "engine/link/dial_addresses.h"
#include "engine/link/downs.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/opening.h"
#include "engine/link/outside.h"
#include "engine/link/shard_links.h"
#include "engine/link/stream.h"
#include "engine/message/message.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

static bool all_answered(const struct ptl_shard *shard, const struct ptl_link *link)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        if (atomic_load(&shard->node->shards[i].ports->answered[shard->index]) < link->failed_at) {
            return false;
        }
    }
    return true;
}

/* Candidates that were held back while the link was failing go on. */
static void candidates_go_on(const struct ptl_link *link)
{
    struct ptl_connection *c = link->candidates;

    while (c != NULL) {
        struct ptl_connection *next = c->candidate_next;
        ptl_connection_prove(c);
        if (ptl_connection_is_candidate(c->state)) {
            ptl_connection_work(c);
        }
        /* Once one is taken, or the link has failed again, the others were seen to by that. */
        c = link->state == PTL_LINK_UP || link->state == PTL_LINK_FAILING ? NULL : next;
    }
}

/* All shards know, and what they send from now on is of the new epoch. */
static void begin_anew(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(
        ptl_link_failure_is_told(shard, link)); /* who has not been told cannot have answered */
    ptl_msg_free(link->reason);
    link->reason = NULL;
    ptl_link_enter(link, PTL_LINK_DOWN);
    link->idle_at = shard->now;
    if (link->again != PTL_OK) {
        ptl_link_fail(shard, link, link->again);
        return;
    }
    candidates_go_on(link);
    if (link->keep_until != 0) {
        ptl_links_tick_at(shard->links, link->keep_at);
    }
    if (link->state == PTL_LINK_DOWN && (link->waiting_first != NULL || ptl_link_observes(link))) {
        ptl_link_dial(shard, link);
    }
}

bool ptl_links_answered(const struct ptl_shard *shard)
{
    const struct ptl_link *first = shard->links->failing_first;

    return first != NULL && all_answered(shard, first);
}

uint64_t ptl_links_go_on(struct ptl_shard *shard)
{
    struct ptl_shard_links *links = shard->links;
    uint64_t units = PTL_SLICE;

    /* In the order in which they failed: shards answer for one failure with the number of the
     * last that they know, so that none is answered before those ahead of it. */
    while (links->failing_first != NULL &&
           ptl_leavings_clear(shard, &links->failing_first->leavings,
                              &links->failing_first->observed_here, &units) &&
           all_answered(shard, links->failing_first)) {
        struct ptl_link *link = links->failing_first;
        links->failing_first = link->failing_next;
        if (links->failing_first == NULL) {
            links->failing_last = NULL;
        }
        begin_anew(shard, link);
        units -= units > 0;
    }
    return units == 0 ? 0 : UINT64_MAX;
}
