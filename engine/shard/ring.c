#include "engine/shard/ring.h"

#include "engine/shard/plant.h"

#ifdef PTL_SIMULATED
void (*ptl_ring_preempt)(void);
#endif

/* A quarter is kept for control records: what tells of an end gets through whatever is sent. */
static void saw_head(struct ptl_ring *ring, uint64_t head)
{
    ring->producer.head_seen = head;
    ring->producer.room = head + ring->capacity - ring->capacity / 4;
}

int ptl_ring_init(struct ptl_ring *ring, const struct ptl_allocator *allocator, uint64_t capacity)
{
    ptl_assert(capacity >= 4096 && (capacity & (capacity - 1)) == 0);
    memset(ring, 0, sizeof(*ring));
    ring->allocator = allocator;
    ring->capacity = capacity;
    saw_head(ring, 0);
    /* Not cleared: nothing is read before it was written, and pages never reached cost nothing. */
    ring->bytes = ptl_alloc_raw(allocator, capacity + PTL_RING_WINDOW);
    if (ring->bytes == NULL) {
        return PTL_ENOMEM;
    }
    ring->producer.window = ring->bytes + capacity;
    return PTL_OK;
}

void ptl_ring_drop(struct ptl_ring *ring)
{
    ptl_free(ring->allocator, ring->bytes, ring->capacity + PTL_RING_WINDOW);
    ring->bytes = NULL;
}

/* What a record takes up here and now: when it does not fit before the end, the rest is skipped. */
static uint64_t footprint(const struct ptl_ring *ring, uint32_t size)
{
    uint64_t to_end = ring->capacity - (ring->producer.written & (ring->capacity - 1));
    return to_end < size ? to_end + size : size;
}

static bool fits(struct ptl_ring *ring, uint64_t need, bool control)
{
    uint64_t reserve = control ? ring->capacity / 4 : 0;

    if (ring->producer.written + need <= ring->producer.room + reserve) {
        return true;
    }
    /* Touch the consumer's cache line only when the head we remember is too old to help. */
    saw_head(ring, atomic_load_explicit(&ring->consumer.head, memory_order_acquire));
    return ring->producer.written + need <= ring->producer.room + reserve;
}

/*
 * `consumer.held` may lag, so the ring may seem to hold more than it does, never less.  One record
 * too many is taken: a message larger than the bound must find a way, too.
 */
static bool may_hold(struct ptl_ring *ring, uint64_t held, bool control)
{
    uint64_t most = control ? PTL_RING_HELD_CONTROL_MAX : PTL_RING_HELD_MAX;

    return held == 0 ||
           ring->producer.held - atomic_load_explicit(&ring->consumer.held, memory_order_relaxed) <
               most;
}

bool ptl_ring_has_room(struct ptl_ring *ring, uint32_t size, uint64_t held)
{
    return may_hold(ring, held, false) && fits(ring, footprint(ring, size), false);
}

bool ptl_ring_ample(struct ptl_ring *ring)
{
    /* Asked after ptl_ring_wait_for_room(): in one order with it, on both sides. */
    saw_head(ring, atomic_load(&ring->consumer.head));
    uint64_t held = ring->producer.held - atomic_load(&ring->consumer.held);
    return ring->producer.written - ring->producer.head_seen <= ring->capacity / 2 &&
           held <= PTL_RING_HELD_MAX / 2;
}

/*
 * Move what is in the window to where it belongs in the ring: it never reaches beyond the end.
 * Returns how far the consumer may read then.
 */
static uint64_t move(struct ptl_ring *ring)
{
    uint64_t size = ring->producer.written - ring->producer.moved;

    /* The consumer never gives back what it has not been shown; and nothing that it has not given
     * back is overwritten: fits() has seen to it. */
    ptl_assert(size <= PTL_RING_WINDOW && ring->producer.head_seen <= ring->producer.moved &&
               ring->producer.written - ring->producer.head_seen <= ring->capacity);
    memcpy(ring->bytes + (ring->producer.moved & (ring->capacity - 1)), ring->producer.window,
           size);
    ring->producer.moved = ring->producer.written;
    return ring->producer.moved;
}

/*
 * Within a turn: the consumer works alongside.  Whether it sleeps is not asked before
 * ptl_ring_publish().
 */
