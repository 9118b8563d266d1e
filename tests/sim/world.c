#include "tests/sim/world.h"

#include "engine/node/node.h"
#include "engine/node/stop.h"
#include "engine/shard/slice.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>

#define TURNS_MAX 4000000 /* of a run: beyond it something spins */
#define STOP_DEADLINE_MS 15000
#define STOP_PATIENCE (20 * SIM_SECOND)
#define MEMORY_MAX (12u << 20) /* of a node: its rooms, rings and records under this load */

/* ---- Memory ---------------------------------------------------------------------------------- */

static void *counted_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    struct sim_node *node = user;
    if (new_size == 0) {
        node->bytes -= old_size;
        node->blocks--;
        free(block);
        return NULL;
    }
    void *moved = realloc(block, new_size);
    ptl_assert(moved != NULL);
    node->blocks += block == NULL;
    node->bytes += new_size - old_size;
    if (node->bytes > node->bytes_peak) {
        node->bytes_peak = node->bytes;
    }
    return moved;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static void log_line(void *data, enum ptl_log_level level, const char *line)
{
    struct sim_node *node = data;
    sim_say(node->world->network, "%s: [%d] %s", node->id, (int)level, line);
}

static unsigned node_index(const struct sim_world *world, const char *id)
{
    unsigned index = 0;
    while (index < world->node_count && strcmp(world->nodes[index].id, id) != 0) {
        index++;
    }
    return index;
}

/* Links go up and down in turns. */
static void link_changed(struct ptl_node *node, const char *node_id, bool up,
                         const struct ptl_msg *reason, void *data)
{
    struct sim_node *self = data;
    struct sim_world *world = self->world;
    struct sim_checker *checker = &world->checker;
    unsigned peer = node_index(world, node_id);
    (void)node;
    (void)reason;
    if (peer == world->node_count || peer == self->index) {
        sim_checker_fail(checker, SIM_REST, "%s says it is linked to \"%s\"", self->id, node_id);
        return;
    }
    sim_trace(world->network, up ? "up" : "down", self->index, peer);
    if (checker->linked[self->index][peer] == up) {
        sim_checker_fail(checker, SIM_REST, "%s says twice that %s is %s", self->id, node_id,
                         up ? "up" : "down");
    }
    checker->linked[self->index][peer] = up;
    checker->downs[self->index][peer] += !up;
}

static const char *framings(struct sim_random *random)
{
    static const char *const choices[] = {"cbor,json", "json,cbor", "portolan,json", NULL};
    uint64_t choice = sim_random_below(random, 8); /* mostly the last: half of all links have it */
    return choices[choice < 3 ? choice : 3];
}

static void fill_options(struct sim_node *node, struct ptl_node_options *options)
{
    struct sim_random *random = node->world->random;
    *options = (struct ptl_node_options){
        .size = sizeof *options,
        .id = node->id,
        .secret = "a secret of enough bytes",
        .secret_size = 24,
        .framings = framings(random),
        .shards = node->shards,
        .ordinary = node->ordinary,
        .log_level = PTL_LOG_DEBUG, /* always: lines have their timers, and a replay has the same */
        .log = log_line,
        .log_data = node,
        .allocator = &node->allocator,
        .message_bytes_max = 1 << 20,
        .port_room = (size_t)1 << sim_random_between(random, 14, 18),
        .link_room = (size_t)1 << sim_random_between(random, 16, 19),
        .inbox_room = (size_t)1 << sim_random_between(random, 14, 17),
        .ring_bytes = (size_t)1 << sim_random_between(random, 14, 16),
        .loops = &node->maker.maker,
    };
}

static void tell_known(struct sim_node *node)
{
    struct sim_world *world = node->world;
    for (unsigned i = 0; i < world->node_count; i++) {
        if (i == node->index || sim_random_chance(world->random, 400)) {
            continue; /* it will find that one in the database, or not at all */
        }
        int err = ptl_node_known(node->node, world->nodes[i].id, world->nodes[i].address);
        if (err < 0) {
            sim_checker_fail(&world->checker, SIM_REST, "ptl_node_known: %s", ptl_err_name(err));
        }
    }
}

