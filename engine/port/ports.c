#include "engine/port/ports.h"

#include "engine/port/death.h"
#include "engine/port/monitor_fall.h"
#include "engine/port/monitor_put_off.h"
#include "engine/port/monitor_take.h"
#include "engine/port/room.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

uint64_t ptl_ports_begin(struct ptl_shard *shard)
{
    shard->ports->sent_in_turn = 0;
    shard->ports->estate_units = PTL_SLICE;
    return UINT64_MAX;
}

/* Whether something is left that needs nothing but another slice. */
static bool is_unfinished(const struct ptl_shard *shard)
{
    const struct ptl_shard_ports *ports = shard->ports;

    return !ptl_list_empty(&ports->ready) || !ptl_list_empty(&ports->estates) ||
           ports->monitors.falls != NULL || ptl_waiters_may_go_on(shard) ||
           ptl_monitors_may_resume(shard);
}

uint64_t ptl_ports_due(struct ptl_shard *shard)
{
    if (is_unfinished(shard)) {
        return 0;
    }
    uint64_t ports = ptl_ports_retry_due(shard), afters = ptl_afters_retry_due(shard);

    return ports < afters ? ports : afters;
}

static int init(struct ptl_shard *shard)
{
    shard->ports = ptl_alloc(shard->allocator, sizeof(*shard->ports));
    if (shard->ports == NULL) {
        return PTL_ENOMEM;
    }
    ptl_list_init(&shard->ports->ready);
    ptl_list_init(&shard->ports->blocked);
    ptl_list_init(&shard->ports->dead);
    ptl_list_init(&shard->ports->estates);
    ptl_list_init(&shard->ports->retry);
    ptl_waiters_init(&shard->ports->waiters);
    ptl_map_init(&shard->ports->full.by_text, shard->allocator);
    ptl_monitors_init(&shard->ports->monitors, shard->allocator);
    ptl_afters_init(&shard->ports->afters, shard->allocator);
    ptl_spawners_init(&shard->ports->spawners, shard->allocator);
    int err = ptl_full_board_init(&shard->ports->board, shard->allocator);
    return err < 0 ? err : ptl_port_table_init(&shard->ports->table, shard->allocator);
}

/* Who waits and what was to happen later go first: they refer to ports, and nobody to them. */
static void close_ports(struct ptl_shard *shard)
{
    ptl_waiters_drop(shard, false);
    ptl_afters_drop(shard);
    ptl_ports_drop(shard);
    ptl_spawners_drop(&shard->ports->spawners);
    ptl_monitors_drop(shard);
    ptl_falls_drop(shard);
}

static void drop(struct ptl_shard *shard)
{
    if (shard->ports == NULL) {
        return;
    }
    ptl_fullness_drop(shard);
    ptl_port_table_drop(&shard->ports->table);
    ptl_free(shard->allocator, shard->ports, sizeof(*shard->ports));
    shard->ports = NULL;
}

static bool quiet(struct ptl_shard *shard)
{
    return shard->ports->queued == 0 && ptl_list_empty(&shard->ports->estates) &&
           !ptl_monitors_untold(&shard->ports->monitors) &&
           !ptl_monitor_put_off_any(&shard->ports->monitors);
}

const struct ptl_part ptl_ports_part = {
    .init = init,
    .close = close_ports,
    .drop = drop,
    .quiet = quiet,
    .news = ptl_waiters_have_news,
};
