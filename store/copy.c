/*
 * Copies: the place of a watch or feed in what there is.
 *
 *   via ---owners---> told | told | ahead --> not told | not told
 *                            '-- cursor: the next of its entries
 *
 *   family ---parts---> told | told | cursor's --> not told | not told
 *                                '-- entries: told | told | cursor --> not told
 *
 * Who joins and what is put goes in before the place, and leaves marks; but what is put into a part
 * that a watch has not come to, the copy meets there.  Parts and entries stand in the order of
 * their numbers, the highest first: so it is known of each whether the copy is behind it.
 */
#include "store/inside.h"

static uint32_t *cursors_of(const struct ptl_watch *watch)
{
    return ptl_is_feed(watch) ? &watch->via->cursors : &watch->family->cursors;
}

void ptl_copy_stand_at(struct ptl_watch *watch, struct ptl_entry *entry)
{
    bool stood = watch->cursor != NULL;
    bool stands = entry != NULL;

    watch->cursor = entry;
    /* From one entry to the next, which is nearly always, as many stand somewhere as before. */
    if (stood != stands) {
        uint32_t *cursors = cursors_of(watch);
        ptl_assert(stands || *cursors > 0);
        *cursors += stands ? 1 : UINT32_MAX;
    }
}

struct ptl_entry *ptl_copy_next(const struct ptl_watch *watch)
{
    const struct ptl_entry *entry = watch->cursor;

    if (ptl_is_feed(watch)) {
        return ptl_copy_behind(entry);
    }
    if (watch->kind == PTL_WATCH_KEY) {
        return NULL;
    }
    struct ptl_entry *next = entry->in_part.next;
    return next != NULL ? next : ptl_copy_first(entry->part->in_family.next);
}

bool ptl_copy_is_behind(const struct ptl_watch *watch, const struct ptl_entry *entry)
{
    const struct ptl_entry *cursor = watch->cursor;

    ptl_assert(!ptl_is_feed(watch));
    if (cursor == NULL || cursor == entry || watch->kind == PTL_WATCH_KEY) {
        return cursor != entry;
    }
    return entry->part == cursor->part ? entry->number > cursor->number
                                       : entry->part->number > cursor->part->number;
}

/* Only those of the entry's own via, or family, stand at it: `cursors` says whether any does. */
static void move_one(struct ptl_watch *watch, const struct ptl_entry *from, struct ptl_entry *to)
{
    if (watch->cursor == from) {
        ptl_copy_stand_at(watch, to != NULL ? to : ptl_copy_next(watch));
    }
}

static void move_all(struct ptl_watch *watches, const struct ptl_entry *from, struct ptl_entry *to)
{
    for (struct ptl_watch *watch = watches; watch != NULL; watch = watch->in_watched.next) {
        move_one(watch, from, to);
    }
}

void ptl_copies_move(struct ptl_store *store, const struct ptl_entry *from, struct ptl_entry *to)
{
    struct ptl_owner *owner = from->part->owner;
    const struct ptl_via *via = owner->via;
    const struct ptl_family *family = from->part->family;

    if (owner->sweep == from) {
        owner->sweep = to != NULL ? to : ptl_copy_behind(from);
    }
    if (via->cursors > 0) {
        move_all(via->feeds, from, to);
        move_all(via->merged, from, to);
    }
    if (family->cursors > 0) {
        move_all(family->watches, from, to);
        struct ptl_watch *watch = ptl_key_watch(store, from);
        for (; watch != NULL; watch = ptl_key_watch_next(watch)) {
            move_one(watch, from, to);
        }
    }
}

/* One key is found in one step, and all that there is of the family by walking over it. */
static struct ptl_entry *first_of(const struct ptl_watch *watch)
{
    const struct ptl_family *family = watch->family;
    struct ptl_span key = ptl_span(watch->filter, watch->filter_size);

    return watch->kind == PTL_WATCH_KEY
               ? ptl_entry_shown(watch->store, family, ptl_key_hash(family, key), key)
               : ptl_copy_first(family->parts);
}

void ptl_copy_begin(struct ptl_watch *watch)
{
    ptl_assert(watch->cursor == NULL); /* given up when all was marked */
    if (ptl_is_feed(watch)) {
        watch->ahead = watch->via->owners;
    } else {
        ptl_copy_stand_at(watch, first_of(watch));
    }
}

void ptl_copy_stop(struct ptl_watch *watch)
{
    if (watch->cursor != NULL) {
        ptl_copy_stand_at(watch, NULL);
    }
    watch->ahead = NULL;
}

void ptl_copy_leave(struct ptl_watch *feed, const struct ptl_owner *owner)
{
    ptl_assert(ptl_is_feed(feed));
    if (ptl_copy_is_at(feed, owner)) {
        ptl_copy_stand_at(feed, NULL);
    }
    if (feed->ahead == owner) {
        feed->ahead = owner->in_via.next;
    }
}
