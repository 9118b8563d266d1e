#include "engine/directory/outlet_follower.h"

#include "engine/directory/body.h"
#include "engine/directory/interest.h"
#include "engine/directory/post.h"
#include "engine/shard/node.h"

/* Of what a watch has had to tell, so many may be none in one op: keys that it does not watch. */
#define VOIDS_MAX 256

/* ---- Telling --------------------------------------------------------------------------------- */

/* Changes of one op. */
struct told {
    struct ptl_shard *shard;
    struct ptl_outlet *outlet;
    struct ptl_buffer *body;
    uint32_t count; /* changes */
    uint32_t voids; /* changes that are none */
};

static void put(struct told *told, enum ptl_db_event event, struct ptl_span key,
                struct ptl_span value)
{
    struct ptl_body_change change = {.event = (uint8_t)event, .key = key, .value = value};

    ptl_body_put_change(told->body, &change);
    told->count++;
}

static void put_mark(struct told *told, enum ptl_db_event event)
{
    put(told, event, ptl_span(NULL, 0), ptl_span(NULL, 0));
}

static void begin_copy(struct told *told)
{
    if (told->outlet->copy != PTL_COPY_DUE) {
        put_mark(told, PTL_DB_RESET); /* there was no memory for a change, or for telling it */
    }
    ptl_outlet_set_copy(told->outlet, PTL_COPY_BEGUN);
}

static void put_change(struct told *told, const struct ptl_change *change)
{
    switch (change->kind) {
    case PTL_CHANGE_ALL:
        begin_copy(told);
        break;
    case PTL_CHANGE_NONE:
        told->voids++;
        break;
    case PTL_CHANGE_ADDED:
        put(told, PTL_DB_ADDED, change->key, change->value);
        break;
    case PTL_CHANGE_CHANGED:
        put(told, PTL_DB_CHANGED, change->key, change->value);
        break;
    default:
        put(told, PTL_DB_DELETED, change->key, ptl_span(NULL, 0));
        break;
    }
}

/*
 * Take one change.  What changed hands while the copy went on may be a key that was there when it
 * began, so that changes that are pending when it has come to the end belong to it.
 */
static bool take(struct ptl_outlet *outlet, struct ptl_change *change)
{
    bool copies = ptl_watch_copies(outlet->watch);
    bool taken = ptl_watch_take(outlet->watch, change);

    if (copies || !taken) {
        outlet->to_copy = ptl_watch_pending(outlet->watch);
    } else {
        outlet->to_copy -= outlet->to_copy > 0;
    }
    return taken;
}

/* Take what fits into one op.  Returns whether there may be more. */
static bool gather(struct told *told)
{
    struct ptl_outlet *outlet = told->outlet;
    struct ptl_change change;

    while (told->body->size < ptl_outlet_packet_bytes(told->shard) && told->voids < VOIDS_MAX) {
        if (outlet->copy == PTL_COPY_BEGUN && outlet->to_copy == 0) {
            ptl_outlet_set_copy(outlet, PTL_COPY_WHOLE);
            put_mark(told, PTL_DB_COPIED);
        }
        if (take(outlet, &change)) {
            put_change(told, &change);
        } else if (outlet->copy == PTL_COPY_WHOLE) {
            return false;
        }
    }
    return true;
}

static int tell(struct told *told)
{
    struct ptl_dir_words words = {
        .kind = PTL_DIR_TOLD,
        .follower = {.id = told->outlet->follower},
    };
    struct ptl_op op = ptl_dir_say(&words);

    op.body = ptl_buffer_span(told->body);
    op.count = PTL_BODY_CHANGE_VALUES * told->count;
    return told->body->err < 0
               ? PTL_ENOMEM
               : ptl_shard_post(told->shard, told->outlet->follower_shard, &op, false);
}

static enum ptl_drained drain(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    struct told told = {.shard = shard, .outlet = outlet, .body = &shard->directory->packet};
    struct ptl_ring *ring = ptl_shard_ring(shard, outlet->follower_shard);

    ptl_assert(outlet->state == PTL_OUTLET_QUIET); /* neither held nor waiting */
    /* Looked at before anything is taken: what has been taken has to be told. */
    if (!ptl_ring_has_room(ring, PTL_RECORD_MAX, 1) ||
        ptl_untold_wait_for(shard, outlet->follower_shard)) {
        return PTL_DRAIN_NO_ROOM;
    }
    ptl_buffer_clear(told.body);
    bool more = gather(&told);
    if (told.count == 0) {
        return more ? PTL_DRAIN_MORE : PTL_DRAINED;
    }
    if (tell(&told) < 0) {
        ptl_outlet_lose(outlet); /* for want of memory: the copy is told anew */
        return PTL_DRAIN_NO_MEMORY;
    }
    ptl_outlet_wait(outlet);
    return PTL_DRAINED;
}

