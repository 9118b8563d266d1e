/*
 * What is given along with a callback is released exactly once, when the callback will never be
 * called (again), however that comes about.
 */
#include "engine/node/node.h"
#include "tests/common/witness.h"

#include <pthread.h>

#ifdef PTL_QUICK
#define ROUNDS 2000
#else
#define ROUNDS 20000
#endif

/* ---- A node that is stepped ---------------------------------------------------------------- */

static const unsigned shard_count = 2;

static struct ptl_node *stepped(void)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node;

    options.shards = shard_count;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    for (unsigned i = 0; i < shard_count; i++) {
        assert_int_equal(ptl_node_open_shard(node, i), 0);
    }
    return node;
}

static void step(struct ptl_node *node)
{
    for (unsigned i = 0; i < 20 * shard_count; i++) {
        if (ptl_node_next(node, i % shard_count) == 0) {
            ptl_node_turn(node, i % shard_count);
        }
    }
}

/* ---- Every kind of callback ---------------------------------------------------------------- */

static unsigned told, released;

static void on_free(void *data)
{
    assert_ptr_equal(data, &released);
    released++;
}

static int note(void)
{
    assert_int_equal(released, 0);
    told++;
    return 0;
}

static int timer_told(struct ptl_node *node, void *data)
{
    (void)node;
    (void)data;
    return note();
}

static int monitor_told(struct ptl_node *node, const struct ptl_port *port,
                        const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    (void)data;
    return note();
}

static void room_told(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    (void)node;
    (void)to;
    (void)data;
    note();
}

static void link_told(struct ptl_node *node, const char *node_id, bool up,
                      const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)node_id;
    (void)up;
    (void)reason;
    (void)data;
}

static void reply_told(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    (void)err;
    (void)reply;
    (void)data;
    note();
}

static int change_told(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    (void)change;
    (void)data;
    return note();
}

/* Whom it is about. */
static struct ptl_port target;

/* What the last one that was set is taken back with. */
static struct ptl_timer timer;
static struct ptl_monitor monitor;
static struct ptl_db_watch watch;

static int set_timer(struct ptl_node *node)
{
    return ptl_after_owned(node, 0, timer_told, &released, on_free, &timer);
}

static int set_long_timer(struct ptl_node *node)
{
    return ptl_after_owned(node, 1000000, timer_told, &released, on_free, &timer);
}

static int set_monitor(struct ptl_node *node)
{
    return ptl_monitor_owned(node, &target, monitor_told, &released, on_free, &monitor);
}

static int set_call(struct ptl_node *node)
{
    struct ptl_msg *msg;
    int err = ptl_msg_make(NULL, &msg, "tt", "echo", "echo");

    if (err == 0) {
        err = ptl_call_owned(node, &target, msg, 0, true, reply_told, &released, on_free);
        ptl_msg_free(msg);
    }
    return err;
}

static int set_room(struct ptl_node *node)
{
    return ptl_on_room_owned(node, &target, room_told, &released, on_free);
}

static int set_link(struct ptl_node *node)
{
    return ptl_on_link_owned(node, link_told, &released, on_free);
}

static int set_db_room(struct ptl_node *node)
{
    return ptl_db_on_room_owned(node, "family", room_told, &released, on_free);
}

static int set_get(struct ptl_node *node)
{
    return ptl_db_get_owned(node, "family", "key", reply_told, &released, on_free);
}

static int set_family(struct ptl_node *node)
{
    return ptl_db_family_owned(node, "family", reply_told, &released, on_free);
}

static int set_keys(struct ptl_node *node)
{
    return ptl_db_keys_owned(node, "family", reply_told, &released, on_free);
}

static int set_values(struct ptl_node *node)
{
    return ptl_db_values_owned(node, "family", reply_told, &released, on_free);
}

static int set_watch(struct ptl_node *node)
{
    return ptl_db_watch_owned(node, "family", change_told, &released, on_free, &watch);
}

static int set_watch_key(struct ptl_node *node)
{
    return ptl_db_watch_key_owned(node, "family", "key", change_told, &released, on_free, &watch);
}

static int set_watch_prefix(struct ptl_node *node)
{
    return ptl_db_watch_prefix_owned(node, "family", "k", change_told, &released, on_free, &watch);
}

