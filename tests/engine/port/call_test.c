/*
 * Spawns, calls and timers on one node, from handlers and from threads of the program.
 */
#include "tests/common/witness.h"

/* ---- Spawning ------------------------------------------------------------------------------ */

/* An init function: notes its values, and listens to "hello". */
static int init(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    if (ptl_msg_is(msg, "fail")) {
        return ptl_fail(node, "cannot begin");
    }
    on_message(node, msg, data);
    if (!ptl_self(node, &self)) {
        return ptl_fail(node, "no self");
    }
    return ptl_port_on(node, &self, "hello", on_message, "spawned");
}

static struct ptl_node *node_with_function(const char *id)
{
    struct ptl_node *node = witness_node(id);

    assert_int_equal(ptl_register(node, "test::listener", init, "init"), 0);
    return node;
}

static struct ptl_port spawn(struct ptl_node *node, const char *function, const char *values)
{
    struct ptl_msg *msg = witness_values(values);
    struct ptl_port port;

    assert_int_equal(ptl_spawn(node, "rain", function, msg, &port), 0);
    ptl_msg_free(msg);
    return port;
}

static void spawned_port_takes_messages_at_once(void **state)
{
    struct ptl_node *node = node_with_function("rain");

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct ptl_port port = spawn(node, "test::listener", "1,\"a\",[2]");
        tell(node, &port, "ti", "hello", INT64_C(5));
        assert_next("init", "[1,\"a\",[2]]");
        assert_next("spawned", "[\"hello\",5]");
    }
}

static void spawned_port_ignores_what_nothing_handles(void **state)
{
    struct ptl_node *node = node_with_function("rain");
    struct ptl_port port = spawn(node, "test::listener", "");

    (void)state;
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    tell(node, &port, "t", "strange");
    tell(node, &port, "t", "hello");
    assert_next("spawned", "[\"hello\"]");
    assert_silent("gone");
    witness_kill(node, &port, "1");
    assert_next("gone", "[1]");
}

static void spawned_port_dies_when_its_function_fails(void **state)
{
    struct ptl_node *node = node_with_function("rain");
    struct ptl_port port = spawn(node, "test::listener", "\"fail\"");

    (void)state;
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    assert_non_null(strstr(witness_next("gone"), "no_such_port"));
}

static void spawn_of_an_unknown_function_is_told_by_a_monitor(void **state)
{
    struct ptl_node *node = node_with_function("rain");
    struct ptl_port port = spawn(node, "test::nonsense", "1"), wrong;

    (void)state;
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    assert_non_null(strstr(witness_next("gone"), "no_such_port"));
    witness_until("rain", "test::nonsense");
    assert_int_equal(ptl_spawn(node, "a#b", "test::listener", NULL, &wrong), PTL_ENAME);
}

static void function_is_registered_once_and_by_a_good_name(void **state)
{
    struct ptl_node *node = node_with_function("rain");
    char name[300];

    (void)state;
    assert_int_equal(ptl_register(node, "test::listener", init, "other"), PTL_EEXIST);
    assert_int_equal(ptl_register(node, "", init, "other"), PTL_ENAME);
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = 0;
    assert_int_equal(ptl_register(node, name, init, "other"), PTL_ENAME);
    spawn(node, "test::listener", "1");
    assert_next("init", "[1]");
}

static int spawn_and_greet(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port;
    int err = ptl_spawn(node, "rain", "test::listener", msg, &port);

    if (err == 0) {
        err = ptl_monitor(node, &port, on_gone, data, NULL);
    }
    if (err == 0) {
        err = ptl_sendf(node, &port, "t", "hello");
    }
    return err == 0 ? ptl_kill(node, &port, msg) : err;
}

static void handler_may_spawn_send_monitor_and_kill_in_one_go(void **state)
{
    struct ptl_node *node = node_with_function("rain");
    struct ptl_port port = witness_port(node, NULL, spawn_and_greet, "parent");

    (void)state;
    for (int64_t i = 0; i < 20; i++) {
        char expected[32];
        tell(node, &port, "i", i);
        snprintf(expected, sizeof(expected), "[%d]", (int)i);
        assert_next("init", expected);
        assert_next("spawned", "[\"hello\"]");
        assert_next("parent", expected);
    }
}

