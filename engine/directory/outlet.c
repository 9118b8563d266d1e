#include "engine/directory/outlet.h"

#include "engine/port/fullness.h"
#include "engine/shard/belonging.h"
#include "engine/shard/node.h"

#define PACKET_BYTES ((size_t)16384)

/* What draining one costs, of a slice: it may make some packets. */
#define DRAIN_UNITS 16

size_t ptl_outlet_packet_bytes(const struct ptl_shard *shard)
{
    size_t limit = shard->node->options.message_bytes_max / 4;

    return limit < PACKET_BYTES ? limit : PACKET_BYTES;
}

/* ---- States ---------------------------------------------------------------------------------- */

static bool may_enter(enum ptl_outlet_state from, enum ptl_outlet_state to)
{
    switch (from) {
    case PTL_OUTLET_QUIET:
        return to != PTL_OUTLET_HELD;
    case PTL_OUTLET_PENDING:
        return to == PTL_OUTLET_QUIET || to == PTL_OUTLET_HELD;
    case PTL_OUTLET_UNTOLD:
        return to == PTL_OUTLET_QUIET;
    case PTL_OUTLET_HELD:
    case PTL_OUTLET_WAITING:
        return to == PTL_OUTLET_PENDING;
    }
    ptl_unreachable("no such state of an outlet");
}

/* Each state has its list, or none: PENDING, HELD and UNTOLD are on one, the others on none. */
static void leave_list(struct ptl_outlet *outlet)
{
    ptl_list_remove(&outlet->listed);
    ptl_untold_cancel(outlet->shard, &outlet->untold);
}

static void enter(struct ptl_outlet *outlet, enum ptl_outlet_state state)
{
    struct ptl_shard_directory *directory = outlet->shard->directory;

    ptl_assert(may_enter(outlet->state, state));
    leave_list(outlet);
    outlet->state = (uint8_t)state;
    if (state == PTL_OUTLET_PENDING) {
        ptl_list_append(&directory->pending, &outlet->listed);
    }
}

void ptl_outlet_wake(struct ptl_outlet *outlet)
{
    if (outlet->state == PTL_OUTLET_QUIET) {
        enter(outlet, PTL_OUTLET_PENDING);
    } /* else it has its turn, now or when it is held or waits no longer */
}

static void wake(void *data)
{
    ptl_outlet_wake(data);
}

void ptl_outlet_hold(struct ptl_outlet *outlet, struct ptl_list *list)
{
    enter(outlet, PTL_OUTLET_HELD);
    ptl_list_append(list, &outlet->listed);
}

void ptl_outlet_release(struct ptl_outlet *outlet)
{
    ptl_assert(outlet->state == PTL_OUTLET_HELD);
    enter(outlet, PTL_OUTLET_PENDING);
}

void ptl_outlet_wait(struct ptl_outlet *outlet)
{
    enter(outlet, PTL_OUTLET_WAITING);
}

void ptl_outlet_taken(struct ptl_outlet *outlet)
{
    if (outlet->state == PTL_OUTLET_WAITING) {
        enter(outlet, PTL_OUTLET_PENDING);
    }
}

static bool may_copy(enum ptl_copy_state from, enum ptl_copy_state to)
{
    switch (from) {
    case PTL_COPY_DUE:
        return to == PTL_COPY_BEGUN;
    case PTL_COPY_BEGUN:
        return to != PTL_COPY_DUE; /* BEGUN again: there was no memory for a change */
    case PTL_COPY_WHOLE:
        return to == PTL_COPY_BEGUN;
    case PTL_COPY_ANEW:
        return to == PTL_COPY_ANEW || to == PTL_COPY_BEGUN;
    }
    ptl_unreachable("no such state of a copy");
}

void ptl_outlet_set_copy(struct ptl_outlet *outlet, enum ptl_copy_state copy)
{
    ptl_assert(may_copy(outlet->copy, copy));
    outlet->copy = (uint8_t)copy;
}

/* ---- Work ------------------------------------------------------------------------------------ */

/* One that was lost for want of memory opens again here, and tells all anew. */
static enum ptl_drained drain(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    if (outlet->watch == NULL) {
        outlet->watch = outlet->kind->open(outlet, wake);
        if (outlet->watch == NULL) {
            return PTL_DRAIN_NO_MEMORY;
        }
    }
    return outlet->kind->drain(shard, outlet);
}

/* As a ptl_untold_fn. */
static int wait_for_room(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    enter(outlet, PTL_OUTLET_UNTOLD);
    if (outlet->peer != NULL) {
        return ptl_room_missed(shard, &outlet->peer->port, &outlet->untold);
    }
    outlet->untold.to = outlet->follower_shard;
    return PTL_EFULL;
}