enum back { STAYS, TIMER, MONITOR, WATCH };

static const struct kind {
    int (*set)(struct ptl_node *node);
    enum back back;
    bool once; /* told once, and then never again */
} kinds[] = {
    {set_timer, TIMER, true},      {set_long_timer, TIMER, false},   {set_monitor, MONITOR, false},
    {set_call, STAYS, true},       {set_room, STAYS, true},          {set_link, STAYS, false},
    {set_db_room, STAYS, true},    {set_get, STAYS, true},           {set_family, STAYS, true},
    {set_keys, STAYS, true},       {set_values, STAYS, true},        {set_watch, WATCH, false},
    {set_watch_key, WATCH, false}, {set_watch_prefix, WATCH, false},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void take_back(struct ptl_node *node, enum back back)
{
    switch (back) {
    case TIMER:
        ptl_timer_cancel(node, &timer);
        break;
    case MONITOR:
        ptl_unmonitor(node, &monitor);
        break;
    case WATCH:
        ptl_db_unwatch(node, &watch);
        break;
    case STAYS:
        break;
    }
}

/* A fresh node, and nothing counted yet. */
static struct ptl_node *begin(void)
{
    struct ptl_node *node = stepped();

    target = witness_port(node, NULL, on_echo, NULL);
    told = released = 0;
    return node;
}

/* The node's end releases what is left, and nothing twice. */
static void end(struct ptl_node *node)
{
    ptl_node_crash(node);
    assert_int_equal(released, 1);
}

static void data_is_released_behind_the_last_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct ptl_node *node = begin();
        assert_int_equal(kinds[i].set(node), 0);
        step(node);
        if (kinds[i].set == set_timer) {
            while (told == 0) {
                ptl_node_turn(node, 0);
            }
        }
        assert_int_equal(released, kinds[i].once ? 1 : 0);
        assert_true(!kinds[i].once || told == 1);
        end(node);
    }
}

static void data_of_a_monitor_is_released_when_it_has_fired(void **state)
{
    struct ptl_node *node = begin();

    (void)state;
    assert_int_equal(set_monitor(node), 0);
    assert_int_equal(ptl_kill(node, &target, NULL), 0);
    step(node);
    assert_int_equal(told, 1);
    assert_int_equal(released, 1);
    end(node);
}

static void data_is_released_when_its_callback_is_taken_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct ptl_node *node = begin();
        assert_int_equal(kinds[i].set(node), 0);
        if (kinds[i].back != STAYS) {
            take_back(node, kinds[i].back);
            take_back(node, kinds[i].back);
            step(node);
            assert_int_equal(released, 1);
        }
        end(node);
    }
}

static int on_set(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct kind *kind = data;

    (void)msg;
    return kind->set(node);
}

static int on_set_and_take_back(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct kind *kind = data;

    (void)msg;
    int err = kind->set(node);
    if (err == 0) {
        take_back(node, kind->back);
        assert_true(kind->back == STAYS || released == 1); /* inside the call */
    }
    return err;
}

static int on_set_and_die(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    int err = on_set(node, msg, data);

    return err < 0 ? err : ptl_fail(node, "enough");
}

/* Each kind, set by a port with this handler. */
static void set_by_ports(ptl_handler_fn *handler, bool all_released)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].set == set_link) {
            continue; /* of the node, whoever sets it */
        }
        struct ptl_node *node = begin();
        struct ptl_port port = witness_port(node, NULL, handler, (void *)(uintptr_t)&kinds[i]);
        tell(node, &port, "n");
        step(node);
        assert_true(!all_released || released == 1);
        assert_true(!all_released || told == 0);
        end(node);
    }
}

static void data_is_released_with_its_port(void **state)
{
    (void)state;
    set_by_ports(on_set_and_die, true);
}

static void data_of_a_handler_is_released_once(void **state)
{
    (void)state;
    set_by_ports(on_set, false);
    set_by_ports(on_set_and_take_back, false);
}

