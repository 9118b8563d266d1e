/*
 * Marks: what a watch has not taken.
 */
#include "store/inside.h"

/* ---- The set ------------------------------------------------------------------------------ */

/* What a feed's marks name stays as long as they do. */
static void hold(const struct ptl_mark *mark)
{
    if (mark->of == NULL) {
        return;
    }
    if (mark->of_part) {
        ((struct ptl_part *)mark->of)->node.size++;
    } else {
        ((struct ptl_family *)mark->of)->named++;
    }
}

static void release(struct ptl_store *store, void *of, bool of_part)
{
    if (of == NULL) {
        return;
    }
    if (of_part) {
        ptl_assert(((struct ptl_part *)of)->node.size > 0);
        ((struct ptl_part *)of)->node.size--;
        ptl_part_tidy(store, of);
    } else {
        ptl_assert(((struct ptl_family *)of)->named > 0);
        ((struct ptl_family *)of)->named--;
        ptl_family_tidy(store, of);
    }
}

static size_t size_of(size_t name_size)
{
    return offsetof(struct ptl_mark, bytes) + name_size;
}

static struct ptl_mark *pop_spare(struct ptl_store *store)
{
    struct ptl_mark *mark = store->spare;

    if (mark != NULL) {
        ptl_assert(store->spares > 0);
        store->spare = mark->in_watch.next;
        store->spares--;
    }
    return mark;
}

/* The size of the mark is no more than that of its name: only one that fits exactly is of use. */
static struct ptl_mark *new_mark(struct ptl_store *store, struct ptl_span name)
{
    struct ptl_mark *mark = pop_spare(store);

    if (mark != NULL && mark->node.size == name.size) {
        memset(mark, 0, size_of(0));
    } else {
        if (mark != NULL) {
            ptl_free(store->allocator, mark, size_of(mark->node.size));
        }
        mark = ptl_alloc(store->allocator, size_of(name.size));
    }
    if (mark != NULL) {
        mark->node.size = (uint32_t)name.size;
        memcpy(mark->bytes, name.bytes, name.size);
    }
    return mark;
}

/* The last watch takes the spares along: none is kept when there is no watch. */
static void free_mark(struct ptl_store *store, struct ptl_mark *mark)
{
    void *of = mark->of;
    bool of_part = mark->of_part;

    if (store->watches > 0 && store->spares < PTL_SPARE_MAX) {
        mark->in_watch.next = store->spare;
        store->spare = mark;
        store->spares++;
    } else {
        ptl_free(store->allocator, mark, size_of(mark->node.size));
    }
    /* Last: it may free the part or the family that the mark has named. */
    release(store, of, of_part);
}

void ptl_spares_free(struct ptl_store *store)
{
    struct ptl_mark *mark;

    while ((mark = pop_spare(store)) != NULL) {
        ptl_free(store->allocator, mark, size_of(mark->node.size));
    }
}

static void unlink_mark(struct ptl_watch *watch, struct ptl_mark *mark)
{
    ptl_assert(watch->owner_marks >= mark->is_owner);
    if (watch->newest == mark) {
        watch->newest = mark->in_watch.previous;
    }
    ptl_list_remove(&watch->oldest, mark, in_watch);
    ptl_table_remove(&watch->marks, &mark->node);
    watch->owner_marks -= mark->is_owner;
}

/* Let go of all that it has not taken, in one step: ptl_marks_work() frees them, piece by piece. */
static void forget_untaken(struct ptl_watch *watch)
{
    struct ptl_store *store = watch->store;

    ptl_table_drop(&watch->marks);
    if (watch->oldest == NULL) {
        return;
    }
    watch->newest->in_watch.next = store->forgotten;
    store->forgotten = watch->oldest;
    watch->oldest = NULL;
    watch->newest = NULL;
    watch->owner_marks = 0;
}

uint32_t ptl_marks_work(struct ptl_store *store, uint32_t max)
{
    uint32_t freed = 0;

    for (; store->forgotten != NULL && freed < max; freed++) {
        struct ptl_mark *mark = store->forgotten;
        store->forgotten = mark->in_watch.next;
        free_mark(store, mark);
    }
    return freed;
}

void ptl_marks_end(struct ptl_watch *watch)
{
    struct ptl_store *store = watch->store;
    uint32_t few = watch->marks.count <= store->limits.drop_max ? watch->marks.count : 0;

    forget_untaken(watch);
    ptl_marks_work(store, few); /* what was forgotten last stands first */
    if (watch->taken != NULL) {
        free_mark(store, watch->taken);
        watch->taken = NULL;
    }
}

