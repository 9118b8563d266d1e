#include "engine/port/monitor.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/monitor_put_off.h"
#include "engine/port/outside.h"
#include "engine/port/pending.h"
#include "engine/port/reason.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

static const struct ptl_span no_key;

/* ---- Observations -------------------------------------------------------------------------- */

/* What an observation is found by; handed to maps as the span of itself. */
struct key {
    struct ptl_span target;
    struct ptl_span watcher;
};

static struct ptl_span watcher_of(const struct ptl_observation *observation)
{
    return ptl_span(observation->watcher, observation->watcher_size);
}

static bool same_key(const void *entry, struct ptl_span span)
{
    const struct ptl_observation *observation = entry;
    struct key key;

    memcpy(&key, span.bytes, sizeof(key));
    return ptl_span_equal(ptl_port_span(&observation->target), key.target) &&
           ptl_span_equal(watcher_of(observation), key.watcher);
}

static struct ptl_span name_of_slot(const struct ptl_shard *shard, const struct ptl_slot *slot,
                                    char room[static PTL_NAME_MADE_SIZE])
{
    if (slot->more != NULL && slot->more->name != NULL) {
        return ptl_span(slot->more->name, slot->more->name_size);
    }
    ptl_name_made(shard->node->self.incarnation,
                  (uint64_t)shard->index << 56 | (uint64_t)slot->index << 32 | slot->generation,
                  room);
    return ptl_span(room, PTL_NAME_MADE_SIZE);
}

/*
 * The port of this node that hears of the target's end, and may have been sent something by it
 * before.  Between shards of this node all that comes from the target comes through one ring, so
 * that it does not matter which one it is.
 */
static struct ptl_span find_watcher(const struct ptl_shard *shard,
                                    const struct ptl_monitoring *monitoring,
                                    char room[static PTL_NAME_MADE_SIZE])
{
    const struct ptl_port *to = monitoring->to;

    if (monitoring->target.kind != PTL_PORT_REMOTE ||
        ptl_port_name(&monitoring->target).size == 0) {
        return ptl_span(NULL, 0);
    }
    if (to != NULL) {
        return to->kind == PTL_PORT_REMOTE ? ptl_span(NULL, 0) : ptl_port_name(to);
    }
    return monitoring->owner == NULL ? ptl_span(NULL, 0)
                                     : name_of_slot(shard, monitoring->owner, room);
}

/*
 * `direct`: what peers and the program's threads ask of this shard's own ports happens as it is
 * read, as their messages and kills do; going through the ring it would be overtaken.
 */
static int send_observation(struct ptl_shard *shard, const struct ptl_observation *observation,
                            uint8_t kind, uint64_t epoch, bool direct)
{
    struct ptl_op op = {
        .kind = kind,
        .as.observer = {.observation = observation->id, .shard = shard->index},
        .body = watcher_of(observation),
    };
    unsigned place = ptl_place_of(shard->node, &observation->target);

    ptl_op_address(&op, &observation->target);
    op.told = epoch;
    if (observation->target.kind == PTL_PORT_REMOTE && place == shard->index) {
        return shard->node->port_outside->take(shard, &op);
    }
    if (direct && place == shard->index) {
        ptl_port_take(shard, &op);
        return PTL_OK;
    }
    return ptl_shard_post(shard, place, &op, true);
}

static struct ptl_observation *new_observation(struct ptl_shard *shard,
                                               const struct ptl_port *target,
                                               struct ptl_span watcher, uint64_t hash, bool shared)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;

    /* Both places first: with these nothing behind the allocation of a route can fail. */
    if (ptl_map_reserve(&monitors->by_target) < 0 ||
        ptl_map_reserve(&monitors->by_observation) < 0) {
        return NULL;
    }
    struct ptl_observation *observation =
        ptl_alloc(shard->allocator, sizeof(*observation) + watcher.size);
    if (observation == NULL) {
        return NULL;
    }
    observation->id = ++monitors->last_observation;
    observation->target = *target;
    observation->hash = hash;
    observation->watcher_size = (uint8_t)watcher.size;
    ptl_copy((uint8_t *)observation->watcher, watcher.bytes, watcher.size);
    if (target->kind == PTL_PORT_REMOTE) {
        struct ptl_route *route = ptl_observation_route(shard, target->node_hash);
        if (route == NULL) {
            ptl_observation_free(shard, observation);
            return NULL;
        }
        ptl_route_add(route, observation);
    }
    if (shared) {
        ptl_map_insert(&monitors->by_target, hash, observation);
    }
    ptl_map_insert(&monitors->by_observation, ptl_map_spread(observation->id), observation);
    return observation;
}

