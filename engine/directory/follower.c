#include "engine/directory/follower.h"

#include "engine/directory/body.h"
#include "engine/port/callback.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/slice.h"

/* So many are called in vain in one turn. */
#define IN_VAIN_MAX 256

/* Between two times that one is called: nobody says when it takes more, or when there is memory. */
#define AGAIN_NS UINT64_C(1000000)

/* What its outlet is still to be told; or it itself, the rest. */
enum ptl_follower_due { DUE_NOTHING, DUE_WATCH, DUE_NEXT, DUE_UNWATCH, DUE_REST };

static struct ptl_follower *find(struct ptl_shard *shard, uint64_t id)
{
    return ptl_map_find(&shard->directory->followers, ptl_map_spread(id), NULL, ptl_span(NULL, 0));
}

struct ptl_follower *ptl_follower_make(struct ptl_node *node, unsigned place, struct ptl_msg *what,
                                       ptl_db_watch_fn *tell, void *data)
{
    struct ptl_follower *follower = ptl_alloc(node->allocator, sizeof(*follower));

    if (follower != NULL) {
        follower->id = atomic_fetch_add(&node->last_id, 1) + 1;
        follower->place = place;
        follower->what = what;
        follower->tell = tell;
        follower->data = data;
    }
    return follower;
}

void ptl_follower_free(struct ptl_shard *shard, struct ptl_follower *follower)
{
    ptl_list_remove(&follower->listed);
    ptl_msg_free(follower->what);
    ptl_msg_free(follower->rest_held);
    ptl_free(shard->allocator, follower->rest_room, PTL_OP_INLINE_MAX);
    ptl_release(follower->release, follower->data);
    ptl_free(shard->allocator, follower, sizeof(*follower));
}

static bool tell_rest(struct ptl_shard *shard, struct ptl_follower *follower);

/* ---- Telling its outlet ---------------------------------------------------------------------- */

/* One op says it all: WATCH carries what is watched, the others only who it is. */
static int tell_outlet(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_follower *follower = ptl_container(untold, struct ptl_follower, untold);
    struct ptl_dir_words words = {
        .kind = follower->due == DUE_WATCH  ? PTL_DIR_WATCH
                : follower->due == DUE_NEXT ? PTL_DIR_NEXT
                                            : PTL_DIR_UNWATCH,
        .follower = {.id = follower->id, .shard = shard->index},
    };
    struct ptl_op op = ptl_dir_say(&words);

    (void)units;
    ptl_assert(follower->due != DUE_NOTHING && follower->due != DUE_REST);
    if (follower->due == DUE_WATCH) {
        op.body = ptl_msg_body(follower->what);
        op.count = follower->what->count;
        op.whole = follower->what;
    }
    int err = ptl_untold_post(shard, untold, follower->place, &op);
    if (err < 0) {
        return err;
    }
    follower->due = DUE_NOTHING;
    if (follower->gone && !follower->running) {
        ptl_follower_free(shard, follower);
    }
    return PTL_OK;
}

/* It may be freed by then, if it is gone. */
static void make_due(struct ptl_shard *shard, struct ptl_follower *follower,
                     enum ptl_follower_due due)
{
    /* The last thing is told alone: UNWATCH of an outlet that is not there does no harm. */
    follower->due = (uint8_t)due;
    follower->untold.tell = tell_outlet;
    if (!ptl_untold_waits(&follower->untold)) {
        ptl_untold_tell(shard, &follower->untold);
    }
}

/* Not at once: it has just said PTL_LATER, or memory has to come back. */
static void make_due_later(struct ptl_shard *shard, struct ptl_follower *follower,
                           enum ptl_follower_due due)
{
    struct ptl_shard_directory *directory = shard->directory;

    ptl_assert(!ptl_listed(&follower->listed) && !ptl_untold_waits(&follower->untold));
    follower->due = (uint8_t)due;
    if (ptl_list_empty(&directory->followers_later)) {
        directory->followers_at = shard->now + AGAIN_NS;
    }
    ptl_list_append(&directory->followers_later, &follower->listed);
}

/* Returns whether it was in vain. */
static bool try_again(struct ptl_shard *shard, struct ptl_follower *follower)
{
    if (follower->due == DUE_REST) {
        return !tell_rest(shard, follower);
    }
    make_due(shard, follower, (enum ptl_follower_due)follower->due);
    return false;
}

