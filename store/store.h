/*
 * store/store.h - the database: families of keys and values, who set what, and who wins.
 *
 *   owner "leaf", attachment 7 through "rain"   fam/a = 1   fam/b = 2        what nodes set
 *   owner "snow", attachment 1 through "snow"   fam/a = 9              fam/c = 3
 *                                                  |          |          |
 *   family "fam", merged                        a = 1      b = 2      c = 3   what readers see
 *                                                  '----------+----------'
 *                                                   store/watch.h: who has not taken what yet
 *
 * One store is one shard's slice: the caller spreads families over its shards, and repeats what
 * concerns a whole owner (attach, replace, drop) on every slice.  A pure data structure: no
 * network, no thread, no clock, and reading allocates nothing.
 *
 * Every entry is owned by one node.  A key that several nodes set shows the value of the lowest
 * owner ID, byte by byte; when that goes, the next one shows.  What a node says of itself comes
 * before what all others say: a key "ID#..." that ID has set, which names one of its ports, and in
 * family 'l, where a node's addresses stand under its own ID, that.
 *
 * An owner's database comes through an *attachment*: by whom, and a number that grows each time
 * the owner attaches anywhere.  Of two attachments the higher number counts, of equal numbers the
 * lower ID of who brings it; what still comes through the other one is ignored.
 *
 * Cost: an entry takes 58 to 66 bytes beside its key and value (50, and 8 to 16 for its chain:
 * chains double).  An owner takes 100 to 108 beside its ID, a family 53 to 61 beside its name, and
 * what one owner has in one family 96 to 104 beside the entries.  What the allocator adds to each
 * block is not counted.  tests/store/store_test.c holds these figures.
 *
 * Thread: one at a time, for everything here.  Spec: design section 8, G7.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#define PTL_FAMILY_MAX 255 /* bytes of a family's name */
#define PTL_KEY_MAX 65535  /* bytes of a key, whatever the limits say */
#define PTL_OWNER_MAX 256  /* bytes of an owner's ID, and of who brings it */

struct ptl_store;

struct ptl_store_limits {
    size_t key_bytes_max;       /* of one key; at most PTL_KEY_MAX */
    size_t value_bytes_max;     /* of one value; below 4 GiB */
    uint32_t owner_entries_max; /* of one owner in this slice */
    uint32_t drop_max;    /* entries that go at once with their owners: ptl_store_work() [2048] */
    uint32_t globals_max; /* entries of one owner in family 'g [no bound but that of all] */
};

/* Where a database comes from. */
struct ptl_source {
    struct ptl_span owner; /* the node whose entries they are */
    struct ptl_span via;   /* who brings them: a global node's ID, perhaps the owner itself */
    uint64_t attachment;   /* the number of the owner's attachment */
};

/* One entry, as it is given and as it is shown. */
struct ptl_item {
    struct ptl_span family;
    struct ptl_span key;
    struct ptl_span value;
    struct ptl_span owner; /* who set it; not looked at where it is given */
};

/* What a change came to.  Errors are negative, as everywhere. */
enum ptl_store_result {
    PTL_STORE_DONE = 0,
    PTL_STORE_SAME = 1, /* nothing to do: it has that value, there is no such key or owner */
    PTL_STORE_OLD = 2,  /* ignored: it came through an attachment that no longer counts */
};

/*
 * An empty store, or NULL when there is no memory.  Owns: the caller, until ptl_store_free().
 * The allocator must live as long.
 */
struct ptl_store *ptl_store_new(const struct ptl_allocator *allocator,
                                const struct ptl_store_limits *limits);

/* Free it with all it holds.  Its watches must be gone.  NULL is allowed. */
void ptl_store_free(struct ptl_store *store);

/* Whether a store takes this for a family's name: any but the empty one, up to PTL_FAMILY_MAX. */
static inline bool ptl_family_fits(struct ptl_span family)
{
    return family.size > 0 && family.size <= PTL_FAMILY_MAX;
}

/* Whether programs of ours may call one so: [A-Za-z][A-Za-z0-9_:]*, 'l or 'g.. */
bool ptl_family_valid(struct ptl_span family);

/* ---- Whole owners ------------------------------------------------------------------------- */

/*
 * The owner has attached there: from now on its entries come from there.  An attachment that
 * counts more than the known one begins with an empty database; the known one goes on.
 * Errors: PTL_EINVAL (an empty or over-long ID), PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_store_attach(struct ptl_store *store, const struct ptl_source *source);

/*
 * The owner's whole database (its part in this slice), of any size, piece by piece: begin, which
 * attaches if need be, then ptl_store_set() of each entry, then end, until nothing is left.  What
 * the owner had shows until it is set again (unchanged is no change) or end takes it; of an owner
 * with many entries that attaches anew it goes with ptl_store_work() instead.
 *
 * An attachment that counts more, or a drop, ends it, too: all other calls then say so, as always.
 * What was begun and not ended may be begun again.
 * Errors of begin: PTL_EINVAL, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_store_replace_begin(struct ptl_store *store,
                                           const struct ptl_source *source);

/* Look at up to *max entries, and take what is stale: *max is less by these then.  Returns whether
 * some are left. */
