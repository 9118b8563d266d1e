/*
 * engine/port/fullness.h - "send nothing there until there is room", told backwards.
 *
 *   port or link, with its queue --FULL--> every shard --PTL_EFULL--> whoever sends
 *                                --ROOM-->             --resume, ptl_on_room-->
 *
 * A queue that passes its mark says so to all shards; what is under way by then still arrives, and
 * is bounded by the rings it comes through.  Who has been told what is a bit a shard, so telling
 * needs no memory; who has not waits for the ring (engine/shard/untold.h).
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/map.h"
#include "engine/shard/untold.h"

#include <pthread.h>
#include <stdatomic.h>

struct ptl_shard;

/* Embedded in what can be full, by whoever sets `node` and `name` and may read `full`; only
 * engine/port/fullness.c touches the other fields, and sets that one. */
struct ptl_fullness {
    struct ptl_untold untold; /* while not all shards know */
    struct ptl_span node;     /* of the link, or of the other node's port; empty: our own port */
    struct ptl_span name;     /* of the port; empty: the link.  Memory of whoever embeds this */
    uint64_t told;            /* a bit a shard: knows that it is full */
    bool full;
    bool on_board; /* shown to the program's threads */
};

/* Numbers that the end of a port's text comes down to. */
#define PTL_FULL_SIEVE_BITS 8

/*
 * Keys of what is full.  One full port is not to cost the others their short way: nearly none of
 * them has anything in the sieve, and that is all that is asked then, without a lock.
 */
struct ptl_full_keys {
    struct ptl_map by_text;
    _Atomic uint32_t count; /* of all */
    _Atomic uint32_t links; /* of them; all others are ports */
    _Atomic uint32_t sieve[1 << PTL_FULL_SIEVE_BITS];
};

/* What the program's threads look at: what is full at its owner's shard. */
struct ptl_full_board {
    pthread_mutex_t lock; /* of what is not atomic */
    struct ptl_full_keys keys;
};

/* Whether anything is.  Thread: any. */
static inline bool ptl_full_any(const struct ptl_full_keys *keys)
{
    return atomic_load_explicit(&keys->count, memory_order_relaxed) != 0;
}

/* Say whether it is full now.  The shards are told as their rings have room. */
void ptl_fullness_set(struct ptl_shard *shard, struct ptl_fullness *fullness, bool full);

/* False while shards still have to be told: it may not be freed. */
static inline bool ptl_fullness_settled(const struct ptl_fullness *fullness)
{
    return !ptl_untold_waits(&fullness->untold);
}

/*
 * Who has it is going, and it is not full: from now on it tells nothing by itself, but those shards
 * that do not know yet when asked to.  As a ptl_untold_fn of `untold`.
 */
void ptl_fullness_end(struct ptl_shard *shard, struct ptl_fullness *fullness);
PTL_MUST_CHECK int ptl_fullness_tell(struct ptl_shard *shard, struct ptl_fullness *fullness,
                                     struct ptl_untold *untold);

/*
 * It has to be told to this port, which this shard takes for full: it waits for that to end,
 * and for the ring to the port's shard then.
 */
void ptl_full_wait(struct ptl_shard *shard, const struct ptl_port *port, struct ptl_untold *untold);

/* Whether a message from this shard to `to` would find room now, and overtake nobody who waits for
 * the ring there. */
bool ptl_room_for(struct ptl_shard *shard, const struct ptl_port *to);

/*
 * What an untold had to send there has found no room: have it wait for what is full on the way.
 * Returns what its ptl_untold_fn returns then: PTL_OK (it waits already), PTL_EFULL (for the ring),
 * PTL_LATER (there is room: this shard has sent so much in this turn that others had to be asked).
 */
int ptl_room_missed(struct ptl_shard *shard, const struct ptl_port *to, struct ptl_untold *untold);

/* Whether any port or link of this shard's is full. */
bool ptl_fullness_any(const struct ptl_shard *shard);

/* A shard has been told: PTL_OP_FULL or PTL_OP_ROOM. */
void ptl_fullness_told(struct ptl_shard *shard, struct ptl_span node, struct ptl_span name,
                       bool full);

/* Whether this shard has been told that the way to `port` is full. */
bool ptl_is_full(const struct ptl_shard *shard, const struct ptl_port *port);

/* The same for a thread of the program; `shard` is where the port or its link lives.
 * Thread: any. */
bool ptl_is_full_outside(struct ptl_shard *shard, const struct ptl_port *port);

/*
 * A control op of `size` bytes towards it: whether it may pass all the same, out of the share that
 * such have beyond the mark until there is room again.  Counted.
 */
bool ptl_full_lets_control(struct ptl_shard *shard, const struct ptl_port *port, uint64_t size);
bool ptl_full_lets_control_outside(struct ptl_shard *shard, const struct ptl_port *port,
                                   uint64_t size);

/* Forget everything: the shard is closing. */
void ptl_fullness_drop(struct ptl_shard *shard);

int ptl_full_board_init(struct ptl_full_board *board, const struct ptl_allocator *allocator);
