#include "store/store.h"

#include "store/inside.h"

/* Entries that go at once with an owner: about a millisecond. */
#define DROP_MAX 2048

struct ptl_store *ptl_store_new(const struct ptl_allocator *allocator,
                                const struct ptl_store_limits *limits)
{
    struct ptl_store *store = ptl_alloc(allocator, sizeof(*store));

    if (store == NULL) {
        return NULL;
    }
    store->allocator = allocator;
    store->limits = *limits;
    if (store->limits.key_bytes_max > PTL_KEY_MAX) {
        store->limits.key_bytes_max = PTL_KEY_MAX;
    }
    if (store->limits.value_bytes_max > UINT32_MAX) {
        store->limits.value_bytes_max = UINT32_MAX;
    }
    if (store->limits.drop_max == 0) {
        store->limits.drop_max = DROP_MAX;
    }
    if (store->limits.globals_max == 0) {
        store->limits.globals_max = UINT32_MAX;
    }
    ptl_table_init(&store->vias, allocator);
    ptl_table_init(&store->owners, allocator);
    ptl_table_init(&store->families, allocator);
    ptl_table_init(&store->parts, allocator);
    ptl_table_init(&store->entries, allocator);
    ptl_table_init(&store->key_watches, allocator);
    return store;
}

/* Free all nodes of a table, each `size` bytes and its name. */
static void free_all(struct ptl_table *table, size_t size, bool named)
{
    struct ptl_table_node *node = ptl_table_empty(table);

    while (node != NULL) {
        struct ptl_table_node *next = node->next;
        ptl_free(table->allocator, node, size + (named ? node->size : 0));
        node = next;
    }
}

void ptl_store_free(struct ptl_store *store)
{
    if (store == NULL) {
        return;
    }
    ptl_assert(store->watches == 0);
    ptl_marks_work(store, UINT32_MAX);
    /* Neither counts nor lists are kept up from here on: nobody will look at them. */
    struct ptl_entry *entry = (struct ptl_entry *)ptl_table_empty(&store->entries);
    while (entry != NULL) {
        struct ptl_entry *next = (struct ptl_entry *)entry->node.next;
        ptl_entry_free(store, entry);
        entry = next;
    }
    free_all(&store->parts, sizeof(struct ptl_part), false);
    free_all(&store->families, offsetof(struct ptl_family, name), true);
    free_all(&store->owners, offsetof(struct ptl_owner, id), true);
    while (store->leaving != NULL) {
        struct ptl_owner *owner = store->leaving;
        store->leaving = owner->in_via.next;
        ptl_free(store->allocator, owner, offsetof(struct ptl_owner, id) + owner->node.size);
    }
    while (store->gone != NULL) {
        struct ptl_via *via = store->gone;
        store->gone = via->in_gone.next;
        ptl_free(store->allocator, via, offsetof(struct ptl_via, id) + via->node.size);
    }
    free_all(&store->vias, offsetof(struct ptl_via, id), true);
    ptl_table_drop(&store->key_watches);
    ptl_free(store->allocator, store, sizeof(*store));
}

/* ---- What may be given -------------------------------------------------------------------- */

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static bool is_more(uint8_t byte)
{
    return is_letter(byte) || (byte >= '0' && byte <= '9') || byte == '_' || byte == ':';
}

bool ptl_family_valid(struct ptl_span family)
{
    if (ptl_span_equal(family, ptl_span_text("'l")) ||
        ptl_span_equal(family, ptl_span_text("'g"))) {
        return true;
    }
    if (!ptl_family_fits(family) || !is_letter(family.bytes[0])) {
        return false;
    }
    for (size_t i = 1; i < family.size; i++) {
        if (!is_more(family.bytes[i])) {
            return false;
        }
    }
    return true;
}

static int check_source(const struct ptl_source *source)
{
    bool good = source->owner.size > 0 && source->owner.size <= PTL_OWNER_MAX &&
                source->via.size > 0 && source->via.size <= PTL_OWNER_MAX;

    return good ? PTL_OK : PTL_EINVAL;
}

