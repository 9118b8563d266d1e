/*
 * The end of a node (G9): what was accepted is flushed, who waits is told, nothing is left behind.
 * That nothing is left is what every test's end checks: see witness.h.
 */
#include "tests/common/witness.h"

#include <time.h>

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static _Atomic uint64_t handled;

static int count_message(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    atomic_fetch_add(&handled, 1);
    return 0;
}

static int say_later(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return PTL_LATER;
}

static struct ptl_node *listening_node(const char *id)
{
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    return witness_start(&options);
}

/* Tell one where the other is, and have it hear from there. */
static void introduce(struct ptl_node *node, struct ptl_node *other)
{
    assert_int_equal(ptl_node_known(node, ptl_node_id(other), ptl_node_address(other, 0)), 0);
}

static void node_starts_and_stops_and_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct ptl_node *node = i % 2 == 0 ? witness_node("rain") : listening_node("rain");
        assert_int_equal(witness_stop(node, 1000), 0);
    }
    witness_nothing_left();
}

static void node_that_drains_can_be_asked_until_it_is_stopped(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, count_message, NULL);
    struct ptl_msg *msg = witness_values("1");

    (void)state;
    atomic_store(&handled, 0);
    assert_false(ptl_node_draining(node));
    for (int i = 0; i < 100; i++) {
        tell(node, &port, "u", UINT64_C(1));
    }
    ptl_node_drain(node, 10000);
    assert_int_equal(atomic_load(&handled), 100);
    assert_true(ptl_node_draining(node));
    assert_int_equal(ptl_send(node, &port, msg), PTL_ESTOPPED);
    assert_string_equal(ptl_node_id(node), "rain");
    assert_int_equal(witness_stop(node, 0), 0);
    /* What it could not deliver is told at the end. */
    node = witness_node("rain");
    struct ptl_port late = witness_port(node, NULL, say_later, NULL);
    tell(node, &late, "u", UINT64_C(1));
    ptl_node_drain(node, 50);
    assert_int_equal(witness_stop(node, 10000), PTL_ETIMEOUT);
    /* One that has never run has nothing to drain. */
    struct ptl_node_options options = witness_options("snow");
    node = witness_make(&options);
    ptl_node_drain(node, 10000);
    assert_false(ptl_node_draining(node));
    ptl_msg_free(msg);
}

static void node_that_stops_delivers_what_was_accepted(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, count_message, NULL);

    (void)state;
    atomic_store(&handled, 0);
    for (int i = 0; i < 10000; i++) {
        tell(node, &port, "i", INT64_C(1));
    }
    assert_int_equal(witness_stop(node, 20000), 0);
    assert_int_equal(handled, 10000);
}

static void node_that_stops_delivers_what_was_accepted_for_others(void **state)
{
    struct ptl_node *rain = listening_node("rain"), *snow = listening_node("snow");
    struct ptl_port port = witness_port(snow, "count", count_message, NULL);
    static char bytes[1000];
    uint64_t accepted = 0;

    (void)state;
    atomic_store(&handled, 0);
    introduce(rain, snow);
    while (accepted < 5000 &&
           ptl_sendf(rain, &port, "y", bytes, sizeof(bytes)) == 0) { /* some before it is linked */
        accepted++;
    }
    assert_true(accepted > 500);
    assert_int_equal(witness_stop(rain, 20000), 0);
    witness_reach(&handled, accepted);
    assert_int_equal(handled, accepted);
}

static void node_that_stops_fires_monitors_on_other_nodes(void **state)
{
    struct ptl_node *rain = listening_node("rain"), *snow = listening_node("snow");
    struct ptl_port in_snow = witness_listener(snow, "port"), in_rain;
    struct ptl_port back = witness_parse(snow, "rain#");

    (void)state;
    introduce(rain, snow);
    in_rain = witness_listener(rain, "rain's port");
    assert_int_equal(ptl_monitor(rain, &in_snow, on_gone, "rain's", NULL), 0);
    assert_int_equal(ptl_monitor(rain, &in_rain, on_gone, "own", NULL), 0);
    tell(rain, &in_snow, "t", "hello");
    assert_next("port", "[\"hello\"]");
    assert_int_equal(ptl_monitor(snow, &in_rain, on_gone, "snow's", NULL), 0);
    assert_int_equal(ptl_monitor(snow, &back, on_gone, "snow's", NULL), 0);
    tell(snow, &in_rain, "t", "hello");
    assert_next("rain's port", "[\"hello\"]");
    assert_int_equal(witness_stop(rain, 2000), 0);
    assert_next("rain's", "[\"node_stopped\"]");
    assert_silent("rain's");
    assert_non_null(strstr(witness_next("snow's"), "[\"transport_error\",\"rain\","));
    assert_non_null(strstr(witness_next("snow's"), "[\"transport_error\",\"rain\","));
    tell(snow, &in_snow, "t", "alive");
    assert_next("port", "[\"alive\"]");
}

