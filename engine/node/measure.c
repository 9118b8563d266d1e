#include "engine/node/measure.h"

#include "engine/directory/database.h"
#include "engine/link/node_links.h"
#include "engine/link/shard_links.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/counts.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

static void measure_ports(const struct ptl_shard_ports *ports, struct ptl_counts *counts)
{
    ptl_gauge(&counts->queued, ports->queued);
    ptl_gauge(&counts->queued_bytes, ports->queued_bytes);
    ptl_gauge(&counts->full, atomic_load_explicit(&ports->board.keys.count, memory_order_relaxed));
    ptl_gauge(&counts->monitors, ports->monitors.by_id.count);
    ptl_gauge(&counts->timers, ports->afters.by_id.count);
}

static void measure_links(const struct ptl_shard_links *links, struct ptl_counts *counts)
{
    ptl_gauge(&counts->links, ptl_counted(&counts->links_up) - ptl_counted(&counts->links_lost));
    ptl_gauge(&counts->link_bytes, links->weight + links->unweighed);
    ptl_gauge(&counts->strangers, links->strangers.count);
}

static void measure_database(const struct ptl_shard_directory *directory, struct ptl_counts *counts)
{
    ptl_gauge(&counts->families, ptl_store_families(directory->store));
    ptl_gauge(&counts->entries, ptl_store_entries(directory->store));
    ptl_gauge(&counts->watches, directory->followers.count);
    ptl_gauge(&counts->registrations, directory->registrations.count);
}

void ptl_shard_measure(struct ptl_shard *shard)
{
    uint64_t ring_bytes = 0;

    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        ring_bytes += ptl_ring_in_use(ptl_shard_ring(shard, i));
    }
    ptl_gauge(&shard->counts.ring_bytes, ring_bytes);
    measure_ports(shard->ports, &shard->counts);
    measure_links(shard->links, &shard->counts);
    measure_database(shard->directory, &shard->counts);
}

/* ---- Reading: any thread -------------------------------------------------------------------- */

/* What changes hands with other threads already is read where it is. */
static void read_shared(const struct ptl_shard *shard, struct ptl_stats *stats)
{
    stats->refused += ptl_counted(&shard->counts.refused_outside);
    stats->inbox_bytes += ptl_counted(&shard->inbox.weight);
    stats->kept_bytes += ptl_counted(&shard->ports->kept);
    stats->ports += ptl_port_table_alive(&shard->ports->table);
}

static void read_seeds(struct ptl_node_links *links, struct ptl_stats *stats)
{
    unsigned count = atomic_load(&links->seed_count);

    for (unsigned i = 0; i < count; i++) {
        unsigned state = atomic_load_explicit(&links->seeds[i].state, memory_order_relaxed);
        bool wanted = atomic_load_explicit(&links->seeds[i].wanted, memory_order_relaxed);
        bool is_own = atomic_load_explicit(&links->seeds[i].is_own, memory_order_relaxed);
        stats->seeds += wanted && !is_own;
        stats->seeds_linked += wanted && state == PTL_SEED_LINKED;
    }
}

static void add(const struct ptl_shard *shard, struct ptl_stats *stats)
{
    const struct ptl_counts *counts = &shard->counts;

#define ADD(name, what) stats->name += ptl_counted(&counts->name);
    PTL_STATS_COUNTERS(ADD)
    PTL_STATS_GAUGES(ADD)
#undef ADD
    for (unsigned i = 0; i < PTL_REASONS; i++) {
        stats->handshakes_failed[i] += ptl_counted(&counts->handshakes_failed[i]);
    }
    for (unsigned i = 0; i < PTL_STATS_BUCKETS; i++) {
        stats->handled[i] += ptl_counted(&counts->handled[i]);
    }
    stats->handled_ns += ptl_counted(&counts->handled_ns);
    read_shared(shard, stats);
    if (shard->index == 0) {
        read_seeds(shard->node->links, stats);
    }
}

int ptl_stats(const struct ptl_node *node, unsigned shard, struct ptl_stats *stats)
{
    if (stats->size != sizeof(*stats) || (shard >= node->shard_count && shard != PTL_STATS_ALL)) {
        return PTL_EINVAL;
    }
    *stats = (struct ptl_stats){.size = sizeof(*stats)};
    for (unsigned i = 0; i < node->shard_count; i++) {
        if (i == shard || shard == PTL_STATS_ALL) {
            add(&node->shards[i], stats);
        }
    }
    return PTL_OK;
}
