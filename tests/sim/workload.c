#include "tests/sim/workload.h"

#include "tests/sim/actor.h"
#include "tests/sim/database.h"
#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

#define SMALL_WORLD 3 /* nodes */

void sim_check_result(struct sim_workload *workload, const char *what, int err)
{
    if (err < 0 && err != PTL_EFULL && err != PTL_ESTOPPED && err != PTL_EEXIST) {
        sim_checker_fail(&workload->world->checker, SIM_REST, "%s returned %s", what,
                         ptl_err_name(err));
    }
}

/* ---- Actors ---------------------------------------------------------------------------------- */

struct sim_actor *sim_actor_new(struct sim_workload *workload, enum sim_kind kind,
                                struct sim_node *node)
{
    struct sim_actor *actor = sim_must_alloc(sizeof *actor);
    if ((workload->actor_count & (workload->actor_count - 1)) == 0) {
        size_t capacity = workload->actor_count == 0 ? 1 : 2 * (size_t)workload->actor_count;
        workload->actors = sim_must_grow(workload->actors, capacity * sizeof(struct sim_actor *));
    }
    actor->workload = workload;
    actor->kind = kind;
    actor->kill_after = UINT64_MAX;
    actor->facts.id = workload->actor_count;
    actor->facts.life = sim_node_life(node);
    workload->actors[workload->actor_count++] = actor;
    return actor;
}

static void released(void *data)
{
    struct sim_actor *actor = data;
    struct sim_node *node = sim_actor_node(actor);
    sim_trace(actor->workload->world->network, "released", actor->facts.id, actor->facts.alive);
    if (node->crashing || node->stopping) {
        return;
    }
    if (!actor->facts.alive) {
        sim_checker_fail(&actor->workload->world->checker, SIM_G9_END, "actor %u is released twice",
                         actor->facts.id);
    }
    actor->facts.alive = false;
}

static int handle(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct sim_actor *actor = data;
    struct sim_checker *checker = &actor->workload->world->checker;
    struct ptl_port self;
    int64_t target = -1;

    if (!sim_actor_is_on(actor)) {
        sim_checker_fail(checker, SIM_G3_PORT, "actor %u is dead and gets a message",
                         actor->facts.id);
        return 0;
    }
    if (!ptl_self(node, &self) || (actor->placed && !ptl_port_equal(&self, &actor->port))) {
        sim_checker_fail(checker, SIM_G3_PORT, "actor %u runs as somebody else", actor->facts.id);
    }
    /* Every message begins with its tag and the actor it is for; a chosen name is for anybody. */
    if (ptl_msg_read(node, msg, "*i", &target) < 0 ||
        (target != actor->facts.id && (actor->kind != SIM_ECHO || target != -1))) {
        sim_checker_fail(checker, SIM_G3_PORT, "a message for actor %lld reaches actor %u",
                         (long long)target, actor->facts.id);
        return 0;
    }
    switch (actor->kind) {
    case SIM_RECEIVER:
        return sim_receiver_handle(node, msg, actor);
    case SIM_SENDER:
        return sim_sender_handle(node, msg, actor);
    case SIM_ECHO:
        return sim_echo_handle(node, msg, actor);
    case SIM_TALKER:
        return sim_talker_handle(node, msg, actor);
    case SIM_VICTIM:
        return sim_victim_handle(node, msg, actor);
    case SIM_ERRAND:
        return sim_errand_handle(node, msg, actor);
    case SIM_WRITER:
    case SIM_HAND:
    case SIM_FOLLOWER:
        return sim_database_handle(node, msg, actor);
    case SIM_NODE:
        break;
    }
    ptl_unreachable("no such kind");
}