static int wait_for_memory(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    enter(outlet, PTL_OUTLET_UNTOLD);
    outlet->untold.to = shard->index;
    return PTL_ENOMEM;
}

/* Its turn, be it the first or, since it has found no room, a later one. */
static int tell(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_outlet *outlet = ptl_container(untold, struct ptl_outlet, untold);

    *units -= *units < DRAIN_UNITS ? *units : DRAIN_UNITS;
    enter(outlet, PTL_OUTLET_QUIET);
    if (shard->stop_step != PTL_STOP_NOT) {
        return PTL_OK; /* what it would tell goes with us */
    }
    switch (drain(shard, outlet)) {
    case PTL_DRAINED:
        ptl_directory_news(shard->directory); /* questions wait until all is told, say */
        break;
    case PTL_DRAIN_MORE:
        ptl_outlet_wake(outlet);
        break;
    case PTL_DRAIN_NO_ROOM:
        return wait_for_room(shard, outlet);
    case PTL_DRAIN_NO_MEMORY:
        return wait_for_memory(shard, outlet);
    }
    return PTL_OK;
}

void ptl_outlets_work(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_list now;

    /* Each once: draining one may wake others, and itself, but closes none. */
    ptl_list_init(&now);
    ptl_list_append_all(&now, &directory->pending);
    while (!ptl_list_empty(&now)) {
        struct ptl_outlet *outlet = ptl_container(now.next, struct ptl_outlet, listed);
        ptl_list_remove(&outlet->listed);
        ptl_untold_tell(shard, &outlet->untold);
    }
    shard->unfinished |= !ptl_list_empty(&directory->pending);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

struct ptl_outlet *ptl_outlet_make(struct ptl_shard *shard, const struct ptl_outlet_kind *kind,
                                   struct ptl_span family)
{
    struct ptl_outlet *outlet = ptl_alloc(shard->allocator, sizeof(*outlet));

    if (outlet == NULL) {
        return NULL;
    }
    ptl_assert(family.size <= PTL_FAMILY_MAX);
    outlet->shard = shard;
    outlet->kind = kind;
    outlet->untold.tell = tell;
    outlet->family_size = (uint8_t)family.size;
    if (family.size != 0) {
        memcpy(outlet->family, family.bytes, family.size);
    }
    return outlet;
}

void ptl_outlet_free(struct ptl_outlet *outlet)
{
    const struct ptl_allocator *allocator = outlet->shard->allocator;

    ptl_assert(!ptl_listed(&outlet->all) && !ptl_listed(&outlet->listed));
    ptl_assert(!ptl_untold_waits(&outlet->untold));
    while (outlet->first != NULL) {
        struct ptl_parcel *parcel = outlet->first;
        outlet->first = parcel->next;
        ptl_parcel_free(parcel, allocator);
    }
    ptl_free(allocator, (void *)(uintptr_t)outlet->filter.bytes, outlet->filter.size);
    ptl_free(allocator, outlet, sizeof(*outlet));
}

int ptl_outlet_begin(struct ptl_outlet *outlet)
{
    outlet->watch = outlet->kind->open(outlet, wake);
    if (outlet->watch == NULL) {
        ptl_outlet_free(outlet);
        return PTL_ENOMEM;
    }
    ptl_list_append(&outlet->shard->directory->outlets, &outlet->all);
    ptl_outlet_wake(outlet);
    return PTL_OK;
}

void ptl_outlet_reopen(struct ptl_outlet *outlet)
{
    ptl_watch_free(outlet->watch);
    outlet->watch = outlet->kind->open(outlet, wake);
    ptl_outlet_wake(outlet);
}

void ptl_outlet_lose(struct ptl_outlet *outlet)
{
    ptl_watch_free(outlet->watch);
    outlet->watch = NULL;
}

void ptl_outlet_close(struct ptl_outlet *outlet)
{
    /* Off all lists before its kind forgets it: no callback finds one that is half closed. */
    leave_list(outlet);
    ptl_list_remove(&outlet->all);
    if (outlet->kind->forget != NULL) {
        outlet->kind->forget(outlet->shard, outlet);
    }
    ptl_watch_free(outlet->watch);
    ptl_outlet_free(outlet);
}

void ptl_outlets_drop(struct ptl_shard *shard)
{
    struct ptl_list *all = &shard->directory->outlets;

    while (!ptl_list_empty(all)) {
        ptl_outlet_close(ptl_container(all->next, struct ptl_outlet, all));
    }
}