static int check_item(const struct ptl_store *store, struct ptl_span family, struct ptl_span key,
                      struct ptl_span value)
{
    if (!ptl_family_fits(family) || key.size == 0) {
        return PTL_EINVAL;
    }
    if (key.size > store->limits.key_bytes_max || value.size > store->limits.value_bytes_max) {
        return PTL_ESIZE;
    }
    return PTL_OK;
}

/* ---- Attachments -------------------------------------------------------------------------- */

/* Whether the attachment that is given counts more (above 0), less, or is the known one (0). */
static int compare(const struct ptl_source *source, const struct ptl_owner *owner)
{
    if (!ptl_owner_is_attached(owner) || source->attachment > owner->attachment) {
        return 1;
    }
    if (source->attachment < owner->attachment) {
        return -1;
    }
    return ptl_span_order(ptl_via_id(owner->via), source->via);
}

/*
 * Take the first entry of a part, and tell no feed.  Where the next one's chain begins, and the one
 * behind it, are fetched meanwhile: all of them are far from each other.
 */
static void take_first(struct ptl_store *store, struct ptl_part *part)
{
    const struct ptl_entry *next = part->entries->in_part.next;

    if (next != NULL) {
        ptl_table_expect(&store->entries, next->node.hash);
        __builtin_prefetch(next->in_part.next);
    }
    ptl_entry_take(store, part->entries, false);
}

/* Take all entries of an owner, and tell no feed: what became of the owner tells all. */
static void take_all(struct ptl_store *store, struct ptl_owner *owner)
{
    struct ptl_part *part = owner->parts;

    while (part != NULL) {
        struct ptl_part *next = part->in_owner.next;
        while (part->entries != NULL) {
            take_first(store, part);
        }
        ptl_part_tidy(store, part);
        part = next;
    }
    ptl_assert(owner->entries == 0); /* the owner is attached or held, and so still there */
}

/* An owner comes to this via, or leaves it; its entries are counted by whoever moves them. */
static void join(struct ptl_via *via, struct ptl_owner *owner)
{
    ptl_list_add(&via->owners, owner, in_via);
    via->owner_count++;
}

static void part_with(struct ptl_via *via, struct ptl_owner *owner)
{
    ptl_assert(via->owner_count > 0);
    ptl_list_remove(&via->owners, owner, in_via);
    via->owner_count--;
}

/* To `via`, which may be the one it has; its entries stay.  The owner is held: marks may go. */
static void move(struct ptl_store *store, struct ptl_owner *owner, struct ptl_via *via,
                 uint64_t attachment)
{
    struct ptl_via *old = owner->via;

    ptl_assert(!owner->leaving && (old == NULL || owner->held));

    ptl_note_owner(via, owner, old == via, true);
    /* Told before anything changes: what is noted says where the owner has been. */
    if (old != NULL && old != via) {
        ptl_note_owner(old, owner, true, false);
        ptl_note_all_merged(old, owner);
        ptl_note_all_merged(via, owner);
    }
    owner->attachment = attachment;
    owner->epoch = ++store->epochs;
    owner->replacing = PTL_REPLACING_NOT;
    if (old == via) {
        return;
    }
    owner->via = via;
    owner->joined = ++store->joins;
    if (old != NULL) {
        ptl_assert(old->entries >= owner->entries && old->bytes >= owner->bytes);
        part_with(old, owner);
        old->entries -= owner->entries;
        old->bytes -= owner->bytes;
    }
    join(via, owner);
    via->entries += owner->entries;
    via->bytes += owner->bytes;
    if (old != NULL) {
        ptl_via_tidy(store, old);
    }
}

/*
 * Find or make what an attachment needs, and change nothing else.  Returns as compare() does, or
 * PTL_ENOMEM.
 */
static int prepare(struct ptl_store *store, const struct ptl_source *source,
                   struct ptl_owner **owner, struct ptl_via **via)
{
    *owner = ptl_owner_get(store, source->owner);
    if (*owner == NULL) {
        return PTL_ENOMEM;
    }
    *via = ptl_via_get(store, source->via);
    if (*via == NULL) {
        ptl_owner_tidy(store, *owner);
        return PTL_ENOMEM;
    }
    return compare(source, *owner) > 0;
}

