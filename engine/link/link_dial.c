#include "engine/link/link_dial.h"

#include "engine/link/connection.h"
#include "engine/link/dial.h"
#include "engine/link/outside.h"
#include "engine/link/peer_room.h"
#include "engine/link/receive.h"
#include "engine/message/name.h"
#include "engine/node/node.h"

#define GIVE_UP_NS UINT64_C(10000000000) /* all addresses of a node */
#define NEXT_ADDRESS_NS UINT64_C(1000000000)
#define SEEDS_AGAIN_NS UINT64_C(50000000)  /* look again whether a seed has led there */
#define IDLE_NS UINT64_C(60000000000)      /* a link that nobody wants is forgotten after this */
#define PROBE_NS UINT64_C(5000000000)      /* a real node's silence */
#define REDIAL_FIRST_NS UINT64_C(10000000) /* after a link that did not last */
#define REDIAL_LAST_NS UINT64_C(1000000000)
#define CANDIDATE_NS UINT64_C(3000000000)   /* to prove itself, until we try something else, too */
#define STRANGER_NS UINT64_C(500000000)     /* the same, of all that others have made together */
#define UNDER_WAY_NS UINT64_C(100000000)    /* look again whether it still is */
#define STRANGERS_MAX 16                    /* candidates of a name that anybody may have made */
#define TELL_AGAIN_NS UINT64_C(60000000000) /* of two nodes of one ID */
#define KEEP_FIRST_NS UINT64_C(300000000)   /* between attempts at a link that is to be kept */
#define KEEP_LAST_NS UINT64_C(30000000000)

static struct ptl_span link_id(const struct ptl_link *link)
{
    return ptl_span(link->id, link->id_size);
}

/* ---- Dialling ------------------------------------------------------------------------------ */

static void drop_addresses(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_free(shard->allocator, link->addresses, link->addresses_size);
    link->addresses = NULL;
    link->addresses_at = 0;
}

void ptl_link_dial(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link->state == PTL_LINK_DOWN);
    link->state = PTL_LINK_DIALING;
    link->last_err = PTL_ENOADDRESS;
    link->dialled_at = shard->now;
    link->give_up_at = shard->now + GIVE_UP_NS;
    link->next_at = shard->now; /* at the next tick: never inside the call that wants it */
    link->addresses = ptl_node_known_addresses(shard->node, link_id(link), &link->addresses_size);
    link->addresses_at = 0;
    link->asking = link->asked = false;
    if (shard->directory.global) {
        /* Our own copy of the database knows best, and at once. */
        link->asking = shard->node->link_outside->find(shard, link);
    }
    ptl_links_tick_at(&shard->links, shard->now);
}

void ptl_link_calm(const struct ptl_shard *shard, struct ptl_link *link)
{
    if (shard->now - link->up_at >= PTL_LINK_LASTED_NS) {
        link->keep_backoff = link->redial_backoff = 0;
        return;
    }
    uint64_t backoff = link->redial_backoff == 0 ? REDIAL_FIRST_NS : link->redial_backoff * 2;
    link->redial_backoff = backoff < REDIAL_LAST_NS ? backoff : REDIAL_LAST_NS;
    link->redial_at = shard->now + link->redial_backoff;
}

/* Ask where it listens; false: that was done, or there is nobody to ask. */
static bool ask(struct ptl_shard *shard, struct ptl_link *link)
{
    if (link->asked || !shard->node->link_outside->find(shard, link)) {
        return false;
    }
    link->asking = true;
    link->next_at = link->give_up_at;
    return true;
}

void ptl_link_ask_again(struct ptl_shard *shard, struct ptl_link *link)
{
    link->asking = link->asked = false;
    link->next_at = shard->now;
    ptl_links_tick_at(&shard->links, shard->now);
}

void ptl_link_addresses(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span list)
{
    const char *known = link->addresses == NULL ? "" : link->addresses + link->addresses_at;
    size_t size = list.size + strlen(known) + 1;
    char *all = list.size == 0 ? NULL : ptl_alloc_raw(shard->allocator, size);

    link->asking = false;
    link->asked = true;
    link->next_at = shard->now;
    ptl_links_tick_at(&shard->links, shard->now);
    if (all == NULL) {
        return; /* without memory, too, there is what was known */
    }
    memcpy(all, list.bytes, list.size);
    memcpy(all + list.size, known, strlen(known) + 1);
    drop_addresses(shard, link);
    link->addresses = all;
    link->addresses_size = (uint32_t)size;
}

