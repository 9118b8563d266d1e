/*
 * engine/shard/ring.h - the one-way lane between two shards: bounded, lock-free, in order.
 *
 *   producer --reserve, commit--> [ window ] --> [ record | ... ] --take, release--> consumer
 *                                 when full, and at publish, once a turn
 *
 * Records are moved once, many at a time, and read in place.  A full ring is ordinary
 * back-pressure: the producer is told and asks again later.  A quarter of the ring is kept for
 * control records, so that a flood of messages cannot hold up a kill or a death notice.
 *
 * Records may refer to messages outside of the ring; their bytes are counted (`held`), so that the
 * ring bounds what is under way, wherever it lies.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#include <stdalign.h>
#include <stdatomic.h>

/*
 * Bytes of referred messages that may be under way in one ring, and with those that control records
 * refer to (one more message may exceed either).
 */
#define PTL_RING_HELD_MAX ((uint64_t)4 << 20)
#define PTL_RING_HELD_CONTROL_MAX (PTL_RING_HELD_MAX / 4 * 5)

/*
 * Records are written in a window that the producer alone has, and moved into the ring, all that
 * are in it at once, when it is full and at the end of the turn.  The ring's lines are in the
 * consumer's cache, and each takes long to come: a copy asks for many of them at the same time,
 * while a message that is written between so much else would wait for each.
 */
#define PTL_RING_WINDOW UINT32_C(4096)

/*
 * The first word of a record is the ring's: its size in units of 8 bytes; or, where a record would
 * not fit before the end of the ring, how much is skipped to its beginning.
 */
#define PTL_RING_UNIT 8
#define PTL_RING_SKIP UINT16_C(0x8000)

/*
 * Fields stand with the shard that writes them; what the other side reads has cache lines of its
 * own, apart from what only the writer uses record by record.  Positions only grow, so
 * `tail - head` is the length.  Only engine/shard/ring.c and the functions below touch the fields.
 */
struct ptl_ring {
    struct {
        alignas(PTL_CACHE_LINE) _Atomic uint64_t tail; /* shown: may be read up to here */
        alignas(PTL_CACHE_LINE) uint64_t written;      /* committed; tail follows */
        uint64_t at_once;   /* a message that ends before it has room, and needs nothing else */
        uint64_t moved;     /* all before it is in the ring, and shown; the rest in the window */
        uint64_t published; /* what was moved at the end of a turn */
        uint64_t room;      /* messages fit up to here, as head_seen says */
        uint64_t head_seen; /* may lag consumer.head, never leads */
        uint64_t held;      /* referred bytes ever sent */
        uint8_t *window;
    } producer;
    struct {
        alignas(PTL_CACHE_LINE) _Atomic uint64_t head; /* all before it may be overwritten */
        _Atomic uint64_t held;                         /* referred bytes ever received */
        alignas(PTL_CACHE_LINE) uint64_t taken;        /* read up to here; head follows */
    } consumer;
    alignas(PTL_CACHE_LINE) _Atomic bool producer_waits; /* tell the producer of new room */
    alignas(PTL_CACHE_LINE) uint8_t *bytes;              /* constant after init */
    uint64_t capacity;                                   /* a power of two; the window follows */
    const struct ptl_allocator *allocator;
};

/*
 * `capacity` is in bytes, a power of two of at least 4096.  Errors: PTL_ENOMEM.
 * Owns: the ring's memory is freed by ptl_ring_drop(), when neither side uses it any more.
 */
PTL_MUST_CHECK int ptl_ring_init(struct ptl_ring *ring, const struct ptl_allocator *allocator,
                                 uint64_t capacity);
void ptl_ring_drop(struct ptl_ring *ring);

/* The largest record that a ring of this capacity takes, in bytes. */
#define PTL_RING_RECORD_MAX(capacity)                                                              \
    ((capacity) / 8 < PTL_RING_WINDOW ? (capacity) / 8 : PTL_RING_WINDOW)

_Static_assert(PTL_RING_WINDOW / PTL_RING_UNIT < PTL_RING_SKIP, "a word can say how large it is");

/*
 * A place for a record of `size` bytes (a multiple of 8), or NULL when there is no room.  `control`
 * may use the reserve; `held` counts referred bytes, which have one as well.  The first two bytes
 * of the record are the ring's: it writes the size there.  Thread: the producer.
 */
void *ptl_ring_reserve(struct ptl_ring *ring, uint32_t size, uint64_t held, bool control);

#ifdef PTL_SIMULATED
/* Called while a record is being written: the simulator gives another shard a turn. */
extern void (*ptl_ring_preempt)(void);
#endif