/*
 * The first node may have no seeds: others join it.  Everybody else knows it, and some more.  An
 * ordinary node is mostly left alone, since being a seed makes it global.
 */
static unsigned choose_seeds(struct sim_node *node)
{
    struct sim_world *world = node->world;
    bool joins = node->index > 0 || sim_random_chance(world->random, 500);
    unsigned seeds = node->index > 0 ? 1 : 0;
    for (unsigned i = 1; i < world->node_count && joins; i++) {
        unsigned chance = world->nodes[i].ordinary ? 30 : 400;
        if (i != node->index && sim_random_chance(world->random, chance)) {
            seeds |= 1u << i;
        }
    }
    return seeds;
}

/* An ordinary node that loses its master shall find another, if there is one. */
static unsigned choose_masters(struct sim_node *node)
{
    struct sim_world *world = node->world;
    unsigned seeds = choose_seeds(node);
    unsigned first = (unsigned)sim_random_below(world->random, world->node_count);
    for (unsigned i = 0; i < world->node_count && seeds == 1; i++) {
        const struct sim_node *other = &world->nodes[(first + i) % world->node_count];
        if (other != node && !other->ordinary) {
            seeds |= 1u << other->index;
        }
    }
    return seeds;
}

/* Give it seeds, and say of which nodes it will ask to be global. */
static void fill_seeds(struct sim_node *node, const char *seeds[])
{
    struct sim_world *world = node->world;
    unsigned count = 0;
    node->seeds = node->ordinary ? choose_masters(node) : choose_seeds(node);
    node->named = false;
    node->ever_ordinary = node->ever_ordinary || node->ordinary;
    for (unsigned i = 0; i < world->node_count; i++) {
        struct sim_node *other = &world->nodes[i];
        if ((node->seeds >> i & 1) != 0) {
            seeds[count++] = other->address;
            other->named = true;
        }
        node->named =
            node->named || (other->node != NULL && (other->seeds >> node->index & 1) != 0);
    }
    seeds[count] = NULL;
}

void sim_world_start(struct sim_world *world, struct sim_node *node)
{
    char bind[SIM_NAME_MAX];
    const char *binds[] = {bind, NULL};
    const char *announces[] = {node->told, NULL};
    const char *seeds[SIM_NODES_MAX + 1];
    struct ptl_node_options options;

    fill_options(node, &options);
    fill_seeds(node, seeds);
    snprintf(bind, sizeof bind, "%s:4040", sim_host_ip(node->host));
    snprintf(node->told, sizeof node->told, "%s", bind);
    if (sim_random_chance(world->random, 300)) {
        snprintf(node->told, sizeof node->told, "%s:4040", node->id);
        options.announces = announces;
    }
    options.binds = binds;
    options.seeds = seeds;
    world->checker.lives[node->index]++;
    world->checker.up[node->index] = true;
    memset(world->checker.linked[node->index], 0, sizeof world->checker.linked[0]);
    sim_maker_init(&node->maker, node->host);
    sim_trace(world->network, "start", node->index, node->shards);
    int err = ptl_node_make(&options, &node->node);
    for (unsigned i = 0; err == 0 && i < node->shards; i++) {
        err = ptl_node_open_shard(node->node, i);
        node->due[i] = 0;
    }
    if (err < 0) {
        fprintf(stderr, "sim: the node does not start: %s\n", ptl_err_text(err));
        abort();
    }
    err = ptl_on_link(node->node, link_changed, node);
    if (err < 0) {
        sim_checker_fail(&world->checker, SIM_REST, "ptl_on_link: %s", ptl_err_name(err));
    }
    tell_known(node);
    sim_workload_node_up(world->workload, node);
}

/* The engine is gone: is anything left? */
static void check_empty(struct sim_node *node)
{
    if (node->bytes != 0 || node->blocks != 0) {
        sim_checker_fail(&node->world->checker, SIM_G9_END, "%s leaves %llu bytes in %llu blocks",
                         node->id, (unsigned long long)node->bytes,
                         (unsigned long long)node->blocks);
    }
    for (unsigned i = 0; i < node->shards; i++) {
        if (sim_maker_loop(&node->maker, i) != NULL) {
            sim_checker_fail(&node->world->checker, SIM_G9_END, "%s leaves the loop of shard %u",
                             node->id, i);
            return;
        }
    }
    sim_maker_drop(&node->maker);
}