/* What a relayed message to an unknown node costs its sender, in time; and how much may be owed. */
#define SEEK_COST_NS UINT64_C(62500000)
#define SEEK_BURST 64

bool ptl_link_may_seek(struct ptl_link *link, uint64_t now, uint64_t hash)
{
    uint64_t until = link->seek_until > now ? link->seek_until : now;

    if (hash == link->seek_last) {
        return true;
    }
    if (until - now > (SEEK_BURST - 1) * SEEK_COST_NS) {
        return false;
    }
    link->seek_until = until + SEEK_COST_NS;
    link->seek_last = hash;
    return true;
}

void ptl_link_dial_end(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_dial *dial = link->dial;

    drop_addresses(shard, link);
    if (dial != NULL) {
        link->dial = NULL;
        ptl_dial_abandon(dial);
    }
}

/* Start with the next HOST:PORT.  False: there is none. */
static bool dial_next(struct ptl_shard *shard, struct ptl_link *link)
{
    while (link->addresses != NULL && link->addresses[link->addresses_at] != 0) {
        const char *host_port = link->addresses + link->addresses_at;
        size_t size = strcspn(host_port, ",");
        link->addresses_at += (uint32_t)size + (host_port[size] == ',');
        if (link->dial != NULL) {
            ptl_dial_abandon(link->dial);
            link->dial = NULL;
        }
        int err = ptl_dial_start(shard, host_port, size, link, -1, &link->dial);
        if (err == PTL_OK) {
            link->next_at = shard->now + NEXT_ADDRESS_NS;
            return true;
        }
        link->last_err = err;
    }
    return false;
}

/* Whether a candidate is worth waiting for: it is the peer's, or our own and young.  Others may be
 * anybody's: they get a moment, so that a peer that comes by itself finds what waits for it. */
