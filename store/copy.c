/*
 * Copies: the place of a feed in what there is of its via.
 *
 *   via ---owners---> told | told | ahead --> not told | not told
 *                            '-- cursor: the next of its entries
 *
 * Who joins and what is put goes in before the place, and leaves marks.
 */
#include "store/inside.h"

void ptl_copy_stand_at(struct ptl_watch *feed, struct ptl_entry *entry)
{
    ptl_assert(ptl_is_feed(feed));
    if (feed->cursor != NULL) {
        ptl_assert(feed->via->cursors > 0);
        feed->via->cursors--;
    }
    if (entry != NULL) {
        feed->via->cursors++;
    }
    feed->cursor = entry;
}

struct ptl_entry *ptl_copy_first(const struct ptl_part *part)
{
    ptl_assert(part == NULL || part->entries != NULL); /* it would not stand in the list */
    return part == NULL ? NULL : part->entries;
}

struct ptl_entry *ptl_copy_behind(const struct ptl_entry *entry)
{
    struct ptl_entry *next = entry->in_part.next;

    return next != NULL ? next : ptl_copy_first(entry->part->in_owner.next);
}

/* Only feeds of the entry's own via stand at it: `cursors` says whether any of these does. */
static void pass(struct ptl_watch *feeds, const struct ptl_entry *entry)
{
    for (struct ptl_watch *feed = feeds; feed != NULL; feed = feed->in_watched.next) {
        if (feed->cursor == entry) {
            ptl_copy_stand_at(feed, ptl_copy_behind(entry));
        }
    }
}

void ptl_copies_pass(const struct ptl_entry *entry)
{
    struct ptl_owner *owner = entry->part->owner;
    const struct ptl_via *via = owner->via;

    if (owner->sweep == entry) {
        owner->sweep = ptl_copy_behind(entry);
    }
    if (via->cursors > 0) {
        pass(via->feeds, entry);
        pass(via->merged, entry);
    }
}

void ptl_copy_begin(struct ptl_watch *feed)
{
    ptl_assert(feed->cursor == NULL); /* given up when all was marked */
    feed->ahead = feed->via->owners;
}

void ptl_copy_stop(struct ptl_watch *feed)
{
    if (feed->cursor != NULL) {
        ptl_copy_stand_at(feed, NULL);
    }
    feed->ahead = NULL;
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