/* ---- Calls --------------------------------------------------------------------------------- */

static void call_with(struct ptl_node *node, const struct ptl_port *to, const char *values,
                      unsigned timeout_ms, bool monitor)
{
    struct ptl_msg *msg = witness_values(values);

    assert_int_equal(ptl_call(node, to, msg, timeout_ms, monitor, on_reply, "reply"), 0);
    ptl_msg_free(msg);
}

static void call_is_answered_by_the_first_message_to_its_port(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, on_echo, NULL);

    (void)state;
    call_with(node, &port, "\"echo\",1,2", 0, true);
    assert_next("reply", "[1,2]");
    call_with(node, &port, "\"echo\"", 60000, false);
    assert_next("reply", "[]");
}

static void call_without_an_answer_times_out(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port");

    (void)state;
    call_with(node, &port, "\"ask\"", 1, false);
    call_with(node, &port, "\"ask\"", 1, true);
    assert_next("reply", "PTL_ETIMEOUT");
    assert_next("reply", "PTL_ETIMEOUT");
    assert_non_null(strstr(witness_next("port"), "[\"ask\",\"rain#"));
}

static void call_of_a_port_that_does_not_exist_tells_so(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port nobody = witness_parse(node, "rain#nobody");

    (void)state;
    call_with(node, &nobody, "1", 0, true);
    assert_non_null(strstr(witness_next("reply"), "gone [\"no_such_port\""));
}

static int die_of_it(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    return ptl_fail(node, "not that");
}

static void call_of_a_port_that_dies_of_it_tells_so(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, die_of_it, NULL);

    (void)state;
    call_with(node, &port, "1", 0, true);
    assert_non_null(strstr(witness_next("reply"), "gone ["));
}

static void call_is_answered_once(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port"), reply;
    char *at, *end;

    (void)state;
    call_with(node, &port, "\"ask\"", 60000, true);
    at = strstr(witness_next("port"), "rain#");
    end = strchr(at, '"');
    assert_int_equal(ptl_port_parse(node, at, (size_t)(end - at), &reply), 0);
    tell(node, &reply, "i", INT64_C(1));
    tell(node, &reply, "i", INT64_C(2));
    witness_kill(node, &port, "3");
    assert_next("reply", "[1]");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("reply");
}

static void call_whose_reply_port_is_killed_tells_so(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port"), reply;
    char *at, *end;

    (void)state;
    call_with(node, &port, "\"ask\"", 0, true);
    at = strstr(witness_next("port"), "rain#");
    end = strchr(at, '"');
    assert_int_equal(ptl_port_parse(node, at, (size_t)(end - at), &reply), 0);
    witness_kill(node, &reply, "\"why\"");
    assert_next("reply", "gone []");
}

static void call_that_is_refused_tells_nobody(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    static char bytes[3000];
    struct ptl_msg *msg;

    (void)state;
    options.message_bytes_max = 2000;
    struct ptl_node *node = witness_start(&options);
    struct ptl_port port = witness_listener(node, "port");
    assert_int_equal(ptl_msg_make(node, &msg, "y", bytes, sizeof(bytes)), 0);
    assert_int_equal(ptl_call(node, &port, msg, 0, true, on_reply, "reply"), PTL_ESIZE);
    ptl_msg_free(msg);
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("reply");
}

struct caller {
    struct ptl_port to;
    unsigned timeout_ms;
    bool monitor;
};

static int call_from_within(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct caller *caller = data;

    if (ptl_msg_is(msg, "die")) {
        return PTL_EHANDLER;
    }
    return ptl_call(node, &caller->to, msg, caller->timeout_ms, caller->monitor, on_reply, "reply");
}