static bool is_awaited(const struct ptl_shard *shard, const struct ptl_link *link,
                       const struct ptl_connection *c)
{
    if (c->proved) {
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
           (!link->asked && atomic_load(&shard->node->attaching));
}

static void dial_on(struct ptl_shard *shard, struct ptl_link *link)
{
    if (shard->now >= link->give_up_at) {
        ptl_link_fail(shard, link,
                      link->last_err == PTL_ENOADDRESS ? PTL_ETIMEOUT : link->last_err);
    } else if (shard->now < link->redial_at) {
        link->next_at = link->redial_at;
    } else if (link->asking) {
        link->next_at = link->give_up_at; /* the answer ends this */
    } else if (shard->links.dial_count >= PTL_DIALS_MAX && link->dial == NULL &&
               link->addresses != NULL && link->addresses[link->addresses_at] != 0) {
        link->next_at = shard->now + SEEDS_AGAIN_NS; /* others are at it: in turn */
    } else if (dial_next(shard, link)) {
        return;
    } else if (is_under_way(shard, link)) {
        link->next_at = shard->now + UNDER_WAY_NS;
    } else if (ask(shard, link)) {
        return;
    } else if (may_learn(shard, link)) {
        link->asked = false;
        link->next_at = shard->now + SEEDS_AGAIN_NS;
    } else {
        ptl_link_fail(shard, link, link->last_err);
    }
}

void ptl_link_attempt_failed(struct ptl_shard *shard, struct ptl_link *link, int err)
{
    if (link->state == PTL_LINK_DIALING && link->dial == NULL) {
        link->last_err = err;
        link->next_at = shard->now;
        ptl_links_tick_at(&shard->links, shard->now);
    }
}

/* ---- Candidates ---------------------------------------------------------------------------- */

static bool is_real(const struct ptl_connection *c)
{
    return !ptl_handshake_peer(&c->handshake)->is_portolan;
}

/*
 * Whether it has the name of the linked node and is another process: that one restarted, or a
 * second one that was given the same ID.  Real nodes do not say which process they are.
 */
static bool is_rival(const struct ptl_link *link, const struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    return peer->is_portolan != link->peer_is_portolan ||
           (peer->is_portolan && peer->incarnation != link->peer_incarnation);
}

/* This connection leads to the node that is linked, and so does the seed that it was made for.
 * Only what is proved says so. */
static void note_seed(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
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
           (c->proved || ptl_seed_has_led_to(shard->node, c->seed, link->hash));
}

void ptl_candidate_failed(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c,
                          int err)
{
    if (has_led_to_link(shard, link, c) && !is_rival(link, c)) {
        note_seed(shard, link, c);
    } else if (c->seed >= 0) {
        ptl_seed_lost(shard->node, c->seed, err, shard);
    }
}

static unsigned count_strangers(const struct ptl_link *link, uint64_t source, bool of_any)
{
    unsigned count = 0;

    for (const struct ptl_connection *c = link->candidates; c != NULL; c = c->candidate_next) {
        count += c->accepted && !c->proved && (of_any || c->source == source);
    }
    return count;
}

/* Of those that others have made for this name: the oldest of the address that has most. */
static struct ptl_connection *worst_stranger(const struct ptl_link *link)
{
    struct ptl_connection *worst = NULL;
    unsigned most = 0;

    for (struct ptl_connection *c = link->candidates; c != NULL; c = c->candidate_next) {
        unsigned count = c->accepted && !c->proved ? count_strangers(link, c->source, false) : 0;
        if (count != 0 && count >= most) { /* those behind are older */
            most = count;
            worst = c;
        }
    }
    return worst;
}

void ptl_candidate_add(struct ptl_link *link, struct ptl_connection *c)
{
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
    if (*at != NULL) {
        *at = c->candidate_next;
    }
}

bool ptl_candidate_may_prove(const struct ptl_link *link, const struct ptl_connection *c)
{
    if (link->state == PTL_LINK_FAILING) {
        return false;
    }
    if (!c->proved) {
        return !c->accepted && !is_real(c); /* of two nodes of ours the one that dials begins */
    }
    return link->state != PTL_LINK_UP || (!is_real(c) && !is_rival(link, c));
}

bool ptl_candidate_proved(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    if (link->state != PTL_LINK_UP) {
        return true;
    }
    /* Perhaps the old link is dead and nobody has noticed: bytes into it make that known. */
    ptl_link_keepalive(shard, link);
    if (!is_real(c) || is_rival(link, c)) {
        return true;
    }
    note_seed(shard, link, c);
    ptl_connection_close(c, PTL_EDUPLICATE, PTL_LOG_INFO);
    return false;
}

/* Whether it is a later session of the peer than the link's last one. */
static bool is_newer(const struct ptl_link *link, const struct ptl_connection *c)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&c->handshake);

    return ptl_handshake_state(&c->handshake) == PTL_HANDSHAKE_UP && peer->is_portolan &&
           (!link->peer_is_portolan || peer->incarnation != link->peer_incarnation ||
            peer->session > link->peer_session);
}

