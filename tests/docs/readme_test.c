/*
 * The C example of README.md, as it stands there, does what a reader expects of it.
 */
#include "tests/common/witness.h"

#include "readme_example.c"

static struct ptl_node *started(void)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node = NULL;

    assert_int_equal(start(&options, &node), 0);
    return node;
}

static void readme_example_greets(void **state)
{
    struct ptl_node *node = started();
    struct ptl_port hall, guest = witness_listener(node, "guest");

    (void)state;
    assert_int_equal(ptl_port_parse(node, "rain#hall", 9, &hall), 0);
    tell(node, &hall, "tp", "greet", &guest);
    assert_next("guest", "[\"ahoy\"]");
    assert_int_equal(ptl_node_stop(node, 1000), 0);
}

static int never(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return PTL_LATER;
}

static void readme_example_outlives_the_malformed_and_the_full(void **state)
{
    static char bytes[4000];
    struct ptl_node *node = started();
    struct ptl_port hall, guest = witness_listener(node, "guest");
    struct ptl_port full = witness_port(node, NULL, never, NULL);

    (void)state;
    assert_int_equal(ptl_port_parse(node, "rain#hall", 9, &hall), 0);
    assert_int_equal(ptl_monitor(node, &hall, on_gone, (void *)"hall", NULL), 0);
    while (ptl_sendf(node, &full, "y", bytes, sizeof(bytes)) == 0) {
    }
    tell(node, &hall, "t", "greet");
    tell(node, &hall, "ti", "greet", 1);
    tell(node, &hall, "tpt", "greet", &guest, "more");
    tell(node, &hall, "n");
    for (int i = 0; i < 10; i++) {
        tell(node, &hall, "tp", "greet", &full);
    }
    tell(node, &hall, "tp", "greet", &guest);
    assert_next("guest", "[\"ahoy\"]");
    assert_silent("hall");
    ptl_node_stop(node, 0);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    static const struct CMUnitTest tests[] = {
        WITNESSED(readme_example_greets),
        WITNESSED(readme_example_outlives_the_malformed_and_the_full),
    };

    return witness_main(argc, argv, "readme", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
