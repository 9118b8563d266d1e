/*
 * What befalls the nodes: streams are cut, hosts lose each other, nodes crash, come back, stand
 * still.
 */
#include "tests/sim/world.h"

#include <stdlib.h>

static struct sim_node *any_node(struct sim_world *world)
{
    return &world->nodes[sim_random_below(world->random, world->node_count)];
}

/* A few seconds at most, more often a fraction of one. */
static uint64_t any_while(struct sim_world *world)
{
    return sim_random_scale(world->random, SIM_MILLISECOND, 4 * SIM_SECOND);
}

static void cut_some(struct sim_world *world)
{
    unsigned streams = sim_network_streams(world->network);
    if (streams == 0) {
        return;
    }
    enum sim_cut how = (enum sim_cut)sim_random_below(world->random, 4);
    unsigned which = (unsigned)sim_random_below(world->random, streams);
    unsigned from = (unsigned)sim_random_below(world->random, 2);
    uint64_t after = sim_random_scale(world->random, 1, 20000) - 1;
    sim_network_cut(world->network, which, from, after, how);
}

static void cut_all(struct sim_world *world)
{
    unsigned streams = sim_network_streams(world->network);
    if (streams == 0) {
        return;
    }
    sim_network_fault(world->network, SIM_FAULT_FLAP, streams);
    while (sim_network_streams(world->network) > 0) {
        unsigned from = (unsigned)sim_random_below(world->random, 2);
        sim_network_cut(world->network, 0, from, 0, SIM_CUT_RESET_BOTH);
    }
}

/* Streams of one node are cut, and it hears of a part of them only: it believes what is over. */
static void cut_node(struct sim_world *world)
{
    const struct sim_node *node = any_node(world);
    for (unsigned which = sim_network_streams(world->network); which-- > 0;) {
        unsigned end = sim_network_end_at(world->network, which, node->host);
        if (end == 2 || sim_random_chance(world->random, 200)) {
            continue;
        }
        bool both = sim_random_chance(world->random, 500);
        sim_network_cut(world->network, which, 1 - end, 0,
                        both ? SIM_CUT_RESET_BOTH : SIM_CUT_RESET_FROM);
    }
}

/* What one group of hosts sends to another waits, and perhaps the other way as well. */
struct sim_parting {
    struct sim_parting *next;
    struct sim_world *world;
    unsigned from, to; /* a bit a node */
    bool both;
};

static void each_pair(const struct sim_parting *parting,
                      void (*call)(struct sim_host *a, struct sim_host *b))
{
    struct sim_world *world = parting->world;
    for (unsigned i = 0; i < world->node_count; i++) {
        for (unsigned j = 0; j < world->node_count; j++) {
            if ((parting->from >> i & 1) != 0 && (parting->to >> j & 1) != 0) {
                call(world->nodes[i].host, world->nodes[j].host);
                if (parting->both) {
                    call(world->nodes[j].host, world->nodes[i].host);
                }
            }
        }
    }
}

static void heal(void *data)
{
    each_pair(data, sim_hosts_heal);
}

static void part(struct sim_world *world, unsigned from, unsigned to, bool both, uint64_t duration)
{
    struct sim_parting *parting = malloc(sizeof *parting);
    ptl_assert(parting != NULL);
    *parting = (struct sim_parting){
        .next = world->partings, .world = world, .from = from, .to = to, .both = both};
    world->partings = parting;
    each_pair(parting, sim_hosts_part);
    sim_network_at(world->network, sim_network_now(world->network) + duration, heal, parting);
}

static void part_some(struct sim_world *world)
{
    struct sim_node *a = any_node(world);
    struct sim_node *b = any_node(world);
    if (a != b) {
        sim_network_fault(world->network, SIM_FAULT_PARTITION, a->index * 16 + b->index);
        part(world, 1u << a->index, 1u << b->index, sim_random_chance(world->random, 700),
             any_while(world));
    }
}

/* Two groups of nodes lose each other, mostly for longer than silence is borne. */
static void split_all(struct sim_world *world)
{
    unsigned all = (1u << world->node_count) - 1;
    unsigned group = (unsigned)sim_random_between(world->random, 1, all - 1);
    sim_network_fault(world->network, SIM_FAULT_SPLIT, group);
    part(world, group, all & ~group, true,
         sim_random_between(world->random, SIM_SECOND / 2, 5 * SIM_SECOND));
}

/* A seed of an ordinary node, perhaps its master; else anybody. */
static struct sim_node *any_master(struct sim_world *world, const struct sim_node *node)
{
    struct sim_node *found = any_node(world);
    unsigned count = 0;
    for (unsigned i = 0; i < world->node_count; i++) {
        if ((node->seeds >> i & 1) != 0 && sim_random_below(world->random, ++count) == 0) {
            found = &world->nodes[i];
        }
    }
    return found;
}

static struct sim_node *any_slave(struct sim_world *world)
{
    struct sim_node *found = any_node(world);
    unsigned count = 0;
    for (unsigned i = 0; i < world->node_count; i++) {
        if (world->nodes[i].ordinary && sim_random_below(world->random, ++count) == 0) {
            found = &world->nodes[i];
        }
    }
    return found;
}

/*
 * A node leaves its master, whose last news of it are held up on the way to all others: they come
 * when it has settled elsewhere.
 */
