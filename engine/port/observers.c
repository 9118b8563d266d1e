#include "engine/port/observers.h"

#include "engine/message/message.h"
#include "engine/port/reason.h"
#include "engine/port/shard_ports.h"
#include "engine/port/tag.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* ---- Who observes -------------------------------------------------------------------------- */

/* Observers stand in their map as numbers.  Room for it has been made. */
static void put(struct ptl_port_more *more, struct ptl_observer observer)
{
    uint64_t number = ptl_observer_number(observer);
    ptl_map_insert(&more->observers, ptl_map_spread(number), (void *)(uintptr_t)number);
}

bool ptl_observer_add(struct ptl_port_more *more, const struct ptl_op *op)
{
    if (more == NULL || ptl_map_reserve(&more->observers) < 0) {
        return false;
    }
    put(more, op->as.observer);
    return true;
}

static struct ptl_op down(struct ptl_observer observer, const struct ptl_msg *reason)
{
    struct ptl_op op = {
        .kind = PTL_OP_DOWN,
        .to = PTL_TO_SHARD,
        .as.down.observation = observer.observation,
        .whole = reason,
    };

    if (reason != NULL) {
        op.body = ptl_span(reason->body, reason->size);
        op.count = reason->count;
    }
    return op;
}

void ptl_observer_refuse(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_msg reason = ptl_reason_lost();
    struct ptl_observer observer = op->as.observer;
    struct ptl_op answer = down(observer, &reason);

    if (ptl_shard_post(shard, observer.shard, &answer, true) < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: a monitor could not be answered");
    }
}

void ptl_observer_remove(struct ptl_slot *slot, const struct ptl_op *op)
{
    uint64_t number = ptl_observer_number(op->as.observer);

    if (slot->more != NULL) {
        ptl_map_remove(&slot->more->observers, ptl_map_spread(number), (void *)(uintptr_t)number);
    }
}

/* ---- Death --------------------------------------------------------------------------------- */

static void free_more(struct ptl_shard *shard, struct ptl_port_more *more)
{
    const struct ptl_allocator *allocator = shard->allocator;

    ptl_tags_drop(allocator, more);
    ptl_map_drop(&more->observers);
    ptl_map_drop(&more->pending);
    ptl_free(allocator, more->name, more->name_size);
    ptl_reason_let_go(shard, more->reason);
    ptl_free(allocator, more, sizeof(*more));
}

/* As a ptl_untold_fn. */
static int tell_observers(struct ptl_shard *shard, struct ptl_port_more *dead, uint64_t *units)
{
    void *entry;

    while ((entry = ptl_map_take(&dead->observers)) != NULL) {
        struct ptl_observer observer = ptl_observer_of((uintptr_t)entry);
        struct ptl_op op = down(observer, dead->reason);
#ifdef PTL_PLANT_REPLY_ORDER
        struct ptl_parcel *parcel = ptl_parcel_make(&op, shard->allocator);
        if (parcel != NULL) {
            ptl_shard_hand(&shard->node->shards[observer.shard], parcel, shard);
            continue;
        }
#endif
        int err =
            *units > 0 ? ptl_untold_post(shard, &dead->untold, observer.shard, &op) : PTL_LATER;
        if (err < 0) {
            put(dead, observer);
            return err;
        }
        --*units;
    }
    return PTL_OK;
}

static int tell_of_death(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_port_more *dead = ptl_container(untold, struct ptl_port_more, untold);
    int err = tell_observers(shard, dead, units);

    if (err == PTL_OK) {
        err = ptl_fullness_tell(shard, &dead->fullness, untold);
    }
    if (err == PTL_OK) {
        ptl_list_remove(&dead->listed);
        free_more(shard, dead);
    }
    return err;
}

void ptl_port_bury(struct ptl_shard *shard, struct ptl_port_more *dead)
{
    ptl_list_append(&shard->ports->dead, &dead->listed);
    ptl_fullness_end(shard, &dead->fullness);
    dead->untold.tell = tell_of_death;
    ptl_untold_tell(shard, &dead->untold);
}

void ptl_ports_forget(struct ptl_shard *shard)
{
    while (!ptl_list_empty(&shard->ports->dead)) {
        struct ptl_port_more *more =
            ptl_container(shard->ports->dead.next, struct ptl_port_more, listed);
        ptl_list_remove(&more->listed);
        free_more(shard, more);
    }
}