static void call_of_a_handler_is_answered_or_not_like_any_other(void **state)
{
    static struct caller echo, silent, nobody;
    struct ptl_node *node = witness_node("rain");

    (void)state;
    echo = (struct caller){.to = witness_port(node, NULL, on_echo, NULL), .monitor = true};
    silent = (struct caller){.to = witness_listener(node, "port"), .timeout_ms = 1};
    nobody = (struct caller){.to = witness_parse(node, "rain#nobody"), .monitor = true};
    for (int64_t i = 0; i < 20; i++) {
        char expected[32];
        struct ptl_port port = witness_port(node, NULL, call_from_within, &echo);
        tell(node, &port, "ti", "ask", i);
        snprintf(expected, sizeof(expected), "[%d]", (int)i);
        assert_next("reply", expected);
    }
    struct ptl_port port = witness_port(node, NULL, call_from_within, &silent);
    tell(node, &port, "t", "ask");
    assert_next("reply", "PTL_ETIMEOUT");
    port = witness_port(node, NULL, call_from_within, &nobody);
    tell(node, &port, "t", "ask");
    assert_non_null(strstr(witness_next("reply"), "gone [\"no_such_port\""));
}

static void call_of_a_handler_ends_with_its_port(void **state)
{
    static struct caller caller;
    struct ptl_node *node = witness_node("rain");

    (void)state;
    caller =
        (struct caller){.to = witness_listener(node, "port"), .timeout_ms = 60000, .monitor = true};
    struct ptl_port port = witness_port(node, NULL, call_from_within, &caller);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    tell(node, &port, "t", "ask");
    assert_non_null(strstr(witness_next("port"), "[\"ask\",\"rain#"));
    size_t before = witness_bytes();
    tell(node, &port, "t", "die");
    assert_non_null(strstr(witness_next("gone"), "die"));
    witness_kill(node, &caller.to, "1");
    assert_int_equal(ptl_monitor(node, &caller.to, on_gone, "gone", NULL), 0);
    witness_next("gone");
    assert_true(witness_bytes() < before);
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("reply");
}

static _Atomic uint64_t replies;

static void count_reply(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    int64_t number;

    if (err != 0 || ptl_msg_read(node, reply, "i.", &number) < 0 || number != (intptr_t)data) {
        witness_note("reply", "bad answer: %d", err);
    }
    atomic_fetch_add(&replies, 1);
}

static void calls_may_be_many_at_once(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, on_echo, NULL);

    (void)state;
    atomic_store(&replies, 0);
    for (intptr_t i = 0; i < 1000; i++) {
        struct ptl_msg *msg;
        assert_int_equal(ptl_msg_make(node, &msg, "ti", "ask", (int64_t)i), 0);
        assert_int_equal(ptl_call(node, &port, msg, 60000, i % 2 == 0, count_reply, (void *)i), 0);
        ptl_msg_free(msg);
    }
    witness_reach(&replies, 1000);
    assert_silent("reply");
}

/* ---- Timers -------------------------------------------------------------------------------- */

static void timers_of_a_thread_fire_in_order(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port");
    struct ptl_msg *msg = witness_values("\"later\",1");

    (void)state;
    assert_int_equal(ptl_after(node, 20, on_time, "second", NULL), 0);
    assert_int_equal(ptl_after(node, 0, on_time, "first", NULL), 0);
    assert_int_equal(ptl_after_send(node, 1, &port, msg, NULL), 0);
    ptl_msg_free(msg);
    assert_next("second", "time");
    assert_next("first", "time");
    assert_next("port", "[\"later\",1]");
}

static void timer_that_is_taken_back_does_not_fire(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_timer timers[3], none = {.id = 0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ptl_after(node, 10, on_time, i == 1 ? "kept" : "taken", &timers[i]), 0);
    }
    ptl_timer_cancel(node, &timers[0]);
    ptl_timer_cancel(node, &timers[0]);
    ptl_timer_cancel(node, &timers[2]);
    ptl_timer_cancel(node, &none);
    assert_next("kept", "time");
    ptl_timer_cancel(node, &timers[1]);
    assert_int_equal(ptl_after(node, 1, on_time, "last", NULL), 0);
    assert_next("last", "time");
    assert_silent("taken");
}

static int note_self_at_time(struct ptl_node *node, void *data)
{
    struct ptl_port self;

    witness_note(data, "%s", ptl_self(node, &self) ? ptl_port_id(&self) : "nobody");
    return 0;
}

