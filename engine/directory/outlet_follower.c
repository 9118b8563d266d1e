/*
 * What a watcher of this node is told: changes in one op, and no more until it has taken them.
 */
#include "engine/directory/directory_body.h"
#include "engine/directory/outlet.h"
#include "engine/node/node.h"
#include "engine/port/room.h"

/* Changes of one op. */
struct told {
    struct ptl_shard *shard;
    struct ptl_outlet *outlet;
    struct ptl_buffer *body;
    uint32_t count; /* changes */
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

/* The first copy: a piece of it, the rest as changes. */
static void copy_all(struct told *told)
{
    struct ptl_watch *watch = told->outlet->watch;
    struct ptl_walk walk = ptl_watch_walk(watch);
    struct ptl_item item;
    bool good = true;

    if (told->outlet->begun) {
        put_mark(told, PTL_DB_RESET);
    }
    told->outlet->begun = true;
    told->outlet->copied = false;
    while (good && ptl_store_next(&walk, &item)) {
        if (told->body->size < ptl_outlet_packet_bytes(told->shard)) {
            put(told, PTL_DB_ADDED, item.key, item.value);
        } else {
            good = ptl_watch_defer(watch, item.key);
        }
    }
    told->outlet->to_copy = ptl_watch_pending(watch);
}

static void put_change(struct told *told, const struct ptl_change *change)
{
    switch (change->kind) {
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

/* Take what fits into one op. */
static void gather(struct told *told)
{
    struct ptl_outlet *outlet = told->outlet;
    struct ptl_change change;

    while (told->body->size < ptl_outlet_packet_bytes(told->shard)) {
        if (outlet->begun && !outlet->copied && outlet->to_copy == 0) {
            outlet->copied = true;
            put_mark(told, PTL_DB_COPIED);
        }
        if (!ptl_watch_take(outlet->watch, &change)) {
            outlet->to_copy = 0; /* those that are gone again are not told */
            if (outlet->copied) {
                return;
            }
            continue;
        }
        if (change.kind == PTL_CHANGE_ALL) {
            copy_all(told);
            continue;
        }
        outlet->to_copy -= outlet->to_copy > 0;
        put_change(told, &change);
    }
}

static int tell(struct told *told)
{
    struct ptl_op op = {
        .kind = PTL_OP_DIRECTORY,
        .to = PTL_TO_SHARD,
        .number = PTL_DIR_TOLD,
        .epoch = told->outlet->follower,
        .body = ptl_buffer_span(told->body),
        .count = PTL_BODY_CHANGE_VALUES * told->count,
    };

    return told->body->err < 0
               ? PTL_ENOMEM
               : ptl_shard_post(told->shard, told->outlet->follower_shard, &op, false);
}

enum ptl_drained ptl_outlet_drain_follower(struct ptl_shard *shard, struct ptl_outlet *outlet)
{
    struct told told = {.shard = shard, .outlet = outlet, .body = &shard->directory.packet};
    struct ptl_ring *ring = ptl_shard_ring(shard, outlet->follower_shard);

    if (outlet->held || outlet->waiting) {
        return PTL_DRAINED; /* woken when that is over */
    }
    if (!ptl_ring_has_room(ring, PTL_RECORD_MAX, 1) ||
        ptl_directory_waits(&shard->directory, outlet->follower_shard)) {
        return PTL_DRAIN_BLOCKED;
    }
    ptl_buffer_clear(told.body);
    gather(&told);
    if (told.count == 0) {
        return PTL_DRAINED;
    }
    if (tell(&told) < 0) {
        /* What was taken is lost for want of memory: the copy is told anew. */
        ptl_watch_free(outlet->watch);
        outlet->watch = NULL;
        return PTL_DRAIN_BLOCKED;
    }
    outlet->waiting = true;
    return PTL_DRAINED;
}
