/*
 * A port has its handlers before anybody can know its name.
 */
#include "engine/node/node.h"
#include "tests/common/witness.h"

#define TURNS 8

static struct ptl_node *stepped(void)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node;

    options.shards = 2;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    assert_int_equal(ptl_node_open_shard(node, 0), 0);
    assert_int_equal(ptl_node_open_shard(node, 1), 0);
    return node;
}

static void step(struct ptl_node *node)
{
    for (int i = 0; i < TURNS; i++) {
        for (unsigned shard = 0; shard < 2; shard++) {
            if (ptl_node_next(node, shard) == 0) {
                ptl_node_turn(node, shard);
            }
        }
    }
}

static struct ptl_port on_shard(struct ptl_node *node, unsigned shard, ptl_handler_fn *handler,
                                void *data)
{
    struct ptl_port_options options = {
        .size = sizeof(options), .handler = handler, .data = data, .shard_plus_one = shard + 1};
    struct ptl_port port;

    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    return port;
}

/* Answers whoever names itself, at once. */
static int on_name(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port;

    (void)data;
    int err = ptl_msg_read(node, msg, "p", &port);
    return err < 0 ? err : ptl_sendf(node, &port, "t", "work");
}

/* Makes a port on its own shard and gives its name away. */
static int on_make(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port_options options = {.size = sizeof(options)};
    const struct ptl_port *giver = data;
    struct ptl_port port;

    (void)msg;
    int err = ptl_port_new(node, &options, &port);
    if (err == 0) {
        err = ptl_monitor(node, &port, on_gone, (void *)"gone", NULL);
    }
    if (err == 0) {
        err = ptl_port_on(node, &port, "work", on_message, (void *)"worker");
    }
    return err < 0 ? err : ptl_sendf(node, giver, "p", &port);
}

static void port_of_a_handler_has_its_handlers_before_others_know_it(void **state)
{
    struct ptl_node *node = stepped();

    (void)state;
    /* Whichever shard reads its rings in whichever order. */
    for (unsigned shard = 0; shard < 2; shard++) {
        struct ptl_port giver = on_shard(node, 1 - shard, on_name, NULL);
        struct ptl_port maker = on_shard(node, shard, on_make, &giver);
        tell(node, &maker, "n");
        step(node);
        const char *death = witness_next_if_any("gone");
        assert_null(death);
        assert_next("worker", "[\"work\"]");
    }
    ptl_node_crash(node);
}

static void change_at_once(struct ptl_node *node, const struct ptl_port *port)
{
    int err = ptl_port_on(node, port, "work", on_message, (void *)"second");

    if (err == 0) {
        err = ptl_sendf(node, port, "t", "work");
    }
    witness_note("changed", "%s", ptl_err_name(err));
}

/* Changes the handlers of another port. */
static int on_change(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct ptl_port *port = data;

    (void)msg;
    int err = ptl_sendf(node, port, "t", "work");
    if (err == 0) {
        change_at_once(node, port);
    }
    return err;
}

static void port_on_another_shard_gets_a_handler_in_its_place(void **state)
{
    struct ptl_node *node = stepped();
    struct ptl_port port = on_shard(node, 1, NULL, NULL);
    struct ptl_port changer = on_shard(node, 0, on_change, &port);

    (void)state;
    assert_int_equal(ptl_port_on(node, &port, "work", on_message, (void *)"first"), 0);
    tell(node, &changer, "n");
    step(node);
    assert_next("changed", "PTL_OK");
    assert_next("first", "[\"work\"]");
    assert_next("second", "[\"work\"]");
    ptl_node_crash(node);
}

static void port_is_made_with_a_table_of_tags(void **state)
{
    char tag[] = "one";
    const struct ptl_port_tag tags[] = {
        {.tag = tag, .handler = on_message, .data = (void *)"one"},
        {.tag = "two", .handler = on_message, .data = (void *)"two"},
        {.tag = NULL},
    };
    struct ptl_port_options options = {
        .size = sizeof(options), .handler = on_message, .data = (void *)"else", .tags = tags};
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port;

    (void)state;
    for (unsigned shard = 0; shard < witness_shards; shard++) {
        options.shard_plus_one = shard + 1;
        memcpy(tag, "one", sizeof(tag));
        assert_int_equal(ptl_port_new(node, &options, &port), 0);
        memcpy(tag, "two", sizeof(tag));
        tell(node, &port, "t", "one");
        tell(node, &port, "t", "two");
        tell(node, &port, "t", "three");
        assert_next("one", "[\"one\"]");
        assert_next("two", "[\"two\"]");
        assert_next("else", "[\"three\"]");
        assert_int_equal(ptl_port_on(node, &port, "one", NULL, NULL), 0);
        tell(node, &port, "t", "one");
        assert_next("else", "[\"one\"]");
    }
}

static void table_of_tags_that_makes_no_sense_is_refused(void **state)
{
    const struct ptl_port_tag twice[] = {{.tag = "one", .handler = on_message},
                                         {.tag = "one", .handler = on_message},
                                         {.tag = NULL}};
    const struct ptl_port_tag none[] = {{.tag = "one"}, {.tag = NULL}};
    const struct ptl_port_tag empty[] = {{.tag = NULL}};
    struct ptl_port_options options = {.size = sizeof(options), .name = "named", .tags = twice};
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port;

    (void)state;
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_EINVAL);
    options.tags = none;
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_EINVAL);
    options.tags = empty;
    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    options.tags = twice;
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_EINVAL);
}

static void table_of_tags_needs_all_its_memory_or_leaves_nothing(void **state)
{
    const struct ptl_port_tag tags[] = {
        {.tag = "one", .handler = on_message, .data = (void *)"one"},
        {.tag = "two", .handler = on_message, .data = (void *)"two"},
        {.tag = NULL}};
    struct ptl_port_options options = {.size = sizeof(options), .name = "named", .tags = tags};
    struct ptl_node *node = stepped();
    struct ptl_port port;
    int err = PTL_ENOMEM;
    size_t nth = 0;

    (void)state;
    while (err == PTL_ENOMEM) {
        witness_fail_memory(++nth, false);
        err = ptl_port_new(node, &options, &port);
        witness_fail_memory(0, false);
    }
    assert_int_equal(err, 0);
    assert_true(nth > 5);
    ptl_node_crash(node); /* the end of the test sees what is left */
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    static const struct CMUnitTest tests[] = {
        WITNESSED(port_of_a_handler_has_its_handlers_before_others_know_it),
        WITNESSED(port_on_another_shard_gets_a_handler_in_its_place),
        WITNESSED(port_is_made_with_a_table_of_tags),
        WITNESSED(table_of_tags_that_makes_no_sense_is_refused),
        WITNESSED(table_of_tags_needs_all_its_memory_or_leaves_nothing),
    };

    return witness_main(argc, argv, "handlers", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