static void data_stays_the_callers_after_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        int err = PTL_ENOMEM;
        for (size_t nth = 1; err == PTL_ENOMEM; nth++) {
            struct ptl_node *node = begin();
            witness_fail_memory(nth, false);
            err = kinds[i].set(node);
            witness_fail_memory(0, false);
            step(node);
            assert_true(err == 0 || (told == 0 && released == 0));
            ptl_node_crash(node);
            assert_int_equal(released, err == 0 ? 1 : 0);
        }
        assert_int_equal(err, 0);
    }
}

static void data_of_a_node_that_was_never_open_is_released(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct ptl_node_options options = witness_options("rain");
        struct ptl_node *node = witness_make(&options);
        target = witness_port(node, NULL, on_echo, NULL);
        told = released = 0;
        assert_int_equal(kinds[i].set(node), 0);
        assert_int_equal(witness_stop(node, 1000), 0);
        assert_int_equal(told, 0);
        assert_int_equal(released, 1);
    }
}

/* ---- Taken back by itself ------------------------------------------------------------------ */

static int cancel_and_later(struct ptl_node *node, void *data)
{
    (void)data;
    note();
    ptl_timer_cancel(node, &timer);
    return PTL_LATER;
}

static int unmonitor_and_later(struct ptl_node *node, const struct ptl_port *port,
                               const struct ptl_msg *reason, void *data)
{
    (void)port;
    (void)reason;
    (void)data;
    note();
    ptl_unmonitor(node, &monitor);
    return PTL_LATER;
}

static int set_both(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    return ptl_monitor_owned(node, &target, unmonitor_and_later, &released, on_free, &monitor);
}

static void callback_that_takes_itself_back_is_not_called_later(void **state)
{
    struct ptl_node *node = begin();

    (void)state;
    assert_int_equal(ptl_after_owned(node, 0, cancel_and_later, &released, on_free, &timer), 0);
    while (told == 0) {
        ptl_node_turn(node, 0);
    }
    assert_int_equal(released, 1);
    end(node);
    for (int in_a_port = 0; in_a_port < 2; in_a_port++) {
        node = begin();
        if (in_a_port != 0) {
            struct ptl_port port = witness_port(node, NULL, set_both, NULL);
            tell(node, &port, "n");
            step(node);
        } else {
            assert_int_equal(set_both(node, NULL, NULL), 0);
        }
        assert_int_equal(ptl_kill(node, &target, NULL), 0);
        step(node);
        assert_int_equal(told, 1);
        assert_int_equal(released, 1);
        end(node);
    }
}

/* ---- A link that keeps failing ------------------------------------------------------------- */

static bool taken_back;
static unsigned late;

static int told_too_late(struct ptl_node *node, const struct ptl_port *port,
                         const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    late += data == &late && taken_back;
    return 0;
}

static void turns(struct ptl_node *node, unsigned count)
{
    for (unsigned i = 0; i < count * shard_count; i++) {
        if (ptl_node_next(node, i % shard_count) == 0) {
            ptl_node_turn(node, i % shard_count);
        }
    }
}

/* Set one monitor so that its link is dialled, in vain, and another that is taken back. */
static void set_and_take_back_once(struct ptl_node *node, unsigned round)
{
    struct ptl_port port;
    char id[32];

    snprintf(id, sizeof(id), "snow%u", round % 100);
    assert_int_equal(ptl_node_known(node, id, "127.0.0.1:1"), 0);
    snprintf(id, sizeof(id), "snow%u#port", round % 100);
    assert_int_equal(ptl_port_parse(node, id, strlen(id), &port), 0);
    taken_back = false;
    assert_int_equal(ptl_monitor(node, &port, told_too_late, NULL, NULL), 0);
    turns(node, 1 + round % 3);
    assert_int_equal(ptl_monitor(node, &port, told_too_late, &late, &monitor), 0);
    turns(node, round / 3 % 5);
    ptl_unmonitor(node, &monitor);
    taken_back = true;
    step(node);
}

/* Stepped, so that nothing is running when it is taken back. */
static void monitor_taken_back_while_a_failure_is_told_never_fires(void **state)
{
    struct ptl_node *node = stepped();

    (void)state;
    late = 0;
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        set_and_take_back_once(node, i);
    }
    ptl_node_crash(node);
    assert_int_equal(late, 0);
}

/* ---- The place of a monitor ----------------------------------------------------------------- */

