/*
 * store/inside.h - how the store is made; for the files of store/ only.
 *
 *   via "rain" ---owners---> owner "leaf" ---parts---> part (leaf, fam) ---entries---> entry a, b
 *                                                        |
 *                            family "fam" ---parts-------'
 *
 *   entries: one table for all, by family and key.  The entries of one key stand side by side in
 *   their chain, the one that shows first; all others are marked as hidden.
 *
 * Everything here is found through a table, by name, and freed once nothing needs it.
 *
 *   store.c  attachments, changes, replaces     read.c  answers
 *   entry.c  puts and takes entries             watch.c, take.c  watches and feeds, for their users
 *   note.c   leaves marks of changes
 *   mark.c   what a watch has not taken
 *   copy.c   how far who watches has copied
 *   find.c   entries by key
 *   name.c   vias, owners, families, parts      table.c  everything by hash
 *
 * Each of these files calls only what stands below it.
 */
#pragma once

#include "store/plant.h"
#include "store/store.h"
#include "store/table.h"
#include "store/watch.h"

/* A list through its elements: `links` is the member that PTL_LIST_OF() declares. */
#define PTL_LIST_OF(type)                                                                          \
    struct {                                                                                       \
        struct type *previous;                                                                     \
        struct type *next;                                                                         \
    }

#define ptl_list_add(head, element, links)                                                         \
    do {                                                                                           \
        (element)->links.previous = NULL;                                                          \
        (element)->links.next = *(head);                                                           \
        if (*(head) != NULL) {                                                                     \
            (*(head))->links.previous = (element);                                                 \
        }                                                                                          \
        *(head) = (element);                                                                       \
    } while (0)

#define ptl_list_remove(head, element, links)                                                      \
    do {                                                                                           \
        if ((element)->links.previous != NULL) {                                                   \
            (element)->links.previous->links.next = (element)->links.next;                         \
        } else {                                                                                   \
            *(head) = (element)->links.next;                                                       \
        }                                                                                          \
        if ((element)->links.next != NULL) {                                                       \
            (element)->links.next->links.previous = (element)->links.previous;                     \
        }                                                                                          \
    } while (0)

/* `element` takes the place of `old`. */
#define ptl_list_replace(head, old, element, links)                                                \
    do {                                                                                           \
        (element)->links.previous = (old)->links.previous;                                         \
        (element)->links.next = (old)->links.next;                                                 \
        if ((old)->links.previous != NULL) {                                                       \
            (old)->links.previous->links.next = (element);                                         \
        } else {                                                                                   \
            *(head) = (element);                                                                   \
        }                                                                                          \
        if ((old)->links.next != NULL) {                                                           \
            (old)->links.next->links.previous = (element);                                         \
        }                                                                                          \
    } while (0)

/* Who brings owners. */
struct ptl_via {
    struct ptl_table_node node; /* size: of the ID */
    struct ptl_owner *owners;   /* attached through it, who joined last first */
    struct ptl_watch *feeds;
    struct ptl_watch *merged; /* feeds too */
    PTL_LIST_OF(ptl_via) in_gone;
    uint64_t entries, bytes;                 /* of its owners */
    uint64_t leaving_entries, leaving_bytes; /* of those that leave */
    uint32_t cursors; /* of both, that stand at an entry: of one of these owners */
    uint32_t owner_count;
    uint32_t leaving; /* owners whose last entries are still to be taken */
    bool gone;        /* in the store's list of these, and in no table: its owners are to leave */
    uint8_t id[];
};

/*
 * Stays while it is attached, has parts or is held.  One that leaves with many entries is found by
 * its ID no more, and attached for the sake of these alone: they go piece by piece, behind the
 * same ID's back, which may be attached again meanwhile.
 */
struct ptl_owner {
    struct ptl_table_node node; /* size: of the ID */
    struct ptl_via *via;        /* NULL: not attached */
    PTL_LIST_OF(ptl_owner) in_via;
    uint64_t attachment;
    uint64_t joined; /* its via: a number that grows */
    uint32_t epoch;  /* changes with every attachment: marks of an earlier one are void */
    uint32_t entries;
    uint32_t bare;           /* parts that are */
    uint64_t bytes;          /* of keys and values of its entries */
    struct ptl_part *parts;  /* all others: each has entries */
    struct ptl_entry *sweep; /* the end of a replacement goes on here */
    uint8_t age;             /* of what was set since the last replacement began */
    bool held;               /* by the function that is at work on it */
    bool leaving;            /* in the store's list of these, through in_via, and in no table */
    uint8_t replacing;       /* enum ptl_replacing */
    uint8_t id[];
};