int sim_actor_place(struct sim_actor *actor, const char *name)
{
    struct sim_node *node = sim_actor_node(actor);
    struct ptl_port_options options = {
        .size = sizeof options,
        .name = name,
        .handler = handle,
        .data = actor,
        .release = released,
    };
    if (name == NULL && sim_random_chance(sim_dice(actor->workload), 700)) {
        options.shard_plus_one =
            1 + (uint32_t)sim_random_below(sim_dice(actor->workload), node->shards);
    }
    int err = ptl_port_new(node->node, &options, &actor->port);
    sim_check_result(actor->workload, "ptl_port_new", err);
    if (err == 0) {
        actor->placed = actor->facts.born = actor->facts.alive = true;
        sim_say(actor->workload->world->network, "actor %u of kind %d is %s", actor->facts.id,
                (int)actor->kind, ptl_port_id(&actor->port));
    }
    return err;
}

int sim_actor_spawn(struct sim_actor *actor, struct sim_node *from)
{
    struct ptl_msg *msg;
    int err = ptl_msg_make(from->node, &msg, "ti", "spawn", (int64_t)actor->facts.id);
    if (err == 0) {
        err = ptl_spawn(from->node, sim_actor_node(actor)->id, "sim::actor", msg, &actor->port);
        ptl_msg_free(msg);
    }
    sim_check_result(actor->workload, "ptl_spawn", err);
    actor->placed = err == 0;
    if (actor->placed) {
        sim_say(actor->workload->world->network, "actor %u of kind %d is to be %s", actor->facts.id,
                (int)actor->kind, ptl_port_id(&actor->port));
    }
    return err;
}

/* The init function of spawned actors. */
static int spawned(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct sim_node *home = data;
    struct sim_workload *workload = home->world->workload;
    struct sim_checker *checker = &home->world->checker;
    int64_t id = -1;
    struct ptl_port self;

    if (ptl_msg_read(node, msg, "*i.", &id) < 0 || id < 0 || id >= workload->actor_count) {
        sim_checker_fail(checker, SIM_CONTENT, "a spawn that nobody asked for");
        return 0;
    }
    struct sim_actor *actor = workload->actors[id];
    if (actor->facts.born) {
        sim_checker_fail(checker, SIM_ONCE, "actor %u is spawned twice", actor->facts.id);
        return 0;
    }
    if (actor->facts.life.node != home->index || !ptl_self(node, &self) ||
        !ptl_port_equal(&self, &actor->port)) {
        sim_checker_fail(checker, SIM_G3_PORT, "actor %u is spawned as another port",
                         actor->facts.id);
    }
    /* It may have been asked for in an earlier life of this node. */
    actor->facts.life = sim_node_life(home);
    actor->facts.born = actor->facts.alive = true;
    int err = ptl_port_own(node, released, actor);
    sim_check_result(workload, "ptl_port_own", err);
    return ptl_port_on(node, &self, NULL, handle, actor);
}

void sim_actor_view(struct sim_actor *actor, struct sim_node *node)
{
    struct ptl_port port;
    const char *id = ptl_port_id(&actor->port);
    int err = ptl_port_parse(node->node, id, strlen(id), &port);
    sim_check_result(actor->workload, "ptl_port_parse", err);
    actor->port = port;
}

struct ptl_port sim_named_port(struct sim_node *from, const struct sim_node *on, const char *name)
{
    char id[64];
    struct ptl_port port;
    int size = snprintf(id, sizeof id, "%s#%s", on->id, name);
    int err = ptl_port_parse(from->node, id, (size_t)size, &port);
    ptl_assert(err == 0);
    return port;
}

void sim_actor_doomed(struct sim_actor *actor, const struct ptl_msg *reason)
{
    char *json = reason == NULL ? NULL : ptl_msg_json(reason);
    actor->facts.certain = strcmp(actor->facts.reason, "") == 0;
    snprintf(actor->facts.reason, sizeof actor->facts.reason, "%s", json == NULL ? "[]" : json);
    free(json);
}

