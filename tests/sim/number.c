/*
 * Senders and receivers of numbered messages: G1, G2, G3 and G6.  A sender is a port, or a thread
 * of the program, which is to say something that calls the node outside of any turn.
 */
#include "tests/sim/actor.h"
#include "tests/sim/network_inside.h"

#include <stdlib.h>

#define BURST_MAX 48
#define LAST_BURST 20

struct sim_sender {
    uint32_t id;
    struct sim_workload *workload;
    struct sim_life life;
    struct sim_actor *actor; /* NULL: a thread */
    struct sim_actor *target;
    struct sim_run *run; /* NULL: none is begun */
    struct sim_watch *watch;
    bool waiting;        /* for room */
    bool pending;        /* a message was refused and is to be sent first */
    size_t pending_size; /* of its payload */
};

struct sim_life sim_sender_life(const struct sim_sender *sender)
{
    return sender->life;
}

static struct sim_node *node_of(const struct sim_sender *sender)
{
    return &sender->workload->world->nodes[sender->life.node];
}

/* ---- Receiving ------------------------------------------------------------------------------- */

struct sim_actor *sim_receiver_any(struct sim_workload *workload)
{
    struct sim_actor *found = NULL;
    unsigned count = 0;
    for (uint32_t i = 0; i < workload->actor_count; i++) {
        struct sim_actor *actor = workload->actors[i];
        if (actor->kind == SIM_RECEIVER && actor->placed && !actor->doomed &&
            sim_actor_is_on(actor) && sim_random_below(sim_dice(workload), ++count) == 0) {
            found = actor;
        }
    }
    return found;
}

static void check_payload(struct sim_actor *actor, const char *chars, size_t size, uint64_t number)
{
    if (size > SIM_PAYLOAD_MAX ||
        memcmp(chars, actor->workload->payload + number % 256, size) != 0) {
        sim_checker_fail(&actor->workload->world->checker, SIM_CONTENT,
                         "number %llu of %zu bytes is not what was sent",
                         (unsigned long long)number, size);
    }
}

