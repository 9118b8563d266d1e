/*
 * Nodes as a whole: side by side, and what keeps one from being made or opened.  How they stop is
 * in stop_test.c, what they may be given before they open in furnish_test.c.
 */
#include "io/uring_features.h"
#include "tests/common/witness.h"

static void nodes_live_side_by_side_in_one_process(void **state)
{
    struct ptl_node *rain = witness_node("rain"), *snow = witness_node("snow");
    struct ptl_port in_rain = witness_port(rain, "echo", on_message, "rain's echo");
    struct ptl_port in_snow = witness_port(snow, "echo", on_message, "snow's echo");

    (void)state;
    assert_string_equal(ptl_node_id(rain), "rain");
    assert_string_equal(ptl_node_id(snow), "snow");
    tell(rain, &in_rain, "t", "a");
    tell(snow, &in_snow, "t", "b");
    assert_next("rain's echo", "[\"a\"]");
    assert_next("snow's echo", "[\"b\"]");
    assert_int_equal(witness_stop(rain, 1000), 0);
    tell(snow, &in_snow, "t", "c");
    assert_next("snow's echo", "[\"c\"]");
}

static void options_that_make_no_sense_are_refused(void **state)
{
    static const char *const outside[] = {"0.0.0.0:0", NULL}, *const broken[] = {"nowhere", NULL};
    struct ptl_node_options good = witness_options("rain"), options;
    struct ptl_node *node;

    (void)state;
    good.log_level = PTL_LOG_ERROR;
    options = good;
    options.size--;
    assert_int_equal(ptl_node_start(&options, &node), PTL_EINVAL);
    options = good;
    options.id = "a#b";
    assert_int_equal(ptl_node_start(&options, &node), PTL_ENAME);
    options = good;
    options.framings = "cbor,nonsense";
    assert_int_equal(ptl_node_start(&options, &node), PTL_EINVAL);
    options = good;
    options.binds = broken;
    assert_int_equal(ptl_node_start(&options, &node), PTL_EADDRESS);
    options = good;
    options.seeds = broken;
    assert_int_equal(ptl_node_start(&options, &node), PTL_EADDRESS);
    options = good;
    options.binds = outside;
    options.secret = "short";
    options.secret_size = 5;
    assert_int_equal(ptl_node_start(&options, &node), PTL_ESECRET);
    options = good;
    options.shards = PTL_SHARDS_MAX + 1;
    assert_int_equal(ptl_node_start(&options, &node), PTL_EINVAL);
    options = good;
    options.loop = PTL_LOOP_EPOLL + 1;
    assert_int_equal(ptl_node_start(&options, &node), PTL_EINVAL);
}

static void address_that_is_taken_fails_the_start(void **state)
{
    static const char *binds[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *other = NULL;

    (void)state;
    options.binds = binds;
    struct ptl_node *node = witness_start(&options);
    const char *const taken[] = {ptl_node_address(node, 0), NULL};
    options.binds = taken;
    options.id = "snow";
    assert_int_equal(ptl_node_start(&options, &other), -98 /* EADDRINUSE */);
    witness_until("rain", "cannot listen on 127.0.0.1:");
    assert_null(ptl_node_address(node, 1));
}

/* Where the kernel counts its waiting as waiting for a disk, an operator may wonder. */
static void node_that_shows_as_io_wait_says_so_once(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    const char *line;

    (void)state;
    options.log_level = PTL_LOG_INFO;
    if (ptl_loop_uring_missing() != NULL) {
        skip();
    }
    ptl_loop_uring_pretend(PTL_URING_NO_IOWAIT);
    struct ptl_node *rain = witness_start(&options);
    ptl_loop_uring_pretend(0);
    witness_until("rain", "counts an idle node's waiting as I/O wait");
    assert_int_equal(witness_stop(rain, 1000), 0);
    while ((line = witness_next_if_any("rain")) != NULL) {
        assert_null(strstr(line, "I/O wait"));
    }
}

/* Each of them as on a kernel that lacks it: Linux before 6.1. */
static void node_on_a_kernel_that_lacks_a_feature_is_on_epoll_and_says_which(void **state)
{
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    options.log_level = PTL_LOG_INFO;
    options.loop = PTL_LOOP_AUTO;
    for (unsigned bit = 1; bit < PTL_URING_REQUIRED; bit <<= 1) {
        ptl_loop_uring_pretend(bit);
        struct ptl_node *rain = witness_start(&options);
        struct ptl_port port = witness_port(rain, "echo", on_message, "rain's echo");
        witness_until("rain", "the loop is epoll: io_uring ");
        tell(rain, &port, "t", "a");
        assert_next("rain's echo", "[\"a\"]");
        assert_int_equal(witness_stop(rain, 1000), 0);
    }
    ptl_loop_uring_pretend(0);
}

static void io_uring_that_was_asked_for_and_cannot_be_had_fails_the_start(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node = NULL;

    (void)state;
    options.loop = PTL_LOOP_URING;
    ptl_loop_uring_pretend(PTL_URING_DEFERRED);
    assert_int_equal(ptl_node_start(&options, &node), PTL_EFEATURE);
    ptl_loop_uring_pretend(0);
    witness_until("rain", "cannot start: io_uring ");
    options.loop = PTL_LOOP_EPOLL;
    node = witness_start(&options);
    assert_int_equal(witness_stop(node, 1000), 0);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(nodes_live_side_by_side_in_one_process),
        WITNESSED(options_that_make_no_sense_are_refused),
        WITNESSED(address_that_is_taken_fails_the_start),
        WITNESSED(node_that_shows_as_io_wait_says_so_once),
        WITNESSED(node_on_a_kernel_that_lacks_a_feature_is_on_epoll_and_says_which),
        WITNESSED(io_uring_that_was_asked_for_and_cannot_be_had_fails_the_start),
    };

    return witness_main(argc, argv, "nodes", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
