#include "engine/shard/timer.h"

#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

void ptl_timers_init(struct ptl_timers *timers, const struct ptl_allocator *allocator)
{
    *timers = (struct ptl_timers){.allocator = allocator};
}

void ptl_timers_drop(struct ptl_timers *timers)
{
    ptl_free(timers->allocator, timers->heap, timers->capacity * sizeof(*timers->heap));
    *timers = (struct ptl_timers){.allocator = timers->allocator};
}

static void put(struct ptl_timers *timers, uint32_t place, struct ptl_timing *timing)
{
    timers->heap[place] = timing;
    timing->place = place;
}

/* Those of one moment fire in the order in which they were made. */
static bool is_before(const struct ptl_timing *a, const struct ptl_timing *b)
{
    return a->due < b->due || (a->due == b->due && a->id < b->id);
}

/* The heap is binary, the children of `place` at twice that, plus one and two. */
static void sift_up(struct ptl_timers *timers, uint32_t place)
{
    struct ptl_timing *timing = timers->heap[place];

    while (place > 0 && is_before(timing, timers->heap[(place - 1) / 2])) {
        put(timers, place, timers->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(timers, place, timing);
}

static void sift_down(struct ptl_timers *timers, uint32_t place)
{
    struct ptl_timing *timing = timers->heap[place];

    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count && is_before(timers->heap[child + 1], timers->heap[child])) {
            child++;
        }
        if (!is_before(timers->heap[child], timing)) {
            break;
        }
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timing);
}

void ptl_timers_remove(struct ptl_timers *timers, struct ptl_timing *timing)
{
    uint32_t place = timing->place;

    ptl_assert(place < timers->count && timers->heap[place] == timing);
    struct ptl_timing *last = timers->heap[--timers->count];
    timing->place = UINT32_MAX;
    if (last != timing) {
        /* The last one takes its place, and may belong above it or below: one of the two moves
         * it. */
        put(timers, place, last);
        sift_up(timers, place);
        sift_down(timers, last->place);
    }
}

int ptl_timers_reserve(struct ptl_timers *timers)
{
    if (timers->count < timers->capacity) {
        return PTL_OK;
    }
    uint32_t capacity = timers->capacity == 0 ? 16 : timers->capacity * 2;
    struct ptl_timing **heap = ptl_grow(timers->allocator, timers->heap,
                                        timers->capacity * sizeof(*heap), capacity * sizeof(*heap));

    if (heap == NULL) {
        return PTL_ENOMEM;
    }
    timers->heap = heap;
    timers->capacity = capacity;
    return PTL_OK;
}

void ptl_timers_add(struct ptl_timers *timers, struct ptl_timing *timing)
{
    ptl_assert(timers->count < timers->capacity && timing->fire != NULL);
    timing->round = timers->round;
    put(timers, timers->count++, timing);
    sift_up(timers, timing->place);
}

void ptl_timers_postpone(struct ptl_timers *timers, struct ptl_timing *timing, uint64_t due)
{
    ptl_assert(timers->heap[timing->place] == timing && timing->due <= due);
    /* Later than before, so it can only sink. */
    timing->due = due;
    timing->round = timers->round;
    sift_down(timers, timing->place);
}

static bool next_is_due(const struct ptl_timers *timers, uint64_t now, uint32_t round)
{
    return timers->count != 0 && timers->heap[0]->due <= now && timers->heap[0]->round != round;
}

/*
 * What is left of the due ones when a slice has fired stays first in the heap: the next turn comes
 * at once, with all the shard's other work between, and what becomes due later fires behind them.
 */
bool ptl_timers_fire(struct ptl_shard *shard, uint64_t now)
{
    struct ptl_timers *timers = &shard->timers;
    /* Timers that callbacks make now have their turn with the next: one that begins anew at once
     * must not keep the shard. */
    uint32_t round = ++timers->round;

    for (uint32_t i = 0; i < PTL_SLICE && next_is_due(timers, now, round); i++) {
        struct ptl_timing *timing = timers->heap[0];
        timing->fire(shard, timing, now);
        /* By address only: it may have been freed. Still first, it would keep the shard for
         * ever. */
        ptl_assert(timers->count == 0 || timers->heap[0] != timing || timing->round == round);
    }
    return next_is_due(timers, now, round);
}

uint64_t ptl_timers_due(const struct ptl_timers *timers)
{
    return timers->count == 0 ? UINT64_MAX : timers->heap[0]->due;
}
