/*
 * Make, furnish, open: a node has all that it offers before anybody can ask for it.
 */
#include "tests/common/listener.h"
#include "tests/common/witness.h"

#define ADDRESS_IN_USE (-98)

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static struct ptl_node *made(const char *id)
{
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    return witness_make(&options);
}

static int on_init(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    witness_note(data, "init");
    (void)msg;
    return ptl_self(node, &self) ? ptl_port_on(node, &self, NULL, on_message, data) : PTL_EINVAL;
}

static int on_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    if (change->event == PTL_DB_ADDED) {
        witness_note(data, "added %s", change->key);
    }
    return 0;
}

/* Everything that a thread may ask of a node; the labels say of what. */
static void furnish(struct ptl_node *node)
{
    struct ptl_port_options options = {
        .size = sizeof(options), .name = "kept", .handler = on_message, .data = (void *)"port"};
    struct ptl_port port, echo, spawned, nobody;
    struct ptl_msg *msg = witness_values("\"echo\",\"question\"");

    options.release = on_release;
    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    assert_int_equal(ptl_port_on(node, &port, "tag", on_message, (void *)"tag"), 0);
    echo = witness_port(node, "echo", on_echo, NULL);
    assert_int_equal(ptl_register(node, "init", on_init, (void *)"spawned"), 0);
    assert_int_equal(ptl_spawn(node, ptl_node_id(node), "init", NULL, &spawned), 0);
    assert_int_equal(ptl_port_parse(node, "rain#nobody", 11, &nobody), 0);
    assert_int_equal(ptl_monitor(node, &nobody, on_gone, (void *)"monitor", NULL), 0);
    assert_int_equal(ptl_after(node, 0, on_time, (void *)"timer", NULL), 0);
    assert_int_equal(ptl_call(node, &echo, msg, 0, true, on_reply, (void *)"call"), 0);
    assert_int_equal(ptl_on_room(node, &port, on_room, (void *)"room"), 0);
    assert_int_equal(ptl_on_link(node, on_link, (void *)"link"), 0);
    assert_int_equal(ptl_db_watch(node, "family", on_change, (void *)"watch", NULL), 0);
    assert_int_equal(ptl_db_set(node, "family", "key", NULL), 0);
    assert_int_equal(ptl_db_keys(node, "family", on_reply, (void *)"keys"), 0);
    tell(node, &port, "t", "first");
    tell(node, &port, "t", "tag");
    ptl_msg_free(msg);
}

static const char *const labels[] = {"port", "tag",  "spawned", "monitor", "timer",
                                     "call", "room", "watch",   "keys"};

static void node_that_is_made_does_all_once_it_is_open(void **state)
{
    struct ptl_node *node = made("rain");

    (void)state;
    assert_null(ptl_node_address(node, 0));
    furnish(node);
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        assert_silent(labels[i]);
    }
    assert_int_equal(ptl_node_open(node), 0);
    assert_non_null(ptl_node_address(node, 0));
    assert_next("port", "[\"first\"]");
    assert_next("tag", "[\"tag\"]");
    assert_next("spawned", "init");
    witness_until("monitor", "no_such_port");
    assert_next("timer", "time");
    witness_until("call", "question");
    assert_next("room", "room");
    assert_next("watch", "added key");
    assert_next("keys", "[[\"key\"]]");
}

static void node_opens_once(void **state)
{
    struct ptl_node *node = made("rain");

    (void)state;
    assert_int_equal(ptl_node_open(node), 0);
    assert_int_equal(ptl_node_open(node), PTL_EINVAL);
}

static void node_that_was_never_open_is_freed_with_all_that_waits(void **state)
{
    struct ptl_node *node = made("rain");

    (void)state;
    furnish(node);
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_next("port", "released");
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        assert_silent(labels[i]);
    }
    assert_int_equal(witness_bytes(), 0);
}

static void node_that_cannot_open_keeps_all_and_may_try_again(void **state)
{
    struct ptl_node_options options = witness_options("snow");
    char address[32];

    (void)state;
    listener_unused(address);
    options.binds = (const char *const[]){address, NULL};
    struct ptl_node *other = witness_start(&options);
    const char *const binds[] = {"127.0.0.1:0", address, "127.0.0.1:0", NULL};
    options = witness_options("rain");
    options.log_level = PTL_LOG_ERROR;
    options.binds = binds;
    struct ptl_node *node = witness_make(&options);
    furnish(node);
    assert_int_equal(ptl_node_open(node), ADDRESS_IN_USE);
    witness_until("rain", "cannot listen on 127.0.0.2:");
    assert_int_equal(ptl_node_open(node), ADDRESS_IN_USE);
    assert_null(ptl_node_address(node, 0));
    assert_silent("port");
    witness_stop(other, 1000);
    assert_int_equal(ptl_node_open(node), 0);
    assert_next("port", "[\"first\"]");
    assert_non_null(ptl_node_address(node, 2));
}

static void on_link_ask(struct ptl_node *node, const char *node_id, bool up,
                        const struct ptl_msg *reason, void *data)
{
    struct ptl_msg *msg = witness_values("\"echo\",\"there\"");
    struct ptl_port echo;

    (void)reason;
    (void)data;
    if (up) {
        (void)!ptl_port_parse(node, "rain#echo", 9, &echo);
        int err = ptl_call(node, &echo, msg, 0, true, on_reply, (void *)"ask");
        witness_note("asked", "%s %s", node_id, ptl_err_name(err));
    }
    ptl_msg_free(msg);
}

static void port_made_before_its_node_opens_is_there_for_the_first_peer(void **state)
{
    struct ptl_node_options options = witness_options("snow");

    (void)state;
    options.binds = loopback;
    struct ptl_node *snow = witness_start(&options);
    const char *const seeds[] = {ptl_node_address(snow, 0), NULL};
    assert_int_equal(ptl_on_link(snow, on_link_ask, NULL), 0);
    options = witness_options("rain");
    options.seeds = seeds;
    for (int i = 0; i < 5; i++) {
        struct ptl_node *rain = witness_make(&options);
        assert_silent("asked");
        witness_port(rain, "echo", on_echo, NULL);
        assert_int_equal(ptl_node_open(rain), 0);
        assert_next("asked", "rain PTL_OK");
        assert_non_null(strstr(witness_next("ask"), "[\"there\""));
        witness_stop(rain, 1000);
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    static const struct CMUnitTest tests[] = {
        WITNESSED(node_that_is_made_does_all_once_it_is_open),
        WITNESSED(node_opens_once),
        WITNESSED(node_that_was_never_open_is_freed_with_all_that_waits),
        WITNESSED(node_that_cannot_open_keeps_all_and_may_try_again),
        WITNESSED(port_made_before_its_node_opens_is_there_for_the_first_peer),
    };

    return witness_main(argc, argv, "furnish", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