static void free_node(struct sim_node *node, void (*end)(struct ptl_node *node))
{
    struct ptl_node *gone = node->node;
    node->node = NULL;
    node->paused_until = 0;
    end(gone);
    check_empty(node);
    node->bytes = node->blocks = 0;
}

void sim_world_crash(struct sim_world *world, struct sim_node *node)
{
    sim_trace(world->network, "crash", node->index, 0);
    world->checker.up[node->index] = false;
    sim_workload_node_down(world->workload, node);
    node->crashing = true;
    free_node(node, ptl_node_crash);
    node->crashing = false;
}

void sim_world_stop(struct sim_world *world, struct sim_node *node)
{
    uint64_t until = sim_network_now(world->network) + STOP_PATIENCE;
    sim_trace(world->network, "stop", node->index, 0);
    node->stopping = true;
    ptl_node_stop_begin(node->node, STOP_DEADLINE_MS);
    while (!ptl_node_stop_done(node->node) && !world->checker.failed) {
        uint64_t now = sim_network_now(world->network);
        if (now >= until) {
            sim_checker_fail(&world->checker, SIM_G9_END, "%s does not stop", node->id);
            return;
        }
        sim_world_run(world, now + 5 * SIM_MILLISECOND);
    }
    if (world->checker.failed) {
        return;
    }
    sim_checker_stopped(&world->checker, node->index);
    world->checker.up[node->index] = false;
    sim_workload_node_down(world->workload, node);
    free_node(node, ptl_node_free);
    node->stopping = false;
}

static void count_link(const char *node_id, void *data)
{
    struct sim_node *node = data;
    unsigned peer = node_index(node->world, node_id);
    if (peer == node->world->node_count || !node->world->checker.linked[node->index][peer]) {
        sim_checker_fail(&node->world->checker, SIM_REST, "%s lists %s, whose link is down",
                         node->id, node_id);
        return;
    }
    node->links_listed++;
}

void sim_world_check_links(struct sim_world *world)
{
    for (unsigned i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        unsigned linked = 0;
        for (unsigned peer = 0; peer < world->node_count; peer++) {
            linked += world->checker.linked[i][peer];
        }
        node->links_listed = 0;
        ptl_links(node->node, count_link, node);
        if (node->links_listed != linked) {
            sim_checker_fail(&world->checker, SIM_REST, "%s lists %u links of %u", node->id,
                             node->links_listed, linked);
        }
    }
}

/* ---- Stepping -------------------------------------------------------------------------------- */

struct candidate {
    struct sim_node *node;
    unsigned shard;
};

/* Who has something to do now; or when the next one will. */
static unsigned find_ready(struct sim_world *world, struct candidate ready[], uint64_t *next)
{
    uint64_t now = sim_network_now(world->network);
    unsigned count = 0;
    *next = UINT64_MAX;
    for (unsigned i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        if (node->node == NULL) {
            continue;
        }
        if (node->paused_until > now) {
            *next = node->paused_until < *next ? node->paused_until : *next;
            continue;
        }
        for (unsigned shard = 0; shard < node->shards; shard++) {
            struct ptl_loop *loop = sim_maker_loop(&node->maker, shard);
            if (loop == NULL) {
                continue;
            }
            uint64_t due = node->due[shard];
            if (sim_loop_ready(loop) || due <= now) {
                ready[count++] = (struct candidate){node, shard};
            } else if (due < *next) {
                *next = due;
            }
        }
    }
    return count;
}

static void turn(struct sim_world *world, struct candidate who)
{
    struct sim_node *interrupted = world->turning;
    unsigned interrupted_shard = world->turning_shard;
    world->turns++;
    sim_trace(world->network, "turn", who.node->index, who.shard);
    world->turning = who.node;
    world->turning_shard = who.shard;
    ptl_node_turn(who.node->node, who.shard);
    world->turning = interrupted;
    world->turning_shard = interrupted_shard;
    /* Asked once, as a thread does before it sleeps: later news must come with a wake. */
    who.node->due[who.shard] = ptl_node_next(who.node->node, who.shard);
    sim_network_pass(world->network, sim_random_between(world->random, 200, 10000));
    if (who.node->bytes > MEMORY_MAX) {
        sim_checker_fail(&world->checker, SIM_G6_ROOM, "%s holds %llu bytes", who.node->id,
                         (unsigned long long)who.node->bytes);
    }
    if (world->turns > TURNS_MAX) {
        sim_checker_fail(&world->checker, SIM_REST, "%s spins", who.node->id);
    }
}