/* Where the replacement of an owner's database has got to. */
enum ptl_replacing {
    PTL_REPLACING_NOT,  /* all of its entries are of its age */
    PTL_REPLACING_SETS, /* what is of another age is stale, unless it is still set */
    PTL_REPLACING_SWEEPS
};

/* Stays while it has parts, is watched or marked. */
struct ptl_family {
    struct ptl_table_node node; /* size: of the name */
    struct ptl_part *parts;     /* that have entries, who had its first one last first */
    struct ptl_watch *watches;  /* of all of it, or a prefix; those of a key stand in a table */
    uint32_t keys;              /* of the merged family */
    uint32_t named;             /* by so many marks of merged feeds, watches of a key, bare parts */
    uint32_t cursors;           /* of its watches, that stand at an entry */
    bool own_first;             /* 'l */
    bool names_globals;         /* 'g */
    uint8_t name[];
};

/*
 * What one owner has in one family.  Stays while it has entries or marks.  One that has only marks
 * is bare: it stands in no list, so that no walk steps over any number of these to find an entry.
 */
struct ptl_part {
    struct ptl_table_node node; /* size: marks that name it */
    struct ptl_owner *owner;
    struct ptl_family *family;
    PTL_LIST_OF(ptl_part) in_owner;
    PTL_LIST_OF(ptl_part) in_family;
    struct ptl_entry *entries; /* which came last first */
    uint64_t number;           /* grows: when it had its first entry */
    uint32_t count;            /* of its entries */
};

struct ptl_entry {
    struct ptl_table_node node; /* size: of the value */
    struct ptl_part *part;
    PTL_LIST_OF(ptl_entry) in_part;
    uint64_t number : 56; /* grows: when the key came into its part */
    uint64_t age : 7;     /* the owner's when it was set */
    uint64_t hidden : 1;
    uint16_t key_size;
    uint8_t bytes[]; /* the key, then the value */
};

#define PTL_AGE_MAX 127
#define PTL_NUMBER_MAX ((UINT64_C(1) << 56) - 1) /* a million a second take 2,000 years */

#define PTL_SPARE_MAX 64 /* marks that wait for their next use while any watch is open */

/* What a watch has not taken of one key, or of one owner. */
struct ptl_mark {
    struct ptl_table_node node; /* size: of the key, or of the owner's ID */
    PTL_LIST_OF(ptl_mark) in_watch;
    void *of;            /* a feed's key: its part; a merged feed's: its family; else NULL */
    uint64_t attachment; /* of a feed's owner: the last one */
    uint32_t epoch;      /* of a feed's key: the owner's when it was made */
    bool had;            /* the watcher's copy has it, or may have it */
    bool is_owner : 1;
    bool of_part : 1; /* else of a family */
#ifdef PTL_PLANT_DELETE_ORDER
    bool deleted;
#endif
    uint8_t bytes[];
};

enum ptl_watch_kind {
    PTL_WATCH_FAMILY,
    PTL_WATCH_KEY,
    PTL_WATCH_PREFIX,
    PTL_FEED_VIA,
    PTL_FEED_MERGED
};

struct ptl_watch {
    struct ptl_table_node node; /* of a key: by it and its family, as entries are */
    struct ptl_store *store;
    enum ptl_watch_kind kind;
    bool all;     /* everything is to be copied: no marks are needed */
    bool again;   /* it was told before, so that what the copy has not come to is there, too */
    bool drained; /* the last take found nothing, and nothing came since */
#ifdef PTL_PLANT_FIRST_COPY
    bool just_copied;
#endif
    union {
        struct ptl_family *family;
        struct ptl_via *via;
    };
    PTL_LIST_OF(ptl_watch) in_watched;
    struct ptl_owner *ahead;  /* a feed has not copied this one yet, nor who joined before it */
    struct ptl_entry *cursor; /* the copy, of a feed one of its owner, goes on here */
    struct ptl_table marks;
    struct ptl_mark *oldest;
    struct ptl_mark *newest;
    struct ptl_mark *taken; /* keeps the bytes of the last take */
    uint32_t owner_marks;   /* so many of the marks */
    uint32_t filter_size;
    ptl_wake_fn *wake;
    void *data;
    uint8_t filter[]; /* the key or the prefix */
};

