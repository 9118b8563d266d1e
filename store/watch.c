/*
 * Watches and feeds: opened, asked and closed.  What becomes of them meanwhile is in note.c and
 * take.c.
 */
#include "store/watch.h"

#include "store/inside.h"

/* ---- Opening ------------------------------------------------------------------------------ */

/* One that watches nothing yet; NULL: no memory. */
static struct ptl_watch *new_watch(struct ptl_store *store, enum ptl_watch_kind kind,
                                   struct ptl_span filter, ptl_wake_fn *wake, void *data)
{
    struct ptl_watch *watch = ptl_alloc(store->allocator, sizeof(*watch) + filter.size);

    if (watch == NULL) {
        return NULL;
    }
    watch->store = store;
    watch->kind = kind;
    /* The first take tells everything there is. */
    watch->all = true;
    watch->wake = wake;
    watch->data = data;
    watch->filter_size = (uint32_t)filter.size;
    if (filter.size > 0) {
        memcpy(watch->filter, filter.bytes, filter.size);
    }
    ptl_table_init(&watch->marks, store->allocator);
    return watch;
}

static void forget(struct ptl_watch *watch)
{
    ptl_free(watch->store->allocator, watch, sizeof(*watch) + watch->filter_size);
}

static struct ptl_watch *open_on_family(struct ptl_store *store, enum ptl_watch_kind kind,
                                        struct ptl_span name, struct ptl_span filter,
                                        ptl_wake_fn *wake, void *data)
{
    struct ptl_watch *watch;

    if (!ptl_family_fits(name) || filter.size > PTL_KEY_MAX) {
        return NULL;
    }
    watch = new_watch(store, kind, filter, wake, data);
    if (watch == NULL) {
        return NULL;
    }
    watch->family = ptl_family_get(store, name);
    if (watch->family == NULL) {
        forget(watch);
        return NULL;
    }
    if (kind == PTL_WATCH_KEY) {
        watch->family->named++;
        ptl_table_insert(&store->key_watches, &watch->node, ptl_key_hash(watch->family, filter));
    } else {
        ptl_list_add(&watch->family->watches, watch, in_watched);
    }
    store->watches++;
    return watch;
}

struct ptl_watch *ptl_watch_family(struct ptl_store *store, struct ptl_span family,
                                   ptl_wake_fn *wake, void *data)
{
    return open_on_family(store, PTL_WATCH_FAMILY, family, ptl_span(NULL, 0), wake, data);
}

struct ptl_watch *ptl_watch_key(struct ptl_store *store, struct ptl_span family,
                                struct ptl_span key, ptl_wake_fn *wake, void *data)
{
    return open_on_family(store, PTL_WATCH_KEY, family, key, wake, data);
}

struct ptl_watch *ptl_watch_prefix(struct ptl_store *store, struct ptl_span family,
                                   struct ptl_span prefix, ptl_wake_fn *wake, void *data)
{
    return open_on_family(store, PTL_WATCH_PREFIX, family, prefix, wake, data);
}

static struct ptl_watch **feeds_of(const struct ptl_watch *feed)
{
    return feed->kind == PTL_FEED_VIA ? &feed->via->feeds : &feed->via->merged;
}

static struct ptl_watch *open_feed(struct ptl_store *store, enum ptl_watch_kind kind,
                                   struct ptl_span via, ptl_wake_fn *wake, void *data)
{
    bool valid = via.size > 0 && via.size <= PTL_OWNER_MAX;
    struct ptl_watch *feed = valid ? new_watch(store, kind, ptl_span(NULL, 0), wake, data) : NULL;

    if (feed == NULL) {
        return NULL;
    }
    feed->via = ptl_via_get(store, via);
    if (feed->via == NULL) {
        forget(feed);
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

/* ---- Closing ------------------------------------------------------------------------------ */

/* Nothing notes anything with it any more. */
static void end(struct ptl_watch *watch)
{
    struct ptl_store *store = watch->store;

    ptl_assert(store->watches > 0);

    ptl_marks_end(watch);
    store->watches--;
    if (store->watches == 0) {
        ptl_spares_free(store);
    }
    forget(watch);
}

static void close_feed(struct ptl_watch *feed)
{
    ptl_assert(feed->via != NULL);
    ptl_copy_stop(feed);
    ptl_list_remove(feeds_of(feed), feed, in_watched);
    ptl_via_tidy(feed->store, feed->via);
}

static void close_on_family(struct ptl_watch *watch)
{
    struct ptl_family *family = watch->family;

    ptl_copy_stop(watch);
    if (watch->kind == PTL_WATCH_KEY) {
        ptl_assert(family->named > 0);
        family->named--;
        ptl_table_remove(&watch->store->key_watches, &watch->node);
    } else {
        ptl_list_remove(&family->watches, watch, in_watched);
    }
    ptl_family_tidy(watch->store, family);
}

void ptl_watch_free(struct ptl_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (ptl_is_feed(watch)) {
        close_feed(watch);
    } else {
        close_on_family(watch);
    }
    /* Marks are freed one by one: many of them go piece by piece, in ptl_store_work(). */
    end(watch);
}

/* ---- Once more ---------------------------------------------------------------------------- */

void ptl_feed_again(struct ptl_watch *feed)
{
    ptl_assert(ptl_is_feed(feed) && !ptl_watch_copies(feed));
    feed->again = true;
    ptl_copy_begin(feed);
    ptl_watch_wake(feed);
}

/* ---- What is to be taken ------------------------------------------------------------------ */

bool ptl_watch_copies(const struct ptl_watch *watch)
{
    return watch->all || watch->cursor != NULL || watch->ahead != NULL;
}

/* What is left to take, at least: a copy counts for one, however long it is. */
uint32_t ptl_watch_pending(const struct ptl_watch *watch)
{
    return watch->marks.count + ptl_watch_copies(watch);
}