#ifdef PTL_PLANT_EARLY_PUBLISH
void ptl_ring_show_early(struct ptl_ring *ring, uint32_t size);
#endif

/* Begin the next record: there is room for it, in the window, too. */
static inline void *ptl_ring_begin(struct ptl_ring *ring, uint32_t size)
{
    uint8_t *place = ring->producer.window + (ring->producer.written - ring->producer.moved);
    uint16_t word = (uint16_t)(size / PTL_RING_UNIT);

    memcpy(place, &word, sizeof(word));
#ifdef PTL_PLANT_EARLY_PUBLISH
    ptl_ring_show_early(ring, size);
    place = ring->producer.window;
    memcpy(place, &word, sizeof(word));
#endif
#ifdef PTL_SIMULATED
    if (ptl_ring_preempt != NULL) {
        ptl_ring_preempt();
    }
#endif
    return place;
}

/* The same as ptl_ring_reserve() for a message that refers to nothing: nearly always at once. */
static inline void *ptl_ring_reserve_message(struct ptl_ring *ring, uint32_t size)
{
    return ring->producer.written + size <= ring->producer.at_once
               ? ptl_ring_begin(ring, size)
               : ptl_ring_reserve(ring, size, 0, false);
}

/*
 * The record that was reserved last is complete.  It becomes visible with ptl_ring_publish(), or
 * before.  Reserved and not committed is as if it had not been: the next record is written over it.
 */
static inline void ptl_ring_commit(struct ptl_ring *ring, uint32_t size, uint64_t held)
{
    ring->producer.written += size;
    ring->producer.held += held;
}

/* Whether ptl_ring_reserve() for a message of this size would find room.  Thread: the producer. */
bool ptl_ring_has_room(struct ptl_ring *ring, uint32_t size, uint64_t held);

/* Whether at least half of the ring is free.  Thread: the producer. */
bool ptl_ring_ample(struct ptl_ring *ring);

/* Whether the consumer still has to tell that there is room. */
static inline bool ptl_ring_waits(struct ptl_ring *ring)
{
    return atomic_load(&ring->producer_waits);
}

/* Whether the consumer has read and given back all that was ever committed. */
static inline bool ptl_ring_drained(const struct ptl_ring *ring)
{
    return atomic_load(&ring->consumer.head) == ring->producer.written;
}

/* Bytes that are under way, those that records refer to included.  Thread: the producer. */
static inline uint64_t ptl_ring_in_use(const struct ptl_ring *ring)
{
    return ring->producer.written -
           atomic_load_explicit(&ring->consumer.head, memory_order_relaxed) + ring->producer.held -
           atomic_load_explicit(&ring->consumer.held, memory_order_relaxed);
}

/*
 * At the end of a turn: show the consumer all that was committed, in one order with its "I sleep".
 * Returns whether anything was new since the last time; then it may have to be woken.
 */
bool ptl_ring_publish(struct ptl_ring *ring);

/* Ask the consumer to tell when it has made room (ptl_ring_release() then returns true). */
void ptl_ring_wait_for_room(struct ptl_ring *ring);

/* How far the consumer may read now.  Thread: the consumer, as are those below. */
uint64_t ptl_ring_tail(const struct ptl_ring *ring);

/* Whether nothing published is left to take. */
bool ptl_ring_empty(const struct ptl_ring *ring);

/* The next record before `tail`, or NULL.  It may be read until ptl_ring_release(). */
static inline void *ptl_ring_take(struct ptl_ring *ring, uint64_t tail)
{
    while (ring->consumer.taken != tail) {
        ptl_assert(ring->consumer.taken < tail);
        uint8_t *record = ring->bytes + (ring->consumer.taken & (ring->capacity - 1));
        uint16_t word;
        memcpy(&word, record, sizeof(word));
        ring->consumer.taken += (uint64_t)(word & (PTL_RING_SKIP - 1)) * PTL_RING_UNIT;
        if ((word & PTL_RING_SKIP) == 0) {
            return record;
        }
    }
    return NULL;
}

/* How far it has been read; the tail's position when all has been taken. */
static inline uint64_t ptl_ring_taken(const struct ptl_ring *ring)
{
    return ring->consumer.taken;
}

/* The bytes of `held` referred messages are gone from here. */
void ptl_ring_returned(struct ptl_ring *ring, uint64_t held);

/* Give the room of all taken records back.  Returns whether the producer waits for it. */
bool ptl_ring_release(struct ptl_ring *ring);
