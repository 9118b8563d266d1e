#include "engine/link/leavings.h"

#include "engine/link/observed.h"
#include "engine/port/monitor.h"
#include "engine/shard/shard.h"

void ptl_leavings_init(struct ptl_leavings *leavings)
{
    *leavings = (struct ptl_leavings){.waiting = NULL};
    ptl_list_init(&leavings->observed);
}

void ptl_leavings_begin(struct ptl_leavings *leavings, struct ptl_all_observed *observed,
                        struct ptl_parcel *waiting)
{
    /* A link fails anew only when those of its last failure are cleared away. */
    ptl_assert(ptl_list_empty(&leavings->observed) && leavings->waiting == NULL);
    ptl_observed_leave(observed, &leavings->observed);
    leavings->waiting = waiting;
}

/* True: there was something, and it is gone. */
static bool clear_one(struct ptl_shard *shard, struct ptl_leavings *leavings)
{
    struct ptl_observed *observed = ptl_observed_last(&leavings->observed);
    struct ptl_parcel *parcel = leavings->waiting;

    if (observed != NULL) {
        ptl_observed_free(shard->allocator, observed);
    } else if (parcel != NULL) {
        leavings->waiting = parcel->next;
        /* What is no message for a port is not missed. */
        ptl_count(&shard->counts.lost, ptl_parcel_is_for_port(parcel));
        ptl_parcel_free(parcel, shard->allocator);
    } else {
        return false;
    }
    return true;
}

static bool take_back_one(struct ptl_shard *shard, struct ptl_map *observed_here)
{
    struct ptl_monitoring *monitoring = ptl_map_take(observed_here);

    if (monitoring != NULL) {
        ptl_monitoring_take_back(shard, monitoring->id);
    }
    return monitoring != NULL;
}

/*
 * First the monitors that the peer has here: while they last, a port that dies would be told to a
 * link that has gone.
 */
bool ptl_leavings_clear(struct ptl_shard *shard, struct ptl_leavings *leavings,
                        struct ptl_map *observed_here, uint64_t *units)
{
    while (*units > 0) {
        if (!take_back_one(shard, observed_here) && !clear_one(shard, leavings)) {
            return true;
        }
        --*units;
    }
    return false;
}

void ptl_leavings_drop(struct ptl_shard *shard, struct ptl_leavings *leavings)
{
    while (clear_one(shard, leavings)) {
    }
}
