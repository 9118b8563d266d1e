#include "engine/shard/stint.h"

static unsigned bucket_of(uint64_t ns)
{
    unsigned bucket = 0;

    while (bucket < PTL_STATS_BUCKETS - 1 && ns >= PTL_STATS_BUCKET(bucket)) {
        bucket++;
    }
    return bucket;
}

void ptl_timed_end(struct ptl_shard *shard, uint64_t since, uint32_t slot, uint32_t generation,
                   uint32_t messages)
{
    uint64_t took = ptl_loop_now(shard->loop) - since;

    ptl_assert(messages != 0);
    ptl_count(&shard->counts.handled[bucket_of(took / messages)], messages);
    ptl_count(&shard->counts.handled_ns, took);
    ptl_times_add(&shard->times, slot, generation, messages, took);
}
