#include "engine/port/monitoring.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/pending.h"
#include "engine/port/port.h"
#include "engine/port/reason.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

static const struct ptl_span no_key;

/* ---- Monitorings --------------------------------------------------------------------------- */

void ptl_monitors_init(struct ptl_monitors *monitors, const struct ptl_allocator *allocator)
{
    *monitors = (struct ptl_monitors){.allocator = allocator, .put_off_end = &monitors->put_off};
    ptl_list_init(&monitors->again);
    ptl_map_init(&monitors->by_target, allocator);
    ptl_map_init(&monitors->by_observation, allocator);
    ptl_map_init(&monitors->by_id, allocator);
    ptl_map_init(&monitors->routes, allocator);
}

struct ptl_monitoring *ptl_monitoring_make(struct ptl_shard *shard, uint8_t kind,
                                           const struct ptl_port *target)
{
    struct ptl_monitoring *monitoring = ptl_alloc(shard->allocator, sizeof(*monitoring));

    if (monitoring != NULL) {
        monitoring->id = atomic_fetch_add(&shard->node->last_id, 1) + 1;
        monitoring->kind = kind;
        monitoring->target = *target;
    }
    return monitoring;
}

void ptl_monitoring_forget_untold(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    if (monitoring->fired) {
        monitoring->fired = false;
        ptl_assert(shard->ports->monitors.untold > 0);
        shard->ports->monitors.untold--;
    }
    ptl_untold_cancel(shard, &monitoring->untold);
}

void ptl_monitoring_free(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    ptl_assert(!ptl_listed(&monitoring->notice.listed));
    ptl_assert(!monitoring->running);
    ptl_monitoring_forget_untold(shard, monitoring);
    ptl_map_remove(&shard->ports->monitors.by_id, ptl_map_spread(monitoring->id), monitoring);
    ptl_belonging_remove(&monitoring->belonging);
    ptl_pending_remove(monitoring);
    ptl_pending_unreserve(monitoring);
    ptl_msg_free(monitoring->notice.reason);
    if (monitoring->prefix != NULL) {
        ptl_keep_no_more(shard, monitoring->prefix->size);
        ptl_msg_free(monitoring->prefix);
    }
    ptl_reason_let_go(shard, monitoring->reason);
    ptl_free(shard->allocator, monitoring->to, sizeof(*monitoring->to));
    ptl_release(monitoring->release, monitoring->data);
    ptl_free(shard->allocator, monitoring, sizeof(*monitoring));
}

void ptl_monitoring_list_add(struct ptl_monitoring **list, struct ptl_monitoring *monitoring)
{
    monitoring->next = *list;
    monitoring->link_ = list;
    if (*list != NULL) {
        (*list)->link_ = &monitoring->next;
    }
    *list = monitoring;
}

void ptl_monitoring_list_remove(struct ptl_monitoring *monitoring)
{
    if (monitoring->link_ != NULL) {
        *monitoring->link_ = monitoring->next;
        if (monitoring->next != NULL) {
            monitoring->next->link_ = monitoring->link_;
        }
        monitoring->link_ = NULL;
        monitoring->next = NULL;
    }
}

/* A message to the very port that has set the monitor is told in its queue like a callback. */
static bool is_owner(const struct ptl_shard *shard, const struct ptl_monitoring *monitoring)
{
    const struct ptl_slot *owner = monitoring->owner;

    if (owner == NULL || monitoring->to->shard != shard->index) {
        return false;
    }
    if (monitoring->to->kind == PTL_PORT_SLOT) {
        return monitoring->to->slot == owner->index &&
               monitoring->to->generation == owner->generation;
    }
    return monitoring->to->kind == PTL_PORT_NAMED && owner->more != NULL &&
           ptl_span_equal(ptl_span(owner->more->name, owner->more->name_size),
                          ptl_port_name(monitoring->to));
}

bool ptl_monitoring_is_notice(const struct ptl_shard *shard,
                              const struct ptl_monitoring *monitoring)
{
    return monitoring->owner != NULL &&
           (monitoring->kind == PTL_MONITOR_CALLBACK ||
            (monitoring->kind == PTL_MONITOR_MESSAGE && is_owner(shard, monitoring)));
}

/* ---- Observations -------------------------------------------------------------------------- */

struct ptl_route *ptl_observation_route(struct ptl_shard *shard, uint64_t hash)
{
    struct ptl_map *routes = &shard->ports->monitors.routes;
    struct ptl_route *route = ptl_map_find(routes, hash, NULL, no_key);

    if (route == NULL && ptl_map_reserve(routes) == PTL_OK) {
        route = ptl_alloc(shard->allocator, sizeof(*route));
        if (route != NULL) {
            route->hash = hash;
            ptl_map_insert(routes, hash, route);
        }
    }
    return route;
}

static void drop_route(struct ptl_shard *shard, struct ptl_route *route)
{
    if (route->first == NULL && !route->falling) {
        ptl_map_remove(&shard->ports->monitors.routes, route->hash, route);
        ptl_free(shard->allocator, route, sizeof(*route));
    }
}

void ptl_observations_add(struct ptl_observation **list, struct ptl_observation *observation)
{
    observation->route_next = *list;
    observation->route_link = list;
    if (*list != NULL) {
        (*list)->route_link = &observation->route_next;
    }
    *list = observation;
}

void ptl_observations_remove(struct ptl_observation *observation)
{
    *observation->route_link = observation->route_next;
    if (observation->route_next != NULL) {
        observation->route_next->route_link = observation->route_link;
    }
}

void ptl_route_add(struct ptl_route *route, struct ptl_observation *observation)
{
    observation->route = route;
    ptl_observations_add(&route->first, observation);
}

void ptl_observation_unlist(struct ptl_shard *shard, struct ptl_observation *observation)
{
    ptl_map_remove(&shard->ports->monitors.by_target, observation->hash, observation);
    ptl_map_remove(&shard->ports->monitors.by_observation, ptl_map_spread(observation->id),
                   observation);
    if (observation->route != NULL) {
        ptl_observations_remove(observation);
        drop_route(shard, observation->route);
        observation->route = NULL;
    }
}

void ptl_observation_free(struct ptl_shard *shard, struct ptl_observation *observation)
{
    ptl_assert(observation->first == NULL && observation->route == NULL);
    ptl_free(shard->allocator, observation, sizeof(*observation) + observation->watcher_size);
}