/* As many hints as it takes until the first one has come true: a power of two. */
#define PTL_EXPECTED 4

struct ptl_store {
    const struct ptl_allocator *allocator;
    struct ptl_store_limits limits;
    struct ptl_table vias;
    struct ptl_table owners;
    struct ptl_table families;
    struct ptl_table parts;
    struct ptl_table entries;
    struct ptl_table key_watches;
    struct ptl_owner *leaving;
    struct ptl_via *gone;
    struct ptl_mark *forgotten; /* by watches, to be freed: a list through in_watch.next */
    struct ptl_part *recent; /* where the last set was, and the next one is likely; may be NULL */
    struct ptl_mark *spare;  /* a list, too */
    uint32_t spares;
    uint64_t joins;   /* given out, as are epochs */
    uint64_t numbers; /* of entries and parts, given out */
    uint32_t epochs;
    uint32_t watches;                /* open */
    uint32_t expected[PTL_EXPECTED]; /* hashes of keys that were announced last */
    uint32_t expectations;           /* ever */
};

/* ---- Names (store/name.c) ----------------------------------------------------------------- */

static inline struct ptl_span ptl_owner_id(const struct ptl_owner *owner)
{
    return ptl_span(owner->id, owner->node.size);
}

static inline struct ptl_span ptl_via_id(const struct ptl_via *via)
{
    return ptl_span(via->id, via->node.size);
}

static inline struct ptl_span ptl_family_name(const struct ptl_family *family)
{
    return ptl_span(family->name, family->node.size);
}

static inline struct ptl_span ptl_entry_key(const struct ptl_entry *entry)
{
    return ptl_span(entry->bytes, entry->key_size);
}

static inline struct ptl_span ptl_entry_value(const struct ptl_entry *entry)
{
    return ptl_span(entry->bytes + entry->key_size, entry->node.size);
}

/* Where an owner is attached, which it must be. */
static inline struct ptl_source ptl_owner_source(const struct ptl_owner *owner)
{
    return (struct ptl_source){
        .owner = ptl_owner_id(owner),
        .via = ptl_via_id(owner->via),
        .attachment = owner->attachment,
    };
}

/* Whether there is such an owner, and somebody who brings it. */
static inline bool ptl_owner_is_attached(const struct ptl_owner *owner)
{
    return owner != NULL && owner->via != NULL && !owner->via->gone;
}

/* Byte by byte, a shorter one before what begins with it: below, at or above 0. */
int ptl_span_order(struct ptl_span a, struct ptl_span b);

/* Each finds by name: NULL when there is none. */
struct ptl_via *ptl_via_find(const struct ptl_store *store, struct ptl_span id);
struct ptl_owner *ptl_owner_find(const struct ptl_store *store, struct ptl_span id);
struct ptl_family *ptl_family_find(const struct ptl_store *store, struct ptl_span name);
struct ptl_part *ptl_part_find(const struct ptl_store *store, const struct ptl_owner *owner,
                               const struct ptl_family *family);

/* Each finds or makes: NULL when there is no memory. */
struct ptl_via *ptl_via_get(struct ptl_store *store, struct ptl_span id);
struct ptl_owner *ptl_owner_get(struct ptl_store *store, struct ptl_span id);
struct ptl_family *ptl_family_get(struct ptl_store *store, struct ptl_span name);
struct ptl_part *ptl_part_get(struct ptl_store *store, struct ptl_owner *owner,
                              struct ptl_span family);

/* Each frees it if nothing needs it; a part goes before its owner and family, and takes them. */
void ptl_via_tidy(struct ptl_store *store, struct ptl_via *via);
void ptl_owner_tidy(struct ptl_store *store, struct ptl_owner *owner);
void ptl_family_tidy(struct ptl_store *store, struct ptl_family *family);
void ptl_part_tidy(struct ptl_store *store, struct ptl_part *part);

/* It is about to have its first entry; or it has none any more.  A new one is bare. */
void ptl_part_fill(struct ptl_store *store, struct ptl_part *part);
void ptl_part_bare(struct ptl_part *part);

