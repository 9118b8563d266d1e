/*
 * engine/directory/outlet.h - what this shard has to tell of its slice of the database, and to
 * whom.
 *
 *   store --marks--> watch --take--> packet --room?--> peer's node port, or a follower's shard
 *
 * An outlet takes changes only while there is room on the way, so what a slow peer or watcher has
 * not taken is a set of keys in the store and never a queue.  Who has something to tell is on a
 * list; each turn works it off, a bounded piece of each.
 *
 * Thread: the shard's.  Spec: design section 8, "Replication is state"; AEMP protocol 5.
 */
#pragma once

#include "engine/directory/directory.h"

enum ptl_outlet_kind {
    PTL_OUTLET_OWNERS,   /* our part, by owner, to a global node of ours: portolan::db */
    PTL_OUTLET_MERGED,   /* our part as one database, to a real global node or master: g_upd */
    PTL_OUTLET_FAMILY,   /* a family, to a node attached to us: g_chg1, g_chg2 */
    PTL_OUTLET_FOLLOWER, /* a family, to a watcher of this node: PTL_DIR_TOLD */
    PTL_OUTLET_MESH,     /* 'g, to the links that are to be kept (mesh.h) */
    PTL_OUTLET_MIRROR,   /* 'l, to our own mirrors of it (mesh.h) */
};

/* How a piece of work has ended. */
enum ptl_drained {
    PTL_DRAINED,       /* nothing is left */
    PTL_DRAIN_MORE,    /* it has had its share of this turn */
    PTL_DRAIN_BLOCKED, /* no room: try again soon */
};

/* What a family watch looks at. */
enum ptl_watch_how { PTL_WATCH_ALL, PTL_WATCH_ONE, PTL_WATCH_BEGINNING };

struct ptl_outlet {
    struct ptl_outlet *next, **link;                 /* on the shard's list of all */
    struct ptl_outlet *pending_next, **pending_link; /* of those with something to tell */
    struct ptl_outlet *held_next, **held_link;       /* FOLLOWER: of its interest's, while held */
    bool pending;
    uint8_t kind;
    bool begun;       /* PTL_CHANGE_ALL has been taken */
    bool again;       /* when all is told, all is to be told anew */
    bool held;        /* FOLLOWER: the network's copy of the family has not come yet */
    bool waiting;     /* FOLLOWER: it has not taken what it was told */
    bool copied;      /* FOLLOWER: it was told that its first copy is whole */
    uint8_t how;      /* FOLLOWER: enum ptl_watch_how */
    uint32_t to_copy; /* FOLLOWER: changes that belong to the first copy */
    struct ptl_shard *shard;
    struct ptl_watch *watch; /* NULL: there was no memory to open it again */
    struct ptl_peer *peer;
    uint64_t follower;
    uint64_t hash; /* FAMILY: of its name */
    uint32_t follower_shard;
    struct ptl_parcel *first, *last; /* packets that were made and found no room */
    struct ptl_span filter;          /* FOLLOWER: the key or the beginning; a block of its own */
    uint8_t family_size;
    uint8_t family[PTL_FAMILY_MAX];
};

/* What a packet may grow to before it goes: an entry more may stand in it. */
size_t ptl_outlet_packet_bytes(const struct ptl_shard *shard);

/* Pieces that one outlet may make in one turn. */
#define PTL_OUTLET_PIECES 16

/* Begin to feed a peer.  NULL: no memory. */
struct ptl_outlet *ptl_outlet_feed(struct ptl_shard *shard, struct ptl_peer *peer,
                                   enum ptl_outlet_kind kind);

/*
 * Begin to tell a peer of a family, from the beginning if that goes on already.
 * Errors: PTL_ENOMEM, PTL_ELIMIT (it watches options.db_watches_max families here).
 */
PTL_MUST_CHECK int ptl_outlet_watch(struct ptl_shard *shard, struct ptl_peer *peer,
                                    struct ptl_span family);
/* Whether it has not been told yet all that is so now of a family that it watches. */
bool ptl_outlet_is_telling(const struct ptl_peer *peer, struct ptl_span family);
void ptl_outlet_unwatch(struct ptl_shard *shard, struct ptl_peer *peer, struct ptl_span family);

/* Begin to tell a follower.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_outlet_follow(struct ptl_shard *shard, uint64_t follower, uint32_t of,
                                     struct ptl_span family, enum ptl_watch_how how,
                                     struct ptl_span filter);

/* The outlet to a follower, or NULL. */
struct ptl_outlet *ptl_outlet_of(struct ptl_shard *shard, uint64_t follower);

/* Begin one of those that are for this shard itself.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_outlet_internal(struct ptl_shard *shard, enum ptl_outlet_kind kind);

/* End one; and all that are for a peer. */
void ptl_outlet_close(struct ptl_shard *shard, struct ptl_outlet *outlet);
void ptl_outlets_close(struct ptl_shard *shard, struct ptl_peer *peer);

/* It waits until its interest has been copied; and does no longer. */
void ptl_outlet_hold(struct ptl_outlet *outlet, struct ptl_outlet **list);
void ptl_outlet_release(struct ptl_outlet *outlet);

/* It may have something to tell. */
void ptl_outlet_wake(struct ptl_outlet *outlet);

/* Open its watch anew: everything is told again. */
void ptl_outlet_reopen(struct ptl_outlet *outlet);

/* Work off what is to be told.  Returns whether something waits for room. */
bool ptl_outlets_work(struct ptl_shard *shard);

/* The pieces of work of each kind: outlet_peer.c, outlet_follower.c, mesh.c. */
enum ptl_drained ptl_outlet_drain_peer(struct ptl_shard *shard, struct ptl_outlet *outlet);
enum ptl_drained ptl_outlet_drain_follower(struct ptl_shard *shard, struct ptl_outlet *outlet);
enum ptl_drained ptl_outlet_drain_mesh(struct ptl_shard *shard, struct ptl_outlet *outlet);
enum ptl_drained ptl_outlet_drain_mirror(struct ptl_shard *shard, struct ptl_outlet *outlet);