#ifdef PTL_SIMULATED
static struct sim_world *present; /* the hook below has no argument */

/* A shard is in the middle of writing to a ring: now and then others go on meanwhile. */
static void interrupt(void)
{
    struct candidate ready[SIM_NODES_MAX * SIM_SHARDS_MAX];
    struct sim_world *world = present;
    uint64_t next;
    if (world == NULL || world->turning == NULL || world->interrupting ||
        !sim_random_chance(world->random, 20)) {
        return;
    }
    unsigned count = find_ready(world, ready, &next);
    world->interrupting = true;
    for (unsigned i = 0; i < count; i++) {
        if (ready[i].node != world->turning || ready[i].shard != world->turning_shard) {
            turn(world, ready[i]);
        }
    }
    world->interrupting = false;
}
#endif

/* Events whose time has come go before turns now and then, not always. */
static void step(struct sim_world *world, uint64_t until)
{
    struct candidate ready[SIM_NODES_MAX * SIM_SHARDS_MAX];
    uint64_t due;
    unsigned count = find_ready(world, ready, &due);
    uint64_t event = sim_network_next(world->network);
    uint64_t now = sim_network_now(world->network);

    if (event <= now && (count == 0 || sim_random_chance(world->random, 700))) {
        sim_network_advance(world->network);
    } else if (count > 0) {
        turn(world, ready[sim_random_below(world->random, count)]);
    } else {
        due = due < until ? due : until;
        if (event <= due) {
            sim_network_advance(world->network);
        } else {
            sim_network_pass(world->network, due - now);
        }
    }
}

void sim_world_run(struct sim_world *world, uint64_t until)
{
    while (!world->checker.failed && sim_network_now(world->network) < until) {
        step(world, until);
    }
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

void sim_world_init(struct sim_world *world, uint64_t seed, bool verbose)
{
    static const char *const names[SIM_NODES_MAX] = {"alpha", "beta", "gamma", "delta", "epsilon"};
    *world = (struct sim_world){.network = sim_network_make(seed)};
    ptl_assert(world->network != NULL);
    world->random = sim_network_random(world->network);
    sim_network_verbose(world->network, verbose);
    sim_checker_init(&world->checker, world->network);
    world->node_count = (unsigned)sim_random_between(world->random, 2, SIM_NODES_MAX);
    for (unsigned i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        node->world = world;
        node->index = i;
        node->shards = (unsigned)sim_random_between(world->random, 1, SIM_SHARDS_MAX);
        node->ordinary = i > 0 && sim_random_chance(world->random, 450);
        node->host = sim_host_add(world->network, names[i]);
        node->allocator = (struct ptl_allocator){.resize = counted_resize, .user = node};
        snprintf(node->id, sizeof node->id, "%s", names[i]);
        /* Seeds by name are resolved, those by number are not. */
        snprintf(node->address, sizeof node->address, "%s:4040",
                 sim_random_chance(world->random, 500) ? names[i] : sim_host_ip(node->host));
    }
    world->workload = sim_workload_make(world);
#ifdef PTL_SIMULATED
    present = world;
    ptl_ring_preempt = interrupt;
    /* Every other world cuts long works small, so that much happens between their pieces. */
    ptl_slice = sim_random_chance(world->random, 500)
                    ? (uint32_t)sim_random_between(world->random, 2, 32)
                    : 4096;
#endif
    for (unsigned i = 0; i < world->node_count; i++) {
        sim_world_start(world, &world->nodes[i]);
    }
}

void sim_world_drop(struct sim_world *world)
{
    sim_world_faults_drop(world);
    sim_workload_free(world->workload);
    sim_checker_drop(&world->checker);
    sim_network_free(world->network);
}
