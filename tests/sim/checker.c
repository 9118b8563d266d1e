#include "tests/sim/checker.h"

#include "tests/sim/network_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* Timers count from the beginning of the turn in which they were asked for. */
#define EARLY_MAX SIM_MILLISECOND

void sim_checker_init(struct sim_checker *checker, struct sim_network *network)
{
    *checker = (struct sim_checker){.network = network};
}

void sim_checker_drop(struct sim_checker *checker)
{
    for (uint32_t i = 0; i < checker->run_count; i++) {
        free(checker->runs[i]);
    }
    for (uint32_t i = 0; i < checker->watch_count; i++) {
        free(checker->watches[i]);
    }
    for (uint32_t i = 0; i < checker->promise_count; i++) {
        free(checker->promises[i]);
    }
    free(checker->runs);
    free(checker->watches);
    free(checker->promises);
}

const char *sim_property_name(enum sim_property property)
{
    static const char *const names[SIM_PROPERTIES] = {
        "G1", "G2", "once", "G3", "G4", "G5", "G6", "G7", "G9", "call", "timer", "content", "rest",
    };
    return names[property];
}

void sim_checker_fail(struct sim_checker *checker, enum sim_property property, const char *format,
                      ...)
{
    char text[sizeof checker->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sim_say(checker->network, "FAILED %s: %s", sim_property_name(property), text);
    if (!checker->failed) {
        checker->failed = true;
        checker->property = property;
        memcpy(checker->text, text, sizeof text);
    }
}

bool sim_life_is_on(const struct sim_checker *checker, struct sim_life life)
{
    return checker->up[life.node] && checker->lives[life.node] == life.number;
}

struct sim_life sim_life_of(const struct sim_checker *checker, unsigned node)
{
    return (struct sim_life){.node = node, .number = checker->lives[node]};
}

/* Append to an array of pointers that grows by doubling; returns the index. */
static uint32_t append(void ***array, uint32_t *count, void *record)
{
    if ((*count & (*count - 1)) == 0) {
        size_t capacity = *count == 0 ? 1 : 2 * (size_t)*count;
        *array = sim_must_grow(*array, capacity * sizeof(void *));
    }
    (*array)[*count] = record;
    return (*count)++;
}

/* ---- Runs ------------------------------------------------------------------------------------ */

struct sim_run *sim_run_begin(struct sim_checker *checker, uint32_t sender, uint32_t receiver,
                              struct sim_life from)
{
    struct sim_run *run = sim_must_alloc(sizeof *run);
    run->sender = sender;
    run->receiver = receiver;
    run->from = from;
    for (uint32_t i = checker->run_count; i-- > 0;) {
        struct sim_run *earlier = checker->runs[i];
        if (earlier->sender == sender && earlier->receiver == receiver) {
            earlier->later = run;
            break;
        }
    }
    run->id = append((void ***)&checker->runs, &checker->run_count, run);
    return run;
}

void sim_run_received(struct sim_checker *checker, uint32_t id, uint32_t receiver,
                      uint64_t sequence)
{
    checker->delivered++;
    if (id >= checker->run_count) {
        sim_checker_fail(checker, SIM_CONTENT, "a message of run %u, which nobody began", id);
        return;
    }
    struct sim_run *run = checker->runs[id];
    sim_trace(checker->network, "number", (uint64_t)id << 32 | receiver, sequence);
    if (run->receiver != receiver) {
        sim_checker_fail(checker, SIM_G3_PORT, "run %u is for actor %u and reached actor %u", id,
                         run->receiver, receiver);
    }
    if (sequence < run->received) {
        sim_checker_fail(checker, SIM_ONCE, "run %u: number %llu came again", id,
                         (unsigned long long)sequence);
    } else if (sequence > run->received) {
        sim_checker_fail(checker, SIM_G2_HOLE, "run %u: number %llu came, but %llu did not", id,
                         (unsigned long long)sequence, (unsigned long long)run->received);
    } else {
        run->received++;
    }
    for (const struct sim_run *later = run->later; later != NULL; later = later->later) {
        if (later->received > 0) {
            sim_checker_fail(checker, SIM_G1_ORDER, "run %u arrives after its successor %u", id,
                             later->id);
        }
    }
}

/* ---- Monitors -------------------------------------------------------------------------------- */

struct sim_watch *sim_watch_begin(struct sim_checker *checker, enum sim_watch_form form,
                                  struct sim_life life, const struct sim_actor_facts *owner,
                                  const struct sim_actor_facts *target)
{
    struct sim_watch *watch = sim_must_alloc(sizeof *watch);
    watch->form = form;
    watch->life = life;
    watch->owner = owner;
    watch->outside = owner == NULL;
    watch->target = target;
    watch->downs = checker->downs[life.node][target->life.node];
    watch->id = append((void ***)&checker->watches, &checker->watch_count, watch);
    return watch;
}

enum reason_kind { REASON_DEATH, REASON_LOST, REASON_NO_PORT, REASON_STOPPED };

static enum reason_kind reason_kind(const struct ptl_msg *reason)
{
    if (ptl_msg_is(reason, "transport_error")) {
        return REASON_LOST;
    }
    if (ptl_msg_is(reason, "no_such_port")) {
        return REASON_NO_PORT;
    }
    return ptl_msg_is(reason, "node_stopped") ? REASON_STOPPED : REASON_DEATH;
}

/* Is what the monitor says true? */
static void check_reason(struct sim_checker *checker, const struct sim_watch *watch,
                         const struct ptl_msg *reason)
{
    const struct sim_actor_facts *target = watch->target;
    enum reason_kind kind = reason_kind(reason);

    if (kind == REASON_LOST || kind == REASON_STOPPED) {
        if (kind == REASON_LOST && target->life.node == watch->life.node &&
            target->life.number == watch->life.number) {
            sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u: a link to oneself failed",
                             watch->id);
        }
        return;
    }
    if (target->alive) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u: actor %u is told dead, but lives",
                         watch->id, target->id);
    }
    if (kind == REASON_DEATH && target->certain) {
        char *json = ptl_msg_json(reason);
        if (json != NULL && strcmp(json, target->reason) != 0) {
            sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u: told %s, but it died of %s",
                             watch->id, json, target->reason);
        }
        free(json);
    }
}