static unsigned ordinary_deaths;

static int on_ordinary_death(struct ptl_node *node, const struct ptl_port *port,
                             const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)data;
    ordinary_deaths += ptl_msg_count(reason) == 0; /* and not no_such_port */
    return 0;
}

/* Monitor and kill a port here, while the failure of some link may be being told. */
static void monitor_of_a_port_here_comes_before_its_kill_while_a_failure_is_told(void **state)
{
    struct ptl_node *node = stepped();

    (void)state;
    ordinary_deaths = 0;
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        struct ptl_port_options options = {.size = sizeof(options)};
        struct ptl_port port, far;
        char id[32];
        snprintf(id, sizeof(id), "snow%u", i % 100);
        assert_int_equal(ptl_node_known(node, id, "127.0.0.1:1"), 0);
        snprintf(id, sizeof(id), "snow%u#port", i % 100);
        assert_int_equal(ptl_port_parse(node, id, strlen(id), &far), 0);
        assert_int_equal(ptl_monitor(node, &far, told_too_late, NULL, NULL), 0);
        turns(node, i % 12);
        assert_int_equal(ptl_port_new(node, &options, &port), 0);
        assert_int_equal(ptl_monitor(node, &port, on_ordinary_death, NULL, NULL), 0);
        assert_int_equal(ptl_kill(node, &port, NULL), 0);
        step(node);
    }
    ptl_node_crash(node);
    assert_int_equal(ordinary_deaths, ROUNDS / 4);
}

struct thing {
    _Atomic uint64_t *freed;
    char bytes[16]; /* read by the callback */
};

static void free_thing(void *data)
{
    struct thing *thing = data;

    atomic_fetch_add(thing->freed, 1);
    memset(thing, 0xee, sizeof(*thing));
    free(thing);
}

static void look_at(const struct thing *thing)
{
    if (strcmp(thing->bytes, "alive") != 0) {
        fprintf(stderr, "a callback was called with data that was released\n");
        abort();
    }
}

static int thing_gone(struct ptl_node *node, const struct ptl_port *port,
                      const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    look_at(data);
    return 0;
}

static int thing_due(struct ptl_node *node, void *data)
{
    (void)node;
    look_at(data);
    return 0;
}

static int thing_changed(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    (void)change;
    look_at(data);
    return 0;
}

struct setter {
    pthread_t thread;
    struct ptl_node *node;
    unsigned number;
    uint64_t set;
    _Atomic uint64_t freed;
};

static struct thing *new_thing(struct setter *setter)
{
    struct thing *thing = calloc(1, sizeof(*thing));

    thing->freed = &setter->freed;
    memcpy(thing->bytes, "alive", 6);
    return thing;
}

static int set_one(struct setter *setter, unsigned round, struct thing *thing)
{
    struct ptl_timer its_timer;
    struct ptl_monitor its_monitor;
    struct ptl_db_watch its_watch;
    struct ptl_port port;
    char id[32];
    int err;

    switch (round % 4) {
    case 0:
        err = ptl_after_owned(setter->node, round % 3, thing_due, thing, free_thing, &its_timer);
        if (err == 0) {
            ptl_timer_cancel(setter->node, &its_timer);
        }
        return err;
    case 1:
        err = ptl_db_watch_owned(setter->node, "family", thing_changed, thing, free_thing,
                                 &its_watch);
        if (err == 0) {
            ptl_db_unwatch(setter->node, &its_watch);
        }
        return err;
    default:
        snprintf(id, sizeof(id), "snow#%u", round % 7);
        err = ptl_port_parse(setter->node, id, strlen(id), &port);
        if (err == 0) {
            err =
                ptl_monitor_owned(setter->node, &port, thing_gone, thing, free_thing, &its_monitor);
        }
        if (err == 0 && round % 16 < 12) {
            ptl_unmonitor(setter->node, &its_monitor);
        }
        return err;
    }
}

static void *set_and_take_back(void *data)
{
    struct setter *setter = data;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct thing *thing = new_thing(setter);
        int err = set_one(setter, round + setter->number, thing);
        if (err == 0) {
            setter->set++;
        } else if (err == PTL_EFULL) {
            free(thing); /* ours still */
        } else {
            witness_note("setter", "%s", ptl_err_name(err));
        }
    }
    return NULL;
}

