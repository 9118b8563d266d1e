/*
 * engine/shard/stint.h - messages of one port that follow each other are timed together: to look at
 * the clock costs as much as to bring one of them to its handler.
 *
 *   others end it, or the clock is due --> ptl_stint_end() --> too long: the log says so
 *
 * Thread: the shard's.
 */
#pragma once

#include "engine/shard/shard.h"

#define PTL_STINT_MAX 16

/* Zeroed: nothing yet. */
struct ptl_stint {
    uint32_t slot, generation; /* of the port */
    uint32_t count;            /* messages that its handlers have had */
};

/* Whether a message to that port is one more of it; else it must end first. */
static inline bool ptl_stint_goes_on(const struct ptl_stint *stint, uint32_t slot,
                                     uint32_t generation)
{
    return slot == stint->slot && generation == stint->generation && stint->count < PTL_STINT_MAX;
}

/* It is over.  Returns how long it took (ns) if that was too long, else 0. */
static inline uint64_t ptl_stint_end(struct ptl_shard *shard, struct ptl_stint *stint)
{
    uint64_t before = shard->coarse;

    if (stint->count == 0) {
        return 0;
    }
    ptl_shard_lap(shard);
    return shard->coarse - before > PTL_CALLBACK_SLOW_NS ? shard->coarse - before : 0;
}
