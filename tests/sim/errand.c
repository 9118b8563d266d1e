/*
 * Errands: ports that live for one experiment.  What each shows stands beside it.
 */
#include "tests/sim/actor.h"
#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum experiment {
    LAST_WORDS, /* what a port said before it died comes before the news of its death */
    STRIKE,     /* a kill keeps its place among messages, and so does a monitor behind it */
    CALLS,      /* every call is answered once, by whom it was sent to */
    CHAIN,      /* a death kills the next one */
    TAKEN_BACK, /* a monitor that was taken back is silent */
    NEVER,      /* a monitor on what is no more is told */
    NODE_PORT,  /* a monitor on a node is told when the link goes */
    TIMERS,     /* timers fire once, not early, and not when taken back */
    SHORT_LIVES /* a slot that is used again gets nothing of what its last port was sent */
};

static const unsigned shares[] = {25, 25, 20, 8, 8, 4, 2, 4, 4}; /* of a hundred errands */

static struct sim_checker *checker_of(struct sim_actor *actor)
{
    return &actor->workload->world->checker;
}

static struct sim_random *dice_of(struct sim_actor *actor)
{
    return sim_dice(actor->workload);
}

static struct sim_node *any_node(struct sim_workload *workload)
{
    return &workload->world
                ->nodes[sim_random_below(sim_dice(workload), workload->world->node_count)];
}

/* The errand is done when nothing is open; then its port ends as a port should. */
static void done(struct sim_actor *errand, unsigned count)
{
    errand->open -= count;
    if (errand->open == 0 && !errand->doomed) {
        int err = ptl_kill(sim_actor_node(errand)->node, &errand->port, NULL);
        sim_check_result(errand->workload, "ptl_kill", err);
        errand->doomed = err == 0;
        if (err == 0) {
            sim_actor_doomed(errand, NULL);
        }
    }
}

/* Somebody for an experiment: on this node or another, spawned or made. */
static struct sim_actor *find_partner(struct sim_actor *errand, enum sim_kind kind)
{
    struct sim_node *home = sim_actor_node(errand);
    struct sim_node *place = any_node(errand->workload);
    struct sim_actor *partner = sim_actor_new(errand->workload, kind, place);
    int err;

    partner->other = errand;
    if (place == home && sim_random_chance(dice_of(errand), 500)) {
        err = sim_actor_place(partner, NULL);
    } else {
        err = sim_actor_spawn(partner, home);
    }
    return err == 0 ? partner : NULL;
}

struct ptl_msg *sim_any_reason(struct sim_actor *actor)
{
    struct ptl_msg *reason = NULL;
    unsigned dice = (unsigned)sim_random_below(dice_of(actor), 3);
    if (dice > 0) {
        struct ptl_node *node = sim_actor_node(actor)->node;
        int err = dice == 1 ? ptl_msg_make(node, &reason, "t", "bye")
                            : ptl_msg_make(node, &reason, "ti", "bye", actor->facts.id);
        ptl_assert(err == 0);
    }
    return reason;
}

static int send_now(struct sim_actor *from, const struct sim_actor *to, struct ptl_msg *msg)
{
    int err = ptl_send(sim_actor_node(from)->node, &to->port, msg);
    sim_check_result(from->workload, "ptl_send", err);
    ptl_msg_free(msg);
    return err;
}

static enum sim_watch_form any_form(struct sim_actor *errand)
{
    return sim_random_chance(dice_of(errand), 700) ? SIM_WATCH_CALLBACK : SIM_WATCH_MESSAGE;
}

static bool is_death(const struct ptl_msg *reason, bool lost)
{
    return !lost && !ptl_msg_is(reason, "no_such_port");
}

/* ---- Last words ------------------------------------------------------------------------------ */

static void talker_is_gone(struct sim_watch *watch, const struct ptl_msg *reason, bool lost)
{
    struct sim_actor *errand = watch->data;
    const struct sim_actor *talker = errand->other;
    if (is_death(reason, lost) && errand->received != talker->sent) {
        sim_checker_fail(checker_of(errand), SIM_G5_PLACE,
                         "actor %u said %llu words and died, which was told after %llu",
                         talker->facts.id, (unsigned long long)talker->sent,
                         (unsigned long long)errand->received);
    }
    done(errand, 1);
}

