#include "engine/port/monitor_fall.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/fire.h"
#include "engine/port/monitor_put_off.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/slice.h"

#ifdef PTL_SIMULATED
uint32_t ptl_slice = 4096;
#endif

enum kind { FALL_TARGET, FALL_LINK, FALL_ALL };

/* What has gone, and who is still to be told. */
struct ptl_fall {
    struct ptl_fall *next;
    enum kind kind;
    uint64_t failure;                    /* its number, or 0 */
    unsigned owner;                      /* LINK: the shard that owns it */
    uint64_t node_hash;                  /* LINK */
    bool adopted;                        /* LINK: all notices wait at their ports */
    unsigned rounds;                     /* LINK: how often more was observed while we gathered */
    struct ptl_route *route;             /* its observations, out of the map; NULL: none is left */
    struct ptl_observation *observation; /* the one in work, unlisted */
    struct ptl_monitoring *rest;         /* LINK: gathered, and told when the failure is adopted */
    const struct ptl_msg *reason;
    struct ptl_msg *kept; /* the same, held: from turn to turn, and for all notices together */
};

/* Of a slice: to queue a notice touches its port, its observation and three maps, some microseconds
 * where there are a million. */
#define FALL_UNITS ((PTL_SLICE + 3) / 4)

static const struct ptl_span no_key;

/* ---- Gathering ----------------------------------------------------------------------------- */

static struct ptl_route *take_route(struct ptl_shard *shard, struct ptl_fall *fall)
{
    struct ptl_map *routes = &shard->ports->monitors.routes;
    struct ptl_route *route = NULL;

    if (fall->kind == FALL_ALL) {
        route = ptl_map_take(routes);
    } else if (fall->kind == FALL_LINK && !fall->adopted) {
        route = ptl_map_find(routes, fall->node_hash, NULL, no_key);
        if (route != NULL) {
            ptl_map_remove(routes, route->hash, route);
        }
    }
    if (route != NULL) {
        route->falling = true;
    }
    return route;
}

/*
 * What is observed on that node while we gather is of the old epoch, too: it is gathered before the
 * failure is adopted.  Each such round may do twice as much at once, so that whoever goes on
 * observing cannot put it off for ever.
 */
static bool next_route(struct ptl_shard *shard, struct ptl_fall *fall, uint64_t *units)
{
    if (fall->route != NULL) {
        ptl_free(shard->allocator, fall->route, sizeof(*fall->route));
    }
    fall->route = take_route(shard, fall);
    bool again = fall->route != NULL && fall->kind == FALL_LINK && fall->rounds++ > 0;
    if (again && *units < UINT64_MAX / 2) {
        *units += (uint64_t)FALL_UNITS << (fall->rounds < 32 ? fall->rounds : 32);
    }
    return fall->route != NULL;
}

/* The next one of the same route will be taken out of these maps, too. */
static void expect(const struct ptl_shard *shard, const struct ptl_observation *observation)
{
    const struct ptl_observation *next = observation->route_next;

    if (next != NULL) {
        ptl_map_expect(&shard->ports->monitors.by_target, next->hash);
        ptl_map_expect(&shard->ports->monitors.by_observation, ptl_map_spread(next->id));
        __builtin_prefetch(next->route_next);
        __builtin_prefetch(next->first);
    }
}

/* The observation to go on with, out of all maps: nothing joins it any more. */
static struct ptl_observation *next_observation(struct ptl_shard *shard, struct ptl_fall *fall,
                                                uint64_t *units)
{
    while (fall->observation == NULL) {
        if (fall->route != NULL && fall->route->first != NULL) {
            fall->observation = fall->route->first;
            fall->observation->firing = true;
            expect(shard, fall->observation);
            ptl_observation_unlist(shard, fall->observation);
        } else if (!next_route(shard, fall, units)) {
            return NULL;
        }
    }
    return fall->observation;
}

/*
 * A victim on this node dies before the failure is adopted: it would else send from behind it with
 * its end under way.  Elsewhere the kill itself must be issued from behind it, or it is lost.
 */
static bool kills_here(const struct ptl_monitoring *monitoring)
{
    return monitoring->kind == PTL_MONITOR_KILL && monitoring->to->kind != PTL_PORT_REMOTE;
}

