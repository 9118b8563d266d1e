/*
 * engine/shard/stint.h - messages of one port that follow each other are timed and counted
 * together: to look at the clock costs as much as to bring one of them to its handler.
 *
 *   others end it, or the clock is due --> ptl_stint_end() --> too long: the log says so
 *
 * Whether it was too long is told by a clock that is nearly free and exact to some milliseconds;
 * for the statistics one in so many is timed exactly.
 *
 * Thread: the shard's.
 */
#pragma once

#include "engine/shard/shard.h"

#define PTL_STINT_MAX 16

/* One stint or callback in so many is timed exactly. */
#define PTL_TIMED_EVERY 128

/* Zeroed: nothing yet. */
struct ptl_stint {
    uint32_t slot, generation; /* of the port */
    uint32_t count;            /* messages that its handlers have had */
    uint64_t timed_since;      /* ns; 0: it is not timed exactly */
};

/* When it begins (ns), if what the program does now is timed exactly; else 0. */
static inline uint64_t ptl_timed_begin(struct ptl_shard *shard)
{
    return ++shard->counts.calls % PTL_TIMED_EVERY != 0 ? 0 : ptl_loop_now(shard->loop);
}

/* So many messages of that port, one at least, were handled since then. */
PTL_APART void ptl_timed_end(struct ptl_shard *shard, uint64_t since, uint32_t slot,
                             uint32_t generation, uint32_t messages);

/* Whether a message to that port is one more of it; else it must end first. */
static inline bool ptl_stint_goes_on(const struct ptl_stint *stint, uint32_t slot,
                                     uint32_t generation)
{
    return slot == stint->slot && generation == stint->generation && stint->count < PTL_STINT_MAX;
}

/* It is over, and that of another port begins. */
static inline void ptl_stint_begin(struct ptl_shard *shard, struct ptl_stint *stint, uint32_t slot,
                                   uint32_t generation)
{
    stint->slot = slot;
    stint->generation = generation;
    stint->timed_since = ptl_timed_begin(shard);
}

/* It is over.  Returns how long it took (ns) if that was too long, else 0. */
static inline uint64_t ptl_stint_end(struct ptl_shard *shard, struct ptl_stint *stint)
{
    uint64_t before = shard->coarse;

    if (stint->count == 0) {
        return 0;
    }
    ptl_count(&shard->counts.taken, stint->count);
    if (stint->timed_since != 0) {
        ptl_timed_end(shard, stint->timed_since, stint->slot, stint->generation, stint->count);
    }
    ptl_shard_lap(shard);
    return shard->coarse - before > PTL_CALLBACK_SLOW_NS ? shard->coarse - before : 0;
}
