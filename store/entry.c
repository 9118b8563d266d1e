/*
 * Entries: into the store and out of it, which of those with one key shows, and who is told.
 */
#include "store/inside.h"

static size_t size_of(const struct ptl_entry *entry)
{
    return offsetof(struct ptl_entry, bytes) + entry->key_size + entry->node.size;
}

/* One block an entry: the key, then the value. It is in no list and no table yet. */
struct ptl_entry *ptl_entry_new(struct ptl_store *store, struct ptl_part *part, struct ptl_span key,
                                struct ptl_span value)
{
    struct ptl_entry *entry =
        ptl_alloc_raw(store->allocator, offsetof(struct ptl_entry, bytes) + key.size + value.size);

    if (entry == NULL) {
        return NULL;
    }
    ptl_assert(key.size > 0 && key.size <= PTL_KEY_MAX && value.size <= UINT32_MAX);
    entry->node = (struct ptl_table_node){.size = (uint32_t)value.size};
    entry->part = part;
    entry->number = 0; /* it has no place yet */
    entry->key_size = (uint16_t)key.size;
    entry->hidden = 0;
    entry->age = part->owner->age & PTL_AGE_MAX;
    memcpy(entry->bytes, key.bytes, key.size);
    if (value.size > 0) {
        memcpy(entry->bytes + key.size, value.bytes, value.size);
    }
    return entry;
}

void ptl_entry_free(struct ptl_store *store, struct ptl_entry *entry)
{
    ptl_free(store->allocator, entry, size_of(entry));
}

/* Whether a node says this of itself: of one of its ports, or in 'l of where it listens. */
static bool is_own(const struct ptl_entry *entry)
{
    struct ptl_span key = ptl_entry_key(entry);
    struct ptl_span id = ptl_owner_id(entry->part->owner);

    if (key.size < id.size || memcmp(key.bytes, id.bytes, id.size) != 0) {
        return false;
    }
    return key.size == id.size ? entry->part->family->own_first : key.bytes[id.size] == '#';
}

/* Of two entries of one key, whether `a` comes first. */
static bool beats(const struct ptl_entry *a, const struct ptl_entry *b)
{
    if (is_own(a) != is_own(b)) {
        return is_own(a);
    }
    return ptl_span_order(ptl_owner_id(a->part->owner), ptl_owner_id(b->part->owner)) < 0;
}

static bool same_value(const struct ptl_entry *a, const struct ptl_entry *b)
{
    return ptl_span_equal(ptl_entry_value(a), ptl_entry_value(b));
}

static void tell_entry(const struct ptl_entry *entry, bool fed, bool had, bool has)
{
    const struct ptl_via *via = entry->part->owner->via;

    ptl_assert(via != NULL); /* who has entries is attached */
    if (fed && via->feeds != NULL) {
        ptl_note_entry(entry, had, has);
    }
    if (via->merged != NULL) {
        ptl_note_merged(via, entry);
    }
}

/* So many bytes more of an owner, or less: then it is a negative number's complement. */
static inline void weigh(struct ptl_owner *owner, uint64_t change)
{
    owner->bytes += change;
    *(owner->leaving ? &owner->via->leaving_bytes : &owner->via->bytes) += change;
}

/* One entry more, or one less. */
static inline void count(const struct ptl_entry *entry, int change)
{
    struct ptl_owner *owner = entry->part->owner;
    uint64_t bytes = entry->key_size + entry->node.size;

    entry->part->count += (uint32_t)change;
    owner->entries += (uint32_t)change;
    *(owner->leaving ? &owner->via->leaving_entries : &owner->via->entries) += (uint64_t)change;
    weigh(owner, change < 0 ? -bytes : bytes);
}

/*
 * Into its rank among the entries of its key.  These stand side by side in their chain, in the
 * order of their ranks: the first shows, all behind it are hidden.
 */
