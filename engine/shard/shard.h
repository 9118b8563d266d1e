/*
 * engine/shard/shard.h - one event loop with one slice of the node's ports and links, run by one
 * thread.
 *
 * A shard's life is one function, the turn:
 *
 *   poll the loop        completions: accepted, received, sent ... run their hooks
 *   look at the rings    how far they reach now; then take the inbox, then the rings up to there
 *   run waiting ports, fire timers, tell who is still to be told
 *   flush                one send a link; publish the rings; wake shards that sleep
 *
 * The inbox is taken after looking at the rings and before reading them: whatever another shard
 * sends because of something an application thread did first finds that done.
 */
#pragma once

#include "engine/link/link.h"
#include "engine/link/making.h"
#include "engine/port/after.h"
#include "engine/port/fullness.h"
#include "engine/port/monitor.h"
#include "engine/port/on.h"
#include "engine/port/port.h"
#include "engine/port/room.h"
#include "engine/port/spawner.h"
#include "engine/shard/due.h"
#include "engine/shard/here.h"
#include "engine/shard/inbox.h"
#include "engine/shard/log.h"
#include "engine/shard/ring.h"
#include "engine/shard/timer.h"
#include "io/loop.h"

struct ptl_node;
struct ptl_shard_directory;
struct ptl_tower;

struct ptl_shard {
    struct ptl_node *node;
    unsigned index;
    const struct ptl_tower *tower; /* what the rooms above have handed us */
    unsigned parts_made;           /* the first so many of its parts are there */
    const struct ptl_allocator *allocator;
    struct ptl_loop *loop; /* made, used and freed on the shard's thread */

    struct ptl_inbox inbox;
    struct ptl_dues dues;   /* what other shards must be told, and had no room for */
    bool inbox_taken;       /* something of it, since those who wait for its room looked */
    _Atomic unsigned evict; /* so many strangers are to go: another shard needs descriptors */
    _Atomic bool sleeping;  /* set before it waits; whoever clears it wakes it */
    uint64_t failures;      /* of links that we own, ever */
    uint64_t told[PTL_SHARDS_MAX]; /* failures of each owner's links that we were told of */
    /* The same, once our monitors have been fired: the owner reads it as our answer. */
    _Atomic uint64_t answered[PTL_SHARDS_MAX];
    /* Failures of links that we own which the program's threads have been told of. */
    _Atomic uint64_t told_outside;

    struct ptl_port_table ports;
    struct ptl_list ready;   /* ports with waiting work */
    struct ptl_list blocked; /* ports whose next is a notice of a failure not adopted yet */
    struct ptl_list dead;    /* ports that still have to tell it */
    struct ptl_list estates; /* dead ports that have left something (estate.h) */
    uint64_t estate_units;   /* so much of what dies in this turn goes at once */
    struct ptl_list retry;   /* ports that wait for time, the first to go on first */
    struct ptl_slot *self;   /* whose handler is running, or NULL */
    bool noticing;           /* it is being told of a failure */
    struct ptl_bottleneck bottleneck; /* where its last send found no room */
    char fail_text[256];              /* what it said to ptl_fail() */

    struct ptl_spawners spawners;
    uint64_t reasons;      /* bytes of large ones, of what could not be told yet */
    _Atomic uint64_t kept; /* bytes of messages that timers and monitors keep for later */

    struct ptl_monitors monitors;
    struct ptl_timers timers;
    struct ptl_afters afters;
    struct ptl_links links;
    struct ptl_makings makings;
    struct ptl_map full; /* keys of what is full, as told by their owners */
    struct ptl_full_board board;
    struct ptl_waiters waiters;
    struct ptl_shard_directory *directory; /* the room of the database */

    uint64_t spawn_counter;
    uint64_t now;       /* ns, read once a turn */
    uint64_t polled_at; /* ns: all that had come by then has been read */
    uint64_t coarse;    /* ns, read after each handler */
    uint64_t due;       /* ns: when the next turn is due, apart from timers; 0: at once */
    uint64_t tails[PTL_SHARDS_MAX]; /* how far the rings to us reached when this turn looked */
    uint64_t sent_in_turn;          /* bytes, by handlers */
    bool waited;                    /* the loop has waited since the time was read */
    bool unfinished;                /* work is left: the next poll does not wait */
    uint64_t queued;                /* parcels that wait at ports */
    uint64_t stop_at;               /* ns: the end of patience; shard 0 */
    uint64_t close_at;              /* ns: peers that have all need not close themselves any more */
    uint32_t stop_step;             /* that this shard has taken */
    bool closing;                   /* whoever is freed from now on tells nobody that it goes */
    struct ptl_log_book log;
};