static void node_that_stops_drops_what_is_set_for_later(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port");
    struct ptl_msg *msg = witness_values("1");

    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ptl_after(node, 50000, on_time, "timer", NULL), 0);
        assert_int_equal(ptl_after_send(node, 50000, &port, msg, NULL), 0);
        assert_int_equal(ptl_call(node, &port, msg, 50000, true, on_reply, "reply"), 0);
        assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
        assert_int_equal(ptl_monitor_message(node, &port, &port, msg, NULL), 0);
        assert_int_equal(ptl_on_link(node, on_link, "link"), 0);
    }
    ptl_msg_free(msg);
    assert_int_equal(witness_stop(node, 2000), 0);
    assert_silent("timer");
    for (const char *reply; (reply = witness_next_if_any("reply")) != NULL;) {
        assert_string_equal(reply, "PTL_ESTOPPED"); /* it had not yet begun */
    }
    assert_silent("link");
}

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void node_whose_port_never_comes_to_rest_stops_at_the_deadline(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, say_later, NULL);

    (void)state;
    tell(node, &port, "t", "hello");
    int64_t start = milliseconds();
    assert_int_equal(witness_stop(node, 30), PTL_ETIMEOUT);
    assert_true(milliseconds() - start < 20000);
}

static void node_stops_at_the_deadline_while_it_connects(void **state)
{
    static const char *const seeds[] = {"127.0.0.1:1", NULL};
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    options.seeds = seeds;
    struct ptl_node *node = witness_start(&options);
    struct ptl_port port = witness_parse(node, "snow#x");
    tell(node, &port, "t", "hello");
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    witness_stop(node, 50);
    const char *reason = witness_next("gone");
    assert_true(strstr(reason, "node_stopped") != NULL ||
                strstr(reason, "transport_error") != NULL);
}

static struct ptl_port self_port;

static int refuse_all(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port;
    struct ptl_port_options options = {.size = sizeof(options)};

    /* Until the node begins to stop all is well; then everything new is refused. */
    if (ptl_port_new(node, &options, &port) == 0) {
        ptl_kill(node, &port, NULL);
        return PTL_LATER;
    }
    witness_note(data, "send %s", ptl_err_name(ptl_send(node, &self_port, msg)));
    witness_note(data, "kill %s", ptl_err_name(ptl_kill(node, &self_port, NULL)));
    witness_note(data, "monitor %s",
                 ptl_err_name(ptl_monitor(node, &self_port, on_gone, "gone", NULL)));
    witness_note(data, "spawn %s", ptl_err_name(ptl_spawn(node, "rain", "f", NULL, &port)));
    witness_note(data, "call %s",
                 ptl_err_name(ptl_call(node, &self_port, msg, 0, true, on_reply, "reply")));
    witness_note(data, "after %s", ptl_err_name(ptl_after(node, 0, on_time, "timer", NULL)));
    witness_note(data, "room %s", ptl_err_name(ptl_on_room(node, &self_port, on_room, "room")));
    return 0;
}

static void node_that_stops_refuses_all_that_is_new(void **state)
{
    static const char *const calls[] = {"send", "kill",  "monitor", "spawn",
                                        "call", "after", "room"};
    struct ptl_node *node = witness_node("rain");
    char expected[64];

    (void)state;
    self_port = witness_port(node, NULL, refuse_all, "port");
    tell(node, &self_port, "t", "hello");
    assert_int_equal(witness_stop(node, 20000), 0);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        snprintf(expected, sizeof(expected), "%s PTL_ESTOPPED", calls[i]);
        assert_next("port", expected);
    }
}

static void message_outlives_the_node_that_brought_it(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_msg *msg;

    (void)state;
    assert_int_equal(ptl_msg_make(NULL, &msg, "ti", "hello", INT64_C(1)), 0);
    struct ptl_port port = witness_listener(node, "port");
    assert_int_equal(ptl_send(node, &port, msg), 0);
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_true(ptl_msg_is(msg, "hello"));
    ptl_msg_free(msg);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(node_starts_and_stops_and_leaves_nothing),
        WITNESSED(node_that_drains_can_be_asked_until_it_is_stopped),
        WITNESSED(node_that_stops_delivers_what_was_accepted),
        WITNESSED(node_that_stops_delivers_what_was_accepted_for_others),
        WITNESSED(node_that_stops_fires_monitors_on_other_nodes),
        WITNESSED(node_that_stops_drops_what_is_set_for_later),
        WITNESSED(node_whose_port_never_comes_to_rest_stops_at_the_deadline),
        WITNESSED(node_stops_at_the_deadline_while_it_connects),
        WITNESSED(node_that_stops_refuses_all_that_is_new),
        WITNESSED(message_outlives_the_node_that_brought_it),
    };

    return witness_main(argc, argv, "the end", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