/* The last interest is gone, and nothing finds the observation any more. */
static int tell_leaving(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_observation *observation = ptl_container(untold, struct ptl_observation, untold);
    unsigned place = ptl_place_of(shard->node, &observation->target);
    int err = ptl_untold_wait_for(shard, place)
                  ? PTL_EFULL
                  : send_observation(shard, observation, PTL_OP_UNOBSERVE,
                                     shard->ports->told[place], false);

    (void)units;
    untold->to = place;
    if (err == PTL_OK) {
        ptl_observations_remove(observation);
        ptl_observation_free(shard, observation);
    }
    return err;
}

static void leave(struct ptl_shard *shard, struct ptl_observation *observation)
{
    ptl_assert(observation->first == NULL);
    ptl_observation_unlist(shard, observation);
    ptl_observations_add(&shard->ports->monitors.leaving, observation);
    observation->untold.tell = tell_leaving;
    ptl_untold_tell(shard, &observation->untold);
}

/* ---- Notices ----------------------------------------------------------------------------- */

/* More waits at the port than it has room for. */
static bool is_slow(const struct ptl_slot *owner)
{
    return owner->more != NULL && owner->more->fullness.full;
}

void ptl_monitoring_notify(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                           const struct ptl_msg *reason, uint64_t failure)
{
    struct ptl_msg instead = ptl_reason_short();

    instead.allocator = shard->allocator; /* of a copy that is kept */
    if (reason->size > PTL_REASON_SMALL && is_slow(monitoring->owner)) {
        reason = &instead;
    }
    if (failure != 0) {
        /* A failed link's notices all wait before the first of them runs: until a port has run its
         * own, what it sends to that node counts as sent before the failure.  But one that was set
         * while being told makes nothing stale: see notify_stale(). */
        monitoring->epoch = failure - 1;
        if (!monitoring->seen) {
            ptl_pending_add(monitoring);
        }
    }
    ptl_port_notify(shard, monitoring, reason, failure);
}

/*
 * Issued before a failure whose notice still waits at its port.  It is told behind that notice, so
 * that its port issues as before the failure until then: told by way of the link's owner, it would
 * come too late for what the port sends after taking the other monitor back.
 */
static bool is_stale_notice(const struct ptl_shard *shard, const struct ptl_monitoring *monitoring)
{
    return monitoring->target.kind == PTL_PORT_REMOTE &&
           ptl_monitoring_is_notice(shard, monitoring) &&
           monitoring->epoch < shard->ports->told[ptl_place_of(shard->node, &monitoring->target)];
}

/*
 * A port with two monitors on one target sets the first again while the second still waits, and the
 * second again while the first does: what is set while being told makes nothing else stale, or the
 * two would take turns for ever.
 */
static void notify_stale(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    struct ptl_msg lost = ptl_reason_lost();
    struct ptl_span node = ptl_port_node(&monitoring->target);
    struct ptl_msg *reason;

    lost.allocator = shard->allocator; /* of a copy that is kept */
    if (ptl_msg_make(shard->node, &reason, "tTt", "transport_error", node.bytes, node.size,
                     ptl_err_text(PTL_ELOST)) < 0) {
        reason = NULL;
    }
    monitoring->seen = shard->ports->noticing;
    ptl_monitoring_notify(shard, monitoring, reason != NULL ? reason : &lost,
                          monitoring->epoch + 1);
    ptl_msg_free(reason);
}

/* ---- Adding and taking back ---------------------------------------------------------------- */

static void take_back(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    /* Its notice stands in the queue, or it runs: whoever takes it out there frees it. */
    if (ptl_listed(&monitoring->notice.listed) || monitoring->running) {
        monitoring->taken_back = true;
        ptl_pending_remove(monitoring);
        ptl_belonging_remove(&monitoring->belonging);
        return;
    }
    struct ptl_observation *observation = monitoring->observation;
    ptl_monitor_put_off_leaves(shard, monitoring);
    ptl_monitoring_list_remove(monitoring);
    ptl_monitoring_free(shard, monitoring);
    if (observation != NULL && observation->first == NULL && !observation->firing) {
        leave(shard, observation);
    }
}

static void end_monitoring(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    take_back(shard, ptl_container(belonging, struct ptl_monitoring, belonging));
}

static struct ptl_observation *observation_for(struct ptl_shard *shard,
                                               struct ptl_monitoring *monitoring, int *err)
{
    char room[PTL_NAME_MADE_SIZE];
    struct key key = {.target = ptl_port_span(&monitoring->target),
                      .watcher = find_watcher(shard, monitoring, room)};
    uint64_t hash = monitoring->target_hash;
    struct ptl_observation *observation = NULL;

