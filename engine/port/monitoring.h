/*
 * engine/port/monitoring.h - what a monitor is while it lasts, and what is observed for its sake;
 * engine/port/monitor.h says how the two hang together.  Thread: the shard's.
 */
#pragma once

#include "engine/port/queue.h"
#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/list.h"
#include "engine/shard/map.h"
#include "engine/shard/untold.h"
#include "io/base.h"

struct ptl_link;
struct ptl_shard;
struct ptl_slot;
struct ptl_observation;

enum ptl_monitor_kind {
    PTL_MONITOR_CALLBACK,
    PTL_MONITOR_MESSAGE, /* to `to`, with `prefix` before the reason */
    PTL_MONITOR_KILL,    /* kills `to` */
    PTL_MONITOR_LINK,    /* a peer monitors one of our ports: it is told over `link` */
};

/* One interest in one port.  Owned by the shard it was added to. */
struct ptl_monitoring {
    /* What it takes to run a notice, a million in a row, stands side by side and first. */
    struct ptl_notice notice; /* listed while it waits in its port's queue to be run */
    uint64_t id;
    struct ptl_slot *owner; /* the port it belongs to, or NULL */
    uint32_t generation;    /* of its owner */
    uint8_t kind;
    bool may_pend;        /* its port has a place for its notice: see engine/port/pending.h */
    bool running;         /* is being told */
    bool taken_back;      /* while it was one of these: freed when it would be told, or has been */
    bool seen;            /* makes nothing stale that its port issues: see notify_stale() */
    bool fired;           /* it has fired, but there was no room to tell */
    bool outside;         /* made by a thread of the program */
    struct ptl_list same; /* among its port's notices of one target: see engine/port/pending.h */
    struct ptl_belonging belonging;
    ptl_monitor_fn *tell;
    void *data;
    ptl_release_fn *release; /* of `data`, or NULL */
    struct ptl_port *to;
    struct ptl_msg *prefix;               /* counted by ptl_keep() */
    struct ptl_msg *reason;               /* as long as `fired` */
    uint64_t target_hash;                 /* known once it is added */
    struct ptl_observation *observation;  /* NULL once fired */
    struct ptl_monitoring *next, **link_; /* of one observation */
    uint64_t epoch; /* failures that the issuer had been told of, before the one it tells */
    struct ptl_untold untold; /* while it could not be told yet, as long as `fired` */
    uint64_t again_at;        /* ns; where that is because of time */
    struct ptl_link *link;
    struct ptl_port target;
};

/*
 * One target that this shard observes, for all here who monitor it and are told by way of one port,
 * the watcher: where the target is another node's, what that has sent to the watcher comes before
 * the news of its end.  Where the target is, it is known by the shard and `id`: a struct
 * ptl_observer.
 */
struct ptl_observation {
    uint64_t id;
    uint64_t hash;           /* of target and watcher */
    struct ptl_route *route; /* NULL: a port of this node */
    struct ptl_observation *route_next, **route_link;
    struct ptl_monitoring *first;
    struct ptl_untold untold; /* when nobody is interested any more */
    bool firing;              /* it frees itself when all have been told */
    struct ptl_port target;
    uint8_t watcher_size; /* 0: no port is, or it does not matter */
    char watcher[];       /* its name */
};

/* All that this shard observes on one other node. */
struct ptl_route {
    uint64_t hash;
    bool falling; /* out of the map, its observations are being told: monitor_fall.c frees it */
    struct ptl_observation *first;
};

struct ptl_monitors {
    const struct ptl_allocator *allocator;
    struct ptl_map by_target;            /* observations, by target and watcher */
    struct ptl_map by_observation;       /* the same by ID */
    struct ptl_map by_id;                /* monitorings */
    struct ptl_map routes;               /* by the node's hash */
    struct ptl_fall *falls, *falls_last; /* who is being told of something gone (monitor_fall.c) */
    uint64_t untold;                     /* so many have fired and could not be told yet */
    struct ptl_list again; /* those of them that wait for time, the first to be called first */
    /* A thread's that wait until failures have been told, the first one first. */
    struct ptl_monitoring *put_off, **put_off_end;
    struct ptl_observation *leaving; /* nobody is interested any more, and that is to be told */
    uint64_t last_observation;
};

/* Whether some of what was fired could not be told yet. */
static inline bool ptl_monitors_untold(const struct ptl_monitors *monitors)
{
    return monitors->falls != NULL || monitors->untold != 0;
}

void ptl_monitors_init(struct ptl_monitors *monitors, const struct ptl_allocator *allocator);

/* A zeroed monitoring with a fresh ID.  NULL: no memory.  Thread: any. */
struct ptl_monitoring *ptl_monitoring_make(struct ptl_shard *shard, uint8_t kind,
                                           const struct ptl_port *target);

/* Free one that was never added, or is not any more, and release its data. */
void ptl_monitoring_free(struct ptl_shard *shard, struct ptl_monitoring *monitoring);

/* Put one at the front of a list of its kind; and take it off whichever it is on. */
void ptl_monitoring_list_add(struct ptl_monitoring **list, struct ptl_monitoring *monitoring);
void ptl_monitoring_list_remove(struct ptl_monitoring *monitoring);

/* Whether it is told in its own port's queue. */
bool ptl_monitoring_is_notice(const struct ptl_shard *shard,
                              const struct ptl_monitoring *monitoring);

/* It is being freed: if it has waited to be told, it does so no more. */
void ptl_monitoring_forget_untold(struct ptl_shard *shard, struct ptl_monitoring *monitoring);

/* The route to that node, made if need be; NULL: no memory. */
struct ptl_route *ptl_observation_route(struct ptl_shard *shard, uint64_t node_hash);
void ptl_route_add(struct ptl_route *route, struct ptl_observation *observation);

/* Into the list of a route, or of those that leave; and out of it. */
void ptl_observations_add(struct ptl_observation **list, struct ptl_observation *observation);
void ptl_observations_remove(struct ptl_observation *observation);

/* Take it out of all maps and off its route: nothing finds it any more.  Then free it. */
void ptl_observation_unlist(struct ptl_shard *shard, struct ptl_observation *observation);
void ptl_observation_free(struct ptl_shard *shard, struct ptl_observation *observation);
