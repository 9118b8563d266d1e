/*
 * Defects that were found by reading, one test each: what users saw, or would have seen.
 */
#include "witness.h"

/* ---- Ports --------------------------------------------------------------------------------- */

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

static void port_value_outlives_its_node_and_names_no_port_of_the_next(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node = witness_start(&options);
    struct ptl_port old = witness_listener(node, "old");
    struct ptl_port echo = witness_port(node, "echo", on_message, "old");

    (void)state;
    assert_int_equal(witness_stop(node, 1000), 0);
    options.shards = witness_shards + 1; /* a chosen name lives on another shard then, perhaps */
    node = witness_start(&options);
    for (unsigned i = 0; i < 2 * options.shards; i++) {
        witness_listener(node, "new"); /* at the very same place as the old one */
    }
    witness_port(node, "echo", on_message, "echo");
    tell(node, &old, "t", "for a port that is gone");
    tell(node, &echo, "t", "for whoever has that name");
    assert_next("echo", "[\"for whoever has that name\"]");
    assert_int_equal(ptl_monitor(node, &old, on_gone, "gone", NULL), 0);
    witness_until("gone", "no_such_port");
    assert_silent("new");
}

/* ---- Monitors ------------------------------------------------------------------------------ */

static void monitor_of_a_thread_keeps_its_place_before_a_kill(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct ptl_port port = witness_listener(node, "port");
        assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
        witness_kill(node, &port, "\"why\"");
        assert_next("gone", "[\"why\"]");
    }
}

/* ---- Links --------------------------------------------------------------------------------- */

static struct ptl_node *linked_node(const char *id, const char *const *binds, const char *seed)
{
    const char *seeds[] = {seed, NULL};
    struct ptl_node_options options = witness_options(id);

    options.message_bytes_max = 2000;
    options.binds = binds;
    options.seeds = seed == NULL ? NULL : seeds;
    return witness_start(&options);
}

static void message_of_just_the_limit_passes_a_link(void **state)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    static char bytes[2000 - 3]; /* its head has three bytes */
    struct ptl_node *rain = linked_node("rain", binds, NULL);
    struct ptl_node *snow = linked_node("snow", NULL, ptl_node_address(rain, 0));
    struct ptl_port port = witness_port(rain, "port", on_message, "port");
    struct ptl_port remote = witness_parse(snow, ptl_port_id(&port));

    (void)state;
    assert_int_equal(ptl_monitor(snow, &remote, on_gone, "gone", NULL), 0);
    tell(snow, &remote, "y", bytes, sizeof(bytes));
    tell(snow, &remote, "t", "behind");
    witness_next("port");
    assert_next("port", "[\"behind\"]");
    assert_silent("gone");
}

static void reason_over_the_limit_is_refused_and_costs_no_link(void **state)
{
    static char bytes[3000];
    struct ptl_node *rain = linked_node("rain", NULL, NULL);
    struct ptl_port remote = witness_parse(rain, "snow#port");
    struct ptl_msg *large;

    (void)state;
    assert_int_equal(ptl_msg_make(rain, &large, "y", bytes, sizeof(bytes)), 0);
    assert_int_equal(ptl_kill(rain, &remote, large), PTL_ESIZE);
    assert_int_equal(ptl_spawn(rain, "snow", "f", large, &remote), PTL_ESIZE);
    ptl_msg_free(large);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        WITNESSED(port_that_says_later_again_and_again_is_tried_each_time),
        WITNESSED(timer_that_begins_anew_at_once_leaves_others_their_turn),
        WITNESSED(port_value_outlives_its_node_and_names_no_port_of_the_next),
        WITNESSED(message_of_just_the_limit_passes_a_link),
        WITNESSED(reason_over_the_limit_is_refused_and_costs_no_link),
        WITNESSED(monitor_of_a_thread_keeps_its_place_before_a_kill),
    };
    static const unsigned shards[] = {1, 2, 0};

    return witness_main(argc, argv, "regress", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
