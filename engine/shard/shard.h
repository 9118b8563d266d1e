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

#include "engine/shard/counts.h"
#include "engine/shard/here.h"
#include "engine/shard/inbox.h"
#include "engine/shard/log.h"
#include "engine/shard/ring.h"
#include "engine/shard/timer.h"
#include "engine/shard/times.h"
#include "engine/shard/untold.h"
#include "io/loop.h"

/* A callback that runs for longer keeps others waiting, and the log says so. */
#define PTL_CALLBACK_SLOW_NS UINT64_C(100000000)

struct ptl_node;
struct ptl_shard_directory;
struct ptl_shard_links;
struct ptl_shard_ports;
struct ptl_tower;

struct ptl_shard {
    struct ptl_node *node;
    unsigned index;
    struct ptl_ring *rings;        /* from us, by the shard that each leads to */
    const struct ptl_tower *tower; /* what the rooms above have handed us */
    unsigned parts_made;           /* the first so many of its parts are there */
    const struct ptl_allocator *allocator;
    struct ptl_loop *loop; /* made, used and freed on the shard's thread */

    struct ptl_inbox inbox;
    struct ptl_untold_lists untold; /* what other shards must be told, and had no room for */
    bool inbox_taken;               /* something of it, since those who wait for its room looked */
    _Atomic bool sleeping;          /* set before it waits; whoever clears it wakes it */

    struct ptl_timers timers;
    struct ptl_log_book log;
    struct ptl_counts counts;
    struct ptl_times times;

    uint64_t now;       /* ns, read once a turn */
    uint64_t polled_at; /* ns: all that had come by then has been read */
    uint64_t coarse;    /* ns, read after the callbacks of one port */
    uint64_t due;       /* ns: when the next turn is due, apart from timers; 0: at once */
    uint64_t tails[PTL_SHARDS_MAX]; /* how far the rings to us reached when this turn looked */
    bool heard;                     /* of somebody a moment ago: more may come (linger()) */
    bool waited;                    /* the loop has waited since the time was read */
    bool unfinished;                /* work is left: the next poll does not wait */
    bool closing;                   /* whoever is freed from now on tells nobody that it goes */
    uint32_t stop_step;             /* that this shard has taken */

    /* What each room above keeps for this shard: its own, and closed to the others below it. */
    struct ptl_shard_ports *ports;
    struct ptl_shard_links *links;
    struct ptl_shard_directory *directory;
};

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

/* Whether there is something for the next turn: from others, or sent by this shard to itself. */
bool ptl_shard_has_more(const struct ptl_shard *shard);

/* Read the time anew, if the loop has waited since: first thing in every hook of the loop. */
void ptl_shard_stamp(struct ptl_shard *shard);

/* What has taken time until now was no callback: nobody is to be blamed for it. */
static inline void ptl_shard_lap(struct ptl_shard *shard)
{
    shard->coarse = ptl_loop_coarse(shard->loop);
}

/* A step of the turn (engine/shard/tower.h): due at once when more are due than a slice. */
uint64_t ptl_shard_fire_timers(struct ptl_shard *shard);

/* Nothing is under way to, in or from this shard: all that was accepted is delivered. */
bool ptl_shard_quiet(struct ptl_shard *shard);

/* Nothing is under way between this shard and others: what rings and inbox had is taken. */
bool ptl_shard_drained(const struct ptl_shard *shard);

/* Close all and free all, on the shard's thread, the loop last. */
void ptl_shard_close(struct ptl_shard *shard);

/* Free what ptl_shard_init() made.  Thread: any, when the shard's thread has ended. */
void ptl_shard_drop(struct ptl_shard *shard);
