#include "store/watch.h"

#include "store/inside.h"

/* ---- Opening and closing ------------------------------------------------------------------ */

static struct ptl_watch *open_watch(struct ptl_store *store, enum ptl_watch_kind kind,
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

static void free_watch(struct ptl_watch *watch)
{
    ptl_free(watch->store->allocator, watch, sizeof(*watch) + watch->filter_size);
}

static struct ptl_watch *open_on_family(struct ptl_store *store, enum ptl_watch_kind kind,
                                        struct ptl_span name, struct ptl_span filter,
                                        ptl_wake_fn *wake, void *data)
{
    struct ptl_watch *watch;

    if (!ptl_family_valid(name) || filter.size > PTL_KEY_MAX) {
        return NULL;
    }
    watch = open_watch(store, kind, filter, wake, data);
    if (watch == NULL) {
        return NULL;
    }
    watch->family = ptl_family_get(store, name);
    if (watch->family == NULL) {
        free_watch(watch);
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

static bool id_valid(struct ptl_span id)
{
    return id.size > 0 && id.size <= PTL_OWNER_MAX;
}

struct ptl_watch *ptl_feed_via(struct ptl_store *store, struct ptl_span via, ptl_wake_fn *wake,
                               void *data)
{
    struct ptl_watch *watch =
        id_valid(via) ? open_watch(store, PTL_FEED_VIA, ptl_span(NULL, 0), wake, data) : NULL;

    if (watch == NULL) {
        return NULL;
    }
    watch->via = ptl_via_get(store, via);
    if (watch->via == NULL) {
        free_watch(watch);
        return NULL;
    }
    ptl_list_add(&watch->via->feeds, watch, in_watched);
    store->watches++;
    return watch;
}

struct ptl_watch *ptl_feed_owner(struct ptl_store *store, struct ptl_span owner, ptl_wake_fn *wake,
                                 void *data)
{
    struct ptl_watch *watch =
        id_valid(owner) ? open_watch(store, PTL_FEED_OWNER, ptl_span(NULL, 0), wake, data) : NULL;

    if (watch == NULL) {
        return NULL;
    }
    watch->owner = ptl_owner_get(store, owner);
    if (watch->owner == NULL) {
        free_watch(watch);
        return NULL;
    }
    ptl_list_add(&watch->owner->feeds, watch, in_watched);
    store->watches++;
    return watch;
}

static bool is_feed(const struct ptl_watch *watch)
{
    return watch->kind == PTL_FEED_VIA || watch->kind == PTL_FEED_OWNER;
}

/* ---- Marks -------------------------------------------------------------------------------- */

static void free_mark(struct ptl_watch *watch, struct ptl_mark *mark)
{
    struct ptl_part *part = mark->part;

    ptl_free(watch->store->allocator, mark, offsetof(struct ptl_mark, bytes) + mark->node.size);
    if (part != NULL) {
        part->node.size--;
        ptl_part_tidy(watch->store, part);
    }
}

static void unlink_mark(struct ptl_watch *watch, struct ptl_mark *mark)
{
    if (watch->newest == mark) {
        watch->newest = mark->in_watch.previous;
    }
    ptl_list_remove(&watch->oldest, mark, in_watch);
    ptl_table_remove(&watch->marks, &mark->node);
}

static void free_marks(struct ptl_watch *watch)
{
    struct ptl_mark *mark = (struct ptl_mark *)ptl_table_empty(&watch->marks);

    while (mark != NULL) {
        struct ptl_mark *next = (struct ptl_mark *)mark->node.next;
        free_mark(watch, mark);
        mark = next;
    }
    watch->oldest = NULL;
    watch->newest = NULL;
}

void ptl_watch_free(struct ptl_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    struct ptl_store *store = watch->store;
    free_marks(watch);
    if (watch->taken != NULL) {
        free_mark(watch, watch->taken);
    }
    if (watch->kind == PTL_FEED_VIA) {
        ptl_list_remove(&watch->via->feeds, watch, in_watched);
        ptl_via_tidy(store, watch->via);
    } else if (watch->kind == PTL_FEED_OWNER) {
        ptl_list_remove(&watch->owner->feeds, watch, in_watched);
        ptl_owner_tidy(store, watch->owner);
    } else {
        ptl_list_remove(&watch->family->watches, watch, in_watched);
        ptl_family_tidy(store, watch->family);
    }
    store->watches--;
    free_watch(watch);
}

static struct ptl_mark *find_mark(const struct ptl_watch *watch, bool is_owner,
                                  const struct ptl_part *part, uint32_t hash, struct ptl_span name)
{
    struct ptl_mark *mark = (struct ptl_mark *)ptl_table_chain(&watch->marks, hash);

    while (mark != NULL) {
        if (mark->node.hash == hash && mark->is_owner == is_owner && mark->part == part &&
            ptl_span_equal(ptl_span(mark->bytes, mark->node.size), name)) {
            return mark;
        }
        mark = (struct ptl_mark *)mark->node.next;
    }
    return NULL;
}

static struct ptl_mark *add_mark(struct ptl_watch *watch, struct ptl_part *part, uint32_t hash,
                                 struct ptl_span name)
{
    struct ptl_mark *mark =
        ptl_alloc(watch->store->allocator, offsetof(struct ptl_mark, bytes) + name.size);

    if (mark == NULL) {
        return NULL;
    }
    mark->node.size = (uint32_t)name.size;
    memcpy(mark->bytes, name.bytes, name.size);
    mark->part = part;
    if (part != NULL) {
        part->node.size++;
    }
    ptl_table_insert(&watch->marks, &mark->node, hash);
    mark->in_watch.previous = watch->newest;
    if (watch->newest != NULL) {
        watch->newest->in_watch.next = mark;
    } else {
        watch->oldest = mark;
    }
    watch->newest = mark;
    return mark;
}

static void wake(const struct ptl_watch *watch)
{
    if (watch->wake != NULL) {
        watch->wake(watch->data);
    }
}

/* No memory for a mark: "everything" is a set that needs none. */
static void mark_all(struct ptl_watch *watch)
{
    bool sleeps = watch->marks.count == 0;

    free_marks(watch);
    watch->all = true;
    if (sleeps) {
        wake(watch);
    }
}

static bool swallows(const struct ptl_watch *watch)
{
#ifdef PTL_PLANT_FIRST_COPY
    if (watch->copying) {
        return true;
    }
#endif
    return watch->all;
}

/* What a change leaves of a mark: nothing, if the copy never had what is gone again. */
static void settle(struct ptl_watch *watch, struct ptl_mark *mark, bool fresh, bool has)
{
#ifdef PTL_PLANT_DELETE_ORDER
    mark->deleted = mark->deleted || !has;
#endif
    if (!mark->had && !has) {
        unlink_mark(watch, mark);
        free_mark(watch, mark);
    } else if (fresh && watch->marks.count == 1) {
        wake(watch);
    }
}

static void note(struct ptl_watch *watch, struct ptl_part *part, uint32_t hash, struct ptl_span key,
                 bool had, bool has)
{
    uint32_t epoch = part == NULL ? 0 : part->owner->epoch;

    if (swallows(watch)) {
        return;
    }
    struct ptl_mark *mark = find_mark(watch, false, part, hash, key);
    bool fresh = mark == NULL;
    if (fresh) {
        mark = add_mark(watch, part, hash, key);
        if (mark == NULL) {
            mark_all(watch);
            return;
        }
        mark->had = had;
    }
    /* Marks of an earlier attachment stand before the owner's mark, which spares us their keys. */
    ptl_assert(fresh || mark->epoch == epoch);
    mark->epoch = epoch;
    settle(watch, mark, fresh, has);
}

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
    case PTL_FEED_OWNER:
        break;
    }
    return true;
}

void ptl_note_key(struct ptl_family *family, uint32_t hash, struct ptl_span key, bool had, bool has)
{
    for (struct ptl_watch *watch = family->watches; watch != NULL; watch = watch->in_watched.next) {
        if (ptl_watch_matches(watch, key)) {
            note(watch, NULL, hash, key, had, has);
        }
    }
}

static void note_entry(struct ptl_watch *feeds, struct ptl_part *part, uint32_t hash,
                       struct ptl_span key, bool had, bool has)
{
    const struct ptl_owner *owner = part->owner;

    for (struct ptl_watch *feed = feeds; feed != NULL; feed = feed->in_watched.next) {
        /* An owner that is to be copied whole needs no marks of its keys. */
        if (find_mark(feed, true, NULL, owner->node.hash, ptl_owner_id(owner)) == NULL) {
            note(feed, part, hash, key, had, has);
        }
    }
}

void ptl_note_entry(struct ptl_part *part, uint32_t hash, struct ptl_span key, bool had, bool has)
{
    note_entry(part->owner->feeds, part, hash, key, had, has);
    if (part->owner->via != NULL) {
        note_entry(part->owner->via->feeds, part, hash, key, had, has);
    }
}

static void note_owner(struct ptl_watch *feed, const struct ptl_owner *owner, bool had, bool has)
{
    struct ptl_span id = ptl_owner_id(owner);

    if (swallows(feed)) {
        return;
    }
    struct ptl_mark *mark = find_mark(feed, true, NULL, owner->node.hash, id);
    bool fresh = mark == NULL;
    if (fresh) {
        mark = add_mark(feed, NULL, owner->node.hash, id);
        if (mark == NULL) {
            mark_all(feed);
            return;
        }
        mark->is_owner = true;
        mark->had = had;
    }
    if (!has) {
        mark->attachment = owner->attachment;
    }
    settle(feed, mark, fresh, has);
}

void ptl_note_owner(struct ptl_watch *feeds, const struct ptl_owner *owner, bool had, bool has)
{
    for (struct ptl_watch *feed = feeds; feed != NULL; feed = feed->in_watched.next) {
        note_owner(feed, owner, had, has);
    }
}

/* ---- Taking ------------------------------------------------------------------------------- */

/* What is to be told now of a key that the copy has or has not; false: nothing. */
static bool tell(const struct ptl_mark *mark, const struct ptl_entry *entry,
                 struct ptl_change *change)
{
#ifdef PTL_PLANT_DELETE_ORDER
    if (mark->deleted) {
        entry = NULL;
    }
#endif
    change->key = ptl_span(mark->bytes, mark->node.size);
    if (entry != NULL) {
        change->value = ptl_entry_value(entry);
        change->kind = mark->had ? PTL_CHANGE_CHANGED : PTL_CHANGE_ADDED;
        return true;
    }
    change->kind = PTL_CHANGE_DELETED;
    return mark->had;
}

static bool feeds_on(const struct ptl_watch *watch, const struct ptl_owner *owner)
{
    return owner->via != NULL && (watch->kind == PTL_FEED_OWNER || owner->via == watch->via);
}

static bool take_owner(const struct ptl_watch *watch, const struct ptl_mark *mark,
                       struct ptl_change *change)
{
    struct ptl_span id = ptl_span(mark->bytes, mark->node.size);
    const struct ptl_owner *owner = ptl_owner_find(watch->store, id);

    if (owner != NULL && feeds_on(watch, owner)) {
        change->kind = PTL_CHANGE_OWNER;
        change->source = ptl_owner_source(owner);
        return true;
    }
    change->kind = PTL_CHANGE_LOST;
    change->source.owner = id;
    change->source.attachment = mark->attachment;
    if (watch->kind == PTL_FEED_VIA) {
        change->source.via = ptl_via_id(watch->via);
    }
    return mark->had;
}

static bool take_entry(const struct ptl_watch *watch, const struct ptl_mark *mark,
                       struct ptl_change *change)
{
    const struct ptl_part *part = mark->part;

    if (mark->epoch != part->owner->epoch || !feeds_on(watch, part->owner)) {
        return false; /* told already with what became of the owner */
    }
    change->source = ptl_owner_source(part->owner);
    change->family = ptl_family_name(part->family);
    return tell(
        mark,
        ptl_entry_of(watch->store, part, mark->node.hash, ptl_span(mark->bytes, mark->node.size)),
        change);
}

static bool take_key(const struct ptl_watch *watch, const struct ptl_mark *mark,
                     struct ptl_change *change)
{
    change->family = ptl_family_name(watch->family);
    return tell(mark,
                ptl_entry_shown(watch->store, watch->family, mark->node.hash,
                                ptl_span(mark->bytes, mark->node.size)),
                change);
}

static bool take_mark(const struct ptl_watch *watch, const struct ptl_mark *mark,
                      struct ptl_change *change)
{
    if (mark->is_owner) {
        return take_owner(watch, mark, change);
    }
    return is_feed(watch) ? take_entry(watch, mark, change) : take_key(watch, mark, change);
}

bool ptl_watch_take(struct ptl_watch *watch, struct ptl_change *change)
{
    *change = (struct ptl_change){.kind = PTL_CHANGE_ALL};
#ifdef PTL_PLANT_FIRST_COPY
    watch->copying = watch->all;
#endif
    if (watch->all) {
        watch->all = false;
        return true;
    }
    for (;;) {
        if (watch->taken != NULL) {
            free_mark(watch, watch->taken);
        }
        watch->taken = watch->oldest;
        if (watch->taken == NULL) {
            return false;
        }
        unlink_mark(watch, watch->taken);
        if (take_mark(watch, watch->taken, change)) {
            return true;
        }
        *change = (struct ptl_change){.kind = PTL_CHANGE_ALL};
    }
}

uint32_t ptl_watch_pending(const struct ptl_watch *watch)
{
    return watch->all ? 1 : watch->marks.count;
}
