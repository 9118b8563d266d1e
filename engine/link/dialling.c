#include "engine/link/dialling.h"

#include "engine/link/connection.h"
#include "engine/link/dial_addresses.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/outside.h"
#include "engine/link/seed.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

#define SEEDS_AGAIN_NS UINT64_C(50000000) /* look again whether a seed has led there */
#define CANDIDATE_NS UINT64_C(3000000000) /* to prove itself, until we try something else, too */
#define STRANGER_NS UINT64_C(500000000)   /* the same, of all that others have made together */
#define UNDER_WAY_NS UINT64_C(100000000)  /* look again whether it still is */

/* Whether a candidate is worth waiting for: it is the peer's, or our own and young.  Others may be
 * anybody's: they get a moment, so that a peer that comes by itself finds what waits for it. */
static bool is_awaited(const struct ptl_shard *shard, const struct ptl_link *link,
                       const struct ptl_connection *c)
{
    if (ptl_connection_is_proved(c)) {
        return true;
    }
    return c->accepted ? shard->now < link->dialled_at + STRANGER_NS
                       : shard->now < c->made_at + CANDIDATE_NS;
}

static bool is_under_way(const struct ptl_shard *shard, const struct ptl_link *link)
{
    const struct ptl_connection *c = link->candidates;

    while (c != NULL && !is_awaited(shard, link, c)) {
        c = c->candidate_next;
    }
    return link->dial != NULL || c != NULL;
}

/* Whether a seed may still lead there, or tell where it listens. */
static bool may_learn(const struct ptl_shard *shard, const struct ptl_link *link)
{
    return (link->addresses == NULL && ptl_seeds_unsettled(shard->node)) ||
           (link->asked != PTL_LINK_ASKED && shard->node->link_outside->may_find(shard->node));
}

void ptl_link_dial_on(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link->state == PTL_LINK_DIALING);
    /* In this order: patience, calm, an answer, our turn, an address, somebody's attempt, a
     * question, what may still be learnt.  Only when nothing of that is left has it failed. */
    if (shard->now >= link->give_up_at) {
        ptl_link_fail(shard, link,
                      link->last_err == PTL_ENOADDRESS ? PTL_ETIMEOUT : link->last_err);
    } else if (shard->now < link->redial_at) {
        link->next_at = link->redial_at;
    } else if (link->asked == PTL_LINK_ASKING) {
        link->next_at = link->give_up_at; /* the answer ends this */
    } else if (shard->links->dial_count >= PTL_DIALS_MAX && link->dial == NULL &&
               link->addresses != NULL && link->addresses[link->addresses_at] != 0) {
        link->next_at = shard->now + SEEDS_AGAIN_NS; /* others are at it: in turn */
    } else if (ptl_link_dial_next(shard, link)) {
        return;
    } else if (is_under_way(shard, link)) {
        link->next_at = shard->now + UNDER_WAY_NS;
    } else if (ptl_link_ask(shard, link)) {
        return;
    } else if (may_learn(shard, link)) {
        link->asked = PTL_LINK_NOT_ASKED;
        link->next_at = shard->now + SEEDS_AGAIN_NS;
    } else {
        ptl_link_fail(shard, link, link->last_err);
    }
}