static bool owner_is_on(const struct sim_checker *checker, struct sim_life life,
                        const struct sim_actor_facts *owner)
{
    return sim_life_is_on(checker, life) && (owner == NULL || owner->alive);
}

void sim_watch_fired(struct sim_checker *checker, struct sim_watch *watch,
                     const struct ptl_msg *reason)
{
    enum reason_kind kind = reason_kind(reason);
    sim_trace(checker->network, "watch", watch->id, kind);
    checker->fired++;
    if (watch->fired++ > 0) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u fired twice", watch->id);
    }
    if (watch->taken_back && !watch->outside && watch->form == SIM_WATCH_CALLBACK) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u fired after it was taken back",
                         watch->id);
    }
    if (!owner_is_on(checker, watch->life, watch->owner)) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u fired for one who is dead",
                         watch->id);
    }
    check_reason(checker, watch, reason);
    if (watch->then != NULL) {
        watch->then(watch, reason, kind == REASON_LOST || kind == REASON_STOPPED);
    }
}

/* ---- Promises -------------------------------------------------------------------------------- */

struct sim_promise *sim_promise_begin(struct sim_checker *checker, enum sim_property property,
                                      const char *what, struct sim_life life,
                                      const struct sim_actor_facts *owner)
{
    struct sim_promise *promise = sim_must_alloc(sizeof *promise);
    promise->property = property;
    promise->what = what;
    promise->life = life;
    promise->owner = owner;
    promise->id = append((void ***)&checker->promises, &checker->promise_count, promise);
    return promise;
}

void sim_promise_kept(struct sim_checker *checker, struct sim_promise *promise)
{
    sim_trace(checker->network, promise->what, promise->id, 0);
    checker->kept++;
    if (promise->kept++ > 0) {
        sim_checker_fail(checker, promise->property, "%s %u was told twice", promise->what,
                         promise->id);
    }
    if (promise->taken_back && promise->owner != NULL) {
        sim_checker_fail(checker, promise->property, "%s %u was told after it was taken back",
                         promise->what, promise->id);
    }
    if (!owner_is_on(checker, promise->life, promise->owner)) {
        sim_checker_fail(checker, promise->property, "%s %u was told to one who is dead",
                         promise->what, promise->id);
    }
    if (sim_network_now(checker->network) + EARLY_MAX < promise->due) {
        sim_checker_fail(checker, promise->property, "%s %u was told %llu ns early", promise->what,
                         promise->id,
                         (unsigned long long)(promise->due - sim_network_now(checker->network)));
    }
}