static void part_slave(struct sim_world *world)
{
    const struct sim_node *slave = any_slave(world);
    const struct sim_node *master = any_master(world, slave);
    unsigned all = (1u << world->node_count) - 1;
    unsigned both = 1u << slave->index | 1u << master->index;
    if (slave == master) {
        return;
    }
    sim_network_fault(world->network, SIM_FAULT_PARTITION, both);
    part(world, 1u << master->index, all & ~both, false,
         sim_random_between(world->random, 50 * SIM_MILLISECOND, 1800 * SIM_MILLISECOND));
    for (unsigned which = sim_network_streams(world->network); which-- > 0;) {
        unsigned end = sim_network_end_at(world->network, which, slave->host);
        if (end < 2 && sim_network_end_at(world->network, which, master->host) == 1 - end) {
            sim_network_cut(world->network, which, end,
                            sim_random_scale(world->random, 1, 5000) - 1, SIM_CUT_RESET_BOTH);
        }
    }
}

static void heal_all(struct sim_world *world)
{
    for (struct sim_parting *parting = world->partings; parting != NULL; parting = parting->next) {
        heal(parting);
    }
}

static void come_back(void *data)
{
    struct sim_node *node = data;
    struct sim_random *random = node->world->random;
    node->shards = (unsigned)sim_random_between(random, 1, SIM_SHARDS_MAX);
    if (node->index > 0 && sim_random_chance(random, 150)) {
        node->ordinary = sim_random_chance(random, 500);
    }
    sim_world_start(node->world, node);
}

static void power_back(void *data)
{
    struct sim_node *node = data;
    sim_host_power_on(node->host);
    come_back(node);
}

static void crash_some(struct sim_world *world)
{
    struct sim_node *node = any_node(world);
    bool silently = sim_random_chance(world->random, 500);
    if (node->node == NULL) {
        return;
    }
    sim_network_fault(world->network, silently ? SIM_FAULT_POWER : SIM_FAULT_RESTART, node->index);
    if (silently) {
        sim_host_power_off(node->host);
    }
    sim_world_crash(world, node);
    sim_network_at(world->network, sim_network_now(world->network) + any_while(world),
                   silently ? power_back : come_back, node);
}

static void pause_some(struct sim_world *world)
{
    struct sim_node *node = any_node(world);
    sim_network_fault(world->network, SIM_FAULT_PAUSE, node->index);
    node->paused_until = sim_network_now(world->network) + any_while(world);
}

/* What may happen, and how often among a hundred; each run likes some of it more than others do. */
static const struct {
    unsigned share;
    void (*happen)(struct sim_world *world);
} kinds[] = {
    {34, cut_some},   {6, cut_node},   {10, cut_all},    {12, part_some},
    {10, part_slave}, {10, split_all}, {12, pause_some}, {10, crash_some},
};

_Static_assert(sizeof kinds / sizeof kinds[0] == SIM_STRIKES, "one share a kind");

static void choose_shares(struct sim_world *world)
{
    for (unsigned i = 0; i < SIM_STRIKES; i++) {
        world->shares[i] = kinds[i].share << sim_random_below(world->random, 4);
    }
}

static void strike_once(struct sim_world *world)
{
    unsigned sum = 0, kind = 0;
    for (unsigned i = 0; i < SIM_STRIKES; i++) {
        sum += world->shares[i];
    }
    unsigned dice = (unsigned)sim_random_below(world->random, sum);
    while (dice >= world->shares[kind]) {
        dice -= world->shares[kind++];
    }
    kinds[kind].happen(world);
}

static void strike(void *data)
{
    struct sim_world *world = data;
    if (!world->storming || sim_network_now(world->network) >= world->calm_at) {
        world->storming = false;
        *sim_network_weather(world->network) = (struct sim_weather){.short_io = 100};
        sim_network_spare(world->network);
        heal_all(world);
        return;
    }
    strike_once(world);
    uint64_t wait = sim_random_scale(world->random, SIM_MILLISECOND, world->pause_max);
    sim_network_at(world->network, sim_network_now(world->network) + wait, strike, world);
}

void sim_world_storm(struct sim_world *world, uint64_t duration)
{
    world->storming = true;
    world->calm_at = sim_network_now(world->network) + duration;
    struct sim_random *random = world->random;
    *sim_network_weather(world->network) = (struct sim_weather){
        .refused = (unsigned)sim_random_below(random, 100),
        .hanging = (unsigned)sim_random_below(random, 50),
        .slow = (unsigned)sim_random_below(random, 100),
        .unresolved = 100,
        .short_io = (unsigned)sim_random_below(random, 300),
        .deferred = (unsigned)sim_random_below(random, 200),
    };
    choose_shares(world);
    /* Some storms leave time between two strikes, so that what the first has left is seen. */
    world->pause_max = (sim_random_chance(random, 250) ? 5000 : 1200) * SIM_MILLISECOND;
    strike(world);
}

uint64_t sim_world_faults(const struct sim_world *world)
{
    uint64_t sum = 0;
    for (int i = 0; i < SIM_FAULTS; i++) {
        sum += sim_network_faults(world->network, (enum sim_fault)i);
    }
    return sum;
}

void sim_world_faults_drop(struct sim_world *world)
{
    while (world->partings != NULL) {
        struct sim_parting *parting = world->partings;
        world->partings = parting->next;
        free(parting);
    }
}
