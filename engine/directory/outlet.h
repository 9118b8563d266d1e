/*
 * engine/directory/outlet.h - what this shard has to tell of its part of the database, and to
 * whom.
 *
 *   store --marks--> watch --take--> packet --room?--> peer's node port, or a follower's shard
 *
 * An outlet takes changes only while there is room on the way, so what a slow peer or watcher has
 * not taken is a set of keys in the store and never a queue.  Its state says whether it is among
 * those that each turn works off, a bounded piece of each:
 *
 *   begin --> PENDING --hold--> HELD: what it is to tell of has not come --release--> PENDING
 *               |  ^
 *     its turn  |  | wake: a change, or its share of the turn is used up
 *               v  |
 *              QUIET ----wait--> WAITING: the follower has not taken it yet --taken--> PENDING
 *               ^ |
 *       its turn| |no room, or no memory
 *               | v
 *              UNTOLD: with all others that wait for that ring or link (shard/untold.h)
 *
 * And its copy, how far whoever is told has all that was there:
 *
 *   DUE --the first change, ALL--> BEGUN --(follower) all told--> WHOLE
 *                                  |   ^---------ALL again----------'
 *            (feed) once more: ANEW <'   '-- ANEW, when all is told
 *
 * Who is told, and how, are kinds of outlets; this file knows none of them: outlet_peer.h,
 * outlet_follower.h, mesh.h.
 *
 * Thread: the shard's.  Spec: design section 8, "Replication is state"; AEMP protocol 5.
 */
#pragma once

#include "engine/directory/database.h"

/* How a piece of work has ended. */
enum ptl_drained {
    PTL_DRAINED,         /* nothing is left, or somebody else has to act first */
    PTL_DRAIN_MORE,      /* it has had its share of this turn */
    PTL_DRAIN_NO_ROOM,   /* on the way to whom it tells */
    PTL_DRAIN_NO_MEMORY, /* nobody says when there is some: it is tried again and again */
};

enum ptl_outlet_state {
    PTL_OUTLET_QUIET,   /* whoever is told knows all: woken by the next change */
    PTL_OUTLET_PENDING, /* on the shard's list: it may have something to tell */
    PTL_OUTLET_HELD,    /* on its interest's list: nothing may be told before the first copy */
    PTL_OUTLET_WAITING, /* until the follower has taken what it was told */
    PTL_OUTLET_UNTOLD,  /* it has something to tell, and waits for room or memory */
};

enum ptl_copy_state {
    PTL_COPY_DUE,   /* nothing was told yet */
    PTL_COPY_BEGUN, /* PTL_CHANGE_ALL has been taken */
    PTL_COPY_WHOLE, /* and that all was told, too */
    PTL_COPY_ANEW,  /* when all is told, all is to be told once more */
};

struct ptl_outlet;

/* What differs between outlets. */
struct ptl_outlet_kind {
    /* Open what it tells of.  NULL: no memory.  `wake` is to be called with the outlet. */
    struct ptl_watch *(*open)(struct ptl_outlet *outlet, ptl_wake_fn *wake);
    /* Tell a bounded piece of it; closes no outlet. */
    enum ptl_drained (*drain)(struct ptl_shard *shard, struct ptl_outlet *outlet);
    /* It is being closed: whoever leads to it forgets it.  NULL: nobody does. */
    void (*forget)(struct ptl_shard *shard, struct ptl_outlet *outlet);
};

/* Of its first half only outlet.c writes; the rest is its kind's. */
struct ptl_outlet {
    const struct ptl_outlet_kind *kind;
    struct ptl_shard *shard;
    struct ptl_list all;      /* among all of the shard */
    struct ptl_list listed;   /* PENDING: among those; HELD: among its interest's */
    struct ptl_untold untold; /* UNTOLD: where it waits */
    uint8_t state;            /* enum ptl_outlet_state */
    uint8_t copy;             /* enum ptl_copy_state */
    struct ptl_watch *watch;  /* NULL: there was no memory to open it again */
    uint8_t family_size;
    uint8_t family[PTL_FAMILY_MAX];

    struct ptl_peer *peer;           /* who is told: a peer, or else a follower, or nobody else */
    uint8_t form;                    /* enum ptl_packet_form: what the peer understands */
    uint64_t hash;                   /* of the family's name, among the peer's watches */
    struct ptl_parcel *first, *last; /* packets for the peer that were made and found no room */
    uint64_t follower;
    uint32_t follower_shard;
    uint32_t to_copy;       /* changes for the follower, at least, until its copy is whole */
    uint8_t how;            /* enum ptl_watch_how: what of the family it watches */
    struct ptl_span filter; /* the key or the beginning; a block of its own */
};

/* What a packet may grow to before it goes: an entry more may stand in it. */
size_t ptl_outlet_packet_bytes(const struct ptl_shard *shard);

static inline struct ptl_span ptl_outlet_family(const struct ptl_outlet *outlet)
{
    return ptl_span(outlet->family, outlet->family_size);
}

/* An outlet that is not begun.  NULL: no memory. */
struct ptl_outlet *ptl_outlet_make(struct ptl_shard *shard, const struct ptl_outlet_kind *kind,
                                   struct ptl_span family);

/* It begins to live; without memory it is freed.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_outlet_begin(struct ptl_outlet *outlet);

/* End one. */
void ptl_outlet_close(struct ptl_outlet *outlet);

/* Free one that has not begun. */
void ptl_outlet_free(struct ptl_outlet *outlet);

/* Open its watch anew: everything is told again, and replaces what was told. */
void ptl_outlet_reopen(struct ptl_outlet *outlet);

/* What was taken for it is lost: its watch is opened anew when there is memory. */
void ptl_outlet_lose(struct ptl_outlet *outlet);

/* It may have something to tell; nothing happens while it is held or waits. */
void ptl_outlet_wake(struct ptl_outlet *outlet);

/* It tells nothing before it is released; `list` is where it stands until then. */
void ptl_outlet_hold(struct ptl_outlet *outlet, struct ptl_list *list);

/* It has told its follower something, and tells no more before that is taken. */
void ptl_outlet_wait(struct ptl_outlet *outlet);

/* The end of either: it may tell.  Of one that does not wait nothing changes. */
void ptl_outlet_release(struct ptl_outlet *outlet);
void ptl_outlet_taken(struct ptl_outlet *outlet);

/* Whether there may be something that it has not told, and may tell. */
static inline bool ptl_outlet_is_behind(const struct ptl_outlet *outlet)
{
    return outlet->state == PTL_OUTLET_PENDING || outlet->state == PTL_OUTLET_UNTOLD;
}

/* Its copy goes on; see the picture. */
void ptl_outlet_set_copy(struct ptl_outlet *outlet, enum ptl_copy_state copy);

/* Work off what is to be told. */
void ptl_outlets_work(struct ptl_shard *shard);

/* Close all: the shard is closing. */
void ptl_outlets_drop(struct ptl_shard *shard);
