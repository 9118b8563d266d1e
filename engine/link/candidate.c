#include "engine/link/candidate.h"

#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/outside.h"
#include "engine/link/rival.h"
#include "engine/link/seed.h"
#include "engine/shard/node.h"

#define STRANGERS_MAX 16 /* candidates of a name that anybody may have made */

bool ptl_candidate_is_real(const struct ptl_connection *c)
{
    return !ptl_handshake_peer(&c->handshake)->is_portolan;
}

/* A real node has no sessions, and what has proved nothing says nothing that counts. */
bool ptl_candidate_is_newer(const struct ptl_link *link, const struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    return ptl_connection_is_proved(c) && peer->is_portolan &&
           (!link->peer_is_portolan || peer->incarnation != link->peer_incarnation ||
            peer->session > link->peer_session);
}

void ptl_candidate_note_seed(struct ptl_shard *shard, struct ptl_link *link,
                             struct ptl_connection *c)
{
    if (c->seed >= 0) {
        link->seeds |= UINT64_C(1) << c->seed;
        ptl_seed_linked(shard, c->seed, link->hash);
        shard->node->link_outside->is_seed(shard, link);
    }
}

/*
 * Whether a seed leads to the linked node though nobody has proved it this time: a real node closes
 * a second connection without a proof.  It is believed of the node that has proved it before.
 */
static bool has_led_to_link(const struct ptl_shard *shard, const struct ptl_link *link,
                            const struct ptl_connection *c)
{
    return link->state == PTL_LINK_UP && c->seed >= 0 &&
           (ptl_connection_is_proved(c) || ptl_seed_has_led_to(shard->node, c->seed, link->hash));
}

void ptl_candidate_failed(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c,
                          int err)
{
    if (has_led_to_link(shard, link, c) && !ptl_rival_is(link, c)) {
        ptl_candidate_note_seed(shard, link, c);
    } else if (c->seed >= 0) {
        ptl_seed_lost(shard->node, c->seed, err, shard);
    }
}

static unsigned count_strangers(const struct ptl_link *link, uint64_t source, bool of_any)
{
    unsigned count = 0;

    for (const struct ptl_connection *c = link->candidates; c != NULL; c = c->candidate_next) {
        count += c->accepted && !ptl_connection_is_proved(c) && (of_any || c->source == source);
    }
    return count;
}

/* Of those that others have made for this name: the oldest of the address that has most. */
static struct ptl_connection *worst_stranger(const struct ptl_link *link)
{
    struct ptl_connection *worst = NULL;
    unsigned most = 0;

    for (struct ptl_connection *c = link->candidates; c != NULL; c = c->candidate_next) {
        unsigned count = c->accepted && !ptl_connection_is_proved(c)
                             ? count_strangers(link, c->source, false)
                             : 0;
        if (count != 0 && count >= most) { /* those behind are older */
            most = count;
            worst = c;
        }
    }
    ptl_assert(worst != NULL); /* it is called when there are too many */
    return worst;
}

void ptl_candidate_add(struct ptl_link *link, struct ptl_connection *c)
{
    ptl_assert(c->link == link && c->state == PTL_CONNECTION_PROVING);
    c->candidate_next = link->candidates;
    link->candidates = c;
    if (c->accepted && count_strangers(link, 0, true) > STRANGERS_MAX) {
        ptl_connection_close(worst_stranger(link), PTL_EHALFOPEN, PTL_LOG_WARN);
    }
}

void ptl_candidate_remove(struct ptl_link *link, struct ptl_connection *c)
{
    struct ptl_connection **at = &link->candidates;

    while (*at != NULL && *at != c) {
        at = &(*at)->candidate_next;
    }
    ptl_assert(*at == c); /* it left the list neither twice nor before it came */
    *at = c->candidate_next;
    c->candidate_next = NULL;
}

/*
 * Our proof says that this is us, and to a node of ours the session's number: it is given last, and
 * not while the number may still change.
 */
bool ptl_candidate_may_prove(const struct ptl_link *link, const struct ptl_connection *c)
{
    if (link->state == PTL_LINK_FAILING) {
        return false;
    }
    if (!ptl_connection_is_proved(c)) {
        return !c->accepted &&
               !ptl_candidate_is_real(c); /* of two nodes of ours the one that dials begins */
    }
    return link->state != PTL_LINK_UP || (!ptl_candidate_is_real(c) && !ptl_rival_is(link, c));
}

/*
 * Both loops below close connections while they walk the list.  Closing one takes it off the list
 * and may take others along, so after that they begin again: the list gets shorter each time, and
 * what stays is passed over as before.
 */
void ptl_candidates_refuse_duplicates(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_connection *c = link->candidates;

    ptl_assert(link->state == PTL_LINK_UP);
    while (c != NULL) {
        struct ptl_connection *next = c->candidate_next;
        if (ptl_connection_is_proved(c) && c->state != PTL_CONNECTION_REFUSED &&
            !ptl_rival_is(link, c) && !ptl_candidate_is_newer(link, c)) {
            ptl_candidate_note_seed(shard, link, c);
            ptl_connection_refuse(c, PTL_EDUPLICATE);
            next = link->candidates;
        }
        c = next;
    }
}

/* A link has failed: those that were told its session's number must not come up with it. */
static void close_old_sessions(struct ptl_link *link)
{
    struct ptl_connection *c = link->candidates;

    while (c != NULL) {
        struct ptl_connection *next = c->candidate_next;
        if (c->proof_sent && !ptl_candidate_is_newer(link, c)) {
            ptl_connection_close(c, PTL_ELOST, PTL_LOG_INFO);
            next = link->candidates;
        }
        c = next;
    }
}

void ptl_link_lose_seeds(struct ptl_shard *shard, struct ptl_link *link)
{
    uint64_t seeds = link->seeds;

    link->seeds = 0;
    for (int i = 0; seeds != 0; i++, seeds >>= 1) {
        if ((seeds & 1) != 0) {
            ptl_seed_lost(shard->node, i, PTL_OK, shard);
        }
    }
    close_old_sessions(link);
}
