/*
 * What callbacks return, and what becomes of it: done, later, or the port dies.  The same for
 * handlers, init functions, timers, monitors and watches of the database.
 */
#include "tests/common/witness.h"

#include <time.h>

#define GO "go"

/* How often callbacks have been called, and what they return until then. */
static _Atomic unsigned calls;
static _Atomic int verdict;
static _Atomic unsigned from_call; /* 0 from this call on */

static int judged(const char *label)
{
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    int result = call < atomic_load(&from_call) ? atomic_load(&verdict) : 0;

    witness_note(label, "%u", call);
    return result;
}

static void judge(int result, unsigned until)
{
    atomic_store(&calls, 0);
    atomic_store(&verdict, result);
    atomic_store(&from_call, until);
}

static int at_time(struct ptl_node *node, void *data)
{
    (void)node;
    return judged(data);
}

static int when_gone(struct ptl_node *node, const struct ptl_port *port,
                     const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    return judged(data);
}

static int at_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    static const char *const names[] = {"added", "changed", "deleted", "copied", "reset"};

    (void)node;
    int result = judged(data);
    witness_note("change", "%s %s", names[change->event], change->key);
    return result;
}

static int handle(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    return judged(data);
}

/* A port whose first message has it make something of its own. */
static int set_timer(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    if (!ptl_msg_is(msg, GO)) {
        return on_message(node, msg, data);
    }
    return ptl_after(node, 1, at_time, data, NULL);
}

static struct ptl_port nobody;

static int set_monitor(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    if (!ptl_msg_is(msg, GO)) {
        return on_message(node, msg, data);
    }
    return ptl_monitor(node, &nobody, when_gone, data, NULL);
}

static int set_watch(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    if (!ptl_msg_is(msg, GO)) {
        return on_message(node, msg, data);
    }
    return ptl_db_watch(node, "fam", at_change, data, NULL);
}

/* Have it made, and watch its port. */
static struct ptl_port begin(struct ptl_node *node, ptl_handler_fn *handler)
{
    struct ptl_port port = witness_port(node, NULL, handler, "port");

    nobody = witness_parse(node, "rain#nobody");
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    tell(node, &port, "t", GO);
    return port;
}

/* ---- Failing ------------------------------------------------------------------------------- */

static void assert_dies_of(ptl_handler_fn *handler, int result)
{
    struct ptl_node *node = witness_node("rain");

    judge(result, UINT32_MAX);
    begin(node, handler);
    assert_next("gone", "[\"die\",\"the handler failed\"]");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("gone");
    assert_int_equal(atomic_load(&calls), 1);
    witness_until("port", "1");
}

static void handler_that_returns_a_positive_number_has_failed(void **state)
{
    (void)state;
    assert_dies_of(handle, 1);
}

static void timer_monitor_and_watch_that_fail_end_their_port(void **state)
{
    struct ptl_node *node = witness_node("sun");

    (void)state;
    assert_dies_of(set_timer, 7);
    assert_dies_of(set_timer, PTL_EHANDLER);
    assert_dies_of(set_monitor, 7);
    assert_dies_of(set_monitor, PTL_EHANDLER);
    assert_int_equal(witness_stop(node, 1000), 0);
}

static void watch_that_fails_ends_its_port(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    assert_int_equal(ptl_db_set(node, "fam", "a", NULL), 0);
    assert_int_equal(ptl_db_set(node, "fam", "b", NULL), 0);
    judge(PTL_ENOKEY, UINT32_MAX);
    begin(node, set_watch);
    assert_next("gone", "[\"die\",\"no such key in the database\"]");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_int_equal(atomic_load(&calls), 1);
}

static int init_positive(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    return ptl_fail(node, "not %s", "today") == PTL_EHANDLER ? 3 : 0;
}

static void init_function_that_returns_a_positive_number_has_failed(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port;

    (void)state;
    assert_int_equal(ptl_register(node, "test::never", init_positive, NULL), 0);
    assert_int_equal(ptl_spawn(node, "rain", "test::never", NULL, &port), 0);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    const char *line = witness_next("gone");
    /* Told of the death, or that there is no such port, whichever came first. */
    assert_true(strstr(line, "not today") != NULL || strstr(line, "no_such_port") != NULL);
}

static void failure_outside_of_ports_is_logged(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    judge(PTL_ENOKEY, UINT32_MAX);
    assert_int_equal(ptl_after(node, 1, at_time, "call", NULL), 0);
    witness_until("rain", "a timer of the program has failed: no such key");
    nobody = witness_parse(node, "rain#nobody");
    assert_int_equal(ptl_monitor(node, &nobody, when_gone, "call", NULL), 0);
    witness_until("rain", "a monitor of the program has failed: no such key");
    assert_int_equal(atomic_load(&calls), 2);
}

/* ---- Later --------------------------------------------------------------------------------- */

static int on_later_thrice(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    _Atomic int *left = data;

    (void)node;
    (void)msg;
    if (atomic_fetch_sub(left, 1) > 0) {
        return PTL_LATER;
    }
    witness_note("later", "done");
    return 0;
}