struct ptl_msg *sim_message_values(struct sim_node *node, const char *tag,
                                   const struct sim_actor *to, const char *format,
                                   const struct ptl_argument values[])
{
    struct ptl_writer writer;
    struct ptl_msg *msg = NULL;

    ptl_writer_init(&writer, node->node);
    ptl_put_text(&writer, tag, strlen(tag));
    ptl_put_int(&writer, to == NULL ? -1 : (int64_t)to->facts.id);
    ptl_putv(&writer, format, values);
    int err = ptl_writer_finish(&writer, &msg);
    ptl_assert(err == 0);
    return msg;
}

/* ---- Monitors and promises ------------------------------------------------------------------- */

static int watch_told(struct ptl_node *node, const struct ptl_port *port,
                      const struct ptl_msg *reason, void *data)
{
    struct sim_watch *watch = data;
    struct sim_actor *target = (struct sim_actor *)watch->target;
    struct sim_checker *checker = &target->workload->world->checker;
    (void)node;
    if (!ptl_port_equal(port, &target->port)) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u is told of %s", watch->id,
                         ptl_port_id(port));
    }
    sim_watch_fired(checker, watch, reason);
    return 0;
}

static int set_monitor(struct sim_node *node, struct sim_watch *watch, struct sim_actor *owner,
                       struct sim_actor *target)
{
    struct ptl_msg *prefix;
    int err;
    switch (watch->form) {
    case SIM_WATCH_MESSAGE:
        prefix = sim_message(node, "told", owner, "i", (int64_t)watch->id);
        err = ptl_monitor_message(node->node, &target->port, &owner->port, prefix, &watch->handle);
        ptl_msg_free(prefix);
        return err;
    case SIM_WATCH_KILL:
        watch->victim = &owner->third->facts;
        return ptl_monitor_kill(node->node, &target->port, &owner->third->port, &watch->handle);
    default:
        return ptl_monitor(node->node, &target->port, watch_told, watch, &watch->handle);
    }
}

struct sim_watch *sim_monitor(struct sim_node *node, struct sim_actor *owner,
                              struct sim_actor *target, enum sim_watch_form form,
                              void (*then)(struct sim_watch *, const struct ptl_msg *, bool),
                              void *data)
{
    struct sim_workload *workload = target->workload;
    struct sim_watch *watch = sim_watch_begin(&workload->world->checker, form, sim_node_life(node),
                                              owner == NULL ? NULL : &owner->facts, &target->facts);
    watch->then = then;
    watch->data = data;
    int err = set_monitor(node, watch, owner, target);
    sim_check_result(workload, "ptl_monitor", err);
    watch->accepted = err == 0;
    sim_say(workload->world->network, "monitor %u of actor %u on actor %u: %d", watch->id,
            owner == NULL ? UINT32_MAX : owner->facts.id, target->facts.id, err);
    return watch;
}

void sim_unmonitor(struct sim_node *node, struct sim_watch *watch)
{
    watch->taken_back = true;
    ptl_unmonitor(node->node, &watch->handle);
}

struct sim_promise *sim_timer_promise(struct sim_actor *owner, unsigned delay_ms, void *data)
{
    struct sim_world *world = owner->workload->world;
    struct sim_promise *promise =
        sim_promise_begin(&world->checker, SIM_TIMER, "timer", owner->facts.life, &owner->facts);
    promise->due = sim_network_now(world->network) + delay_ms * SIM_MILLISECOND;
    promise->data = data;
    return promise;
}

struct sim_promise *sim_after(struct sim_actor *owner, unsigned delay_ms, ptl_timer_fn *tell,
                              struct sim_promise *promise)
{
    int err = ptl_after(sim_actor_node(owner)->node, delay_ms, tell, promise, &promise->timer);
    sim_check_result(owner->workload, "ptl_after", err);
    if (err == PTL_EFULL) {
        sim_checker_fail(&owner->workload->world->checker, SIM_REST,
                         "ptl_after in a handler finds no room");
    }
    promise->given = err == 0;
    return promise;
}

/* ---- The whole ------------------------------------------------------------------------------- */

