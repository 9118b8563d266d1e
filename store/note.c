/*
 * Noting: who watches a key, an owner or a via is left a mark of what has changed there.
 */
#include "store/inside.h"

/* ---- Watches ------------------------------------------------------------------------------ */

bool ptl_watch_matches(const struct ptl_watch *watch, struct ptl_span key)
{
    struct ptl_span filter = ptl_span(watch->filter, watch->filter_size);

    switch (watch->kind) {
    case PTL_WATCH_KEY:
        return ptl_span_equal(key, filter);
    case PTL_WATCH_PREFIX:
        return key.size >= filter.size && memcmp(key.bytes, filter.bytes, filter.size) == 0;
    case PTL_WATCH_FAMILY:
    case PTL_FEED_VIA:
    case PTL_FEED_MERGED:
        break;
    }
    return true;
}

/*
 * A key without a mark is told if the copy is behind the entry that shows, and else it is met there
 * in its turn: that is to hold afterwards, too.
 */
static void note_shown(struct ptl_watch *watch, const struct ptl_entry *before,
                       const struct ptl_entry *after, bool changed)
{
    bool had = before != NULL && ptl_copy_is_behind(watch, before);
    bool has = after != NULL && ptl_copy_is_behind(watch, after);
    const struct ptl_entry *entry = before != NULL ? before : after;
    struct ptl_span key = ptl_entry_key(entry);
    uint32_t hash = entry->node.hash;

    /* A mark that there is already may be void by now. */
    if (had != has || (had && changed) ||
        (watch->marks.count > 0 && ptl_mark_find(watch, false, NULL, hash, key) != NULL)) {
        ptl_mark_note(watch, NULL, hash, key, had, after != NULL);
    }
}

void ptl_note_key(struct ptl_store *store, const struct ptl_entry *before,
                  const struct ptl_entry *after, bool changed)
{
    const struct ptl_entry *entry = before != NULL ? before : after;

    ptl_assert(entry != NULL); /* what was not there and is not there has not changed */
    struct ptl_watch *watch = entry->part->family->watches;
    for (; watch != NULL; watch = watch->in_watched.next) {
        if (ptl_watch_matches(watch, ptl_entry_key(entry))) {
            note_shown(watch, before, after, changed);
        }
    }
    /* Watches of other keys, however many, are not looked at. */
    watch = store->key_watches.count == 0 ? NULL : ptl_key_watch(store, entry);
    for (; watch != NULL; watch = ptl_key_watch_next(watch)) {
        note_shown(watch, before, after, changed);
    }
}

/* ---- Feeds -------------------------------------------------------------------------------- */

/* Most feeds have no mark of an owner, and are asked with each entry that changes. */
struct ptl_mark *ptl_owner_mark(const struct ptl_watch *feed, const struct ptl_owner *owner)
{
    if (feed->owner_marks == 0) {
        return NULL;
    }
    return ptl_mark_find(feed, true, NULL, owner->node.hash, ptl_owner_id(owner));
}

/* Whether it was never told of the owner and what it has: the copy will do so, if it stays. */
static bool is_untold(const struct ptl_watch *feed, const struct ptl_owner *owner)
{
    return !feed->again && ptl_copy_is_before(feed, owner);
}

/* To the feeds of the via through which the owner came: one copy of its entries for each. */
void ptl_note_entry(const struct ptl_entry *entry, bool had, bool has)
{
    struct ptl_part *part = entry->part;
    const struct ptl_owner *owner = part->owner;

    ptl_assert(owner->via != NULL && (had || has));

    for (struct ptl_watch *feed = owner->via->feeds; feed != NULL; feed = feed->in_watched.next) {
        /* An owner that is to be copied whole needs no marks of its keys. */
        if (is_untold(feed, owner) || ptl_owner_mark(feed, owner) != NULL) {
            continue;
        }
        /* Whether its copy has the key already, or will have it before the mark is taken, nobody
         * knows where the copy is yet to come by: it may, so that all is told. */
        bool may_have = had || ptl_copy_is_at(feed, owner) || ptl_copy_is_before(feed, owner);
        ptl_mark_note(feed, part, entry->node.hash, ptl_entry_key(entry), may_have, has);
    }
}

/*
 * Marks of a merged feed say no more than "look there": so a copy under way, and who of several
 * owners had the key before, need no thought.
 */
void ptl_note_merged(const struct ptl_via *via, const struct ptl_entry *entry)
{
    for (struct ptl_watch *feed = via->merged; feed != NULL; feed = feed->in_watched.next) {
        ptl_mark_note(feed, entry->part->family, entry->node.hash, ptl_entry_key(entry), true,
                      true);
    }
}

void ptl_note_all_merged(const struct ptl_via *via, const struct ptl_owner *owner)
{
    const struct ptl_entry *entry = via->merged == NULL ? NULL : ptl_copy_first(owner->parts);

    while (entry != NULL) {
        ptl_note_merged(via, entry);
        entry = ptl_copy_behind(entry);
    }
}

static void note_owner(struct ptl_watch *feed, const struct ptl_owner *owner, bool had, bool has)
{
    bool untold = had && is_untold(feed, owner);

    ptl_assert(feed->kind == PTL_FEED_VIA && (had || has));

    if (!has) {
        ptl_copy_leave(feed, owner);
    } else if (ptl_copy_is_at(feed, owner)) {
        ptl_copy_stand_at(feed, NULL); /* its mark begins its copy again */
    }
    if (untold || ptl_watch_swallows(feed)) {
        return;
    }
    struct ptl_mark *mark = ptl_owner_mark(feed, owner);
    if (mark == NULL) {
        mark = ptl_mark_add(feed, true, NULL, owner->node.hash, ptl_owner_id(owner));
        if (mark == NULL) {
            return;
        }
        mark->had = had;
    }
    if (!has) {
        /* It may come anew before this is told, and the loss is of the one before. */
        mark->attachment = owner->attachment;
    }
    ptl_mark_settle(feed, mark, has);
}

void ptl_note_owner(const struct ptl_via *via, const struct ptl_owner *owner, bool had, bool has)
{
    for (struct ptl_watch *feed = via->feeds; feed != NULL; feed = feed->in_watched.next) {
        note_owner(feed, owner, had, has);
    }
    for (struct ptl_watch *feed = has ? NULL : via->merged; feed != NULL;
         feed = feed->in_watched.next) {
        ptl_copy_leave(feed, owner); /* what it had is told key by key */
    }
}