/* Its notices share one reason.  Without memory each tries to have a copy of its own. */
static void hold_reason(struct ptl_fall *fall)
{
    if (fall->kept == NULL) {
        fall->kept = ptl_msg_keep(fall->reason);
        fall->reason = fall->kept != NULL ? fall->kept : fall->reason;
    }
}

static void gather(struct ptl_shard *shard, struct ptl_fall *fall,
                   struct ptl_monitoring *monitoring)
{
    bool at_once = fall->kind != FALL_LINK || ptl_monitoring_is_notice(shard, monitoring) ||
                   kills_here(monitoring);

    if (fall->failure != 0 || monitoring->next != NULL) {
        hold_reason(fall);
    }
    ptl_monitoring_list_remove(monitoring);
    monitoring->observation = NULL;
    if (at_once) {
        ptl_monitoring_fire(shard, monitoring, fall->reason, fall->failure);
    } else {
        ptl_monitoring_list_add(&fall->rest, monitoring); /* whoever takes it back finds it here */
    }
}

/* False: more is left than there are units. */
static bool gather_all(struct ptl_shard *shard, struct ptl_fall *fall, uint64_t *units)
{
    struct ptl_observation *observation;

    while ((observation = next_observation(shard, fall, units)) != NULL) {
        while (observation->first != NULL) {
            if (*units == 0) {
                return false;
            }
            --*units;
            gather(shard, fall, observation->first);
        }
        fall->observation = NULL;
        ptl_observation_free(shard, observation);
    }
    return true;
}

/* ---- Adopting and answering ---------------------------------------------------------------- */

/*
 * From now on what this shard issues is of the new epoch, but for the ports whose notice still
 * waits in their queue (ptl_epoch_of).
 */
static void adopt(struct ptl_shard *shard, struct ptl_fall *fall)
{
    ptl_assert(fall->failure > shard->ports->told[fall->owner]);
    shard->ports->told[fall->owner] = fall->failure;
    fall->adopted = true;
    ptl_ports_unblock(shard);
}

static void answer(struct ptl_shard *shard, const struct ptl_fall *fall)
{
    struct ptl_shard *owner = &shard->node->shards[fall->owner];

    atomic_store(&shard->ports->answered[fall->owner], fall->failure);
    ptl_shard_wake(owner, shard); /* ourselves need none: it is news (ptl_links_answered()) */
    if (owner == shard && fall->failure == shard->ports->failures) { /* no other is to be told */
        atomic_store(&shard->ports->told_outside, fall->failure);
        shard->ports->waiters.news = true;
    }
}

/* Go on with one; false: more is left than there are units. */
static bool go_on(struct ptl_shard *shard, struct ptl_fall *fall, uint64_t *units)
{
    if (!fall->adopted) {
        if (!gather_all(shard, fall, units)) {
            return false;
        }
        if (fall->kind != FALL_LINK) {
            return true;
        }
        adopt(shard, fall);
    }
    while (fall->rest != NULL) {
        struct ptl_monitoring *monitoring = fall->rest;
        if (*units == 0) {
            return false;
        }
        --*units;
        ptl_monitoring_list_remove(monitoring);
        ptl_monitoring_fire(shard, monitoring, fall->reason, fall->failure);
    }
    ptl_assert(fall->route == NULL && fall->observation == NULL);
    answer(shard, fall);
    return true;
}

/* ---- The list of falls --------------------------------------------------------------------- */

static void free_fall(struct ptl_shard *shard, struct ptl_fall *fall)
{
    ptl_msg_free(fall->kept);
    ptl_free(shard->allocator, fall, sizeof(*fall));
}

/* Keep what is left of one for later turns.  NULL: no memory. */
static struct ptl_fall *keep(struct ptl_shard *shard, struct ptl_fall *fall)
{
    struct ptl_fall *kept = ptl_alloc(shard->allocator, sizeof(*kept));

    hold_reason(fall);
    if (kept == NULL || fall->kept == NULL) {
        ptl_free(shard->allocator, kept, sizeof(*kept));
        return NULL;
    }
    *kept = *fall;
    /* The list's first knows where the pointer to it stands, and that has moved. */
    if (kept->rest != NULL) {
        kept->rest->link_ = &kept->rest;
    }
    return kept;
}

