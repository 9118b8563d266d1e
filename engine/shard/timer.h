/*
 * engine/shard/timer.h - what shall happen later on a shard: a heap ordered by time.
 *
 * Thread: the shard's.  Spec: design, vocabulary, "after".
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/jam.h"
#include "engine/shard/map.h"

struct ptl_shard;
struct ptl_slot;

/* One timer of the application.  Owned by the timers, once added. */
struct ptl_timing {
    struct ptl_belonging belonging;
    uint64_t id;
    uint64_t due;           /* ns of the loop's clock; at first the delay */
    uint32_t place;         /* in the heap; UINT32_MAX: not there */
    uint32_t round;         /* of firing, in which it was added */
    struct ptl_slot *owner; /* NULL: made outside of ports */
    uint32_t generation;    /* of its owner */
    ptl_timer_fn *tell;     /* or, when NULL, a message: */
    void *data;
    ptl_release_fn *release;  /* of `data`, or NULL */
    bool firing;              /* it stays where it is until that is over */
    bool ended;               /* meanwhile: taken back, or its port is gone */
    struct ptl_list accepted; /* among those that could not be added yet */
    struct ptl_jam_place jam; /* of a message for which there is no room */
    struct ptl_port to;
    struct ptl_msg *msg; /* counted by ptl_keep() at the shard it was added to */
};

struct ptl_timers {
    const struct ptl_allocator *allocator;
    struct ptl_timing **heap;
    uint32_t count, capacity;
    uint32_t round;    /* of firing */
    uint64_t retry_at; /* ns: when those that found no room are tried again */
    struct ptl_jams jams;
    struct ptl_list accepted; /* those for which there is no memory yet, in order */
    struct ptl_map by_id;
};

void ptl_timers_init(struct ptl_timers *timers, const struct ptl_allocator *allocator);

/* Add one whose `due` is set.  Errors: PTL_ENOMEM (it stays the caller's). */
PTL_MUST_CHECK int ptl_timers_add(struct ptl_shard *shard, struct ptl_timing *timing);

/* The same for one that a thread has been told is accepted: without memory it is added later. */
void ptl_timers_accept(struct ptl_shard *shard, struct ptl_timing *timing);

/* One of a thread has arrived; its `due` is the delay still. */
void ptl_timing_take(struct ptl_shard *shard, struct ptl_timing *timing);

/* Take one back by its ID, if it is there. */
void ptl_timers_cancel(struct ptl_shard *shard, uint64_t id);

/* Fire what is due at `now`, in the order of their times: a slice of it (slice.h). */
void ptl_timers_fire(struct ptl_shard *shard, uint64_t now);

/* When the next one is due, or UINT64_MAX. */
uint64_t ptl_timers_due(const struct ptl_timers *timers);

/* Free all, firing none. */
void ptl_timers_drop(struct ptl_shard *shard);

/* Free one that was never added, or is not any more, and release its data. */
void ptl_timing_free(struct ptl_shard *shard, struct ptl_timing *timing);
