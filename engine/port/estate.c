#include "engine/port/estate.h"

#include "engine/port/flow.h"
#include "engine/port/observers.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* Units that one dead port has before it is the next one's turn: small ones are soon done. */
#define SHARE 256

/* False: there was nothing. */
static bool clear_one(struct ptl_shard *shard, struct ptl_port_more *dead)
{
    /* What waits first, in its order; then what the port has made, the last one made first. */
    struct ptl_belonging *belonging = dead->belongings;

    if (!ptl_queue_empty(&dead->queue)) {
        ptl_flow_drop_first(shard, dead);
    } else if (belonging != NULL) {
        ptl_belonging_remove(belonging);
        belonging->end(shard, belonging);
    } else {
        return false;
    }
    return true;
}

/* False: more is left than the units suffice for. */
static bool clear(struct ptl_shard *shard, struct ptl_port_more *dead, uint64_t *units)
{
    while (*units > 0) {
        --*units; /* first: what ends may let another port die, at the cost of the same units */
        if (!clear_one(shard, dead)) {
            return true;
        }
    }
    return false;
}

static void clear_or_list(struct ptl_shard *shard, struct ptl_port_more *dead, uint64_t *units)
{
    if (!clear(shard, dead, units)) {
        ptl_list_append(&shard->ports->estates, &dead->retrying);
        return;
    }
    ptl_assert(dead->belongings == NULL && ptl_queue_empty(&dead->queue));
    ptl_release(dead->release, dead->release_data);
    ptl_port_bury(shard, dead);
}

void ptl_estate_leave(struct ptl_shard *shard, struct ptl_port_more *dead)
{
    clear_or_list(shard, dead, &shard->ports->estate_units);
}

static struct ptl_port_more *take_first(struct ptl_shard *shard)
{
    struct ptl_port_more *dead =
        ptl_container(shard->ports->estates.next, struct ptl_port_more, retrying);

    ptl_list_remove(&dead->retrying);
    return dead;
}

uint64_t ptl_estates_work(struct ptl_shard *shard)
{
    uint64_t units = PTL_SLICE;

    ptl_shard_lap(shard);
    while (units > 0 && !ptl_list_empty(&shard->ports->estates)) {
        uint64_t share = units < SHARE ? units : SHARE;
        units -= share;
        clear_or_list(shard, take_first(shard), &share);
        units += share;
    }
    return UINT64_MAX;
}

void ptl_estates_clear(struct ptl_shard *shard)
{
    uint64_t all = UINT64_MAX;

    while (!ptl_list_empty(&shard->ports->estates)) {
        struct ptl_port_more *dead = take_first(shard);
        ptl_map_drop(&dead->observers);
        clear_or_list(shard, dead, &all);
    }
}