/* ---- Finding entries (store/find.c) ------------------------------------------------------- */

/* What all entries of the key are found by, and marks of it. */
uint32_t ptl_key_hash(const struct ptl_family *family, struct ptl_span key);

static inline bool ptl_entry_has_key(const struct ptl_entry *entry, const struct ptl_family *family,
                                     uint32_t hash, struct ptl_span key)
{
    return entry->node.hash == hash && entry->part->family == family &&
           ptl_span_equal(ptl_entry_key(entry), key);
}

/* The entry that shows, or NULL. */
struct ptl_entry *ptl_entry_shown(const struct ptl_store *store, const struct ptl_family *family,
                                  uint32_t hash, struct ptl_span key);

/* A hint, after one for its chain, that the first entry there will be looked at soon. */
void ptl_entry_expect(const struct ptl_store *store, uint32_t hash);

/* The first watch of this very key, or the one behind; NULL: there are no more. */
struct ptl_watch *ptl_key_watch(const struct ptl_store *store, const struct ptl_entry *entry);
struct ptl_watch *ptl_key_watch_next(const struct ptl_watch *watch);

/* The entry of the same key that comes behind this one, or NULL. */
static inline struct ptl_entry *ptl_entry_next(const struct ptl_entry *entry)
{
    struct ptl_entry *next = (struct ptl_entry *)entry->node.next;
    bool alike = next != NULL && ptl_entry_has_key(next, entry->part->family, entry->node.hash,
                                                   ptl_entry_key(entry));

    ptl_assert(!alike || next->hidden); /* only the first one shows */
    return alike ? next : NULL;
}

/* The entry of this very owner, or NULL. */
struct ptl_entry *ptl_entry_of(const struct ptl_store *store, const struct ptl_part *part,
                               uint32_t hash, struct ptl_span key);

/* The entry that comes first among those of the owners that came through `via`, or NULL. */
struct ptl_entry *ptl_entry_via(const struct ptl_store *store, const struct ptl_family *family,
                                const struct ptl_via *via, uint32_t hash, struct ptl_span key);

/* ---- Copies (store/copy.c) ---------------------------------------------------------------- */

static inline bool ptl_is_feed(const struct ptl_watch *watch)
{
    return watch->kind == PTL_FEED_VIA || watch->kind == PTL_FEED_MERGED;
}

/* Whether the copy is at an entry of this owner. */
static inline bool ptl_copy_is_at(const struct ptl_watch *feed, const struct ptl_owner *owner)
{
    return feed->cursor != NULL && feed->cursor->part->owner == owner;
}

/* Whether the copy has not come to this owner, which is of the feed's via. */
static inline bool ptl_copy_is_before(const struct ptl_watch *feed, const struct ptl_owner *owner)
{
    return feed->ahead != NULL && owner->joined <= feed->ahead->joined;
}

/* The first entry of this part (NULL: none); and the one behind an entry, in its part or the next
 * one of its owner.  NULL: the owner has no more. */
static inline struct ptl_entry *ptl_copy_first(const struct ptl_part *part)
{
    ptl_assert(part == NULL || part->entries != NULL); /* it would not stand in the list */
    return part == NULL ? NULL : part->entries;
}

static inline struct ptl_entry *ptl_copy_behind(const struct ptl_entry *entry)
{
    struct ptl_entry *next = entry->in_part.next;

    return next != NULL ? next : ptl_copy_first(entry->part->in_owner.next);
}

/* The copy begins, that of a feed with all owners; goes on at this entry (NULL: with the next
 * owner, or it is done); is given up. */
void ptl_copy_begin(struct ptl_watch *watch);
void ptl_copy_stand_at(struct ptl_watch *watch, struct ptl_entry *entry);
void ptl_copy_stop(struct ptl_watch *watch);

/* What comes behind the entry where the copy stands, or NULL. */
struct ptl_entry *ptl_copy_next(const struct ptl_watch *watch);

/* Of a watch, not a feed: whether the copy comes to the place of this entry no more. */
bool ptl_copy_is_behind(const struct ptl_watch *watch, const struct ptl_entry *entry);

/* The owner leaves the feed's via: nothing of it is left to copy. */
void ptl_copy_leave(struct ptl_watch *feed, const struct ptl_owner *owner);