static void begin_last_words(struct sim_actor *errand)
{
    struct sim_actor *talker = find_partner(errand, SIM_TALKER);
    if (talker == NULL) {
        done(errand, 0);
        return;
    }
    errand->other = talker;
    struct sim_watch *watch = sim_monitor(sim_actor_node(errand), errand, talker, any_form(errand),
                                          talker_is_gone, errand);
    if (!watch->accepted) {
        done(errand, 0);
        return;
    }
    errand->open = 1;
    int64_t words = (int64_t)sim_random_below(dice_of(errand), 12);
    int err =
        send_now(errand, talker, sim_message(sim_actor_node(errand), "go", talker, "i", words));
    if (err < 0) {
        sim_unmonitor(sim_actor_node(errand), watch);
        done(errand, 1);
    }
}

static void take_word(struct sim_actor *errand, int64_t index)
{
    if ((uint64_t)index != errand->received) {
        sim_checker_fail(checker_of(errand),
                         (uint64_t)index < errand->received ? SIM_ONCE : SIM_G2_HOLE,
                         "word %lld of actor %u comes as number %llu", (long long)index,
                         errand->other->facts.id, (unsigned long long)errand->received);
    }
    errand->received++;
}

/* Die in one of several ways; what the handler returns. */
static int die(struct ptl_node *node, struct sim_actor *actor)
{
    unsigned dice = (unsigned)sim_random_below(dice_of(actor), 3);
    struct ptl_msg *reason = NULL;
    if (dice > 0) {
        reason = sim_any_reason(actor);
        int err = ptl_kill(node, &actor->port, reason);
        sim_check_result(actor->workload, "ptl_kill", err);
        if (err == 0) {
            sim_actor_doomed(actor, reason);
        }
        ptl_msg_free(reason);
        if (err == 0) {
            return 0;
        }
    }
    int err = ptl_msg_make(node, &reason, "tt", "die", "enough");
    ptl_assert(err == 0);
    sim_actor_doomed(actor, reason);
    ptl_msg_free(reason);
    return ptl_fail(node, "%s", "enough");
}

/* Now and then one that goes in pieces, so that others, and the news of the end, could pass it. */
static size_t any_word_size(struct sim_actor *actor)
{
    return sim_random_chance(dice_of(actor), 60)
               ? (size_t)sim_random_scale(dice_of(actor), 10000, 100000)
               : (size_t)sim_random_scale(dice_of(actor), 1, 500);
}

int sim_talker_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor)
{
    int64_t words;
    checker_of(actor)->delivered++;
    if (!ptl_msg_is(msg, "go") || ptl_msg_read(node, msg, "**i.", &words) < 0) {
        sim_checker_fail(checker_of(actor), SIM_CONTENT, "a talker cannot read its message");
        return 0;
    }
    while (actor->sent < (uint64_t)words &&
           send_now(actor, actor->other,
                    sim_message(sim_actor_node(actor), "word", actor->other, "iT",
                                (int64_t)actor->sent, actor->workload->payload,
                                any_word_size(actor))) == 0) {
        actor->sent++;
    }
    return die(node, actor);
}

/* ---- Strikes --------------------------------------------------------------------------------- */

static void hit(struct sim_actor *errand, unsigned count)
{
    struct sim_actor *victim = errand->other;
    for (unsigned i = 0; i < count; i++) {
        if (send_now(errand, victim,
                     sim_message(sim_actor_node(errand), "hit", victim, "i",
                                 (int64_t)victim->sent)) < 0) {
            return;
        }
        victim->sent++;
    }
}

static void victim_is_gone(struct sim_watch *watch, const struct ptl_msg *reason, bool lost)
{
    struct sim_actor *errand = watch->data;
    const struct sim_actor *victim = errand->other;
    if (is_death(reason, lost) && victim->received != victim->kill_after) {
        sim_checker_fail(checker_of(errand), SIM_G5_PLACE,
                         "actor %u was hit %llu times before the kill and died after %llu",
                         victim->facts.id, (unsigned long long)victim->kill_after,
                         (unsigned long long)victim->received);
    }
    errand->watch = errand->watch == watch ? NULL : errand->watch;
    done(errand, 1);
}