static bool work_off(struct ptl_shard *shard, uint64_t *units)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;

    while (monitors->falls != NULL) {
        struct ptl_fall *fall = monitors->falls;
        if (!go_on(shard, fall, units)) {
            return false;
        }
        monitors->falls = fall->next;
        if (monitors->falls == NULL) {
            monitors->falls_last = NULL;
        }
        ptl_assert(fall->route == NULL && fall->observation == NULL && fall->rest == NULL);
        free_fall(shard, fall);
    }
    return true;
}

static void append(struct ptl_monitors *monitors, struct ptl_fall *fall)
{
    ptl_assert((monitors->falls == NULL) == (monitors->falls_last == NULL));
    if (monitors->falls_last == NULL) {
        monitors->falls = fall;
    } else {
        monitors->falls_last->next = fall;
    }
    monitors->falls_last = fall;
}

/* Nearly all are small, and told at once.  Without memory to keep one, so are all others. */
static void begin(struct ptl_shard *shard, struct ptl_fall *fall, bool in_order)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;
    uint64_t units = FALL_UNITS;

    if ((!in_order || monitors->falls == NULL) && go_on(shard, fall, &units)) {
        ptl_msg_free(fall->kept);
        return;
    }
    struct ptl_fall *kept = keep(shard, fall);
    if (kept != NULL) {
        append(monitors, kept);
        return;
    }
    units = UINT64_MAX;
    bool done = work_off(shard, &units) && go_on(shard, fall, &units);
    ptl_assert(done);
    ptl_msg_free(fall->kept);
}

void ptl_monitor_fall_link(struct ptl_shard *shard, const struct ptl_op *op,
                           const struct ptl_msg *reason)
{
    struct ptl_fall fall = {
        .kind = FALL_LINK,
        .failure = op->as.failure.number,
        .owner = op->as.failure.owner,
        .node_hash = ptl_name_hash(op->node),
        .reason = reason,
    };

#ifdef PTL_PLANT_LOST_MONITOR
    struct ptl_route *route =
        ptl_map_find(&shard->ports->monitors.routes, fall.node_hash, NULL, no_key);
    if (route != NULL && fall.failure % 3 == 0) {
        struct ptl_observation *observation = route->first;
        while (observation->first != NULL) {
            ptl_monitoring_take_back(shard, observation->first->id);
        }
    }
#endif
    begin(shard, &fall, true);
}

void ptl_monitor_fall_target(struct ptl_shard *shard, uint64_t id, uint64_t failure,
                             const struct ptl_msg *reason)
{
    struct ptl_observation *observation =
        ptl_map_find(&shard->ports->monitors.by_observation, ptl_map_spread(id), NULL, no_key);
    struct ptl_fall fall = {
        .kind = FALL_TARGET, .failure = failure, .observation = observation, .reason = reason};

    if (observation != NULL) {
        observation->firing = true;
        ptl_observation_unlist(shard, observation);
        begin(shard, &fall, false);
    }
}

void ptl_monitor_fall_all(struct ptl_shard *shard)
{
    struct ptl_fall fall = {.kind = FALL_ALL};
    struct ptl_msg *reason;

    if (ptl_msg_make(shard->node, &reason, "t", "node_stopped") < 0) {
        return;
    }
    fall.reason = reason;
    /* Those that were put off are on no observation: they would hear of nothing. */
    struct ptl_monitoring *put_off;
    while ((put_off = ptl_monitor_put_off_next(shard)) != NULL) {
        ptl_monitoring_fire(shard, put_off, reason, 0);
    }
    begin(shard, &fall, true);
    ptl_msg_free(reason);
}

uint64_t ptl_falls_work(struct ptl_shard *shard)
{
    uint64_t units = FALL_UNITS;

    (void)work_off(shard, &units); /* ptl_ports_due() says whether some is left */
    return UINT64_MAX;
}

void ptl_falls_drop(struct ptl_shard *shard)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;

    while (monitors->falls != NULL) {
        struct ptl_fall *fall = monitors->falls;
        monitors->falls = fall->next;
        if (fall->observation != NULL) {
            ptl_observation_free(shard, fall->observation);
        }
        ptl_free(shard->allocator, fall->route, sizeof(*fall->route));
        free_fall(shard, fall);
    }
}
