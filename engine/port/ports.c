#include "engine/port/ports.h"

#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

void ptl_ports_begin(struct ptl_shard *shard)
{
    shard->sent_in_turn = 0;
    shard->estate_units = PTL_SLICE;
}

static int init(struct ptl_shard *shard)
{
    ptl_list_init(&shard->ready);
    ptl_list_init(&shard->blocked);
    ptl_list_init(&shard->dead);
    ptl_list_init(&shard->estates);
    ptl_list_init(&shard->retry);
    ptl_waiters_init(&shard->waiters);
    ptl_map_init(&shard->full, shard->allocator);
    ptl_monitors_init(&shard->monitors, shard->allocator);
    ptl_afters_init(&shard->afters, shard->allocator);
    ptl_spawners_init(&shard->spawners, shard->allocator);
    int err = ptl_full_board_init(&shard->board, shard->allocator);
    return err < 0 ? err : ptl_port_table_init(&shard->ports, shard->allocator);
}

/* Who waits and what was to happen later go first: they refer to ports, and nobody to them. */
static void close_ports(struct ptl_shard *shard)
{
    ptl_waiters_drop(shard, false);
    ptl_afters_drop(shard);
    ptl_ports_drop(shard);
    ptl_spawners_drop(&shard->spawners);
    ptl_monitors_drop(shard);
}

static void drop(struct ptl_shard *shard)
{
    ptl_fullness_drop(shard);
    ptl_port_table_drop(&shard->ports);
}

static bool quiet(struct ptl_shard *shard)
{
    return shard->queued == 0 && ptl_list_empty(&shard->estates) &&
           !ptl_monitors_untold(&shard->monitors) && shard->monitors.put_off == NULL;
}

const struct ptl_part ptl_ports_part = {
    .init = init,
    .close = close_ports,
    .drop = drop,
    .quiet = quiet,
    .news = ptl_waiters_have_news,
};