/* Hits, the kill, and then some that must never be felt. */
static void finish_strike(struct sim_actor *errand)
{
    struct sim_actor *victim = errand->other;
    struct sim_node *home = sim_actor_node(errand);
    struct ptl_msg *reason = sim_any_reason(victim);

    hit(errand, (unsigned)sim_random_below(dice_of(errand), 10));
    int err = ptl_kill(home->node, &victim->port, reason);
    sim_check_result(errand->workload, "ptl_kill", err);
    if (err == 0) {
        sim_actor_doomed(victim, reason);
        victim->kill_after = victim->sent;
        hit(errand, (unsigned)sim_random_below(dice_of(errand), 3));
        if (sim_random_chance(dice_of(errand), 300)) {
            struct sim_watch *late =
                sim_monitor(home, errand, victim, any_form(errand), victim_is_gone, errand);
            errand->open += late->accepted;
        }
    } else if (errand->watch != NULL) {
        sim_unmonitor(home, errand->watch);
        done(errand, 1);
    }
    ptl_msg_free(reason);
}

static int strike_later(struct ptl_node *node, void *data)
{
    struct sim_promise *promise = data;
    struct sim_actor *errand = promise->data;
    (void)node;
    sim_promise_kept(checker_of(errand), promise);
    if (errand->watch != NULL) {
        finish_strike(errand);
    }
    done(errand, 1);
    return 0;
}

static void begin_strike(struct sim_actor *errand)
{
    struct sim_actor *victim = find_partner(errand, SIM_VICTIM);
    if (victim == NULL) {
        done(errand, 0);
        return;
    }
    errand->other = victim;
    struct sim_watch *watch = sim_monitor(sim_actor_node(errand), errand, victim,
                                          SIM_WATCH_CALLBACK, victim_is_gone, errand);
    errand->watch = watch->accepted ? watch : NULL;
    errand->open = watch->accepted;
    if (!watch->accepted) {
        done(errand, 0);
        return;
    }
    hit(errand, (unsigned)sim_random_below(dice_of(errand), 10));
    if (sim_random_chance(dice_of(errand), 500)) {
        unsigned delay_ms = (unsigned)sim_random_scale(dice_of(errand), 1, 300);
        errand->open++;
        sim_after(errand, delay_ms, strike_later, sim_timer_promise(errand, delay_ms, errand));
    } else {
        finish_strike(errand);
    }
}

int sim_victim_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor)
{
    int64_t index;
    checker_of(actor)->delivered++;
    if (!ptl_msg_is(msg, "hit") || ptl_msg_read(node, msg, "**i.", &index) < 0) {
        sim_checker_fail(checker_of(actor), SIM_CONTENT, "a victim cannot read its message");
        return 0;
    }
    if ((uint64_t)index >= actor->kill_after) {
        sim_checker_fail(checker_of(actor), SIM_G5_PLACE,
                         "actor %u feels hit %lld, which was sent after its kill", actor->facts.id,
                         (long long)index);
    } else if ((uint64_t)index != actor->received) {
        sim_checker_fail(checker_of(actor),
                         (uint64_t)index < actor->received ? SIM_ONCE : SIM_G2_HOLE,
                         "hit %lld of actor %u comes as number %llu", (long long)index,
                         actor->facts.id, (unsigned long long)actor->received);
    }
    actor->received++;
    return 0;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

void sim_check_answer(struct sim_workload *workload, struct ptl_node *node, int err,
                      const struct ptl_msg *reply, struct sim_promise *promise)
{
    struct sim_checker *checker = &workload->world->checker;
    uint64_t now = sim_network_now(workload->world->network);
    int64_t id = -1;

    sim_promise_kept(checker, promise);
    checker->delivered += err == 0;
    if (err == 0 && (ptl_msg_read(node, reply, "**i", &id) < 0 || id != promise->id)) {
        sim_checker_fail(checker, SIM_G3_PORT, "call %u gets the answer to call %lld", promise->id,
                         (long long)id);
    } else if (err == PTL_ETIMEOUT &&
               (promise->limit == 0 || now + SIM_MILLISECOND < promise->limit)) {
        sim_checker_fail(checker, SIM_CALL, "call %u times out early", promise->id);
    } else if (err < 0 && err != PTL_ETIMEOUT && err != PTL_ENOPORT) {
        sim_checker_fail(checker, SIM_CALL, "call %u is answered %s", promise->id,
                         ptl_err_name(err));
    }
}

static void answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct sim_promise *promise = data;
    struct sim_actor *errand = promise->data;
    sim_check_answer(errand->workload, node, err, reply, promise);
    done(errand, 1);
}