uint64_t ptl_followers_work(struct ptl_shard *shard)
{
    struct ptl_shard_directory *directory = shard->directory;
    struct ptl_list now;
    uint32_t units = PTL_SLICE, in_vain = 0;

    if (ptl_list_empty(&directory->followers_later) || shard->now < directory->followers_at) {
        return ptl_list_empty(&directory->followers_later) ? UINT64_MAX : directory->followers_at;
    }
    /* Those that are listed again meanwhile have their turn with the next. */
    ptl_list_init(&now);
    ptl_list_append_all(&now, &directory->followers_later);
    for (; !ptl_list_empty(&now) && units > 0 && in_vain < IN_VAIN_MAX; units--) {
        struct ptl_follower *follower = ptl_container(now.next, struct ptl_follower, listed);
        ptl_list_remove(&follower->listed);
        in_vain += try_again(shard, follower);
    }
    bool others_first = ptl_list_empty(&now) || in_vain == IN_VAIN_MAX;
    directory->followers_at = others_first ? shard->now + AGAIN_NS : shard->now;
    ptl_list_prepend_all(&directory->followers_later, &now);
    return ptl_list_empty(&directory->followers_later) ? UINT64_MAX : directory->followers_at;
}

/* ---- Beginning and ending -------------------------------------------------------------------- */

/*
 * It is told nothing more.  It is freed when its outlet knows, or at once where nobody is left to
 * tell: the shard is closing.  While its callback runs it stays, whoever ends it.
 */
static void end(struct ptl_shard *shard, struct ptl_follower *follower)
{
    ptl_assert(!follower->gone);
    ptl_map_remove(&shard->directory->followers, ptl_map_spread(follower->id), follower);
    ptl_belonging_remove(&follower->belonging);
    follower->gone = true;
    if (shard->closing && !follower->running) {
        ptl_follower_free(shard, follower);
        return;
    }
    ptl_list_remove(&follower->listed);
    ptl_list_append(&shard->directory->followers_leaving, &follower->listed);
    make_due(shard, follower, DUE_UNWATCH);
}

static void end_belonging(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    end(shard, ptl_container(belonging, struct ptl_follower, belonging));
}

int ptl_follower_add(struct ptl_shard *shard, struct ptl_follower *follower)
{
    struct ptl_port_more *more = NULL;

    if (ptl_map_reserve(&shard->directory->followers) < 0) {
        return PTL_ENOMEM;
    }
    if (shard->ports->self != NULL) {
        more = ptl_port_more(shard, shard->ports->self);
        if (more == NULL) {
            return PTL_ENOMEM;
        }
        follower->owner = shard->ports->self;
        follower->generation = shard->ports->self->generation;
        follower->belonging.end = end_belonging;
        ptl_belonging_add(&more->belongings, &follower->belonging);
    } else {
        /* Without a port nothing queues for it: what it puts off is kept here, so that no memory
         * is needed when it does. */
        follower->rest_room = ptl_alloc_raw(shard->allocator, PTL_OP_INLINE_MAX);
        if (follower->rest_room == NULL) {
            return PTL_ENOMEM;
        }
    }
    ptl_map_insert(&shard->directory->followers, ptl_map_spread(follower->id), follower);
    make_due(shard, follower, DUE_WATCH);
    return PTL_OK;
}

void ptl_follower_take(struct ptl_shard *shard, struct ptl_follower *follower)
{
    if (ptl_follower_add(shard, follower) < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: a watch of the database is lost");
        ptl_follower_free(shard, follower);
    }
}

void ptl_follower_end(struct ptl_shard *shard, uint64_t id)
{
    struct ptl_follower *follower = find(shard, id);

    if (follower != NULL) {
        end(shard, follower);
    }
}

void ptl_follower_again(struct ptl_shard *shard, uint64_t id)
{
    struct ptl_follower *follower = find(shard, id);

    if (follower != NULL && !ptl_listed(&follower->listed) &&
        !ptl_untold_waits(&follower->untold)) {
        make_due_later(shard, follower, DUE_WATCH);
    }
}

void ptl_followers_drop(struct ptl_shard *shard)
{
    struct ptl_follower *follower;
    uint32_t at = 0;

    while ((follower = ptl_map_next(&shard->directory->followers, &at)) != NULL) {
        ptl_belonging_remove(&follower->belonging);
        ptl_follower_free(shard, follower);
    }
    while (!ptl_list_empty(&shard->directory->followers_leaving)) {
        ptl_follower_free(shard, ptl_container(shard->directory->followers_leaving.next,
                                               struct ptl_follower, listed));
    }
    ptl_map_drop(&shard->directory->followers);
}

/* ---- Being told ------------------------------------------------------------------------------ */

/* It belongs to no port, and said PTL_LATER: keep what it has not taken.  Needs no memory. */
static void keep_rest(struct ptl_follower *follower, const struct ptl_op *told)
{
    if (told->whole != NULL) {
        follower->rest_held = ptl_msg_keep(told->whole);
        follower->rest = told->body;
        return;
    }
    ptl_assert(told->body.size <= PTL_OP_INLINE_MAX);
    memcpy(follower->rest_room, told->body.bytes, told->body.size);
    follower->rest = ptl_span(follower->rest_room, told->body.size);
}