/*
 * Stands in told_outside from a failure until all monitors of threads have been called: meanwhile
 * what a thread issues is refused, since nobody could say on which side of its monitor it stands.
 */
#define PTL_TELLING_OUTSIDE UINT64_MAX

/* The ring from one shard to another of the same node. */
struct ptl_ring *ptl_shard_ring(const struct ptl_shard *from, unsigned to);

/* Errors: PTL_ENOMEM; then ptl_shard_drop() frees what there is. */
PTL_MUST_CHECK int ptl_shard_init(struct ptl_shard *shard, struct ptl_node *node, unsigned index);

/* Open the loop and listen.  Thread: the one that will run it. */
PTL_MUST_CHECK int ptl_shard_open(struct ptl_shard *shard);

/* Undo that, whether it has succeeded or not: it has had no turn yet, and may be opened again. */
void ptl_shard_unopen(struct ptl_shard *shard);

/* One turn; waits for something to do, if there is nothing and `may_wait`. */
void ptl_shard_turn(struct ptl_shard *shard, bool may_wait);

/* When the shard next needs a turn by itself: 0 at once, UINT64_MAX only when woken. */
uint64_t ptl_shard_due(struct ptl_shard *shard);

/* Read the time anew, if the loop has waited since: first thing in every hook of the loop. */
void ptl_shard_stamp(struct ptl_shard *shard);

/* What has taken time until now was no callback: nobody is to be blamed for it. */
static inline void ptl_shard_lap(struct ptl_shard *shard)
{
    shard->coarse = ptl_loop_coarse(shard->loop);
}

/*
 * The shard's own steps of the turn (engine/shard/tower.h).  First it looks how far the rings
 * reach, then the inbox is taken, then the rings up to there; at the end what was sent is shown to
 * the shards that it is for.
 */
uint64_t ptl_shard_look(struct ptl_shard *shard);
uint64_t ptl_shard_take_inbox(struct ptl_shard *shard);
uint64_t ptl_shard_take_rings(struct ptl_shard *shard);
uint64_t ptl_shard_fire_timers(struct ptl_shard *shard);
uint64_t ptl_shard_publish(struct ptl_shard *shard);

/* Wake it if it sleeps.  Thread: any; `from` is the caller's own shard or NULL. */
void ptl_shard_wake(struct ptl_shard *shard, struct ptl_shard *from);

/* Nothing is under way to, in or from this shard: all that was accepted is delivered. */
bool ptl_shard_quiet(struct ptl_shard *shard);

/* Nothing is under way between this shard and others: what rings and inbox had is taken. */
bool ptl_shard_drained(const struct ptl_shard *shard);

/* Close all and free all, on the shard's thread, the loop last. */
void ptl_shard_close(struct ptl_shard *shard);

/* Free what ptl_shard_init() made.  Thread: any, when the shard's thread has ended. */
void ptl_shard_drop(struct ptl_shard *shard);

/* Free what an op points to: it will not be taken. */
void ptl_op_drop(struct ptl_shard *shard, const struct ptl_op *op);

/* An op has arrived at its shard. */
void ptl_shard_take(struct ptl_shard *shard, const struct ptl_op *op);

/*
 * Put an op into the ring to another shard (or our own).  `control` may use the reserve.
 * Errors: PTL_EFULL, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_shard_post(struct ptl_shard *from, unsigned to, const struct ptl_op *op,
                                  bool control);

/* The same for a small message to a port of this node known by its slot. */
PTL_MUST_CHECK int ptl_shard_post_message(struct ptl_shard *from, const struct ptl_port *to,
                                          struct ptl_span body, uint32_t count);

/*
 * Hand a parcel to a shard from any thread.  Owns: the parcel is the shard's.
 */
void ptl_shard_hand(struct ptl_shard *shard, struct ptl_parcel *parcel, struct ptl_shard *from);
