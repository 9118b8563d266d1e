/*
 * Feeds: their place in what is there, and their marks.
 *
 *   via ---owners---> told | told | ahead --> not told | not told
 *                            '-- cursor: the next of its entries
 *
 * Who joins and what is put goes in before the place, and leaves marks.
 */
#include "store/inside.h"

/* ---- The copy under way ------------------------------------------------------------------- */

static void stand_at(struct ptl_watch *feed, struct ptl_entry *entry)
{
    if (feed->cursor != NULL) {
        feed->via->cursors--;
    }
    if (entry != NULL) {
        feed->via->cursors++;
    }
    feed->cursor = entry;
}

/* The first entry of this part or the next one of its owner that has any. */
static struct ptl_entry *first_entry(const struct ptl_part *part)
{
    while (part != NULL && part->entries == NULL) {
        part = part->in_owner.next;
    }
    return part == NULL ? NULL : part->entries;
}

static struct ptl_entry *entry_behind(const struct ptl_entry *entry)
{
    struct ptl_entry *next = entry->in_part.next;

    return next != NULL ? next : first_entry(entry->part->in_owner.next);
}

static bool is_copying(const struct ptl_watch *feed, const struct ptl_owner *owner)
{
    return feed->cursor != NULL && feed->cursor->part->owner == owner;
}

/* Whether the copy has not come to this owner, which is of the feed's via. */
static bool is_ahead(const struct ptl_watch *feed, const struct ptl_owner *owner)
{
    return feed->ahead != NULL && owner->joined <= feed->ahead->joined;
}

static void pass(struct ptl_watch *feeds, const struct ptl_entry *entry)
{
    for (struct ptl_watch *feed = feeds; feed != NULL; feed = feed->in_watched.next) {
        if (feed->cursor == entry) {
            stand_at(feed, entry_behind(entry));
        }
    }
}

void ptl_cursors_pass(const struct ptl_entry *entry)
{
    const struct ptl_via *via = entry->part->owner->via;

    if (via->cursors > 0) {
        pass(via->feeds, entry);
        pass(via->merged, entry);
    }
}

void ptl_feed_begin(struct ptl_watch *feed)
{
    feed->ahead = feed->via->owners;
}

void ptl_feed_stop(struct ptl_watch *feed)
{
    if (feed->cursor != NULL) {
        stand_at(feed, NULL);
    }
    feed->ahead = NULL;
}

/* The owner leaves the feed's via: nothing of it is left to copy. */
static void leave(struct ptl_watch *feed, const struct ptl_owner *owner)
{
    if (is_copying(feed, owner)) {
        stand_at(feed, NULL);
    }
    if (feed->ahead == owner) {
        feed->ahead = owner->in_via.next;
    }
}

/* ---- Noting ------------------------------------------------------------------------------- */

static struct ptl_mark *find_owner_mark(const struct ptl_watch *feed, const struct ptl_owner *owner)
{
    if (feed->owner_marks == 0) {
        return NULL;
    }
    return ptl_mark_find(feed, true, NULL, owner->node.hash, ptl_owner_id(owner));
}

