#include "engine/port/monitor_put_off.h"

#include "engine/port/shard_ports.h"
#include "engine/shard/shard.h"

bool ptl_monitor_put_off_add(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;

    if (ptl_map_reserve(&monitors->by_id) < 0) {
        return false;
    }
    ptl_assert(*monitors->put_off_end == NULL);
    /* In the map, too, so that it can be taken back while it waits. */
    ptl_map_insert(&monitors->by_id, ptl_map_spread(monitoring->id), monitoring);
    ptl_monitoring_list_add(monitors->put_off_end, monitoring);
    monitors->put_off_end = &monitoring->next;
    return true;
}

void ptl_monitor_put_off_leaves(struct ptl_shard *shard, const struct ptl_monitoring *monitoring)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;

    if (monitors->put_off_end == &monitoring->next) { /* it is the last of them */
        monitors->put_off_end = monitoring->link_;
    }
}

struct ptl_monitoring *ptl_monitor_put_off_next(struct ptl_shard *shard)
{
    struct ptl_monitors *monitors = &shard->ports->monitors;
    struct ptl_monitoring *monitoring = monitors->put_off;

    if (monitoring != NULL) {
        ptl_monitor_put_off_leaves(shard, monitoring);
        ptl_monitoring_list_remove(monitoring);
        ptl_map_remove(&monitors->by_id, ptl_map_spread(monitoring->id), monitoring);
    }
    return monitoring;
}
