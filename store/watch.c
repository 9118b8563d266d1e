#include "store/watch.h"

#include "store/inside.h"

/* ---- Opening and closing ------------------------------------------------------------------ */

struct ptl_watch *ptl_watch_new(struct ptl_store *store, enum ptl_watch_kind kind,
                                struct ptl_span filter, ptl_wake_fn *wake, void *data)
{
    struct ptl_watch *watch = ptl_alloc(store->allocator, sizeof(*watch) + filter.size);

    if (watch == NULL) {
        return NULL;
    }
    watch->store = store;
    watch->kind = kind;
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

void ptl_watch_forget(struct ptl_watch *watch)
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
    watch = ptl_watch_new(store, kind, filter, wake, data);
    if (watch == NULL) {
        return NULL;
    }
    watch->family = ptl_family_get(store, name);
    if (watch->family == NULL) {
        ptl_watch_forget(watch);
        return NULL;
    }
    ptl_list_add(&watch->family->watches, watch, in_watched);
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

/* Nothing notes anything with it any more. */
static void end(struct ptl_watch *watch)
{
    struct ptl_store *store = watch->store;

    ptl_marks_free(watch);
    store->watches--;
    if (store->watches == 0) {
        ptl_spares_free(store);
    }
    ptl_watch_forget(watch);
}

void ptl_watch_free(struct ptl_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    struct ptl_store *store = watch->store;
    if (ptl_is_feed(watch)) {
        ptl_feed_close(watch);
    } else {
        ptl_list_remove(&watch->family->watches, watch, in_watched);
        ptl_family_tidy(store, watch->family);
    }
    if (watch->marks.count > store->limits.drop_max) {
        ptl_list_add(&store->closing, watch, in_watched);
    } else {
        end(watch);
    }
}

uint32_t ptl_watches_work(struct ptl_store *store, uint32_t max)
{
    struct ptl_watch *watch = store->closing;
    uint32_t freed = 0;

    while (watch != NULL && freed < max && ptl_mark_take(watch) != NULL) {
        freed++;
    }
    if (watch != NULL && watch->marks.count == 0) {
        ptl_list_remove(&store->closing, watch, in_watched);
        end(watch);
    }
    return freed;
}

/* ---- Noting ------------------------------------------------------------------------------- */

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

void ptl_note_key(struct ptl_family *family, uint32_t hash, struct ptl_span key, bool had, bool has)
{
    for (struct ptl_watch *watch = family->watches; watch != NULL; watch = watch->in_watched.next) {
        if (ptl_watch_matches(watch, key)) {
            ptl_mark_note(watch, NULL, hash, key, had, has);
        }
    }
}

bool ptl_watch_defer(struct ptl_watch *watch, struct ptl_span key)
{
    ptl_assert(!ptl_is_feed(watch));
    if (watch->all) {
        return false; /* there was no memory for an earlier one */
    }
    uint32_t hash = ptl_key_hash(watch->family, key);
    /* The copy lacks it, as it does a key that is new: a mark that had none before. */
    return ptl_mark_find(watch, false, NULL, hash, key) != NULL ||
           ptl_mark_add(watch, false, NULL, hash, key) != NULL;
}

/* ---- Taking ------------------------------------------------------------------------------- */

static bool take_key(const struct ptl_watch *watch, const struct ptl_mark *mark,
                     struct ptl_change *change)
{
    change->family = ptl_family_name(watch->family);
    return ptl_mark_tell(mark,
                         ptl_entry_shown(watch->store, watch->family, mark->node.hash,
                                         ptl_span(mark->bytes, mark->node.size)),
                         change);
}

static bool take_all(struct ptl_watch *watch)
{
    bool all = watch->all;

#ifdef PTL_PLANT_FIRST_COPY
    watch->just_copied |= all && !ptl_is_feed(watch);
#endif
    if (all) {
        watch->all = false;
        if (ptl_is_feed(watch)) {
            ptl_feed_begin(watch);
        }
    }
    return all;
}

bool ptl_watch_take(struct ptl_watch *watch, struct ptl_change *change)
{
    struct ptl_mark *mark;

    *change = (struct ptl_change){.kind = PTL_CHANGE_ALL};
    if (take_all(watch) || ptl_feed_take_copy(watch, change)) {
        return true;
    }
    while ((mark = ptl_mark_take(watch)) != NULL) {
        if (ptl_is_feed(watch) ? ptl_feed_take_mark(watch, mark, change)
                               : take_key(watch, mark, change)) {
            return true;
        }
        *change = (struct ptl_change){.kind = PTL_CHANGE_ALL};
    }
    watch->drained = true;
    return false;
}

uint32_t ptl_watch_pending(const struct ptl_watch *watch)
{
    bool copying = watch->all || watch->cursor != NULL || watch->ahead != NULL;

    return watch->marks.count + copying;
}