static void port_that_says_later_again_and_again_is_tried_each_time(void **state)
{
    static _Atomic int left;
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, on_later_thrice, &left);

    (void)state;
    atomic_store(&left, 3);
    tell(node, &port, "t", "x");
    assert_next("later", "done");
}

static void timer_that_says_later_fires_again_until_it_is_done(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    judge(PTL_LATER, 4);
    begin(node, set_timer);
    witness_until("port", "4");
    judge(PTL_LATER, 3);
    assert_int_equal(ptl_after(node, 1, at_time, "outside", NULL), 0);
    witness_until("outside", "3");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("gone");
    assert_silent("port");
    assert_silent("outside");
}

static void timer_that_says_later_can_be_taken_back(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_timer timer;

    (void)state;
    judge(PTL_LATER, UINT32_MAX);
    assert_int_equal(ptl_after(node, 1, at_time, "outside", &timer), 0);
    witness_until("outside", "3");
    ptl_timer_cancel(node, &timer);
    for (unsigned before = 0; before != atomic_load(&calls);) { /* until one is the last */
        before = atomic_load(&calls);
        assert_int_equal(ptl_after(node, 20, on_time, "waited", NULL), 0);
        assert_next("waited", "time");
    }
}

static void monitor_that_says_later_is_told_again_before_what_comes_behind(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    judge(PTL_LATER, 5);
    struct ptl_port port = begin(node, set_monitor);
    witness_until("port", "1");
    tell(node, &port, "i", (int64_t)77);
    witness_until("port", "5");
    assert_next("port", "[77]");
    judge(PTL_LATER, 3);
    assert_int_equal(ptl_monitor(node, &nobody, when_gone, "outside", NULL), 0);
    witness_until("outside", "3");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("gone");
    assert_silent("port");
    assert_silent("outside");
}

/* The changes that were told, without those that were told again. */
static void assert_changes(const char *const expected[], unsigned count)
{
    char before[40] = "";

    for (unsigned i = 0; i < count;) {
        const char *line = witness_next("change");
        if (strcmp(line, before) != 0) {
            assert_string_equal(line, expected[i++]);
            snprintf(before, sizeof(before), "%s", line);
        }
    }
}

static void watch_that_says_later_is_told_the_same_change_again(void **state)
{
    static const char *const expected[] = {"added a", "copied ", "added c", "deleted a"};
    struct ptl_node *node = witness_node("rain");
    bool outside = false;

    (void)state;
    do {
        const char *label = outside ? "outside" : "port";
        assert_int_equal(ptl_db_set(node, "fam", "a", NULL), 0);
        judge(PTL_LATER, 6);
        if (outside) {
            assert_int_equal(ptl_db_watch(node, "fam", at_change, "outside", NULL), 0);
        } else {
            begin(node, set_watch);
        }
        witness_until(label, "7"); /* five times the first change is put off */
        judge(PTL_LATER, 3);
        assert_int_equal(ptl_db_set(node, "fam", "c", NULL), 0);
        witness_until(label, "3");
        assert_int_equal(ptl_db_del(node, "fam", "a"), 0);
        assert_changes(expected, 4);
        assert_silent("gone");
        outside = !outside;
        if (outside) {
            witness_stop(node, 1000);
            node = witness_node("rain");
        }
    } while (outside);
}

static int init_later(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;
    int result = judged(data);

    (void)msg;
    return result != 0 || !ptl_self(node, &self) ? result
                                                 : ptl_port_on(node, &self, NULL, on_message, data);
}

static void init_function_that_says_later_is_called_again_before_any_message(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port;

    (void)state;
    judge(PTL_LATER, 4);
    assert_int_equal(ptl_register(node, "test::slow", init_later, "init"), 0);
    assert_int_equal(ptl_spawn(node, "rain", "test::slow", NULL, &port), 0);
    tell(node, &port, "i", (int64_t)5);
    witness_until("init", "4");
    assert_next("init", "[5]");
}

/* ---- Taking long --------------------------------------------------------------------------- */

static int stay_long(struct ptl_node *node, void *data)
{
    uint64_t *until = data;
    struct timespec now;

    (void)node;
    *until = 0;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t at = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
        *until = *until == 0 ? at + 150 : *until;
        if (at >= *until) {
            return 0;
        }
    } while (true);
}

static uint64_t clock_room;

static int stay_when_gone(struct ptl_node *node, const struct ptl_port *port,
                          const struct ptl_msg *reason, void *data)
{
    (void)port;
    (void)reason;
    return stay_long(node, data);
}

static int stay_at_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    return change->event == PTL_DB_ADDED ? stay_long(node, data) : 0;
}