struct sim_workload *sim_workload_make(struct sim_world *world)
{
    struct sim_workload *workload = sim_must_alloc(sizeof *workload);
    workload->world = world;
    workload->payload = sim_must_alloc(SIM_PAYLOAD_MAX + 256);
    for (size_t i = 0; i < SIM_PAYLOAD_MAX + 256; i++) {
        workload->payload[i] = (char)('A' + (i * 7 + i / 50) % 58);
    }
    workload->database = sim_database_make(workload);
    return workload;
}

void sim_workload_free(struct sim_workload *workload)
{
    for (uint32_t i = 0; i < workload->actor_count; i++) {
        free(workload->actors[i]);
    }
    for (uint32_t i = 0; i < workload->sender_count; i++) {
        free(workload->senders[i]);
    }
    sim_database_free(workload->database);
    free(workload->actors);
    free(workload->senders);
    free(workload->payload);
    free(workload);
}

static void add_receiver(struct sim_workload *workload, struct sim_node *node)
{
    struct sim_actor *receiver = sim_actor_new(workload, SIM_RECEIVER, node);
    if (workload->busy && sim_random_chance(sim_dice(workload), 300)) {
        receiver->later_chance = (unsigned)sim_random_scale(sim_dice(workload), 1, 900);
    }
    sim_actor_place(receiver, NULL);
}

void sim_workload_node_up(struct sim_workload *workload, struct sim_node *node)
{
    unsigned each = workload->world->node_count > SMALL_WORLD ? 2 : 3;
    int err = ptl_register(node->node, "sim::actor", spawned, node);
    sim_check_result(workload, "ptl_register", err);
    sim_actor_place(sim_actor_new(workload, SIM_ECHO, node), "echo");
    for (unsigned i = 0; i < each; i++) {
        add_receiver(workload, node);
    }
    for (unsigned i = 0; i < each; i++) {
        sim_sender_add(workload, node, i == 0);
    }
    sim_database_node_up(workload->database, node);
}

void sim_workload_node_down(struct sim_workload *workload, struct sim_node *node)
{
    for (uint32_t i = 0; i < workload->actor_count; i++) {
        if (workload->actors[i]->facts.life.node == node->index &&
            !workload->actors[i]->facts.ageless) {
            workload->actors[i]->facts.alive = false;
        }
    }
}

/* ---- Now and then ---------------------------------------------------------------------------- */

/* Somebody, on some thread of some node, kills a receiver; another takes its place. */
static void replace_receiver(struct sim_workload *workload)
{
    struct sim_actor *victim = sim_receiver_any(workload);
    struct sim_node *from =
        &workload->world->nodes[sim_random_below(sim_dice(workload), workload->world->node_count)];
    struct ptl_msg *reason = NULL;

    if (victim == NULL || from->node == NULL) {
        return;
    }
    struct sim_node *home = sim_actor_node(victim);
    if (sim_random_chance(sim_dice(workload), 700)) {
        int err = ptl_msg_make(from->node, &reason, "ti", "replaced", (int64_t)victim->facts.id);
        ptl_assert(err == 0);
    }
    int err = ptl_kill(from->node, &victim->port, reason);
    sim_check_result(workload, "ptl_kill", err);
    if (err == 0) {
        sim_actor_doomed(victim, reason);
        victim->doomed = true;
        if (home->node != NULL) {
            add_receiver(workload, home);
        }
    }
    ptl_msg_free(reason);
}

/* The echo goes, and another takes its name when it is free. */
static void replace_echo(void *data)
{
    struct sim_actor *echo = data;
    struct sim_workload *workload = echo->workload;
    struct sim_node *home = sim_actor_node(echo);

    if (!sim_life_is_on(&workload->world->checker, echo->facts.life) || home->stopping) {
        return;
    }
    struct sim_actor *next = sim_actor_new(workload, SIM_ECHO, home);
    if (sim_actor_place(next, "echo") == PTL_EEXIST) {
        sim_network_at(workload->world->network,
                       sim_network_now(workload->world->network) + SIM_MILLISECOND, replace_echo,
                       echo);
    }
}