int sim_receiver_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor)
{
    int64_t run, number;
    const char *payload;
    size_t size;

    if (actor->later_chance > 0 &&
        sim_random_chance(sim_dice(actor->workload), actor->later_chance)) {
        return PTL_LATER;
    }
    int err = ptl_msg_read(node, msg, "**iis.", &run, &number, &payload, &size);
    if (err < 0 || !ptl_msg_is(msg, "number")) {
        sim_checker_fail(&actor->workload->world->checker, SIM_CONTENT,
                         "a receiver cannot read its message: %s", ptl_err_name(err));
        return 0;
    }
    check_payload(actor, payload, size, (uint64_t)number);
    sim_run_received(&actor->workload->world->checker, (uint32_t)run, actor->facts.id,
                     (uint64_t)number);
    return 0;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static size_t any_size(struct sim_workload *workload)
{
    unsigned dice = (unsigned)sim_random_below(sim_dice(workload), 1000);
    if (dice < 100) {
        return 0;
    }
    if (dice < 900) {
        return (size_t)sim_random_scale(sim_dice(workload), 1, 200);
    }
    if (dice < 996) {
        return (size_t)sim_random_scale(sim_dice(workload), 100, 5000);
    }
    return (size_t)sim_random_scale(sim_dice(workload), 5000, SIM_PAYLOAD_MAX);
}

static void run_over(struct sim_watch *watch, const struct ptl_msg *reason, bool lost)
{
    struct sim_sender *sender = watch->data;
    (void)lost;
    if (sender->watch != watch || sender->run == NULL) {
        return;
    }
    if (!ptl_msg_is(reason, "node_stopped")) {
        sender->run->over = true;
    }
    sender->run = NULL;
    sender->watch = NULL;
    sender->pending = false;
}

static bool begin_run(struct sim_sender *sender)
{
    struct sim_workload *workload = sender->workload;
    bool keep = sender->target != NULL && sim_random_chance(sim_dice(workload), 700);
    struct sim_actor *target = keep ? sender->target : sim_receiver_any(workload);

    if (target == NULL) {
        return false;
    }
    sender->target = target;
    struct sim_watch *watch =
        sim_monitor(node_of(sender), sender->actor, target, SIM_WATCH_CALLBACK, run_over, sender);
    if (!watch->accepted) {
        return false;
    }
    sender->watch = watch;
    sender->run =
        sim_run_begin(&workload->world->checker, sender->id, target->facts.id, sender->life);
    return true;
}

static void room_again(struct ptl_node *node, const struct ptl_port *to, void *data);

static void wait_for_room(struct sim_sender *sender)
{
    struct sim_checker *checker = &sender->workload->world->checker;
    struct sim_promise *promise =
        sim_promise_begin(checker, SIM_G6_ROOM, "room", sender->life,
                          sender->actor == NULL ? NULL : &sender->actor->facts);
    promise->data = sender;
    int err = ptl_on_room(node_of(sender)->node, &sender->target->port, room_again, promise);
    sim_check_result(sender->workload, "ptl_on_room", err);
    promise->given = err == 0;
    sender->waiting = err == 0;
}

static int send_one(struct sim_sender *sender, size_t size)
{
    struct sim_node *home = node_of(sender);
    uint64_t number = sender->run->accepted;
    struct ptl_msg *msg =
        sim_message(home, "number", sender->target, "iiT", (int64_t)sender->run->id,
                    (int64_t)number, sender->workload->payload + number % 256, size);
    /* What is accepted may be handled before this returns to nobody but the sender itself. */
    int err = ptl_send(home->node, &sender->target->port, msg);
    sim_check_result(sender->workload, "ptl_send", err);
    ptl_msg_free(msg);
    if (err == 0) {
        sender->run->accepted++;
    }
    return err;
}

/* Send so many messages, as far as there is room. */
static void send_some(struct sim_sender *sender, unsigned count)
{
    if (node_of(sender)->node == NULL || (sender->run == NULL && !begin_run(sender))) {
        return;
    }
    for (unsigned i = 0; i < count && !sender->waiting; i++) {
        size_t size = sender->pending ? sender->pending_size : any_size(sender->workload);
        int err = send_one(sender, size);
        sender->pending = err < 0;
        sender->pending_size = size;
        if (err == PTL_EFULL) {
            wait_for_room(sender);
        } else if (err < 0) {
            return;
        }
    }
}

static void room_again(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct sim_promise *promise = data;
    struct sim_sender *sender = promise->data;
    (void)node;
    (void)to;
    sim_promise_kept(&sender->workload->world->checker, promise);
    sender->waiting = false;
    /* A thread sends from its own ticks, never from within a shard: it is one sender only so. */
    if (sender->actor != NULL && !sender->workload->finished && !node_of(sender)->stopping) {
        send_some(sender, (unsigned)sim_random_between(sim_dice(sender->workload), 1, BURST_MAX));
    }
}

static unsigned any_burst(struct sim_sender *sender)
{
    return (unsigned)sim_random_scale(sim_dice(sender->workload), 1, BURST_MAX);
}

static unsigned any_delay(struct sim_sender *sender)
{
    return (unsigned)sim_random_scale(sim_dice(sender->workload), 1, 250);
}

/* ---- Ports ----------------------------------------------------------------------------------- */

static int port_tick(struct ptl_node *node, void *data);

static void arm(struct sim_sender *sender)
{
    unsigned delay_ms = any_delay(sender);
    sim_after(sender->actor, delay_ms, port_tick,
              sim_timer_promise(sender->actor, delay_ms, sender));
}

static int port_tick(struct ptl_node *node, void *data)
{
    struct sim_promise *promise = data;
    struct sim_sender *sender = promise->data;
    (void)node;
    sim_promise_kept(&sender->workload->world->checker, promise);
    if (sender->workload->finished || node_of(sender)->stopping) {
        return 0;
    }
    send_some(sender, any_burst(sender));
    arm(sender);
    return 0;
}

int sim_sender_handle(struct ptl_node *node, const struct ptl_msg *msg, struct sim_actor *actor)
{
    (void)node;
    if (ptl_msg_is(msg, "start")) {
        arm(actor->sender);
    } else {
        send_some(actor->sender, LAST_BURST);
    }
    return 0;
}

static void tell_sender(struct sim_sender *sender, const char *tag)
{
    struct sim_node *home = node_of(sender);
    struct ptl_msg *msg = sim_message(home, tag, sender->actor, "");
    int err = ptl_send(home->node, &sender->actor->port, msg);
    sim_check_result(sender->workload, "ptl_send", err);
    ptl_msg_free(msg);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void thread_tick(void *data)
{
    struct sim_sender *sender = data;
    struct sim_workload *workload = sender->workload;
    if (workload->finished || !sim_life_is_on(&workload->world->checker, sender->life)) {
        return;
    }
    if (!sender->waiting) {
        send_some(sender, any_burst(sender));
    }
    sim_network_at(workload->world->network,
                   sim_network_now(workload->world->network) + any_delay(sender) * SIM_MILLISECOND,
                   thread_tick, sender);
}

/* ---- Both ------------------------------------------------------------------------------------ */

void sim_sender_burst(struct sim_sender *sender)
{
    if (sender->actor == NULL) {
        send_some(sender, LAST_BURST);
    } else {
        tell_sender(sender, "burst");
    }
}

void sim_sender_add(struct sim_workload *workload, struct sim_node *node, bool outside)
{
    struct sim_sender *sender = sim_must_alloc(sizeof *sender);
    if ((workload->sender_count & (workload->sender_count - 1)) == 0) {
        size_t capacity = workload->sender_count == 0 ? 1 : 2 * (size_t)workload->sender_count;
        workload->senders =
            sim_must_grow(workload->senders, capacity * sizeof(struct sim_sender *));
    }
    sender->id = workload->sender_count;
    sender->workload = workload;
    sender->life = sim_node_life(node);
    workload->senders[workload->sender_count++] = sender;
    if (outside) {
        thread_tick(sender);
        return;
    }
    sender->actor = sim_actor_new(workload, SIM_SENDER, node);
    sender->actor->sender = sender;
    if (sim_actor_place(sender->actor, NULL) == 0) {
        tell_sender(sender, "start");
    }
}