static void tell_outside(struct ptl_shard *shard, struct ptl_follower *follower,
                         const struct ptl_op *told)
{
    struct ptl_msg changes = ptl_msg_borrow(told->body, told->count);

    if (!ptl_follower_run(shard, follower->id, &changes)) {
        keep_rest(follower, told);
        make_due_later(shard, follower, DUE_REST);
    }
}

static bool tell_rest(struct ptl_shard *shard, struct ptl_follower *follower)
{
    struct ptl_msg *held = follower->rest_held;
    struct ptl_msg changes = ptl_msg_borrow(follower->rest, 0);

    /* Taken off first: the callback may end the follower, which looks at both. */
    follower->due = DUE_NOTHING;
    follower->rest_held = NULL;
    if (ptl_follower_run(shard, follower->id, &changes)) {
        ptl_msg_free(held);
        return true;
    }
    follower->rest_held = held;
    make_due_later(shard, follower, DUE_REST);
    return false;
}

void ptl_follower_told(struct ptl_shard *shard, const struct ptl_op *told)
{
    struct ptl_follower *follower = find(shard, ptl_dir_words(told).follower.id);

    if (follower == NULL) {
        return; /* it has ended meanwhile */
    }
    if (follower->owner == NULL) {
        tell_outside(shard, follower, told);
        return;
    }
    struct ptl_op op = {
        .kind = PTL_OP_EVENT,
        .to = PTL_TO_SLOT,
        .slot = follower->owner->index,
        .generation = follower->generation,
        .as.follower = follower->id,
        .body = told->body,
        .count = told->count,
        .whole = told->whole,
    };
    ptl_port_take(shard, &op);
}

/* Read one change and step over it; its key is copied to `key`, so that a NUL stands behind. */
static void read_change(struct ptl_cursor *cursor, struct ptl_db_change *change,
                        char key[static PTL_DB_KEY_MAX + 1], struct ptl_msg *value)
{
    struct ptl_body_change told = ptl_body_next_change(cursor);

    ptl_assert(told.key.size <= PTL_DB_KEY_MAX);
    if (told.key.size != 0) {
        memcpy(key, told.key.bytes, told.key.size);
    }
    key[told.key.size] = 0;
    *value = ptl_msg_borrow(told.value, 1);
    *change = (struct ptl_db_change){
        .event = (enum ptl_db_event)told.event,
        .key = key,
        .key_size = told.key.size,
    };
    if (change->event == PTL_DB_ADDED || change->event == PTL_DB_CHANGED) {
        change->value = value;
    }
}

/* Tell one change.  False: it said PTL_LATER. */
static bool tell_one(struct ptl_shard *shard, struct ptl_follower *follower,
                     const struct ptl_db_change *change)
{
    struct ptl_span family = ptl_body_watch(ptl_msg_body(follower->what)).family;
    struct ptl_callback callback;

    ptl_callback_begin(shard, &callback, follower->owner);
    int result = follower->tell(shard->node, change, follower->data);
    return ptl_callback_done(shard, &callback, "a watch", family, result);
}

/* Tell the changes one by one, as far as it takes them. */
static bool tell_all(struct ptl_shard *shard, struct ptl_follower *follower,
                     const struct ptl_msg *changes)
{
    struct ptl_cursor cursor = ptl_msg_begin(changes);
    const uint8_t *begin = cursor.at;
    char key[PTL_DB_KEY_MAX + 1];
    struct ptl_db_change change;
    struct ptl_msg value;

    ptl_assert(follower->taken <= changes->size);
    cursor.at += follower->taken;
    while (cursor.at != cursor.end && !follower->gone) {
        read_change(&cursor, &change, key, &value);
        value.allocator = shard->allocator;
        if (!tell_one(shard, follower, &change)) {
            return false;
        }
        /* After each, so that one that is put off is the first to be told again. */
        follower->taken = (size_t)(cursor.at - begin);
    }
    follower->taken = 0;
    return true;
}

bool ptl_follower_run(struct ptl_shard *shard, uint64_t id, const struct ptl_msg *changes)
{
    struct ptl_follower *follower = find(shard, id);

    if (follower == NULL) {
        return true;
    }
    follower->running = true;
    bool all = tell_all(shard, follower, changes);
    follower->running = false;
    if (!follower->gone && !all) {
        return false;
    }
    if (!follower->gone) {
        make_due(shard, follower, DUE_NEXT);
    } else if (follower->due == DUE_NOTHING) { /* its outlet knows by now */
        ptl_follower_free(shard, follower);
    }
    return true;
}