/*
 * The owner is lost, and has too many entries to take them at once.  Whoever asks for the owner, or
 * is fed, finds it gone from now on.  Its entries still show to readers, and go piece by piece in
 * ptl_store_work().
 */
static void let_leave(struct ptl_store *store, struct ptl_owner *owner)
{
    struct ptl_via *via = owner->via;

    ptl_assert(via != NULL && !owner->leaving);
    ptl_note_owner(via, owner, true, false);
    owner->epoch = ++store->epochs;
    part_with(via, owner);
    ptl_table_remove(&store->owners, &owner->node);
    ptl_list_add(&store->leaving, owner, in_via);
    owner->leaving = true;
    via->leaving++;
    ptl_assert(via->entries >= owner->entries && via->bytes >= owner->bytes);
    via->entries -= owner->entries;
    via->bytes -= owner->bytes;
    via->leaving_entries += owner->entries;
    via->leaving_bytes += owner->bytes;
    if (store->recent != NULL && store->recent->owner == owner) {
        store->recent = NULL;
    }
}

/* Take up to `max` entries.  Returns how many there were. */
static uint32_t take_some(struct ptl_store *store, struct ptl_owner *owner, uint32_t max)
{
    struct ptl_part *part = owner->parts;
    uint32_t taken = 0;

    while (part != NULL && taken < max) {
        struct ptl_part *next = part->in_owner.next;
        while (part->entries != NULL && taken < max) {
            take_first(store, part);
            taken++;
        }
        ptl_part_tidy(store, part);
        part = next;
    }
    ptl_assert(taken <= max);
    return taken;
}

static void end_leaving(struct ptl_store *store, struct ptl_owner *owner)
{
    struct ptl_via *via = owner->via;

    ptl_assert(owner->leaving && via->leaving > 0);
    ptl_list_remove(&store->leaving, owner, in_via);
    owner->via = NULL; /* parts that marks name may keep it for a while */
    via->leaving--;
    ptl_owner_tidy(store, owner);
    ptl_via_tidy(store, via);
}

/* Entries of those that leave, then the next owner of a via that has gone: one of either a unit. */
bool ptl_store_work(struct ptl_store *store, uint32_t max)
{
    while (max > 0 && (store->leaving != NULL || store->gone != NULL)) {
        struct ptl_owner *owner = store->leaving;
        if (owner == NULL) {
            ptl_assert(store->gone->owners != NULL); /* it would have gone with its last one */
            let_leave(store, store->gone->owners);
            max--;
            continue;
        }
        max -= take_some(store, owner, max);
        if (owner->entries == 0) {
            end_leaving(store, owner);
        }
    }
    ptl_marks_work(store, max);
    return ptl_store_has_work(store);
}

bool ptl_store_has_work(const struct ptl_store *store)
{
    return store->leaving != NULL || store->gone != NULL || store->forgotten != NULL;
}

/*
 * The owner attaches anew while it has more entries than can go at once.  A second owner of the
 * same ID takes its place; the first leaves with its entries, piece by piece.
 */
static int attach_another(struct ptl_store *store, struct ptl_owner *owner,
                          const struct ptl_source *source)
{
    struct ptl_owner *another =
        ptl_alloc(store->allocator, offsetof(struct ptl_owner, id) + owner->node.size);
    struct ptl_via *via = another == NULL ? NULL : ptl_via_get(store, source->via);

    if (via == NULL) {
        ptl_free(store->allocator, another, offsetof(struct ptl_owner, id) + owner->node.size);
        return PTL_ENOMEM;
    }
    another->node.size = owner->node.size;
    memcpy(another->id, owner->id, owner->node.size);
    let_leave(store, owner);
    ptl_table_insert(&store->owners, &another->node, owner->node.hash);
    move(store, another, via, source->attachment);
    return PTL_STORE_DONE;
}

/* The owner of this ID, if it is attached or held by marks: one whose via has gone leaves now. */
static struct ptl_owner *find_present(struct ptl_store *store, struct ptl_span id)
{
    struct ptl_owner *owner = ptl_owner_find(store, id);

