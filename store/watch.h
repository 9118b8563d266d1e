/*
 * store/watch.h - who follows a family, or another node's copy of a database, and what they have
 * not taken yet.
 *
 *   change --> set of marks, one a key --take--> "fam/a is now 7", "fam/b is gone"
 *
 * A watch holds no queue but a set of keys that have changed since it last looked, so its memory
 * is bounded by the number of keys however slow it is.  Taking yields what is so now: a key that
 * was set five times is told once, one that came and went is not told at all.
 *
 * The first thing taken is always PTL_CHANGE_ALL: the watcher's copy is now what a walk shows.  It
 * is told again only when there was no memory for a mark: then the copy is to be made anew, and
 * no change is ever refused or lost for want of it.
 *
 * After each take that returned false the watcher's copy equals what it watches.  A take may also
 * stop half-way, when a peer can hold no more, and go on later.
 *
 * Cost: a watch takes 328 bytes, a mark 62 to 70 beside its key until it is taken.  A change costs
 * a look at each watch of its family and each feed of its owner.
 *
 * Thread: that of the store.  Spec: design section 8, G7.
 */
#pragma once

#include "store/store.h"

struct ptl_watch;

/* There is something to take, and was nothing before.  It must not touch the store or watches. */
typedef void ptl_wake_fn(void *data);

enum ptl_change_kind {
    PTL_CHANGE_ALL,     /* copy what ptl_watch_walk() or ptl_store_owner_next() shows */
    PTL_CHANGE_ADDED,   /* the copy lacks `key`: `value` is its value */
    PTL_CHANGE_CHANGED, /* the copy has `key`: `value` is its value now, perhaps the same again */
    PTL_CHANGE_DELETED, /* the copy has `key`, and it is gone */
    /* of feeds only: */
    PTL_CHANGE_OWNER, /* the owner has attached: its copy is what ptl_store_walk_owner() shows */
    PTL_CHANGE_LOST,  /* the copy knows the owner, and it is gone or attached elsewhere */
};

struct ptl_change {
    enum ptl_change_kind kind;
    struct ptl_source source; /* of feeds only: whose, and through which attachment */
    struct ptl_span family;
    struct ptl_span key;
    struct ptl_span value;
};

/*
 * Watch a merged family: all of it, one key of it, or all keys that begin with `prefix`.  NULL
 * when there is no memory or the name is not a family's.  `wake` may be NULL; it is not called for
 * the first PTL_CHANGE_ALL.  Owns: the caller, until ptl_watch_free().
 */
struct ptl_watch *ptl_watch_family(struct ptl_store *store, struct ptl_span family,
                                   ptl_wake_fn *wake, void *data);
struct ptl_watch *ptl_watch_key(struct ptl_store *store, struct ptl_span family,
                                struct ptl_span key, ptl_wake_fn *wake, void *data);
struct ptl_watch *ptl_watch_prefix(struct ptl_store *store, struct ptl_span family,
                                   struct ptl_span prefix, ptl_wake_fn *wake, void *data);

/*
 * Feed another store: with all entries of the owners that came through `via`, or of one owner.
 * What is taken is for ptl_store_attach(), _replace(), _set(), _del() and _drop() over there.
 * NULL when there is no memory or the ID is empty or over-long.
 */
struct ptl_watch *ptl_feed_via(struct ptl_store *store, struct ptl_span via, ptl_wake_fn *wake,
                               void *data);
struct ptl_watch *ptl_feed_owner(struct ptl_store *store, struct ptl_span owner, ptl_wake_fn *wake,
                                 void *data);

/* End it, whatever it has not taken.  NULL is allowed. */
void ptl_watch_free(struct ptl_watch *watch);

/*
 * Take one change; false when nothing is left.  Needs no memory.
 * Owns: the store; what `change` points to stays until the next take or change.
 */
bool ptl_watch_take(struct ptl_watch *watch, struct ptl_change *change);

/* Walk what the copy of a watch (not a feed) should be. */
struct ptl_walk ptl_watch_walk(const struct ptl_watch *watch);

/* How many keys and owners it has not taken; a whole copy to be made counts as one. */
uint32_t ptl_watch_pending(const struct ptl_watch *watch);