/* On one shard: a handler runs right behind, and took no time. */
static void assert_only_this_is_slow(struct ptl_node *node, const char *text)
{
    struct ptl_port port = witness_listener(node, "port");

    witness_until("rain", text);
    for (int i = 0; i < 100; i++) {
        tell(node, &port, "i", (int64_t)i);
    }
    witness_until("port", "[99]");
    const char *line;
    while ((line = witness_next_if_any("rain")) != NULL) {
        assert_null(strstr(line, "a handler of"));
    }
}

static struct ptl_node *one_shard(void)
{
    struct ptl_node_options options = witness_options("rain");

    options.shards = 1;
    return witness_start(&options);
}

static void slow_timer_is_named_and_the_handler_behind_it_is_not(void **state)
{
    struct ptl_node *node = one_shard();

    (void)state;
    assert_int_equal(ptl_after(node, 1, stay_long, &clock_room, NULL), 0);
    assert_only_this_is_slow(node, "a timer of the program took");
}

static void slow_monitor_is_named_and_the_handler_behind_it_is_not(void **state)
{
    struct ptl_node *node = one_shard();
    struct ptl_port missing = witness_parse(node, "rain#nobody");

    (void)state;
    assert_int_equal(ptl_monitor(node, &missing, stay_when_gone, &clock_room, NULL), 0);
    assert_only_this_is_slow(node, "for 'rain#nobody'");
}

static void slow_watch_is_named_and_the_handler_behind_it_is_not(void **state)
{
    struct ptl_node *node = one_shard();

    (void)state;
    assert_int_equal(ptl_db_set(node, "fam", "a", NULL), 0);
    assert_int_equal(ptl_db_watch(node, "fam", stay_at_change, &clock_room, NULL), 0);
    assert_only_this_is_slow(node, "for 'fam'");
}

/* ---- Spawned ports that keep nothing ------------------------------------------------------- */

static int keep_nothing(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return 0;
}

static int keep_a_timer(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    return ptl_after(node, 3600000, on_time, data, NULL);
}

static int keep_a_resource(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    return ptl_port_own(node, on_release, data);
}

static void spawned_port_that_keeps_nothing_is_gone(void **state)
{
    struct ptl_node *node = witness_node("rain");
    char expected[PTL_PORT_ID_MAX + 100];
    struct ptl_port port;

    (void)state;
    assert_int_equal(ptl_register(node, "test::nothing", keep_nothing, NULL), 0);
    for (int late = 0; late < 2; late++) {
        assert_int_equal(ptl_spawn(node, "rain", "test::nothing", NULL, &port), 0);
        if (late == 1) {
            assert_int_equal(ptl_after(node, 10, on_time, "time", NULL), 0);
            assert_next("time", "time");
        }
        assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
        snprintf(expected, sizeof(expected),
                 "[\"no_such_port\",\"cannot monitor nonexistent port\",\"%s\"]",
                 ptl_port_id(&port));
        assert_next("gone", expected);
    }
}

static void spawned_port_that_keeps_something_lives(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port timer, resource;

    (void)state;
    assert_int_equal(ptl_register(node, "test::timer", keep_a_timer, "timer"), 0);
    assert_int_equal(ptl_register(node, "test::resource", keep_a_resource, "resource"), 0);
    assert_int_equal(ptl_spawn(node, "rain", "test::timer", NULL, &timer), 0);
    assert_int_equal(ptl_spawn(node, "rain", "test::resource", NULL, &resource), 0);
    assert_int_equal(ptl_monitor(node, &timer, on_gone, "timer gone", NULL), 0);
    assert_int_equal(ptl_monitor(node, &resource, on_gone, "resource gone", NULL), 0);
    witness_kill(node, &timer, "1");
    assert_next("timer gone", "[1]");
    witness_kill(node, &resource, "2");
    assert_next("resource gone", "[2]");
    assert_next("resource", "released");
    assert_silent("timer");
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(handler_that_returns_a_positive_number_has_failed),
        WITNESSED(timer_monitor_and_watch_that_fail_end_their_port),
        WITNESSED(watch_that_fails_ends_its_port),
        WITNESSED(init_function_that_returns_a_positive_number_has_failed),
        WITNESSED(failure_outside_of_ports_is_logged),
        WITNESSED(port_that_says_later_again_and_again_is_tried_each_time),
        WITNESSED(timer_that_says_later_fires_again_until_it_is_done),
        WITNESSED(timer_that_says_later_can_be_taken_back),
        WITNESSED(monitor_that_says_later_is_told_again_before_what_comes_behind),
        WITNESSED(watch_that_says_later_is_told_the_same_change_again),
        WITNESSED(init_function_that_says_later_is_called_again_before_any_message),
        WITNESSED(slow_timer_is_named_and_the_handler_behind_it_is_not),
        WITNESSED(slow_monitor_is_named_and_the_handler_behind_it_is_not),
        WITNESSED(slow_watch_is_named_and_the_handler_behind_it_is_not),
        WITNESSED(spawned_port_that_keeps_nothing_is_gone),
        WITNESSED(spawned_port_that_keeps_something_lives),
    };

    return witness_main(argc, argv, "verdict", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