static bool call_once(struct sim_actor *errand, const struct ptl_port *echo, unsigned timeout_ms,
                      bool monitor)
{
    struct sim_node *home = sim_actor_node(errand);
    struct sim_network *network = errand->workload->world->network;
    struct sim_promise *promise =
        sim_promise_begin(checker_of(errand), SIM_CALL, "call", errand->facts.life, &errand->facts);
    size_t size = (size_t)sim_random_scale(dice_of(errand), 1, 2000);
    struct ptl_msg *msg = sim_message(home, "call", NULL, "iT", (int64_t)promise->id,
                                      errand->workload->payload, size);
    promise->data = errand;
    promise->limit = timeout_ms == 0 ? 0 : sim_network_now(network) + timeout_ms * SIM_MILLISECOND;
    int err = ptl_call(home->node, echo, msg, timeout_ms, monitor, answered, promise);
    sim_check_result(errand->workload, "ptl_call", err);
    ptl_msg_free(msg);
    promise->given = err == 0;
    errand->open += err == 0;
    return err == 0;
}

static void begin_calls(struct sim_actor *errand)
{
    struct sim_node *home = sim_actor_node(errand);
    unsigned calls = (unsigned)sim_random_between(dice_of(errand), 1, 8);
    bool somebody = sim_random_chance(dice_of(errand), 950);
    struct ptl_port echo =
        sim_named_port(home, any_node(errand->workload), somebody ? "echo" : "nobody");

    errand->open = 1; /* so that no answer ends it before all is asked */
    for (unsigned i = 0; i < calls; i++) {
        unsigned timeout_ms = (unsigned)sim_random_scale(dice_of(errand), 10, 5000);
        bool monitor = sim_random_chance(dice_of(errand), 500);
        call_once(errand, &echo, monitor && i % 2 == 0 ? 0 : timeout_ms, monitor);
    }
    done(errand, 1);
}

int sim_echo_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor)
{
    struct ptl_port reply_port;
    int64_t id;
    const char *payload;
    size_t size;

    int err = ptl_msg_read(node, msg, "**isp.", &id, &payload, &size, &reply_port);
    if (err < 0) {
        sim_checker_fail(checker_of(actor), SIM_CONTENT, "the echo cannot read its message: %s",
                         ptl_err_name(err));
        return 0;
    }
    err = ptl_sendf(node, &reply_port, "tiiT", "reply", INT64_C(-2), id, payload, size);
    if (err == PTL_EFULL) {
        return PTL_LATER;
    }
    checker_of(actor)->delivered++;
    sim_check_result(actor->workload, "ptl_sendf", err);
    return 0;
}

/* ---- Chains of deaths ------------------------------------------------------------------------ */

static int end_chain(struct ptl_node *node, void *data)
{
    struct sim_promise *promise = data;
    (void)node;
    sim_promise_kept(checker_of(promise->data), promise);
    done(promise->data, 1);
    return 0;
}

/* The first is dead: what must become of the second?  A kill on the way to it may be lost. */
static void first_is_gone(struct sim_watch *watch, const struct ptl_msg *reason, bool lost)
{
    struct sim_actor *errand = watch->data;
    struct sim_watch *chain = errand->watch;
    bool normal = !lost && ptl_msg_count(reason) == 0;
    chain->expect_dead = chain->accepted && !normal && errand->third->facts.born &&
                         errand->third->facts.life.node == errand->facts.life.node;
    chain->expect_alive = chain->accepted && normal;
    /* The monitor is the errand's: it must not end before it has done its work. */
    sim_after(errand, 1000, end_chain, sim_timer_promise(errand, 1000, errand));
}

/* Kill one: the second dies of it unless the death is normal, and the errand hears of it. */
static void begin_chain(struct sim_actor *errand)
{
    struct sim_actor *first = find_partner(errand, SIM_VICTIM);
    struct sim_actor *second = find_partner(errand, SIM_VICTIM);
    if (first == NULL || second == NULL) {
        done(errand, 0);
        return;
    }
    struct sim_node *home = sim_actor_node(errand);
    errand->third = second;
    errand->watch = sim_monitor(home, errand, first, SIM_WATCH_KILL, NULL, NULL);
    struct sim_watch *news =
        sim_monitor(home, errand, first, any_form(errand), first_is_gone, errand);
    struct ptl_msg *reason = sim_any_reason(first);
    int err = ptl_kill(home->node, &first->port, reason);
    if (err == 0) {
        sim_actor_doomed(first, reason);
    }
    ptl_msg_free(reason);
    errand->open = news->accepted;
    if (err < 0 && news->accepted) {
        sim_unmonitor(home, news);
        errand->open = 0;
    }
    if (errand->open == 0) {
        done(errand, 0);
    }
}

