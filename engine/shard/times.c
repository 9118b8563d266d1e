#include "engine/shard/times.h"

#include "io/base.h"

static uint32_t set_of(uint32_t slot)
{
    return slot % PTL_TIMES_SETS; /* slots are given out one after the other */
}

/* Its own place in the set, else that of whoever has least against being replaced. */
static struct ptl_time *place(struct ptl_time *set, uint32_t slot)
{
    struct ptl_time *least = set;

    for (unsigned i = 0; i < PTL_TIMES_WAYS; i++) {
        if (set[i].messages != 0 && set[i].slot == slot) {
            return &set[i];
        }
        if (set[i].weight < least->weight) {
            least = &set[i];
        }
    }
    return least;
}

void ptl_times_add(struct ptl_times *times, uint32_t slot, uint32_t generation, uint32_t messages,
                   uint64_t took)
{
    struct ptl_time *time = place(times->sets[set_of(slot)], slot);

    ptl_assert(messages != 0);
    if (time->slot != slot && time->weight > took) {
        time->weight -= took;
        return;
    }
    if (time->slot != slot || time->generation != generation || time->messages == 0) {
        *time = (struct ptl_time){.slot = slot, .generation = generation};
    }
    uint64_t mean = took / messages;
    time->messages += messages;
    time->weight += took;
    time->sum_ns += took;
    time->max_ns = mean > time->max_ns ? mean : time->max_ns;
}

const struct ptl_time *ptl_times_find(const struct ptl_times *times, uint32_t slot,
                                      uint32_t generation)
{
    const struct ptl_time *set = times->sets[set_of(slot)];

    for (unsigned i = 0; i < PTL_TIMES_WAYS; i++) {
        if (set[i].messages != 0 && set[i].slot == slot && set[i].generation == generation) {
            return &set[i];
        }
    }
    return NULL;
}