static void data_of_threads_outlives_their_callbacks_while_a_link_keeps_failing(void **state)
{
    static struct setter setters[2];
    struct ptl_node *node = witness_node("rain");

    (void)state;
    assert_int_equal(ptl_node_known(node, "snow", "127.0.0.1:1"), 0);
    assert_int_equal(ptl_db_set(node, "family", "key", NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        setters[i] = (struct setter){.node = node, .number = i};
        assert_int_equal(pthread_create(&setters[i].thread, NULL, set_and_take_back, &setters[i]),
                         0);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(setters[i].thread, NULL);
    }
    witness_stop(node, 5000);
    assert_silent("setter");
    for (unsigned i = 0; i < 2; i++) {
        assert_true(setters[i].set > 0);
        assert_int_equal(atomic_load(&setters[i].freed), setters[i].set);
    }
}

/* ---- Waiting for room ---------------------------------------------------------------------- */

static bool gate_open;

static int behind_gate(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    return gate_open ? on_message(node, msg, data) : PTL_LATER;
}

static void fill(struct ptl_node *node, const struct ptl_port *port)
{
    static char bytes[4000];

    while (ptl_sendf(node, port, "y", bytes, sizeof(bytes)) == 0) {
        step(node);
    }
}

/* A message monitor that fires, and finds no room. */
static void fire_in_vain(struct ptl_node *node, const struct ptl_port *full, const char *prefix,
                         struct ptl_monitor *named)
{
    struct ptl_port dies = witness_port(node, NULL, on_message, NULL);
    struct ptl_msg *msg = witness_values(prefix);

    assert_int_equal(ptl_monitor_message(node, &dies, full, msg, named), 0);
    step(node);
    assert_int_equal(ptl_kill(node, &dies, NULL), 0);
    step(node);
    ptl_msg_free(msg);
}

/* Until the port has been sent `last`; returns whether it was sent `other`. */
static bool drain(struct ptl_node *node, const char *last, const char *other)
{
    bool last_seen = false, other_seen = false;
    const char *line;

    while (!last_seen) {
        for (unsigned shard = 0; shard < shard_count; shard++) {
            if (ptl_node_next(node, shard) != UINT64_MAX) {
                ptl_node_turn(node, shard); /* waits until it is due */
            }
        }
        while ((line = witness_next_if_any("full")) != NULL) {
            last_seen |= strstr(line, last) != NULL;
            other_seen |= strstr(line, other) != NULL;
        }
    }
    return other_seen;
}

static void message_monitor_that_waits_for_room_is_taken_back(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        struct ptl_node *node = stepped();
        struct ptl_port full = witness_port(node, NULL, behind_gate, (void *)"full");
        struct ptl_monitor other;
        gate_open = false;
        fill(node, &full);
        fire_in_vain(node, &full, "\"dead\"", &monitor);
        fire_in_vain(node, &full, "\"last\"", &other);
        if (back != 0) {
            ptl_unmonitor(node, &monitor);
            step(node);
        }
        gate_open = true;
        assert_int_equal(drain(node, "last", "dead"), back == 0);
        ptl_node_crash(node);
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {2, 0};
    static const struct CMUnitTest tests[] = {
        WITNESSED(data_is_released_behind_the_last_call),
        WITNESSED(data_of_a_monitor_is_released_when_it_has_fired),
        WITNESSED(data_is_released_when_its_callback_is_taken_back),
        WITNESSED(data_is_released_with_its_port),
        WITNESSED(data_of_a_handler_is_released_once),
        WITNESSED(data_stays_the_callers_after_an_error),
        WITNESSED(data_of_a_node_that_was_never_open_is_released),
        WITNESSED(callback_that_takes_itself_back_is_not_called_later),
        WITNESSED(monitor_taken_back_while_a_failure_is_told_never_fires),
        WITNESSED(monitor_of_a_port_here_comes_before_its_kill_while_a_failure_is_told),
        WITNESSED(data_of_threads_outlives_their_callbacks_while_a_link_keeps_failing),
        WITNESSED(message_monitor_that_waits_for_room_is_taken_back),
    };

    return witness_main(argc, argv, "release", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