    if (key.watcher.size != 0) {
        hash ^= ptl_name_hash(key.watcher);
    }
    /* One issued before a failure that its port has not been told of is not like the others: it
     * goes alone, and the link's owner answers it at once. */
    bool fresh =
        monitoring->target.kind != PTL_PORT_REMOTE ||
        monitoring->epoch == shard->ports->told[ptl_place_of(shard->node, &monitoring->target)];
    /* Nor does one that must not be overtaken share one that may still be on its way. */
    bool direct = monitoring->link != NULL ||
                  (monitoring->outside && monitoring->target.kind != PTL_PORT_REMOTE);
    fresh = fresh && !direct;

    *err = PTL_OK;
    if (fresh) {
        observation = ptl_map_find(&shard->ports->monitors.by_target, hash, same_key,
                                   ptl_span(&key, sizeof(key)));
    }
    if (observation != NULL && (observation->route == NULL || !observation->route->falling)) {
        return observation;
    }
    /* Nor does anyone join those that are being told: whoever went on would not let them end. */
    fresh = fresh && observation == NULL;
    *err = PTL_EFULL;
    if (monitoring->link == NULL && !monitoring->outside &&
        !ptl_control_has_room(shard->node, &monitoring->target, sizeof(struct ptl_op))) {
        return NULL;
    }
    observation = new_observation(shard, &monitoring->target, key.watcher, hash, fresh);
    *err = PTL_ENOMEM;
    if (observation != NULL) {
        *err = send_observation(shard, observation, PTL_OP_OBSERVE, monitoring->epoch, direct);
        if (*err < 0) {
            ptl_observation_unlist(shard, observation);
            ptl_observation_free(shard, observation);
            return NULL;
        }
    }
    return observation;
}

int ptl_monitoring_add(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    struct ptl_port_more *more = NULL;
    int err;

    if (ptl_map_reserve(&shard->ports->monitors.by_id) < 0) {
        return PTL_ENOMEM;
    }
    if (monitoring->owner != NULL) {
        more = ptl_port_more(shard, monitoring->owner);
        if (more == NULL || ptl_pending_reserve(monitoring) < 0) {
            return PTL_ENOMEM;
        }
    }
    ptl_assert(monitoring->observation == NULL && !monitoring->fired);
    monitoring->target_hash = ptl_name_hash(ptl_port_span(&monitoring->target));
    bool stale = is_stale_notice(shard, monitoring);
    if (stale || monitoring->target.kind == PTL_PORT_NODE) {
        err = PTL_OK; /* our own node port lives as long as we do */
    } else {
        monitoring->observation = observation_for(shard, monitoring, &err);
    }
    if (err < 0) {
        ptl_pending_unreserve(monitoring);
        return err;
    }
    if (monitoring->observation != NULL) {
        ptl_monitoring_list_add(&monitoring->observation->first, monitoring);
    }
    if (more != NULL) {
        monitoring->belonging.end = end_monitoring;
        ptl_belonging_add(&more->belongings, &monitoring->belonging);
    }
    ptl_map_insert(&shard->ports->monitors.by_id, ptl_map_spread(monitoring->id), monitoring);
    if (stale) {
        notify_stale(shard, monitoring);
    }
    return PTL_OK;
}

void ptl_monitoring_take_back(struct ptl_shard *shard, uint64_t id)
{
    struct ptl_monitoring *monitoring =
        ptl_map_find(&shard->ports->monitors.by_id, ptl_map_spread(id), NULL, no_key);

    if (monitoring != NULL) {
        take_back(shard, monitoring);
    }
}

/* ---- The end -------------------------------------------------------------------------------- */

void ptl_monitors_drop(struct ptl_shard *shard)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;
    struct ptl_observation *observation;
    struct ptl_monitoring *monitoring;

    while ((monitoring = ptl_map_take(&monitors->by_id)) != NULL) {
        ptl_monitoring_list_remove(monitoring);
        ptl_monitoring_free(shard, monitoring);
    }
    while ((observation = ptl_map_take(&monitors->by_observation)) != NULL) {
        ptl_observation_unlist(shard, observation);
        ptl_observation_free(shard, observation);
    }
    while (monitors->leaving != NULL) {
        observation = monitors->leaving;
        ptl_observations_remove(observation);
        ptl_observation_free(shard, observation);
    }
    ptl_map_drop(&monitors->by_target);
    ptl_map_drop(&monitors->by_observation);
    ptl_map_drop(&monitors->by_id);
    ptl_map_drop(&monitors->routes);
}