/* A link is up: the peer's other connections are superfluous, and show where their seeds lead. */
static void refuse_duplicates(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_connection *c = link->candidates;

    while (c != NULL) {
        struct ptl_connection *next = c->candidate_next;
        if (c->proved && c->refused == 0 && !is_rival(link, c) && !is_newer(link, c)) {
            note_seed(shard, link, c);
            ptl_connection_refuse(c, PTL_EDUPLICATE);
            next = link->candidates; /* closing one may have closed others */
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
        if (c->proof_sent && !is_newer(link, c)) {
            ptl_connection_close(c, PTL_ELOST, PTL_LOG_INFO);
            next = link->candidates;
        }
        c = next;
    }
}

static void take(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    ptl_candidate_remove(link, c);
    note_seed(shard, link, c);
    if (!c->accepted && c->dialled[0] != 0) {
        int err = ptl_node_learn(shard->node, link_id(link), c->dialled);
        (void)err; /* without memory it is not remembered */
    }
    ptl_connection_take_up(c);
    ptl_link_up(shard, link, c);
    if (link->state == PTL_LINK_UP) { /* else it failed at once: the others may have their try */
        refuse_duplicates(shard, link);
    }
}

/* A second connection of the linked node: is it a newer session, or the other of two at once? */
static void compare(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    if (is_rival(link, c)) {
        return; /* until the one that is linked is heard, or fails */
    }
    if (is_newer(link, c)) {
        ptl_link_fail(shard, link, PTL_ESWITCHED); /* this one goes on when all have been told */
        return;
    }
    note_seed(shard, link, c);
    ptl_connection_refuse(c, PTL_EDUPLICATE);
}

void ptl_candidate_decide(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *c)
{
    if (link->state == PTL_LINK_FAILING) {
        return;
    }
    if (link->state == PTL_LINK_UP) {
        compare(shard, link, c);
        return;
    }
    struct ptl_span self = ptl_span(shard->node->self.id, shard->node->self.id_size);
    size_t shorter = self.size < link->id_size ? self.size : link->id_size;
    int order = memcmp(self.bytes, link->id, shorter);
    bool we_pick = order != 0 ? order < 0 : self.size < link->id_size;

    if (is_real(c) || we_pick || ptl_connection_has_bytes(c)) {
        take(shard, link, c);
    }
}

static void tell_of_rival(struct ptl_shard *shard, struct ptl_link *link,
                          const struct ptl_connection *rival)
{
    if (link->rival_told_at != 0 && shard->now - link->rival_told_at < TELL_AGAIN_NS) {
        return;
    }
    link->rival_told_at = shard->now;
    ptl_log(shard->node, PTL_LOG_ERROR,
            "two nodes use the ID %s: the one at %s is linked and answers, the one at %s is "
            "refused: give every node an ID of its own",
            link->id, link->connection->peer.text, rival->peer.text);
}

void ptl_link_heard(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_connection *c = link->candidates;

    link->has_rivals = false;
    while (c != NULL) {
        struct ptl_connection *next = c->candidate_next;
        if (c->proved && is_rival(link, c)) {
            tell_of_rival(shard, link, c);
            ptl_connection_close(c, PTL_ERIVAL, PTL_LOG_INFO);
            next = link->candidates;
        }
        c = next;
    }
}

void ptl_link_candidates_go_on(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_connection *c = link->candidates;

    (void)shard;
    while (c != NULL) {
        struct ptl_connection *next = c->candidate_next;
        ptl_connection_prove(c);
        if (c->state == PTL_CONNECTION_PROVING || c->state == PTL_CONNECTION_PROVED) {
            ptl_connection_work(c);
        }
        /* Deciding one may close others: begin again as long as there are candidates to decide. */
        c = link->state == PTL_LINK_UP || link->state == PTL_LINK_FAILING ? NULL : next;
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

/* ---- Time ---------------------------------------------------------------------------------- */

static bool has_rivals(const struct ptl_link *link)
{
    const struct ptl_connection *c = link->candidates;

    while (c != NULL && !(c->proved && is_rival(link, c))) {
        c = c->candidate_next;
    }
    return c != NULL;
}

static void look_at_silence(struct ptl_shard *shard, struct ptl_link *link)
{
    uint64_t silence = (uint64_t)shard->node->options.silence_ms * 1000000;
    bool reading = link->connection->reading && !link->connection->paused;

    /* From now on what the peer says shows that it lives; what lay unread until now does not. */
    link->has_rivals = reading && has_rivals(link);

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
    if (shard->now - link->sent_at > silence / 4) {
        ptl_link_keepalive(shard, link);
    }
}

static bool is_idle(const struct ptl_link *link)
{
    return link->state == PTL_LINK_DOWN && link->candidates == NULL && !link->dirty &&
           link->watched.count == 0 && link->waiting_first == NULL && link->listeners.count == 0 &&
           !link->fullness.full && ptl_fullness_settled(&link->fullness) &&
           link->remote_full.count == 0 && link->keep_until == 0;
}

/* One that has never been up or failed has nothing to remember: most likely a stranger has given
 * that node's name and gone away. */
static uint64_t forget_at(const struct ptl_link *link)
{
    bool unused = link->failed_at == 0 || link->inherited;
    return unused ? link->idle_at : link->idle_at + IDLE_NS;
}

/* A link to a global node is down.  Returns when to look again. */
static uint64_t keep_link(struct ptl_shard *shard, struct ptl_link *link)
{
    if (link->keep_until <= shard->now || shard->stop_step != PTL_STOP_NOT) {
        link->keep_until = 0;
        return shard->now;
    }
    if (link->keep_at > shard->now) {
        return link->keep_at;
    }
    uint64_t backoff = link->keep_backoff == 0 ? KEEP_FIRST_NS : link->keep_backoff * 2;
    link->keep_backoff = backoff < KEEP_LAST_NS ? backoff : KEEP_LAST_NS;
    link->keep_at = shard->now + link->keep_backoff;
    ptl_link_dial(shard, link);
    return shard->now;
}

/* Returns when the link wants to be looked at again. */
static uint64_t tick_link(struct ptl_shard *shard, struct ptl_link *link)
{
    if (!ptl_peer_room_sweep(shard, link) && link->state == PTL_LINK_DOWN) {
        return shard->now + PTL_LINKS_TICK_NS;
    }
    switch ((enum ptl_link_state)link->state) {
    case PTL_LINK_DIALING:
        if (shard->now >= link->next_at || shard->now >= link->give_up_at) {
            dial_on(shard, link);
        }
        return link->state != PTL_LINK_DIALING    ? shard->now + PTL_LINKS_TICK_NS
               : link->next_at < link->give_up_at ? link->next_at
                                                  : link->give_up_at;
    case PTL_LINK_UP:
        look_at_silence(shard, link);
        return shard->now + PTL_LINKS_TICK_NS;
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

    while ((c = shard->links.half_open_first) != NULL && c->deadline <= shard->now) {
        ptl_connection_close(c, PTL_EHANDSHAKE, PTL_LOG_WARN);
    }
    return c == NULL ? UINT64_MAX : c->deadline;
}

static void sooner(uint64_t *next, uint64_t at)
{
    *next = at < *next ? at : *next;
}

void ptl_links_tick(struct ptl_shard *shard, uint64_t now)
{
    struct ptl_links *links = &shard->links;
    struct ptl_link *link, *idle = NULL;
    uint32_t at = 0;

    if (atomic_load_explicit(&shard->evict, memory_order_relaxed) != 0) {
        ptl_connections_evict(shard, atomic_exchange(&shard->evict, 0));
    }
    bool seed_news = shard->index == 0 && atomic_load(&shard->node->seed_news);
    if (now < links->tick_at && !seed_news) {
        return;
    }
    links->tick_at = UINT64_MAX;
    uint64_t next = tick_half_open(shard);
    while ((link = ptl_map_next(&links->by_id, &at)) != NULL) {
        sooner(&next, tick_link(shard, link));
        if (is_idle(link) && (links->crowded || forget_at(link) <= now)) {
            link->dirty_next = idle; /* it has nothing to flush */
            idle = link;
        }
    }
    links->crowded = false;
    while ((link = idle) != NULL) {
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

/* ---- The end ------------------------------------------------------------------------------- */

void ptl_links_deafen(struct ptl_shard *shard)
{
    for (struct ptl_connection *c = shard->links.all; c != NULL; c = c->all_next) {
        if (c->state == PTL_CONNECTION_UP) {
            ptl_connection_deafen(c);
        }
    }
}

void ptl_links_close(struct ptl_shard *shard)
{
    struct ptl_connection *c = shard->links.all;

    while (c != NULL) {
        struct ptl_connection *next = c->all_next;
        if (c->link != NULL && c->link->connection == c) {
            c->link->connection = NULL;
            c->link->state = PTL_LINK_DOWN;
            ptl_node_linked(shard->node, link_id(c->link), false);
        }
        if (c->state != PTL_CONNECTION_MOVING) {
            c->link = c->state == PTL_CONNECTION_UP ? NULL : c->link;
            ptl_connection_finish(c);
        }
        c = next;
    }
}

bool ptl_links_closed(const struct ptl_shard *shard)
{
    for (const struct ptl_connection *c = shard->links.all; c != NULL; c = c->all_next) {
        bool waits = shard->now < shard->close_at || c->state != PTL_CONNECTION_FINISHING ||
                     ptl_connection_unconfirmed(c) != 0;
        if (c->state != PTL_CONNECTION_MOVING && waits) {
            return false;
        }
    }
    return true;
}