    if (owner != NULL && owner->via != NULL && owner->via->gone) {
        let_leave(store, owner);
        return NULL;
    }
    return owner;
}

int ptl_store_attach(struct ptl_store *store, const struct ptl_source *source)
{
    struct ptl_owner *owner = find_present(store, source->owner);
    struct ptl_via *via;
    int err = check_source(source);

    if (err < 0) {
        return err;
    }
    int order = compare(source, owner);
    if (order <= 0) {
        return order < 0 ? PTL_STORE_OLD : PTL_STORE_SAME;
    }
    if (owner != NULL && owner->via != NULL && owner->entries > store->limits.drop_max) {
        return attach_another(store, owner, source);
    }
    err = prepare(store, source, &owner, &via);
    if (err < 0) {
        return err;
    }
    owner->held = true;
    take_all(store, owner); /* first: what it moves takes along would be told at both ends */
    move(store, owner, via, source->attachment);
    owner->held = false;
    return PTL_STORE_DONE;
}

/*
 * Feeds are told of the owner first and of none of its entries; the epoch makes void the marks of
 * entries that they have not taken.
 */
static void lose(struct ptl_store *store, struct ptl_owner *owner)
{
    struct ptl_via *via = owner->via;

    ptl_assert(via != NULL && !owner->leaving);
    ptl_note_owner(via, owner, true, false);
    part_with(via, owner);
    owner->epoch = ++store->epochs;
    take_all(store, owner);
    owner->via = NULL; /* only now: an owner that is attached nowhere goes with its last part */
    ptl_owner_tidy(store, owner);
    ptl_via_tidy(store, via);
}

enum ptl_store_result ptl_store_drop(struct ptl_store *store, const struct ptl_source *source)
{
    struct ptl_owner *owner = ptl_owner_find(store, source->owner);

    if (!ptl_owner_is_attached(owner)) {
        return PTL_STORE_SAME;
    }
    if (!ptl_span_equal(ptl_via_id(owner->via), source->via) ||
        source->attachment < owner->attachment) {
        return PTL_STORE_OLD;
    }
    if (owner->entries > store->limits.drop_max) {
        let_leave(store, owner);
    } else {
        lose(store, owner);
    }
    return PTL_STORE_DONE;
}

/*
 * It has more owners than can go at once.  It stands in no table from now on, another one of its ID
 * may; its owners are found and attached nowhere, and leave one by one in ptl_store_work().
 */
static void let_go(struct ptl_store *store, struct ptl_via *via)
{
    ptl_assert(!via->gone && via->owners != NULL && via->feeds == NULL && via->merged == NULL);
    ptl_table_remove(&store->vias, &via->node);
    ptl_list_add(&store->gone, via, in_gone);
    via->gone = true;
    if (store->recent != NULL && store->recent->owner->via == via) {
        store->recent = NULL;
    }
}

/* All of them together are an owner's worth, each owner and entry one: the rest goes piece by
 * piece.  But feeds are told at once of all that they lose. */
uint32_t ptl_store_drop_via(struct ptl_store *store, struct ptl_span id)
{
    struct ptl_via *via = ptl_via_find(store, id);
    struct ptl_owner *owner = via == NULL ? NULL : via->owners;
    uint32_t count = via == NULL ? 0 : via->owner_count;
    uint32_t left = store->limits.drop_max;
    bool is_fed = via != NULL && (via->feeds != NULL || via->merged != NULL);

    while (owner != NULL && (left > 0 || is_fed)) {
        struct ptl_owner *next = owner->in_via.next;
        if (owner->entries > left) {
            let_leave(store, owner);
        } else {
            left -= owner->entries;
            lose(store, owner); /* the last one may take `via` along */
        }
        left -= left > 0;
        owner = next;
    }
    if (owner != NULL) {
        let_go(store, via);
    }
    return count;
}

/* ---- Single entries ----------------------------------------------------------------------- */

/* The part that was set last, if this one is the same: names need no look-up then. */
static struct ptl_part *find_recent(const struct ptl_store *store, struct ptl_span owner,
                                    struct ptl_span family)
{
    struct ptl_part *part = store->recent;

