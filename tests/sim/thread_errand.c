/*
 * Errands of threads of the program: the same experiments without a port to do them.  A thread is
 * a sender too (G1, G2, G5), it only hears on a shard's thread what it has asked for.
 */
#include "tests/sim/actor.h"

/* What a thread does at once; what it hears of it comes to the actor that it is about. */
static void thread_call(struct sim_workload *workload, struct sim_node *node);
static void thread_timer(struct sim_workload *workload, struct sim_node *node);
static void thread_strike(struct sim_workload *workload, struct sim_node *node);

static struct sim_node *any_node(struct sim_workload *workload)
{
    return &workload->world
                ->nodes[sim_random_below(sim_dice(workload), workload->world->node_count)];
}

void sim_thread_errand_begin(struct sim_workload *workload)
{
    struct sim_node *node = any_node(workload);
    unsigned dice = (unsigned)sim_random_below(sim_dice(workload), 10);
    if (node->node == NULL) {
        return;
    }
    if (dice < 3) {
        thread_call(workload, node);
    } else if (dice < 4) {
        thread_timer(workload, node);
    } else {
        thread_strike(workload, node);
    }
}

/* ---- Calls and timers ------------------------------------------------------------------------ */

static void thread_answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct sim_promise *promise = data;
    sim_check_answer(promise->data, node, err, reply, promise);
}

static void thread_call(struct sim_workload *workload, struct sim_node *node)
{
    struct sim_world *world = workload->world;
    struct ptl_port echo = sim_named_port(node, any_node(workload), "echo");
    unsigned timeout_ms = (unsigned)sim_random_scale(sim_dice(workload), 10, 5000);
    struct sim_promise *promise =
        sim_promise_begin(&world->checker, SIM_CALL, "call", sim_node_life(node), NULL);
    struct ptl_msg *msg =
        sim_message(node, "call", NULL, "iT", (int64_t)promise->id, workload->payload, (size_t)50);

    promise->data = workload;
    promise->limit = sim_network_now(world->network) + timeout_ms * SIM_MILLISECOND;
    int err = ptl_call(node->node, &echo, msg, timeout_ms, sim_random_chance(world->random, 500),
                       thread_answered, promise);
    sim_check_result(workload, "ptl_call", err);
    ptl_msg_free(msg);
    promise->given = err == 0;
}

static int thread_timer_fires(struct ptl_node *node, void *data)
{
    struct sim_promise *promise = data;
    struct sim_workload *workload = promise->data;
    (void)node;
    sim_promise_kept(&workload->world->checker, promise);
    return 0;
}

static void thread_timer(struct sim_workload *workload, struct sim_node *node)
{
    struct sim_world *world = workload->world;
    unsigned delay_ms = (unsigned)sim_random_scale(sim_dice(workload), 1, 2000);
    struct sim_promise *promise =
        sim_promise_begin(&world->checker, SIM_TIMER, "timer", sim_node_life(node), NULL);

    promise->data = workload;
    promise->due = sim_network_now(world->network) + delay_ms * SIM_MILLISECOND;
    int err = ptl_after(node->node, delay_ms, thread_timer_fires, promise, &promise->timer);
    sim_check_result(workload, "ptl_after", err);
    promise->given = err == 0;
    if (promise->given && sim_random_chance(sim_dice(workload), 200)) {
        promise->taken_back = true;
        ptl_timer_cancel(node->node, &promise->timer);
    }
}

/* ---- Strikes --------------------------------------------------------------------------------- */

static void victim_is_gone(struct sim_watch *watch, const struct ptl_msg *reason, bool lost)
{
    const struct sim_actor *victim = watch->data;
    if (!lost && !ptl_msg_is(reason, "no_such_port") && victim->received != victim->kill_after) {
        sim_checker_fail(&victim->workload->world->checker, SIM_G5_PLACE,
                         "actor %u was hit %llu times before the kill and died after %llu",
                         victim->facts.id, (unsigned long long)victim->kill_after,
                         (unsigned long long)victim->received);
    }
}

static void thread_hit(struct sim_actor *victim, struct sim_node *node, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct ptl_msg *msg = sim_message(node, "hit", victim, "i", (int64_t)victim->sent);
        int err = ptl_send(node->node, &victim->port, msg);
        sim_check_result(victim->workload, "ptl_send", err);
        ptl_msg_free(msg);
        if (err < 0) {
            return;
        }
        victim->sent++;
    }
}

static void thread_strike(struct sim_workload *workload, struct sim_node *node)
{
    struct sim_actor *victim = sim_actor_new(workload, SIM_VICTIM, any_node(workload));
    if (sim_actor_spawn(victim, node) < 0) {
        return;
    }
    struct sim_watch *watch =
        sim_monitor(node, NULL, victim, SIM_WATCH_CALLBACK, victim_is_gone, victim);
    if (!watch->accepted) {
        return;
    }
    thread_hit(victim, node, (unsigned)sim_random_below(sim_dice(workload), 15));
    struct ptl_msg *reason = sim_any_reason(victim);
    int err = ptl_kill(node->node, &victim->port, reason);
    sim_check_result(workload, "ptl_kill", err);
    if (err == 0) {
        sim_actor_doomed(victim, reason);
        victim->kill_after = victim->sent;
        thread_hit(victim, node, (unsigned)sim_random_below(sim_dice(workload), 3));
    }
    ptl_msg_free(reason);
}
