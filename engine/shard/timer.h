/*
 * engine/shard/timer.h - what shall happen later on a shard: a heap ordered by time.
 *
 * What happens is a function; whose it is the heap does not know.  Timers stand in structs of their
 * users, so that only a place in the heap costs memory.  Thread: the shard's.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#include <stdbool.h>

struct ptl_shard;

/* One of them, embedded in what its user keeps.  Its user sets the first three. */
struct ptl_timing {
    uint64_t due; /* ns of the loop's clock */
    uint64_t id;  /* those of one moment fire in the order of their numbers */
    /*
     * Its time has come.  It stands in the heap still, where there is always a place for it: it is
     * to be removed or postponed before this returns, and before anything else may fire.
     */
    void (*fire)(struct ptl_shard *shard, struct ptl_timing *timing, uint64_t now);
    uint32_t place; /* in the heap; UINT32_MAX: removed */
    uint32_t round; /* of firing, in which it was added or postponed */
};

/* Only engine/shard/timer.c touches the fields. */
struct ptl_timers {
    const struct ptl_allocator *allocator;
    struct ptl_timing **heap;
    uint32_t count, capacity;
    uint32_t round; /* of firing */
};

void ptl_timers_init(struct ptl_timers *timers, const struct ptl_allocator *allocator);

/* Free the heap's own memory; those in it are their users' business. */
void ptl_timers_drop(struct ptl_timers *timers);

/* Make sure that one more finds a place.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_timers_reserve(struct ptl_timers *timers);

/* Add one; a place must have been reserved. */
void ptl_timers_add(struct ptl_timers *timers, struct ptl_timing *timing);

/* Take out one that is there. */
void ptl_timers_remove(struct ptl_timers *timers, struct ptl_timing *timing);

/* Let one that is there fire later than it would. */
void ptl_timers_postpone(struct ptl_timers *timers, struct ptl_timing *timing, uint64_t due);

/* The next one to fire, or NULL. */
static inline struct ptl_timing *ptl_timers_first(const struct ptl_timers *timers)
{
    return timers->count == 0 ? NULL : timers->heap[0];
}

/* Fire what is due at `now`, a slice of it.  Returns whether more of it is due. */
PTL_MUST_CHECK bool ptl_timers_fire(struct ptl_shard *shard, uint64_t now);

/* When the next one is due, or UINT64_MAX. */
uint64_t ptl_timers_due(const struct ptl_timers *timers);