/* ---- Monitors taken back --------------------------------------------------------------------- */

static void target_is_gone(struct sim_watch *watch, const struct ptl_msg *reason, bool lost)
{
    (void)reason;
    (void)lost;
    done(watch->data, 1);
}

static int take_back_later(struct ptl_node *node, void *data)
{
    struct sim_promise *promise = data;
    struct sim_actor *errand = promise->data;
    (void)node;
    sim_promise_kept(checker_of(errand), promise);
    if (errand->watch->fired == 0) {
        sim_unmonitor(sim_actor_node(errand), errand->watch);
    }
    done(errand, 1);
    return 0;
}

static void begin_taken_back(struct sim_actor *errand)
{
    struct sim_node *home = sim_actor_node(errand);
    struct sim_actor *target = find_partner(errand, SIM_TALKER);
    if (target == NULL) {
        done(errand, 0);
        return;
    }
    struct sim_watch *one = sim_monitor(home, errand, target, SIM_WATCH_CALLBACK, NULL, NULL);
    struct sim_watch *two =
        sim_monitor(home, errand, target, SIM_WATCH_CALLBACK, target_is_gone, errand);
    errand->other = target;
    errand->open = two->accepted;
    send_now(errand, target, sim_message(home, "go", target, "i", INT64_C(0)));
    if (one->accepted && sim_random_chance(dice_of(errand), 500)) {
        sim_unmonitor(home, one);
        ptl_unmonitor(home->node, &one->handle); /* twice is no error */
    } else if (one->accepted) {
        unsigned delay_ms = (unsigned)sim_random_scale(dice_of(errand), 1, 200);
        errand->watch = one;
        errand->open++;
        sim_after(errand, delay_ms, take_back_later, sim_timer_promise(errand, delay_ms, errand));
    }
    if (errand->open == 0) {
        done(errand, 0);
    }
}

/* ---- Monitors on what is no more ------------------------------------------------------------- */

static void begin_never(struct sim_actor *errand)
{
    struct sim_workload *workload = errand->workload;
    struct sim_actor *ghost =
        workload->actors[sim_random_below(dice_of(errand), workload->actor_count)];
    if (ghost->facts.alive || !ghost->placed || !ghost->facts.born || ghost->kind == SIM_ECHO) {
        done(errand, 0);
        return;
    }
    if (sim_random_chance(dice_of(errand), 500)) {
        sim_actor_view(ghost, sim_actor_node(errand)); /* else as another run of the node saw it */
    }
    struct sim_watch *watch = sim_monitor(sim_actor_node(errand), errand, ghost, any_form(errand),
                                          target_is_gone, errand);
    errand->open = watch->accepted;
    done(errand, 0);
}

/* ---- Monitors on nodes ----------------------------------------------------------------------- */