/* ---- Beginning and ending -------------------------------------------------------------------- */

static struct ptl_watch *open_watch(struct ptl_outlet *outlet, ptl_wake_fn *wake)
{
    struct ptl_store *store = outlet->shard->directory->store;
    struct ptl_span family = ptl_outlet_family(outlet);

    switch ((enum ptl_watch_how)outlet->how) {
    case PTL_WATCH_ONE:
        return ptl_watch_key(store, family, outlet->filter, wake, outlet);
    case PTL_WATCH_BEGINNING:
        return ptl_watch_prefix(store, family, outlet->filter, wake, outlet);
    case PTL_WATCH_ALL:
        break;
    }
    return ptl_watch_family(store, family, wake, outlet);
}

static void forget(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    ptl_map_remove(&shard->directory->by_follower, ptl_map_spread(outlet->follower), outlet);
}

static const struct ptl_outlet_kind to_follower = {
    .open = open_watch,
    .drain = drain,
    .forget = forget,
};

/* The outlet to a follower, or NULL. */
static struct ptl_outlet *outlet_of(struct ptl_shard *shard, uint64_t follower)
{
    return ptl_map_find(&shard->directory->by_follower, ptl_map_spread(follower), NULL,
                        ptl_span(NULL, 0));
}

static int set_filter(struct ptl_outlet *outlet, struct ptl_span filter)
{
    if (filter.size == 0) {
        return PTL_OK;
    }
    uint8_t *copy = ptl_alloc_raw(outlet->shard->allocator, filter.size);
    if (copy == NULL) {
        return PTL_ENOMEM;
    }
    memcpy(copy, filter.bytes, filter.size);
    outlet->filter = ptl_span(copy, filter.size);
    return PTL_OK;
}

/* NULL: no memory. */
static struct ptl_outlet *follow(struct ptl_shard *shard, struct ptl_dir_follower follower,
                                 const struct ptl_body_watch *what)
{
    /* The place first, so that nothing can fail once it has begun. */
    if (ptl_map_reserve(&shard->directory->by_follower) < 0) {
        return NULL;
    }
    struct ptl_outlet *outlet = ptl_outlet_make(shard, &to_follower, what->family);
    if (outlet == NULL) {
        return NULL;
    }
    outlet->follower = follower.id;
    outlet->follower_shard = follower.shard;
    outlet->how = what->how;
    if (set_filter(outlet, what->filter) < 0) {
        ptl_outlet_free(outlet);
        return NULL;
    }
    if (ptl_outlet_begin(outlet) < 0) {
        return NULL;
    }
    ptl_map_insert(&shard->directory->by_follower, ptl_map_spread(outlet->follower), outlet);
    return outlet;
}

/* On an ordinary node a family that is watched is an interest: its first copy comes first. */
static int begin(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_body_watch what = ptl_body_watch(op->body);
    bool global = ptl_directory_is_global(shard->directory);

    if (!global) {
        int err = ptl_interest_add(shard, what.family);
        if (err < 0) {
            return err;
        }
    }
    struct ptl_outlet *outlet = follow(shard, ptl_dir_words(op).follower, &what);
    if (outlet == NULL) {
        ptl_interest_remove(shard, what.family);
        return PTL_ENOMEM;
    }
    struct ptl_interest *interest = global ? NULL : ptl_interest_find(shard, what.family);
    if (interest != NULL && !interest->copied) {
        ptl_outlet_hold(outlet, &interest->held);
    }
    return PTL_OK;
}

void ptl_outlet_take_watch(struct ptl_shard *shard, const struct ptl_op *op)
{
    if (begin(shard, op) < 0) {
        struct ptl_dir_follower follower = ptl_dir_words(op).follower;
        struct ptl_dir_words words = {.kind = PTL_DIR_AGAIN, .follower = {.id = follower.id}};
        struct ptl_op again = ptl_dir_say(&words);
        ptl_directory_post(shard, follower.shard, &again);
    }
}

void ptl_outlet_take_unwatch(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_outlet *outlet = outlet_of(shard, ptl_dir_words(op).follower.id);

    if (outlet != NULL) {
        ptl_interest_remove(shard, ptl_outlet_family(outlet));
        ptl_outlet_close(outlet);
    }
}

void ptl_outlet_take_next(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_outlet *outlet = outlet_of(shard, ptl_dir_words(op).follower.id);

    if (outlet != NULL) {
        ptl_outlet_taken(outlet);
    }
}