    if (part != NULL && ptl_span_equal(ptl_owner_id(part->owner), owner) &&
        ptl_span_equal(ptl_family_name(part->family), family)) {
        return part;
    }
    return NULL;
}

/* The owner that this update is for: 0, PTL_STORE_OLD or PTL_EOWNER.  `recent` may be NULL. */
static int find_owner(const struct ptl_store *store, const struct ptl_source *source,
                      const struct ptl_part *recent, struct ptl_owner **owner)
{
    *owner = recent != NULL ? recent->owner : ptl_owner_find(store, source->owner);
    ptl_assert(*owner == NULL || !(*owner)->leaving); /* it is found by its ID no more */
    int order = compare(source, *owner);
    if (order > 0) {
        return PTL_EOWNER;
    }
#ifdef PTL_PLANT_OLD_ATTACHMENT
    order = 0;
#endif
    return order < 0 ? PTL_STORE_OLD : PTL_OK;
}

/* Whether this owner may set no more keys, of this family or of any. */
static bool has_all_it_may(const struct ptl_store *store, const struct ptl_part *part)
{
    return part->owner->entries >= store->limits.owner_entries_max ||
           (part->family->names_globals && part->count >= store->limits.globals_max);
}

/* The entry's age says that a replacement has set it, even where nothing else changes. */
static int put(struct ptl_store *store, struct ptl_part *part, struct ptl_span key,
               struct ptl_span value)
{
    uint32_t hash = ptl_key_hash(part->family, key);
    struct ptl_entry *old = ptl_entry_of(store, part, hash, key);

    if (old != NULL) {
        old->age = part->owner->age & PTL_AGE_MAX;
    }
    if (old != NULL && ptl_span_equal(ptl_entry_value(old), value)) {
        return PTL_STORE_SAME;
    }
    /* In place: no memory is needed, and nobody who stands at the entry has to step aside. */
    if (old != NULL && old->node.size == value.size) {
        ptl_entry_assign(store, old, value);
        return PTL_STORE_DONE;
    }
    if (old == NULL && has_all_it_may(store, part)) {
        return PTL_ELIMIT;
    }
    struct ptl_entry *entry = ptl_entry_new(store, part, key, value);
    if (entry == NULL) {
        return PTL_ENOMEM;
    }
    ptl_entry_put(store, entry, hash, old, true);
    return PTL_STORE_DONE;
}

int ptl_store_set(struct ptl_store *store, const struct ptl_source *source, struct ptl_span family,
                  struct ptl_span key, struct ptl_span value)
{
    struct ptl_part *part = find_recent(store, source->owner, family);
    struct ptl_owner *owner;
    int err = check_item(store, family, key, value);

    if (err == PTL_OK) {
        err = find_owner(store, source, part, &owner);
    }
    if (err != PTL_OK) {
        return err;
    }
    if (part == NULL) {
        part = ptl_part_get(store, owner, family);
    }
    if (part == NULL) {
        return PTL_ENOMEM;
    }
    ptl_assert(part->owner == owner && owner->via != NULL);
    store->recent = part;
    err = put(store, part, key, value);
    /* Where nothing was put, a part that was made for it goes again, and `recent` with it. */
    ptl_part_tidy(store, part);
    return err;
}

int ptl_store_del(struct ptl_store *store, const struct ptl_source *source, struct ptl_span name,
                  struct ptl_span key)
{
    struct ptl_owner *owner;
    int err = ptl_family_fits(name) && key.size > 0 ? PTL_OK : PTL_EINVAL;

    if (err == PTL_OK) {
        err = find_owner(store, source, NULL, &owner);
    }
    if (err != PTL_OK) {
        return err;
    }
    struct ptl_family *family = ptl_family_find(store, name);
    struct ptl_part *part = family == NULL ? NULL : ptl_part_find(store, owner, family);
    if (part == NULL) {
        return PTL_STORE_SAME;
    }
    struct ptl_entry *entry = ptl_entry_of(store, part, ptl_key_hash(family, key), key);
    if (entry == NULL) {
        return PTL_STORE_SAME;
    }
    ptl_entry_take(store, entry, true);
    ptl_part_tidy(store, part);
    return PTL_STORE_DONE;
}

