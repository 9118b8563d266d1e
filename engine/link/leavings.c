#include "engine/link/leavings.h"

#include "engine/link/link.h"
#include "engine/port/monitor.h"
#include "engine/shard/shard.h"

void ptl_leavings_begin(struct ptl_link *link)
{
    struct ptl_leavings *leavings = &link->leavings;

    ptl_assert(leavings->watched.count == 0 && leavings->waiting == NULL);
    ptl_map_drop(&leavings->watched);
    leavings->watched = link->watched;
    ptl_map_init(&link->watched, leavings->watched.allocator);
    leavings->waiting = link->waiting_first;
    link->waiting_first = link->waiting_last = NULL;
    link->weight = 0;
}

/* True: there was something, and it is gone. */
static bool clear_one(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_leavings *leavings = &link->leavings;
    struct ptl_monitoring *monitoring = ptl_map_take(&link->listeners);
    struct ptl_watched *watched = monitoring != NULL ? NULL : ptl_map_take(&leavings->watched);
    struct ptl_parcel *parcel = leavings->waiting;

    if (monitoring != NULL) {
        ptl_monitoring_take_back(shard, monitoring->id);
    } else if (watched != NULL) {
        ptl_watched_free(shard->allocator, watched);
    } else if (parcel != NULL) {
        leavings->waiting = parcel->next;
        ptl_parcel_free(parcel, shard->allocator);
    } else {
        return false;
    }
    return true;
}

bool ptl_leavings_clear(struct ptl_shard *shard, struct ptl_link *link, uint64_t *units)
{
    while (*units > 0) {
        if (!clear_one(shard, link)) {
            return true;
        }
        --*units;
    }
    return false;
}

void ptl_leavings_drop(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_map_drop(&link->listeners); /* freed with the monitors */
    while (clear_one(shard, link)) {
    }
    ptl_map_drop(&link->leavings.watched);
}
