#include "engine/link/ending.h"

#include "engine/link/candidate.h"
#include "engine/link/dial.h"
#include "engine/link/dial_addresses.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/seed.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

void ptl_connection_over(struct ptl_connection *c, int err)
{
    if (ptl_link_runs_on(c->link, c)) {
        ptl_link_fail(c->shard, c->link, err);
        return;
    }
    bool ours = !c->accepted && c->state <= PTL_CONNECTION_TWIN;
    if (ours && ptl_handshake_peer(&c->handshake)->own_id && err != PTL_EECHO) {
        ptl_connection_close(c, PTL_ETWIN, PTL_LOG_ERROR); /* no node keeps such a connection */
        return;
    }
    if (c->state == PTL_CONNECTION_REFUSED) {
        err = c->refused;
    } else if (!c->accepted && c->proof_sent && !ptl_connection_is_proved(c) &&
               c->end_err != PTL_OK) {
        err = PTL_EREFUSED; /* it says nothing of why */
    }
    ptl_connection_close(c, err, ours ? PTL_LOG_INFO : PTL_LOG_WARN);
}

/* A candidate is gone: perhaps it was all that its link was for. */
static void lose_candidate(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c,
                           int err)
{
    /* First off the list: what follows may fail the link, which looks through it. */
    ptl_candidate_remove(link, c);
    if (err != PTL_EDUPLICATE) {
        ptl_candidate_failed(shard, link, c, err);
    }
    ptl_links_tick_at(shard->links, shard->now + PTL_LINKS_TICK_NS);
    if (!c->accepted || ptl_connection_is_proved(c)) {
        ptl_link_attempt_failed(shard, link, err);
    }
}

void ptl_connection_closed(struct ptl_connection *c, enum ptl_connection_state was, int err)
{
    struct ptl_link *link = c->link;
    struct ptl_dial *dial = c->dial;

    ptl_assert(link == NULL || link->connection != c);
    if (c->seed >= 0 && link == NULL && dial == NULL) {
        ptl_seed_lost(c->shard->node, c->seed, err, c->shard);
        c->seed = -1;
    }
    c->dial = NULL;
    c->link = NULL;
    if (dial != NULL) {
        dial->connection = NULL;
        ptl_dial_failed(dial, err);
    }
    if (link != NULL && ptl_connection_is_candidate(was)) {
        lose_candidate(c->shard, link, c, err);
    }
}