void ptl_store_expect(struct ptl_store *store, struct ptl_span name, struct ptl_span key)
{
    const struct ptl_family *family = ptl_family_find(store, name);

    if (family == NULL) {
        return;
    }
    /* The way to this one's chain, and the first entry of an earlier one's, whose way is here. */
    uint32_t hash = ptl_key_hash(family, key);
    uint32_t *place = &store->expected[store->expectations++ % PTL_EXPECTED];
    ptl_table_expect(&store->entries, hash);
    ptl_entry_expect(store, *place);
    *place = hash;
}

/* ---- A whole database --------------------------------------------------------------------- */

/*
 *   begin      the owner's age grows: all that it has is stale, and still shows
 *   set ...    gives its entry the new age, also where it has that value already
 *   end        sweeps over all entries and takes the stale ones
 */

/* There is an age of which no entry is: that of a replacement that was begun and never ended. */
static void forget_ages(struct ptl_owner *owner)
{
    struct ptl_entry *entry = ptl_copy_first(owner->parts);

    for (; entry != NULL; entry = ptl_copy_behind(entry)) {
        entry->age = 0;
    }
    owner->age = 0;
}

/* Only after so many replacements in a row that were not ended, ages would meet again. */
static bool has_no_age_left(const struct ptl_owner *owner)
{
    return owner->age == PTL_AGE_MAX && owner->replacing != PTL_REPLACING_NOT;
}

static void grow_older(struct ptl_owner *owner)
{
    if (has_no_age_left(owner)) {
        forget_ages(owner);
    }
    /* Where the last one has ended, all are of the last age. */
    owner->age = owner->age < PTL_AGE_MAX ? (owner->age + 1) & PTL_AGE_MAX : 0;
}

int ptl_store_replace_begin(struct ptl_store *store, const struct ptl_source *source)
{
    struct ptl_owner *owner = find_present(store, source->owner);
    struct ptl_via *via;
    int err = check_source(source);

    if (err < 0) {
        return err;
    }
    int order = compare(source, owner);
    if (order < 0) {
        return PTL_STORE_OLD;
    }
    if (owner != NULL && owner->via != NULL && owner->entries > store->limits.drop_max &&
        (order > 0 || has_no_age_left(owner))) {
        return attach_another(store, owner, source); /* nothing of it is stale */
    }
    if (order > 0) {
        err = prepare(store, source, &owner, &via);
        if (err < 0) {
            return err;
        }
        owner->held = true;
        move(store, owner, via, source->attachment);
        owner->held = false;
    }
    grow_older(owner);
    owner->replacing = PTL_REPLACING_SETS;
    owner->sweep = NULL;
    return PTL_STORE_DONE;
}

bool ptl_store_replace_end(struct ptl_store *store, const struct ptl_source *source, uint32_t *max)
{
    struct ptl_owner *owner = ptl_owner_find(store, source->owner);

    if (owner == NULL || compare(source, owner) != 0 || owner->replacing == PTL_REPLACING_NOT) {
        return false; /* it has gone, or come anew, meanwhile */
    }
    if (owner->replacing == PTL_REPLACING_SETS) {
        owner->replacing = PTL_REPLACING_SWEEPS;
        owner->sweep = ptl_copy_first(owner->parts);
    }
    for (; owner->sweep != NULL && *max > 0; --*max) {
        struct ptl_entry *entry = owner->sweep;
        struct ptl_part *part = entry->part;
        ptl_assert(part->owner == owner);
        /* Before the entry goes: it alone knows what comes behind it. */
        owner->sweep = ptl_copy_behind(entry);
        if (entry->age != owner->age) {
            ptl_entry_take(store, entry, true);
            ptl_part_tidy(store, part);
        }
    }
    if (owner->sweep == NULL) {
        owner->replacing = PTL_REPLACING_NOT;
    }
    return owner->sweep != NULL;
}