/* Sets timers, one to be heard of and one to be taken back; a second message kills the port. */
static int set_timers(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_timer timer;
    int err = 0;

    if (ptl_msg_is(msg, "die")) {
        return PTL_EHANDLER;
    }
    for (int i = 0; err == 0 && i < 100; i++) {
        err = ptl_after(node, 1, on_time, "taken", &timer);
        ptl_timer_cancel(node, &timer);
    }
    if (err == 0) {
        err = ptl_after(node, 2, note_self_at_time, data, NULL);
    }
    if (err == 0) {
        err = ptl_after(node, 50000, on_time, "long", NULL);
    }
    return err;
}

static void timer_of_a_handler_runs_as_its_port(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, set_timers, "port");

    (void)state;
    tell(node, &port, "t", "set");
    assert_next("port", ptl_port_id(&port));
    assert_silent("taken");
}

static void timer_of_a_handler_ends_with_its_port(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct ptl_port port = witness_port(node, NULL, set_timers, "port");
        assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
        tell(node, &port, "t", "set");
        tell(node, &port, "t", "die");
        witness_next("gone");
    }
    assert_int_equal(ptl_after(node, 3, on_time, "last", NULL), 0);
    assert_next("last", "time");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("long");
}

static int64_t chained;

static int set_again(struct ptl_node *node, void *data)
{
    if (++chained == 20) {
        witness_note(data, "twenty");
    } else if (ptl_after(node, 0, set_again, data, NULL) < 0) {
        witness_note(data, "refused");
    }
    return 0;
}

static void timer_may_set_the_next_one(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    chained = 0;
    assert_int_equal(ptl_after(node, 0, set_again, "chain", NULL), 0);
    assert_next("chain", "twenty");
}

static _Atomic uint64_t again_count;

static int again_at_once(struct ptl_node *node, void *data)
{
    _Atomic int *running = data;

    if (atomic_load(running) != 0) {
        atomic_fetch_add(&again_count, 1);
        int err = ptl_after(node, 0, again_at_once, data, NULL);
        (void)err;
    }
    return 0;
}

static void timer_that_begins_anew_at_once_leaves_others_their_turn(void **state)
{
    static _Atomic int running;
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port");

    (void)state;
    atomic_store(&running, 1);
    assert_int_equal(ptl_after(node, 0, again_at_once, &running, NULL), 0);
    witness_reach(&again_count, 1);
    for (int64_t i = 0; i < 3; i++) {
        tell(node, &port, "i", i);
    }
    assert_next("port", "[0]");
    assert_next("port", "[1]");
    assert_next("port", "[2]");
    atomic_store(&running, 0);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(spawned_port_takes_messages_at_once),
        WITNESSED(spawned_port_ignores_what_nothing_handles),
        WITNESSED(spawned_port_dies_when_its_function_fails),
        WITNESSED(spawn_of_an_unknown_function_is_told_by_a_monitor),
        WITNESSED(function_is_registered_once_and_by_a_good_name),
        WITNESSED(handler_may_spawn_send_monitor_and_kill_in_one_go),
        WITNESSED(call_is_answered_by_the_first_message_to_its_port),
        WITNESSED(call_without_an_answer_times_out),
        WITNESSED(call_of_a_port_that_does_not_exist_tells_so),
        WITNESSED(call_of_a_port_that_dies_of_it_tells_so),
        WITNESSED(call_is_answered_once),
        WITNESSED(call_whose_reply_port_is_killed_tells_so),
        WITNESSED(call_that_is_refused_tells_nobody),
        WITNESSED(call_of_a_handler_is_answered_or_not_like_any_other),
        WITNESSED(call_of_a_handler_ends_with_its_port),
        WITNESSED(calls_may_be_many_at_once),
        WITNESSED(timers_of_a_thread_fire_in_order),
        WITNESSED(timer_that_is_taken_back_does_not_fire),
        WITNESSED(timer_of_a_handler_runs_as_its_port),
        WITNESSED(timer_of_a_handler_ends_with_its_port),
        WITNESSED(timer_may_set_the_next_one),
        WITNESSED(timer_that_begins_anew_at_once_leaves_others_their_turn),
    };

    return witness_main(argc, argv, "spawns, calls and timers", tests,
                        sizeof(tests) / sizeof(tests[0]), shards);
}