static void kill_echo(struct sim_workload *workload)
{
    struct sim_actor *echo =
        workload->actors[sim_random_below(sim_dice(workload), workload->actor_count)];
    if (echo->kind != SIM_ECHO || echo->doomed || !sim_actor_is_on(echo)) {
        return;
    }
    int err = ptl_kill(sim_actor_node(echo)->node, &echo->port, NULL);
    sim_check_result(workload, "ptl_kill", err);
    if (err == 0) {
        echo->doomed = true;
        sim_actor_doomed(echo, NULL);
        replace_echo(echo);
    }
}

/* A message to a port that is long dead must reach nobody. */
static void send_to_a_ghost(struct sim_workload *workload)
{
    struct sim_node *from =
        &workload->world->nodes[sim_random_below(sim_dice(workload), workload->world->node_count)];
    struct sim_actor *ghost =
        workload->actors[sim_random_below(sim_dice(workload), workload->actor_count)];

    if (from->node == NULL || ghost->facts.alive || !ghost->facts.born || ghost->facts.ageless ||
        ghost->kind == SIM_ECHO) {
        return;
    }
    if (sim_random_chance(sim_dice(workload), 500)) {
        sim_actor_view(ghost, from); /* else as another run of the node saw it */
    }
    struct ptl_msg *msg = sim_message(from, "ghost", ghost, "");
    sim_check_result(workload, "ptl_send", ptl_send(from->node, &ghost->port, msg));
    ptl_msg_free(msg);
}

static void now_and_then(void *data)
{
    struct sim_workload *workload = data;
    struct sim_random *dice = sim_dice(workload);
    if (!workload->busy) {
        return;
    }
    sim_model_observe(workload->database);
    unsigned chance = (unsigned)sim_random_below(dice, 100);
    if (chance < 6) {
        replace_receiver(workload);
    } else if (chance < 22) {
        send_to_a_ghost(workload);
    } else if (chance < 27) {
        kill_echo(workload);
    } else if (chance < 31) {
        sim_database_kill(workload->database);
    } else if (chance < 41) {
        sim_thread_errand_begin(workload);
    } else {
        sim_errand_begin(workload);
    }
    sim_network_at(workload->world->network,
                   sim_network_now(workload->world->network) +
                       sim_random_scale(dice, 100000, 60 * SIM_MILLISECOND),
                   now_and_then, workload);
}

void sim_workload_go(struct sim_workload *workload)
{
    workload->busy = true;
    now_and_then(workload);
}

/* Receivers hurry from now on. */
void sim_workload_calm(struct sim_workload *workload)
{
    workload->busy = false;
    for (uint32_t i = 0; i < workload->actor_count; i++) {
        workload->actors[i]->later_chance = 0;
    }
}

void sim_workload_finish(struct sim_workload *workload)
{
    workload->finished = true;
}

void sim_workload_burst(struct sim_workload *workload, struct sim_node *node)
{
    for (uint32_t i = 0; i < workload->sender_count; i++) {
        struct sim_life life = sim_sender_life(workload->senders[i]);
        if (life.node == node->index && sim_life_is_on(&workload->world->checker, life)) {
            sim_sender_burst(workload->senders[i]);
        }
    }
    sim_writers_burst(workload->database, node);
}

void sim_workload_check_flushed(struct sim_workload *workload, struct sim_life life)
{
    struct sim_checker *checker = &workload->world->checker;
    sim_questions_stopped(workload->database, life);
    for (uint32_t i = 0; i < checker->run_count; i++) {
        const struct sim_run *run = checker->runs[i];
        const struct sim_actor *target = workload->actors[run->receiver];
        if (run->from.node == life.node && run->from.number == life.number && !run->over &&
            sim_actor_is_on(target) && run->received != run->accepted) {
            sim_checker_fail(checker, SIM_G9_END,
                             "run %u: of %llu accepted %llu were flushed when %s stopped", run->id,
                             (unsigned long long)run->accepted, (unsigned long long)run->received,
                             workload->world->nodes[life.node].id);
        }
    }
}
