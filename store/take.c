/*
 * Taking: what a watch or a feed is told next, from its copy and its marks.
 */
#include "store/watch.h"

#include "store/inside.h"

/* ---- Watches ------------------------------------------------------------------------------ */

static bool take_key(const struct ptl_watch *watch, const struct ptl_mark *mark,
                     struct ptl_change *change)
{
    change->family = ptl_family_name(watch->family);
    return ptl_mark_tell(mark,
                         ptl_entry_shown(watch->store, watch->family, mark->node.hash,
                                         ptl_span(mark->bytes, mark->node.size)),
                         change);
}

/* The copy's next entry.  It is passed by if it does not show, or is not watched for; or if it has
 * taken the place of one that the copy had come to: its mark tells of it. */
static void take_shown(struct ptl_watch *watch, struct ptl_change *change)
{
    const struct ptl_entry *entry = watch->cursor;
    struct ptl_span key = ptl_entry_key(entry);

    ptl_copy_stand_at(watch, ptl_copy_next(watch));
    change->kind = PTL_CHANGE_NONE;
    if (entry->hidden || !ptl_watch_matches(watch, key) ||
        (watch->marks.count > 0 &&
         ptl_mark_find(watch, false, NULL, entry->node.hash, key) != NULL)) {
        return;
    }
    change->kind = PTL_CHANGE_ADDED;
    change->family = ptl_family_name(watch->family);
    change->key = key;
    change->value = ptl_entry_value(entry);
}

/* ---- Feeds -------------------------------------------------------------------------------- */

static void tell_entry(const struct ptl_entry *entry, struct ptl_change *change)
{
    change->kind = PTL_CHANGE_ADDED;
    change->source = ptl_owner_source(entry->part->owner);
    change->family = ptl_family_name(entry->part->family);
    change->key = ptl_entry_key(entry);
    change->value = ptl_entry_value(entry);
}

static void tell_owner(const struct ptl_owner *owner, struct ptl_change *change)
{
    change->kind = PTL_CHANGE_OWNER;
    change->source = ptl_owner_source(owner);
}

/* The copy has come to the next owner.  One that has attached anew before it was told once more is
 * told by its mark. */
static void begin_owner(struct ptl_watch *feed, struct ptl_change *change)
{
    const struct ptl_owner *owner = feed->ahead;

    feed->ahead = owner->in_via.next;
    ptl_assert(owner->via == feed->via);
    if (ptl_owner_mark(feed, owner) != NULL) {
        ptl_assert(feed->again);
        change->kind = PTL_CHANGE_NONE;
        return;
    }
    ptl_copy_stand_at(feed, ptl_copy_first(owner->parts));
    if (feed->kind == PTL_FEED_VIA) {
        tell_owner(owner, change);
    } else {
        change->kind = PTL_CHANGE_NONE;
    }
}

static void take_copied(struct ptl_watch *feed, struct ptl_change *change)
{
    const struct ptl_entry *entry = feed->cursor;

    ptl_copy_stand_at(feed, ptl_copy_behind(entry));
    if (feed->kind == PTL_FEED_MERGED && entry->hidden) {
        /* Tell what ranks first: so no take passes by many entries to find one to tell. */
        entry = ptl_entry_via(feed->store, entry->part->family, feed->via, entry->node.hash,
                              ptl_entry_key(entry));
        ptl_assert(entry != NULL); /* this one, at least */
    }
    tell_entry(entry, change);
}

static bool take_owner(struct ptl_watch *feed, const struct ptl_mark *mark,
                       struct ptl_change *change)
{
    struct ptl_span id = ptl_span(mark->bytes, mark->node.size);
    const struct ptl_owner *owner = ptl_owner_find(feed->store, id);

    if (owner != NULL && owner->via == feed->via) {
        /* A mark is taken when no copy is under way: the cursor is free for this owner's. */
        ptl_assert(feed->cursor == NULL && feed->ahead == NULL);
        ptl_copy_stand_at(feed, ptl_copy_first(owner->parts));
        tell_owner(owner, change);
        return true;
    }
    change->kind = PTL_CHANGE_LOST;
    change->source.owner = id;
    change->source.via = ptl_via_id(feed->via);
    change->source.attachment = mark->attachment;
    return mark->had;
}

static bool take_entry(const struct ptl_watch *feed, const struct ptl_mark *mark,
                       struct ptl_change *change)
{
    const struct ptl_part *part = mark->of;

    ptl_assert(feed->kind == PTL_FEED_VIA && part != NULL);

    if (mark->epoch != part->owner->epoch) {
        return false; /* told already with what became of the owner */
    }
    change->source = ptl_owner_source(part->owner);
    change->family = ptl_family_name(part->family);
    return ptl_mark_tell(
        mark,
        ptl_entry_of(feed->store, part, mark->node.hash, ptl_span(mark->bytes, mark->node.size)),
        change);
}

static bool take_merged(const struct ptl_watch *feed, const struct ptl_mark *mark,
                        struct ptl_change *change)
{
    const struct ptl_family *family = mark->of;
    const struct ptl_entry *entry = ptl_entry_via(feed->store, family, feed->via, mark->node.hash,
                                                  ptl_span(mark->bytes, mark->node.size));

    /* Who of several owners shows is said anew each time: the mark knows only the key. */
    if (entry != NULL) {
        change->source = ptl_owner_source(entry->part->owner);
    }
    change->family = ptl_family_name(family);
    return ptl_mark_tell(mark, entry, change);
}

/* What is to be told now of a mark; false: nothing. */
static bool take_mark(struct ptl_watch *watch, const struct ptl_mark *mark,
                      struct ptl_change *change)
{
    if (!ptl_is_feed(watch)) {
        return take_key(watch, mark, change);
    }
    if (mark->is_owner) {
        return take_owner(watch, mark, change);
    }
    return watch->kind == PTL_FEED_VIA ? take_entry(watch, mark, change)
                                       : take_merged(watch, mark, change);
}

/* ---- Both --------------------------------------------------------------------------------- */

/* Take a piece of the copy; false when none is under way. */
static bool take_copy(struct ptl_watch *watch, struct ptl_change *change)
{
    if (watch->cursor != NULL && ptl_is_feed(watch)) {
        take_copied(watch, change);
    } else if (watch->cursor != NULL) {
        take_shown(watch, change);
    } else if (watch->ahead != NULL) {
        begin_owner(watch, change);
    } else {
        return false;
    }
    return true;
}

static bool take_all(struct ptl_watch *watch)
{
    bool all = watch->all;

#ifdef PTL_PLANT_FIRST_COPY
    watch->just_copied |= all && !ptl_is_feed(watch);
#endif
    if (all) {
        watch->all = false;
        watch->again = false;
        ptl_copy_begin(watch);
    }
    return all;
}

bool ptl_watch_take(struct ptl_watch *watch, struct ptl_change *change)
{
    *change = (struct ptl_change){.kind = PTL_CHANGE_ALL};
    if (take_all(watch) || take_copy(watch, change)) {
        return true;
    }
    /* A copy is finished before any mark is taken: a mark says what the copy lacks. */
    const struct ptl_mark *mark = ptl_mark_take(watch);
    if (mark == NULL) {
        watch->drained = true;
        return false;
    }
    if (!take_mark(watch, mark, change)) {
        ptl_assert(ptl_is_feed(watch)); /* what a watch's copy has as it is leaves no mark */
        *change = (struct ptl_change){.kind = PTL_CHANGE_NONE};
    }
    return true;
}