void ptl_note_entry(const struct ptl_entry *entry, bool had, bool has)
{
    struct ptl_part *part = entry->part;
    const struct ptl_owner *owner = part->owner;

    for (struct ptl_watch *feed = owner->via->feeds; feed != NULL; feed = feed->in_watched.next) {
        /* An owner that is to be copied whole needs no marks of its keys. */
        if (is_ahead(feed, owner) || find_owner_mark(feed, owner) != NULL) {
            continue;
        }
        /* Whether its copy has the key already, nobody knows: it may, so that all is told. */
        ptl_mark_note(feed, part, entry->node.hash, ptl_entry_key(entry),
                      had || is_copying(feed, owner), has);
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
    const struct ptl_entry *entry = via->merged == NULL ? NULL : first_entry(owner->parts);

    while (entry != NULL) {
        ptl_note_merged(via, entry);
        entry = entry_behind(entry);
    }
}

static void note_owner(struct ptl_watch *feed, const struct ptl_owner *owner, bool had, bool has)
{
    bool untold = had && is_ahead(feed, owner); /* and then the copy will tell, if it stays */

    if (!has) {
        leave(feed, owner);
    } else if (is_copying(feed, owner)) {
        stand_at(feed, NULL); /* its mark begins its copy again */
    }
    if (untold || ptl_watch_swallows(feed)) {
        return;
    }
    struct ptl_mark *mark = find_owner_mark(feed, owner);
    if (mark == NULL) {
        mark = ptl_mark_add(feed, true, NULL, owner->node.hash, ptl_owner_id(owner));
        if (mark == NULL) {
            return;
        }
        mark->had = had;
    }
    if (!has) {
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
        leave(feed, owner); /* what it had is told key by key */
    }
}

/* ---- Taking ------------------------------------------------------------------------------- */

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

bool ptl_feed_take_copy(struct ptl_watch *feed, struct ptl_change *change)
{
    while (feed->cursor == NULL && feed->ahead != NULL) {
        const struct ptl_owner *owner = feed->ahead;
        feed->ahead = owner->in_via.next;
        stand_at(feed, first_entry(owner->parts));
        if (feed->kind == PTL_FEED_VIA) {
            tell_owner(owner, change);
            return true;
        }
    }
    const struct ptl_entry *entry = feed->cursor;
    if (entry == NULL) {
        return false;
    }
    stand_at(feed, entry_behind(entry));
    if (feed->kind == PTL_FEED_MERGED && entry->hidden) {
        /* Tell what ranks first: so no take passes by many entries to find one to tell. */
        entry = ptl_entry_via(feed->store, entry->part->family, feed->via, entry->node.hash,
                              ptl_entry_key(entry));
    }
    tell_entry(entry, change);
    return true;
}

static bool take_owner(struct ptl_watch *feed, const struct ptl_mark *mark,
                       struct ptl_change *change)
{
    struct ptl_span id = ptl_span(mark->bytes, mark->node.size);
    const struct ptl_owner *owner = ptl_owner_find(feed->store, id);

    if (owner != NULL && owner->via == feed->via) {
        stand_at(feed, first_entry(owner->parts));
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

    if (entry != NULL) {
        change->source = ptl_owner_source(entry->part->owner);
    }
    change->family = ptl_family_name(family);
    return ptl_mark_tell(mark, entry, change);
}

bool ptl_feed_take_mark(struct ptl_watch *feed, const struct ptl_mark *mark,
                        struct ptl_change *change)
{
    if (mark->is_owner) {
        return take_owner(feed, mark, change);
    }
    return feed->kind == PTL_FEED_VIA ? take_entry(feed, mark, change)
                                      : take_merged(feed, mark, change);
}

/* ---- Opening and closing ------------------------------------------------------------------ */

static struct ptl_watch **feeds_of(const struct ptl_watch *feed)
{
    return feed->kind == PTL_FEED_VIA ? &feed->via->feeds : &feed->via->merged;
}

static struct ptl_watch *open_feed(struct ptl_store *store, enum ptl_watch_kind kind,
                                   struct ptl_span via, ptl_wake_fn *wake, void *data)
{
    bool valid = via.size > 0 && via.size <= PTL_OWNER_MAX;
    struct ptl_watch *feed =
        valid ? ptl_watch_new(store, kind, ptl_span(NULL, 0), wake, data) : NULL;

    if (feed == NULL) {
        return NULL;
    }
    feed->via = ptl_via_get(store, via);
    if (feed->via == NULL) {
        ptl_watch_forget(feed);
        return NULL;
    }
    ptl_list_add(feeds_of(feed), feed, in_watched);
    store->watches++;
    return feed;
}

struct ptl_watch *ptl_feed_via(struct ptl_store *store, struct ptl_span via, ptl_wake_fn *wake,
                               void *data)
{
    return open_feed(store, PTL_FEED_VIA, via, wake, data);
}

struct ptl_watch *ptl_feed_merged(struct ptl_store *store, struct ptl_span via, ptl_wake_fn *wake,
                                  void *data)
{
    return open_feed(store, PTL_FEED_MERGED, via, wake, data);
}

void ptl_feed_close(struct ptl_watch *feed)
{
    ptl_feed_stop(feed);
    ptl_list_remove(feeds_of(feed), feed, in_watched);
    ptl_via_tidy(feed->store, feed->via);
}