/* This entry is about to leave its place: whoever stands there goes to the one that takes it, or
 * steps over it (NULL). */
void ptl_copies_move(struct ptl_store *store, const struct ptl_entry *from, struct ptl_entry *to);

/* ---- Marks (store/mark.c) ----------------------------------------------------------------- */

/* The mark of this key, or owner (`of` is NULL then), or NULL. */
struct ptl_mark *ptl_mark_find(const struct ptl_watch *watch, bool is_owner, const void *of,
                               uint32_t hash, struct ptl_span name);

/* A new one.  Without memory the watch is to copy everything anew, and it is NULL. */
struct ptl_mark *ptl_mark_add(struct ptl_watch *watch, bool is_owner, void *of, uint32_t hash,
                              struct ptl_span name);

/* Take the oldest mark out, which stays until the next call; NULL when there is none. */
struct ptl_mark *ptl_mark_take(struct ptl_watch *watch);

/* Free them all, and what was taken last; where they are many, let ptl_marks_work() free them. */
void ptl_marks_end(struct ptl_watch *watch);
void ptl_spares_free(struct ptl_store *store);

/* Free up to `max` marks of those that watches have let go of.  Returns how many. */
uint32_t ptl_marks_work(struct ptl_store *store, uint32_t max);

/* There is something to take. */
void ptl_watch_wake(struct ptl_watch *watch);

/* Whether changes need no marks. */
bool ptl_watch_swallows(const struct ptl_watch *watch);

/* What a change leaves of a mark: nothing, if the copy never had what is gone again. */
void ptl_mark_settle(struct ptl_watch *watch, struct ptl_mark *mark, bool has);

/* Mark that a key has changed.  `had`: the copy has it if there is no mark yet; `has`: there is. */
void ptl_mark_note(struct ptl_watch *watch, void *of, uint32_t hash, struct ptl_span key, bool had,
                   bool has);

/* What is to be told now of a key, whose entry is given if there is one; false: nothing. */
bool ptl_mark_tell(const struct ptl_mark *mark, const struct ptl_entry *entry,
                   struct ptl_change *change);

/* ---- Noting (store/note.c) ---------------------------------------------------------------- */

/* A feed's mark of this owner, or NULL. */
struct ptl_mark *ptl_owner_mark(const struct ptl_watch *feed, const struct ptl_owner *owner);

/* Whether a key is what this watch watches for. */
bool ptl_watch_matches(const struct ptl_watch *watch, struct ptl_span key);

/*
 * The merged family has shown one entry for this key and shows another, perhaps the same or none.
 * `changed`: it shows differently.  Called while both are in their places, and copies too.
 */
void ptl_note_key(struct ptl_store *store, const struct ptl_entry *before,
                  const struct ptl_entry *after, bool changed);

/* An owner's entry has changed.  `had`, `has`: there was one before, and is now. */
void ptl_note_entry(const struct ptl_entry *entry, bool had, bool has);

/* The same, to the merged feeds of this via. */
void ptl_note_merged(const struct ptl_via *via, const struct ptl_entry *entry);

/* The same, for all entries of an owner that comes to this via or leaves it. */
void ptl_note_all_merged(const struct ptl_via *via, const struct ptl_owner *owner);

/* An owner comes to this via, goes or comes anew.  Called before its attachment changes. */
void ptl_note_owner(const struct ptl_via *via, const struct ptl_owner *owner, bool had, bool has);

/* ---- Entries (store/entry.c) -------------------------------------------------------------- */

/* An entry that is nowhere yet; NULL when there is no memory. */
struct ptl_entry *ptl_entry_new(struct ptl_store *store, struct ptl_part *part, struct ptl_span key,
                                struct ptl_span value);
void ptl_entry_free(struct ptl_store *store, struct ptl_entry *entry);

/* Put it into the store, in place of the owner's `old` one if any.  `fed`: feeds are told. */
void ptl_entry_put(struct ptl_store *store, struct ptl_entry *entry, uint32_t hash,
                   struct ptl_entry *old, bool fed);

/* Give it another value of the same size. */
void ptl_entry_assign(struct ptl_store *store, struct ptl_entry *entry, struct ptl_span value);

/* Take it out and free it.  Its part stays, even without entries. */
void ptl_entry_take(struct ptl_store *store, struct ptl_entry *entry, bool fed);
