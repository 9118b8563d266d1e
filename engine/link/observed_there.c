#include "engine/link/observed_there.h"

#include "engine/link/dial_addresses.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/observed.h"
#include "engine/message/message.h"
#include "engine/port/bottleneck.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

/* ---- By requests, or a node ----------------------------------------------------------------- */

static int add_observer(struct ptl_link *link, const struct ptl_op *op, bool *first)
{
    struct ptl_observed *observed = ptl_observed_get(&link->observed_there, op->name);
    int err = observed == NULL ? PTL_ENOMEM
                               : ptl_observed_add(observed, ptl_observer_number(op->as.observer));

    if (err < 0 && observed != NULL && ptl_observed_count(observed) == 0) {
        ptl_observed_forget(&link->observed_there, observed);
    }
    *first = err == PTL_OK && ptl_observed_count(observed) == 1;
    return err;
}

/* The peer is asked once for all who observe the port, and told once that nobody does any more. */
static int observe(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    bool first;
    int err = add_observer(link, op, &first);

    if (err == PTL_OK && first) {
        err = ptl_link_request(shard, link, "mon1", op->name);
        if (err < 0) {
            ptl_observed_forget(&link->observed_there,
                                ptl_observed_find(&link->observed_there, op->name));
        }
    }
    return err;
}

/* A node port is observed by being linked. */
static int observe_node(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    bool first;
    int err = add_observer(link, op, &first);

    if (err == PTL_OK && link->state == PTL_LINK_DOWN) {
        ptl_link_dial(shard, link);
    }
    return err;
}

static int leave(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    struct ptl_observed *observed = ptl_observed_find(&link->observed_there, op->name);

    if (observed == NULL) {
        return PTL_OK;
    }
    ptl_observed_remove(observed, ptl_observer_number(op->as.observer));
    if (ptl_observed_count(observed) != 0) {
        return PTL_OK;
    }
    ptl_observed_forget(&link->observed_there, observed);
    return op->name.size == 0 ? PTL_OK : ptl_link_request(shard, link, "mon0", op->name);
}

int ptl_link_port_down(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                       const struct ptl_msg *reason, struct ptl_bottleneck *full)
{
    struct ptl_observed *observed =
        name.size == 0 ? NULL : ptl_observed_find(&link->observed_there, name);
    uint64_t number;

    if (observed == NULL) {
        return PTL_OK; /* not asked for, or taken back meanwhile */
    }
    /* Who has been told is taken out, so that it is not told again when we come again. */
    while ((number = ptl_observed_take(observed)) != 0) {
        struct ptl_observer observer = ptl_observer_of(number);
        int err = ptl_observer_tell(shard, observer, 0, reason);
        if (err < 0) {
            ptl_observed_put_back(observed, number);
            ptl_bottleneck_at_ring(full, observer.shard);
            return err;
        }
    }
    ptl_observed_forget(&link->observed_there, observed);
    return PTL_OK;
}

/* ---- By frames ------------------------------------------------------------------------------ */

/* Each observer asks by itself, by its number: the answer keeps the order of its watcher. */
static int monitor(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    uint64_t number = ptl_observer_number(op->as.observer);

    if (ptl_map_reserve(&link->monitors_there) < 0) {
        return PTL_ENOMEM;
    }
    int err = ptl_link_monitor(shard, link, op->name, number, op->body);
    if (err == PTL_OK) {
        ptl_map_insert(&link->monitors_there, ptl_map_spread(number), (void *)(uintptr_t)number);
    }
    return err;
}

static bool forget_monitor(struct ptl_link *link, uint64_t number)
{
    return ptl_map_remove(&link->monitors_there, ptl_map_spread(number), (void *)(uintptr_t)number);
}

int ptl_link_monitor_down(struct ptl_shard *shard, struct ptl_link *link, uint64_t number,
                          const struct ptl_msg *reason, struct ptl_bottleneck *full)
{
    struct ptl_observer observer = ptl_observer_of(number);

    if (!forget_monitor(link, number)) {
        return PTL_OK; /* not asked for, or taken back meanwhile */
    }
    int err = ptl_observer_tell(shard, observer, 0, reason);
    if (err < 0) {
        /* It has left a place there. */
        ptl_map_insert(&link->monitors_there, ptl_map_spread(number), (void *)(uintptr_t)number);
        ptl_bottleneck_at_ring(full, observer.shard);
    }
    return err;
}

/* ---- What shards ask for -------------------------------------------------------------------- */

int ptl_link_observe(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    if (op->name.size == 0) {
        return observe_node(shard, link, op);
    }
    if (link->state != PTL_LINK_UP) {
        return ptl_link_let_wait(shard, link, op);
    }
    return ptl_link_speaks_frames(link) ? monitor(shard, link, op) : observe(shard, link, op);
}

int ptl_link_unobserve(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    if (op->name.size == 0) {
        return leave(shard, link, op);
    }
    if (link->state != PTL_LINK_UP) {
        /* What it takes back waits, too, or is not there any more. */
        return link->waiting_first == NULL ? PTL_OK : ptl_link_let_wait(shard, link, op);
    }
    uint64_t number = ptl_observer_number(op->as.observer);
    if (forget_monitor(link, number)) {
        return ptl_link_unmonitor(shard, link, op->name, number);
    }
    return leave(shard, link, op);
}

/* ---- Telling shards ------------------------------------------------------------------------- */

int ptl_observer_tell(struct ptl_shard *shard, struct ptl_observer observer, uint64_t failure,
                      const struct ptl_msg *reason)
{
    struct ptl_op op = {
        .kind = PTL_OP_DOWN,
        .to = PTL_TO_SHARD,
        .as.down = {.observation = observer.observation, .failure = failure},
        .body = ptl_span(reason->body, reason->size),
        .count = reason->count,
        .whole = reason->holds != 0 ? reason : NULL,
    };
    return ptl_shard_post(shard, observer.shard, &op, true);
}