static void put_beside(struct ptl_store *store, struct ptl_entry *entry, struct ptl_entry *shown)
{
    ptl_assert(!shown->hidden);
    if (beats(entry, shown)) {
        ptl_table_insert_before(&store->entries, &shown->node, &entry->node);
        shown->hidden = 1;
        ptl_note_key(store, shown, entry, !same_value(entry, shown));
        return;
    }
    /* As many steps as nodes have set this key: all entries of a key stand next to each other. */
    struct ptl_entry *before = shown;
    struct ptl_entry *next = ptl_entry_next(before);
    while (next != NULL && beats(next, entry)) {
        before = next;
        next = ptl_entry_next(before);
    }
    ptl_table_insert_after(&store->entries, &before->node, &entry->node);
    entry->hidden = 1;
}

static void put_new(struct ptl_store *store, struct ptl_entry *entry, uint32_t hash)
{
    struct ptl_family *family = entry->part->family;
    struct ptl_entry *shown = ptl_entry_shown(store, family, hash, ptl_entry_key(entry));

    if (entry->part->entries == NULL) {
        ptl_part_fill(store, entry->part);
    }
    entry->number = ++store->numbers & PTL_NUMBER_MAX;
    ptl_list_add(&entry->part->entries, entry, in_part);
    count(entry, 1);
    if (shown != NULL) {
        put_beside(store, entry, shown);
        return;
    }
    ptl_table_insert(&store->entries, &entry->node, hash);
    family->keys++;
    ptl_note_key(store, NULL, entry, true);
}

void ptl_entry_put(struct ptl_store *store, struct ptl_entry *entry, uint32_t hash,
                   struct ptl_entry *old, bool fed)
{
    if (old == NULL) {
        put_new(store, entry, hash);
        tell_entry(entry, fed, false, true);
        return;
    }
    ptl_assert(old->part == entry->part); /* so its rank is the old one's */
    /* It takes the old one's place everywhere, as if that had been given another value. */
    ptl_copies_move(store, old, entry);
    entry->number = old->number;
    ptl_list_replace(&entry->part->entries, old, entry, in_part);
    ptl_table_replace(&store->entries, &old->node, &entry->node);
    entry->hidden = old->hidden;
    weigh(entry->part->owner, (uint64_t)entry->node.size - old->node.size);
    ptl_entry_free(store, old);
    if (!entry->hidden) {
        ptl_note_key(store, entry, entry, true);
    }
    tell_entry(entry, fed, true, true);
}

void ptl_entry_assign(struct ptl_store *store, struct ptl_entry *entry, struct ptl_span value)
{
    ptl_assert(value.size == entry->node.size);
    memmove(entry->bytes + entry->key_size, value.bytes, value.size);
    if (!entry->hidden) {
        ptl_note_key(store, entry, entry, true);
    }
    tell_entry(entry, true, true, true);
}

/* The entry behind the one that shows comes to light, if there is one. */
static void uncover(struct ptl_store *store, struct ptl_entry *shown)
{
    struct ptl_family *family = shown->part->family;
    struct ptl_entry *next = ptl_entry_next(shown);

    ptl_assert(family->keys > 0);
    ptl_table_remove(&store->entries, &shown->node);
    if (next == NULL) {
        family->keys--;
    } else {
        ptl_assert(next->hidden);
        next->hidden = 0;
    }
    ptl_note_key(store, shown, next, next == NULL || !same_value(shown, next));
}

void ptl_entry_take(struct ptl_store *store, struct ptl_entry *entry, bool fed)
{
    struct ptl_part *part = entry->part;

    ptl_assert(part->owner->entries > 0);
    /* Counted as if a mark named it: it may lose its last one on the way. */
    part->node.size++;
    if (entry->hidden) {
        ptl_table_remove(&store->entries, &entry->node);
    } else {
        uncover(store, entry);
    }
    ptl_copies_move(store, entry, NULL);
    ptl_list_remove(&part->entries, entry, in_part);
    if (part->entries == NULL) {
        ptl_part_bare(part);
    }
    count(entry, -1);
    tell_entry(entry, fed, true, false);
    ptl_entry_free(store, entry);
    part->node.size--;
}