/* ---- At rest --------------------------------------------------------------------------------- */

static void check_run_at_rest(struct sim_checker *checker, const struct sim_run *run)
{
    if (run->over || !sim_life_is_on(checker, run->from)) {
        return;
    }
    if (run->received != run->accepted) {
        sim_checker_fail(checker, SIM_G2_HOLE,
                         "run %u: of %llu accepted %llu arrived, and no monitor fired", run->id,
                         (unsigned long long)run->accepted, (unsigned long long)run->received);
    }
}

/* Of the end that one monitor is told of, another may be told as of a lost link. */
static bool has_lost_link(const struct sim_checker *checker, const struct sim_watch *watch)
{
    return checker->downs[watch->life.node][watch->target->life.node] != watch->downs;
}

/* A killing monitor shows by its victim only. */
static void check_victim_at_rest(struct sim_checker *checker, const struct sim_watch *watch)
{
    const struct sim_actor_facts *victim = watch->victim;
    if (watch->expect_dead && victim->alive && sim_life_is_on(checker, victim->life)) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u: actor %u died, but %u lives on",
                         watch->id, watch->target->id, victim->id);
    }
    if (watch->expect_alive && !has_lost_link(checker, watch) && victim->born && !victim->alive &&
        sim_life_is_on(checker, victim->life)) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u: a normal death killed actor %u",
                         watch->id, victim->id);
    }
}

static void check_watch_at_rest(struct sim_checker *checker, const struct sim_watch *watch)
{
    const struct sim_actor_facts *target = watch->target;
    if (watch->form == SIM_WATCH_KILL) {
        check_victim_at_rest(checker, watch);
        return;
    }
    if (!watch->accepted || watch->taken_back || !owner_is_on(checker, watch->life, watch->owner)) {
        return;
    }
    bool target_on = target->ageless || (target->alive && sim_life_is_on(checker, target->life));
    bool failed_link = has_lost_link(checker, watch);
    if (watch->fired == 0 && !target_on) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u: actor %u is dead, nobody was told",
                         watch->id, target->id);
    } else if (watch->fired == 0 && failed_link && watch->life.node != target->life.node) {
        sim_checker_fail(checker, SIM_G4_MONITOR, "monitor %u: its link failed, nobody was told",
                         watch->id);
    }
}

void sim_checker_rest(struct sim_checker *checker)
{
    for (uint32_t i = 0; i < checker->run_count && !checker->failed; i++) {
        check_run_at_rest(checker, checker->runs[i]);
    }
    for (uint32_t i = 0; i < checker->watch_count && !checker->failed; i++) {
        check_watch_at_rest(checker, checker->watches[i]);
    }
    for (uint32_t i = 0; i < checker->promise_count && !checker->failed; i++) {
        const struct sim_promise *promise = checker->promises[i];
        if (promise->given && promise->kept == 0 && !promise->taken_back &&
            owner_is_on(checker, promise->life, promise->owner)) {
            sim_checker_fail(checker, promise->property, "%s %u was never told", promise->what,
                             promise->id);
        }
    }
}

void sim_checker_stopped(struct sim_checker *checker, unsigned node)
{
    struct sim_life life = sim_life_of(checker, node);
    for (uint32_t i = 0; i < checker->watch_count && !checker->failed; i++) {
        const struct sim_watch *watch = checker->watches[i];
        bool ours = watch->life.node == node && watch->life.number == life.number;
        bool asked = watch->accepted && !watch->taken_back && watch->form == SIM_WATCH_CALLBACK;
        if (ours && asked && watch->fired == 0 && watch->target->life.node != node &&
            (watch->owner == NULL || watch->owner->alive)) {
            sim_checker_fail(checker, SIM_G9_END, "monitor %u was not told that its node stopped",
                             watch->id);
        }
    }
}
