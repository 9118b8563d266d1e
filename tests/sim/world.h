/*
 * tests/sim/world.h - nodes on the simulated network, stepped by chance, and what befalls them.
 *
 * Nobody waits in a simulation.  A step gives one turn to one shard that has something to do, drawn
 * by lot; when none has, time goes on to the next event or timer.  Nodes crash, come back under the
 * same ID, stand still; streams are cut; hosts lose each other.  The workload (workload.h) is told
 * of each node that begins.
 */
#pragma once

#include "engine/portolan.h"
#include "tests/sim/checker.h"
#include "tests/sim/sim_loop.h"

#define SIM_NODES_MAX 5
#define SIM_SHARDS_MAX 4
#define SIM_STRIKES 8 /* kinds of what befalls the nodes: fault.c */

struct sim_world;
struct sim_workload;
struct sim_parting; /* hosts that lose each other for a while */

struct sim_node {
    struct sim_world *world;
    unsigned index;
    char id[8];
    char address[SIM_NAME_MAX];
    char told[SIM_NAME_MAX]; /* where others are told to reach it */
    bool ordinary;           /* asked to be; it is global all the same when it is a seed */
    unsigned seeds;          /* of its present life: a bit a node */
    bool ever_ordinary;      /* in this life or an earlier one */
    bool named;              /* it has been somebody's seed in its present life */
    struct sim_host *host;
    struct sim_maker maker;
    struct ptl_node *node; /* NULL while it is down */
    unsigned shards;
    uint64_t due[SIM_SHARDS_MAX]; /* when each shard goes on by itself; else somebody wakes it */
    uint64_t paused_until;
    unsigned links_listed;
    bool stopping;
    bool crashing; /* it is being freed without a word */
    struct ptl_allocator allocator;
    uint64_t bytes, bytes_peak, blocks;
};

struct sim_world {
    struct sim_network *network;
    struct sim_random *random;
    struct sim_checker checker;
    struct sim_workload *workload;
    struct sim_node nodes[SIM_NODES_MAX];
    unsigned node_count;
    struct sim_parting *partings;
    uint64_t turns;
    struct sim_node *turning; /* whose shard is in its turn, or NULL */
    unsigned turning_shard;
    bool interrupting;
    unsigned shares[SIM_STRIKES];
    uint64_t pause_max; /* between two strikes */
    uint64_t calm_at;   /* when the faults end */
    bool storming;
};

/*
 * Make a world of 2 to SIM_NODES_MAX nodes and start them.  The workload's hooks are called from
 * here on.
 */
void sim_world_init(struct sim_world *world, uint64_t seed, bool verbose);

/* All nodes must be down. */
void sim_world_drop(struct sim_world *world);

/* Begin a life of one node that is down. */
void sim_world_start(struct sim_world *world, struct sim_node *node);

/* Go on until `until`, or until the checker has failed. */
void sim_world_run(struct sim_world *world, uint64_t until);

/* Let faults happen for `duration` from now on; at its end everything is healed. */
void sim_world_storm(struct sim_world *world, uint64_t duration);

/* Stop one node cleanly, and check that nothing is left of it. */
void sim_world_stop(struct sim_world *world, struct sim_node *node);

/* At rest every node lists the links that it told of. */
void sim_world_check_links(struct sim_world *world);

/* End one without a word. */
void sim_world_crash(struct sim_world *world, struct sim_node *node);

static inline struct sim_life sim_node_life(const struct sim_node *node)
{
    return sim_life_of(&node->world->checker, node->index);
}

/* Faults of all kinds so far. */
uint64_t sim_world_faults(const struct sim_world *world);

/* Forget those that were to end later. */
void sim_world_faults_drop(struct sim_world *world);
