/*
 * store/watch.h - who follows a family, or another node's copy of a database, and what they have
 * not taken yet.
 *
 *   what is there --> cursor -----------------.
 *                                             +--take--> "fam/a is now 7", "fam/b is gone"
 *   change --------> set of marks, one a key -'
 *
 * A watch holds no queue but a set of keys that have changed since it last looked, so its memory
 * is bounded by the number of keys however slow it is.  Taking yields what is so now: a key that
 * was set five times is told once, and to a watch of a family one that came and went not at all.
 *
 * The first thing taken is always PTL_CHANGE_ALL: the copy is empty now, and what is there follows,
 * entry by entry, over as many takes as it needs, while the store goes on changing.  The watch
 * keeps its place in what is there, and no mark of it; what changes where the copy has been is
 * marked, and told when the copy is whole.  PTL_CHANGE_ALL is told again only when there was no
 * memory for a mark: then the copy is to be made anew, and no change is ever refused or lost for
 * want of it.
 *
 * After each take that returned false the watcher's copy equals what it watches.  A take may also
 * stop half-way, when a peer can hold no more, and go on later.
 *
 * Cost: a watch takes 360 bytes, one of a key 8 to 16 more, and 480 more once it has had many
 * marks; a mark takes 62 to 70 beside its key until it is taken, and 64 of all watches together
 * stay for their next use.  A change costs a look at each watch of its family, but not at those of
 * other keys, and at each feed of who brings its owner.
 *
 * Thread: that of the store.  Spec: design section 8, G7.
 */
#pragma once

#include "store/store.h"

struct ptl_watch;

/*
 * There is something to take, and was nothing before: the first since a take returned false.  It
 * must not touch the store or watches.
 */
typedef void ptl_wake_fn(void *data);

/*
 * A watch of a family tells exactly: ADDED of keys that the copy lacks, CHANGED and DELETED of keys
 * that it has.  A feed may tell ADDED or CHANGED of any key, and DELETED of a key that the copy
 * lacks: set it, or delete it if it is there.
 */
enum ptl_change_kind {
    PTL_CHANGE_ALL,     /* forget everything */
    PTL_CHANGE_ADDED,   /* `key` is new: `value` is its value */
    PTL_CHANGE_CHANGED, /* `key` has another value: `value`, perhaps the same again */
    PTL_CHANGE_DELETED, /* `key` is gone */
    PTL_CHANGE_NONE,    /* what was looked at is not to be told: take again */
    /* of ptl_feed_via() only: */
    PTL_CHANGE_OWNER, /* the owner has attached: its copy is empty now, its entries follow */
    PTL_CHANGE_LOST,  /* the owner is gone or attached elsewhere: drop what is not newer */
};

struct ptl_change {
    enum ptl_change_kind kind;
    struct ptl_source source; /* of feeds only: whose it is, and through which attachment */
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
 * Feed another store with the owners that came through `via` and all their entries.  What is taken
 * is for ptl_store_drop_via(), _replace() with nothing, _set(), _del() and _drop() over there.
 *
 *   ALL   OWNER leaf 7   ADDED leaf fam/a   ADDED leaf fam/b   OWNER twig 2   ADDED twig fam/a ...
 *
 * The copy comes first, changes wait for its end, and an owner that attaches later has its own copy
 * in its turn.  One that attaches anew is told by OWNER alone, even if it was lost in between: with
 * another attachment, or perhaps the same, which ptl_store_attach() would take for no news.  NULL
 * when there is no memory or the ID is empty or over-long.
 */
struct ptl_watch *ptl_feed_via(struct ptl_store *store, struct ptl_span via, ptl_wake_fn *wake,
                               void *data);

/*
 * Feed a peer that knows no owners with what all owners that came through `via` have together: of
 * each family's key the entry that would show if there were no other owners.  After ALL, ADDED
 * tells what is there, a key of two owners perhaps twice; then CHANGED tells the value that ranks
 * first now, and DELETED that none of these owners has the key any more.  Never OWNER or LOST: what
 * becomes of an owner shows as changes of its keys.  `source` is that of whose value it is, and
 * empty with DELETED.  NULL as above.
 */
struct ptl_watch *ptl_feed_merged(struct ptl_store *store, struct ptl_span via, ptl_wake_fn *wake,
                                  void *data);

/*
 * Tell once more what is there, without PTL_CHANGE_ALL: for whoever may have lost some of what it
 * has taken, and keeps the rest.  What is deleted meanwhile is told, be it where this copy has been
 * or not, and so is who is lost.  OWNER of an attachment that it has been told of already is no
 * news: its entries stay.  No copy is under way when this is called.  Needs no memory.
 */
void ptl_feed_again(struct ptl_watch *feed);

/* End it, whatever it has not taken.  NULL is allowed. */
void ptl_watch_free(struct ptl_watch *watch);

/*
 * Take one change; false when nothing is left.  Needs no memory, and looks at one only: who takes
 * counts those that are PTL_CHANGE_NONE, which may be many.
 * Owns: the store; what `change` points to stays until the next take or change.
 */
bool ptl_watch_take(struct ptl_watch *watch, struct ptl_change *change);

/* Whether a whole copy is to be made, or under way: what is taken next is part of it. */
bool ptl_watch_copies(const struct ptl_watch *watch);

/* How many keys and owners it has not taken; a whole copy to be made, or under way, is one. */
uint32_t ptl_watch_pending(const struct ptl_watch *watch);