static void show(struct ptl_ring *ring)
{
    atomic_store_explicit(&ring->producer.tail, move(ring), memory_order_release);
}

/* The window ends where the ring does: what is in it is moved in one piece. */
static uint64_t end_of_window(const struct ptl_ring *ring)
{
    uint64_t ring_end = (ring->producer.moved | (ring->capacity - 1)) + 1;
    uint64_t end = ring->producer.moved + PTL_RING_WINDOW;

    return end < ring_end ? end : ring_end;
}

/* Up to where a message needs none of what ptl_ring_reserve() looks at. */
static void see_how_far(struct ptl_ring *ring)
{
    uint64_t end = end_of_window(ring);

    ring->producer.at_once = ring->producer.room < end ? ring->producer.room : end;
}

/* Records lie in one piece: what is left before the end is skipped, and read as that. */
static void skip_to_beginning(struct ptl_ring *ring)
{
    show(ring);
    uint64_t at = ring->producer.written & (ring->capacity - 1);
    uint16_t skip = (uint16_t)((ring->capacity - at) / PTL_RING_UNIT) | PTL_RING_SKIP;
    memcpy(ring->bytes + at, &skip, sizeof(skip));
    ring->producer.written += ring->capacity - at;
    ring->producer.moved = ring->producer.written;
}

void *ptl_ring_reserve(struct ptl_ring *ring, uint32_t size, uint64_t held, bool control)
{
    ptl_assert(size % 8 == 0 && size <= PTL_RING_RECORD_MAX(ring->capacity));
    uint64_t need = footprint(ring, size);

    if (!may_hold(ring, held, control) || !fits(ring, need, control)) {
        return NULL;
    }
    if (need != size) {
        skip_to_beginning(ring);
    } else if (ring->producer.written + size > end_of_window(ring)) {
        show(ring);
    }
    see_how_far(ring);
    return ptl_ring_begin(ring, size);
}

#ifdef PTL_PLANT_EARLY_PUBLISH
/* The consumer sees a record that says nothing yet: a message to nobody. */
void ptl_ring_show_early(struct ptl_ring *ring, uint32_t size)
{
    uint16_t word = (uint16_t)(size / PTL_RING_UNIT);

    show(ring);
    uint8_t *place = ring->bytes + (ring->producer.written & (ring->capacity - 1));
    memset(place, 0, size);
    memcpy(place, &word, sizeof(word));
    atomic_store_explicit(&ring->producer.tail, ring->producer.written + size,
                          memory_order_release);
}
#endif

bool ptl_ring_publish(struct ptl_ring *ring)
{
    if (ring->producer.published == ring->producer.written) {
        return false;
    }
    ring->producer.published = ring->producer.written;
    /* One store publishes the whole batch, also what has been shown before: it pairs with the
     * acquire in ptl_ring_tail(), and its total order with the consumer's "I sleep" decides who
     * must notice the other. */
    atomic_store_explicit(&ring->producer.tail, move(ring), memory_order_seq_cst);
    see_how_far(ring);
    return true;
}

void ptl_ring_wait_for_room(struct ptl_ring *ring)
{
    atomic_store(&ring->producer_waits, true);
}

uint64_t ptl_ring_tail(const struct ptl_ring *ring)
{
    return atomic_load_explicit(&ring->producer.tail, memory_order_seq_cst);
}

bool ptl_ring_empty(const struct ptl_ring *ring)
{
    return ptl_ring_tail(ring) == ring->consumer.taken;
}

void ptl_ring_returned(struct ptl_ring *ring, uint64_t held)
{
    atomic_fetch_add(&ring->consumer.held, held);
}

bool ptl_ring_release(struct ptl_ring *ring)
{
    if (atomic_load_explicit(&ring->consumer.head, memory_order_relaxed) != ring->consumer.taken) {
        /* Pairs with the acquire in fits(): our reads of the records come before its writes. */
        atomic_store_explicit(&ring->consumer.head, ring->consumer.taken, memory_order_seq_cst);
    }
    /* Half empty is soon enough: a producer told of every record would wake for every record. */
    return atomic_load(&ring->producer_waits) &&
           ptl_ring_tail(ring) - ring->consumer.taken <= ring->capacity / 2 &&
           atomic_exchange(&ring->producer_waits, false);
}
