#include "tests/sim/database.h"

#include "tests/sim/network_inside.h"

#include <stdlib.h>

#define FOLLOWERS_A_NODE 3

/* ---- Ticks ----------------------------------------------------------------------------------- */

static struct sim_node *node_of(const struct sim_ticker *ticker)
{
    return &ticker->workload->world->nodes[ticker->life.node];
}

bool sim_ticker_is_on(const struct sim_ticker *ticker)
{
    return sim_life_is_on(&ticker->workload->world->checker, ticker->life) &&
           !node_of(ticker)->stopping && (ticker->actor == NULL || ticker->actor->facts.alive);
}

static unsigned any_pause(const struct sim_ticker *ticker)
{
    return (unsigned)sim_random_scale(sim_dice(ticker->workload), 4, ticker->pause_max_ms);
}

static int port_tick(struct ptl_node *node, void *data);

static void arm(struct sim_ticker *ticker)
{
    unsigned pause_ms = any_pause(ticker);
    sim_after(ticker->actor, pause_ms, port_tick,
              sim_timer_promise(ticker->actor, pause_ms, ticker));
}

static int port_tick(struct ptl_node *node, void *data)
{
    struct sim_promise *promise = data;
    struct sim_ticker *ticker = promise->data;
    (void)node;
    sim_promise_kept(&ticker->workload->world->checker, promise);
    if (ticker->workload->finished || !sim_ticker_is_on(ticker)) {
        return 0;
    }
    ticker->tick(ticker->data);
    if (!ticker->actor->doomed) {
        arm(ticker);
    }
    return 0;
}

static void thread_tick(void *data)
{
    struct sim_ticker *ticker = data;
    struct sim_network *network = ticker->workload->world->network;
    if (ticker->workload->finished || !sim_ticker_is_on(ticker)) {
        return;
    }
    ticker->tick(ticker->data);
    sim_network_at(network, sim_network_now(network) + any_pause(ticker) * SIM_MILLISECOND,
                   thread_tick, ticker);
}

void sim_ticker_start(struct sim_ticker *ticker)
{
    if (ticker->actor == NULL) {
        thread_tick(ticker);
    } else {
        arm(ticker);
    }
}

/* ---- Lives ----------------------------------------------------------------------------------- */

void sim_append(void *array, uint32_t *count, void *record)
{
    void **records = *(void ***)array;
    if ((*count & (*count - 1)) == 0) {
        size_t capacity = *count == 0 ? 1 : 2 * (size_t)*count;
        records = sim_must_grow(records, capacity * sizeof(void *));
        *(void ***)array = records;
    }
    records[(*count)++] = record;
}

struct sim_database *sim_database_make(struct sim_workload *workload)
{
    struct sim_database *database = sim_must_alloc(sizeof *database);
    database->workload = workload;
    database->world = workload->world;
    database->keys = (unsigned)sim_random_between(workload->world->random, 1, SIM_KEYS);
    database->pause_max_ms = (unsigned)sim_random_scale(workload->world->random, 250, 4000);
    database->fat = sim_random_chance(workload->world->random, 150);
    database->quiet_at = UINT64_MAX;
    return database;
}

void sim_database_free(struct sim_database *database)
{
    sim_writers_free(database);
    sim_followers_free(database);
    sim_questions_free(database);
    free(database->refused);
    free(database);
}

void sim_database_node_up(struct sim_database *database, struct sim_node *node)
{
    memset(database->entries[node->index], 0, sizeof database->entries[0]);
    sim_writers_add(database, node);
    for (unsigned i = 0; i < FOLLOWERS_A_NODE; i++) {
        sim_follower_add(database, node, i == 0);
    }
}

void sim_database_storm(struct sim_database *database)
{
    struct sim_world *world = database->world;
    unsigned dice = (unsigned)sim_random_below(world->random, 100);
    database->quiet_at = UINT64_MAX;
    if (dice < 70) {
        database->quiet_at = world->calm_at;
    }
    if (dice < 40) {
        database->quiet_at -= sim_random_below(world->random, 4 * SIM_SECOND);
    }
}

bool sim_database_is_quiet(const struct sim_database *database)
{
    return database->workload->finished ||
           sim_network_now(database->world->network) >= database->quiet_at;
}

int sim_database_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor)
{
    struct sim_workload *workload = actor->workload;
    (void)node;
    if (ptl_msg_is(msg, "poke")) {
        bool later = sim_random_chance(sim_dice(workload), actor->later_chance);
        return later ? PTL_LATER : 0;
    }
    if (!ptl_msg_is(msg, "begin")) {
        sim_checker_fail(&workload->world->checker, SIM_CONTENT, "actor %u cannot read its message",
                         actor->facts.id);
    } else {
        sim_ticker_start(actor->ticker);
    }
    return 0;
}

void sim_database_tell(struct sim_actor *actor, const char *tag)
{
    struct sim_node *node = sim_actor_node(actor);
    struct ptl_msg *msg = sim_message(node, tag, actor, "");
    sim_check_result(actor->workload, "ptl_send", ptl_send(node->node, &actor->port, msg));
    ptl_msg_free(msg);
}

/* ---- Deaths ---------------------------------------------------------------------------------- */

static struct sim_actor *any_mortal(struct sim_workload *workload)
{
    struct sim_actor *found = NULL;
    unsigned count = 0;
    for (uint32_t i = 0; i < workload->actor_count; i++) {
        struct sim_actor *actor = workload->actors[i];
        if ((actor->kind == SIM_HAND || actor->kind == SIM_FOLLOWER) && !actor->doomed &&
            sim_actor_is_on(actor) && sim_random_below(sim_dice(workload), ++count) == 0) {
            found = actor;
        }
    }
    return found;
}

void sim_database_kill(struct sim_database *database)
{
    struct sim_workload *workload = database->workload;
    struct sim_world *world = database->world;
    struct sim_node *from = &world->nodes[sim_random_below(world->random, world->node_count)];
    struct sim_actor *victim = any_mortal(workload);
    if (victim == NULL || from->node == NULL) {
        return;
    }
    struct ptl_msg *reason = sim_any_reason(victim);
    int err = ptl_kill(from->node, &victim->port, reason);
    sim_check_result(workload, "ptl_kill", err);
    if (err == 0) {
        sim_actor_doomed(victim, reason);
        victim->doomed = true;
        if (victim->kind == SIM_FOLLOWER) {
            sim_follower_add(database, sim_actor_node(victim), false);
        }
    }
    ptl_msg_free(reason);
}