static void begin_node_port(struct sim_actor *errand)
{
    struct sim_node *home = sim_actor_node(errand);
    struct sim_node *place = any_node(errand->workload);
    struct sim_actor *node = sim_actor_new(errand->workload, SIM_NODE, place);

    node->port = sim_named_port(home, place, "");
    node->facts.ageless = node->facts.alive = node->facts.born = true;
    struct sim_watch *watch =
        sim_monitor(home, errand, node, any_form(errand), target_is_gone, errand);
    errand->open = watch->accepted;
    if (!watch->accepted) {
        done(errand, 0);
    }
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static int timer_fires(struct ptl_node *node, void *data)
{
    struct sim_promise *promise = data;
    struct sim_actor *errand = promise->data;
    (void)node;
    sim_promise_kept(checker_of(errand), promise);
    done(errand, 1);
    return 0;
}

static void begin_timers(struct sim_actor *errand)
{
    struct sim_node *home = sim_actor_node(errand);
    unsigned count = (unsigned)sim_random_between(dice_of(errand), 1, 6);
    errand->open = count;
    for (unsigned i = 0; i < count; i++) {
        unsigned delay_ms = (unsigned)sim_random_scale(dice_of(errand), 1, 3000);
        struct sim_promise *promise = sim_timer_promise(errand, delay_ms, errand);
        sim_after(errand, delay_ms, timer_fires, promise);
        if (sim_random_chance(dice_of(errand), 300)) {
            promise->taken_back = true;
            ptl_timer_cancel(home->node, &promise->timer);
            errand->open--;
        }
    }
    done(errand, 0);
}

/* ---- Short lives ----------------------------------------------------------------------------- */

static void begin_short_lives(struct sim_actor *errand)
{
    struct sim_node *home = sim_actor_node(errand);
    unsigned count = (unsigned)sim_random_between(dice_of(errand), 2, 10);
    for (unsigned i = 0; i < count; i++) {
        struct sim_actor *fly = sim_actor_new(errand->workload, SIM_VICTIM, home);
        if (sim_actor_place(fly, NULL) < 0) {
            break;
        }
        fly->other = errand;
        errand->other = fly;
        if (ptl_kill(home->node, &fly->port, NULL) == 0) {
            sim_actor_doomed(fly, NULL);
            fly->kill_after = 0;
            hit(errand, 1);
        }
    }
    done(errand, 0);
}

/* ---- All of them ----------------------------------------------------------------------------- */

static void begin(struct sim_actor *errand)
{
    switch ((enum experiment)errand->experiment) {
    case LAST_WORDS:
        begin_last_words(errand);
        break;
    case STRIKE:
        begin_strike(errand);
        break;
    case CALLS:
        begin_calls(errand);
        break;
    case CHAIN:
        begin_chain(errand);
        break;
    case TAKEN_BACK:
        begin_taken_back(errand);
        break;
    case NEVER:
        begin_never(errand);
        break;
    case NODE_PORT:
        begin_node_port(errand);
        break;
    case TIMERS:
        begin_timers(errand);
        break;
    case SHORT_LIVES:
        begin_short_lives(errand);
        break;
    }
}

/* The reason behind tag, actor and monitor, as a message of its own: it is flat. */
static struct ptl_msg *rest_of(struct ptl_node *node, const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_writer writer;
    struct ptl_value value;
    struct ptl_msg *rest = NULL;

    ptl_writer_init(&writer, node);
    for (unsigned i = 0; ptl_next(&cursor, &value) == 0; i++) {
        if (i < 3) {
            continue;
        }
        if (value.type == PTL_INT) {
            ptl_put_int(&writer, value.integer);
        } else if (value.type == PTL_TEXT || value.type == PTL_BYTES) {
            ptl_put_text(&writer, value.string.chars, value.string.size);
        }
    }
    int err = ptl_writer_finish(&writer, &rest);
    ptl_assert(err == 0);
    return rest;
}

static void told(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *errand)
{
    struct sim_checker *checker = checker_of(errand);
    int64_t id = -1;
    if (ptl_msg_read(node, msg, "**i", &id) < 0 || id < 0 || id >= checker->watch_count) {
        sim_checker_fail(checker, SIM_CONTENT, "actor %u is told of no monitor", errand->facts.id);
        return;
    }
    struct ptl_msg *reason = rest_of(node, msg);
    sim_watch_fired(checker, checker->watches[id], reason);
    ptl_msg_free(reason);
}

int sim_errand_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor)
{
    int64_t index;
    checker_of(actor)->delivered++;
    if (ptl_msg_is(msg, "begin")) {
        begin(actor);
    } else if (ptl_msg_is(msg, "told")) {
        told(node, msg, actor);
    } else if (ptl_msg_is(msg, "word") && ptl_msg_read(node, msg, "**i", &index) == 0) {
        take_word(actor, index);
    } else {
        sim_checker_fail(checker_of(actor), SIM_CONTENT, "an errand cannot read its message");
    }
    return 0;
}

static unsigned any_experiment(struct sim_workload *workload)
{
    unsigned dice = (unsigned)sim_random_below(sim_dice(workload), 100);
    unsigned experiment = 0;
    while (dice >= shares[experiment]) {
        dice -= shares[experiment++];
    }
    return experiment;
}

void sim_errand_begin(struct sim_workload *workload)
{
    struct sim_node *home = any_node(workload);
    if (home->node == NULL) {
        return;
    }
    struct sim_actor *errand = sim_actor_new(workload, SIM_ERRAND, home);
    errand->experiment = any_experiment(workload);
    if (sim_actor_place(errand, NULL) == 0) {
        send_now(errand, errand, sim_message(home, "begin", errand, ""));
    }
}