struct ptl_mark *ptl_mark_find(const struct ptl_watch *watch, bool is_owner, const void *of,
                               uint32_t hash, struct ptl_span name)
{
    struct ptl_mark *mark = (struct ptl_mark *)ptl_table_chain(&watch->marks, hash);

    while (mark != NULL) {
        if (mark->node.hash == hash && mark->is_owner == is_owner && mark->of == of &&
            ptl_span_equal(ptl_span(mark->bytes, mark->node.size), name)) {
            return mark;
        }
        mark = (struct ptl_mark *)mark->node.next;
    }
    return NULL;
}

/* Marks are taken in the order in which they were made; a later change of their key moves none. */
static void put_last(struct ptl_watch *watch, struct ptl_mark *mark)
{
    mark->in_watch.previous = watch->newest;
    if (watch->newest != NULL) {
        watch->newest->in_watch.next = mark;
    } else {
        ptl_assert(watch->oldest == NULL);
        watch->oldest = mark;
    }
    watch->newest = mark;
}

/*
 * There is no memory for one mark: all of them go, and the watch begins anew.  "Everything" is a
 * set that needs no memory, nor time, however many keys it is said instead of.
 */
static void mark_all(struct ptl_watch *watch)
{
    forget_untaken(watch);
    ptl_copy_stop(watch);
    watch->all = true;
    ptl_watch_wake(watch);
}

struct ptl_mark *ptl_mark_add(struct ptl_watch *watch, bool is_owner, void *of, uint32_t hash,
                              struct ptl_span name)
{
    struct ptl_mark *mark = new_mark(watch->store, name);

    if (mark == NULL) {
        mark_all(watch);
        return NULL;
    }
    mark->of = of;
    mark->of_part = watch->kind == PTL_FEED_VIA;
    hold(mark);
    mark->is_owner = is_owner;
    watch->owner_marks += is_owner;
    ptl_table_insert(&watch->marks, &mark->node, hash);
    put_last(watch, mark);
    ptl_watch_wake(watch);
    return mark;
}

/* Marks are taken in their order: have on its way what the next takes look at, step by step. */
static void expect_takes(const struct ptl_watch *watch)
{
    const struct ptl_mark *first = watch->oldest;
    const struct ptl_mark *second = first == NULL ? NULL : first->in_watch.next;

    if (second == NULL) {
        return;
    }
    __builtin_prefetch(second->in_watch.next);
    ptl_table_expect(&watch->marks, second->node.hash);
    ptl_table_expect(&watch->store->entries, second->node.hash);
    ptl_entry_expect(watch->store, first->node.hash);
}

struct ptl_mark *ptl_mark_take(struct ptl_watch *watch)
{
    if (watch->taken != NULL) {
        free_mark(watch->store, watch->taken);
    }
    /* Only now: until this call its name was part of what the last take has told. */
    watch->taken = watch->oldest;
    if (watch->taken != NULL) {
        unlink_mark(watch, watch->taken);
        expect_takes(watch);
    }
    return watch->taken;
}

/* ---- Noting and telling ------------------------------------------------------------------- */

/* Once until it has been drained again: a thousand changes are one wake. */
void ptl_watch_wake(struct ptl_watch *watch)
{
    if (!watch->drained) {
        return;
    }
    watch->drained = false;
    if (watch->wake != NULL) {
        watch->wake(watch->data);
    }
}

bool ptl_watch_swallows(const struct ptl_watch *watch)
{
    return watch->all;
}

void ptl_mark_settle(struct ptl_watch *watch, struct ptl_mark *mark, bool has)
{
#ifdef PTL_PLANT_DELETE_ORDER
    mark->deleted = mark->deleted || !has;
#endif
    /* It came and went between two takes: the copy never knew of it. */
    if (!mark->had && !has) {
        unlink_mark(watch, mark);
        free_mark(watch->store, mark);
    }
}

void ptl_mark_note(struct ptl_watch *watch, void *of, uint32_t hash, struct ptl_span key, bool had,
                   bool has)
{
    uint32_t epoch = watch->kind == PTL_FEED_VIA ? ((struct ptl_part *)of)->owner->epoch : 0;

    if (ptl_watch_swallows(watch)) {
        return;
    }
#ifdef PTL_PLANT_FIRST_COPY
    if (watch->just_copied) {
        watch->just_copied = false;
        return;
    }
#endif
    struct ptl_mark *mark = ptl_mark_find(watch, false, of, hash, key);
    if (mark == NULL) {
        mark = ptl_mark_add(watch, false, of, hash, key);
        if (mark == NULL) {
            return;
        }
        mark->had = had;
        mark->epoch = epoch;
    }
    /* Marks of an earlier attachment stand before the owner's mark, which spares us their keys. */
    ptl_assert(mark->epoch == epoch);
    ptl_mark_settle(watch, mark, has);
}

/*
 * The mark knows what the copy has, the entry what there is now: together they say what happened,
 * however often it changed in between.
 */
bool ptl_mark_tell(const struct ptl_mark *mark, const struct ptl_entry *entry,
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