bool ptl_store_replace_end(struct ptl_store *store, const struct ptl_source *source, uint32_t *max);

/*
 * The owner is lost there: its entries vanish, unless it has attached elsewhere since.  Needs no
 * memory and cannot fail.
 */
enum ptl_store_result ptl_store_drop(struct ptl_store *store, const struct ptl_source *source);

/*
 * Who brought them is lost: all owners that came through `via` go.  Returns how many.  Entries of
 * owners with many, and owners where they are many, go with ptl_store_work(); whoever asks for them
 * finds them gone.  From a via that is fed to others all owners go at once.
 */
uint32_t ptl_store_drop_via(struct ptl_store *store, struct ptl_span via);

/* What has come through `via`, and what of that was lost and is leaving still. */
struct ptl_brought {
    uint32_t owners, leaving_owners;
    uint64_t entries, leaving_entries;
    uint64_t bytes, leaving_bytes; /* of keys and values */
};

struct ptl_brought ptl_store_brought(const struct ptl_store *store, struct ptl_span via);

/* ---- Single entries ----------------------------------------------------------------------- */

/*
 * Set a key of an owner.  Errors, and then nothing has changed: PTL_EINVAL (a name that is not a
 * family's, an empty key), PTL_ESIZE, PTL_ELIMIT (too many entries of this owner), PTL_EOWNER (it
 * has not attached, or not with this number yet), PTL_ENOMEM.
 * Owns: everything is copied.
 */
PTL_MUST_CHECK int ptl_store_set(struct ptl_store *store, const struct ptl_source *source,
                                 struct ptl_span family, struct ptl_span key,
                                 struct ptl_span value);

/*
 * Owners with many entries that were dropped, or are attached anew, show them for a while, and
 * watches that were freed keep many marks: take up to `max` of these.  Returns whether some are
 * left.
 */
bool ptl_store_work(struct ptl_store *store, uint32_t max);
bool ptl_store_has_work(const struct ptl_store *store);

/* Delete a key of an owner.  Errors: PTL_EINVAL, PTL_EOWNER. */
PTL_MUST_CHECK int ptl_store_del(struct ptl_store *store, const struct ptl_source *source,
                                 struct ptl_span family, struct ptl_span key);

/*
 * A hint that this key will be set, deleted or read soon, after a few others: what that looks at
 * first is fetched into the processor's caches while other things are done.  Changes nothing.
 */
void ptl_store_expect(struct ptl_store *store, struct ptl_span family, struct ptl_span key);

/* ---- Reading ------------------------------------------------------------------------------ */

/*
 * The entry that shows for this key; false when there is none.
 * Owns: the store; what `item` points to stays until the store changes.
 */
bool ptl_store_get(const struct ptl_store *store, struct ptl_span family, struct ptl_span key,
                   struct ptl_item *item);

/* How many families there are, and entries of all owners, whether they show or not. */
uint32_t ptl_store_families(const struct ptl_store *store);
uint32_t ptl_store_entries(const struct ptl_store *store);

/*
 * The families, and how many keys each has: *place is NULL at first; false at the end.  `name`
 * points into the store; both stay until the store changes.
 */
bool ptl_store_family_next(const struct ptl_store *store, const void **place, struct ptl_span *name,
                           uint32_t *keys);

/* How many keys the merged family has. */
uint32_t ptl_store_family_count(const struct ptl_store *store, struct ptl_span family);

/* A place in a walk: a value, good until the store changes.  Only store/read.c touches it. */
struct ptl_walk {
    const void *part;  /* the owner's part of the family that is being walked */
    const void *entry; /* the next entry */
    bool merged;
};

/* Walk the merged family: every key once, with the value that shows, in no special order. */
struct ptl_walk ptl_store_walk_family(const struct ptl_store *store, struct ptl_span family);

/* Walk what one owner has set, whether it shows or not, family after family. */
struct ptl_walk ptl_store_walk_owner(const struct ptl_store *store, struct ptl_span owner);

/* The next item of a walk; false at the end. */
bool ptl_store_next(struct ptl_walk *walk, struct ptl_item *item);

/* How many entries of this owner there are, and how many bytes their keys and values. */
uint32_t ptl_store_owner_count(const struct ptl_store *store, struct ptl_span owner);
uint64_t ptl_store_owner_bytes(const struct ptl_store *store, struct ptl_span owner);

/* Where this owner is attached; false when it is not. */
bool ptl_store_owner(const struct ptl_store *store, struct ptl_span owner,
                     struct ptl_source *source);

/*
 * The owners that came through `via`: *place is NULL at first; false at the end.  What `source`
 * points to stays until the store changes.
 */
bool ptl_store_owner_next(const struct ptl_store *store, struct ptl_span via, const void **place,
                          struct ptl_source *source);
