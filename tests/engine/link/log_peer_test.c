/*
 * What strangers, peers and programs write into the log of a node by what they do.
 */
#include "tests/common/raw_peer.h"
#include "tests/common/witness.h"
#include "tests/replay/wire.h"

#include "engine/link/refusals.h"

#include <unistd.h>

#ifdef PTL_QUICK
#define REQUESTS 5000
#define STRANGERS 200
#else
#define REQUESTS 50000
#define STRANGERS 1000
#endif
#define FAILURES 40 /* in less than a minute, on any machine */

static struct ptl_node *listening_node(const char *id, enum ptl_log_level level)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options(id);

    options.binds = binds;
    options.log_level = level;
    return witness_start(&options);
}

/* A program's node: it attaches to nobody and holds nothing. */
static struct ptl_node *program(const char *id, struct ptl_node *of)
{
    struct ptl_node_options options = witness_options(id);

    options.ordinary = true;
    struct ptl_node *node = witness_start(&options);
    assert_int_equal(ptl_node_known(node, ptl_node_id(of), ptl_node_address(of, 0)), 0);
    return node;
}

/* All that the node has done by now for whom it is linked to. */
static void ask(struct ptl_node *node, const char *echo)
{
    struct ptl_port port = witness_parse(node, echo), here = witness_listener(node, "answer");

    tell(node, &port, "tip", "say", INT64_C(1), &here);
    assert_next("answer", "[1]");
}

static void malformed_requests_of_a_peer_cost_few_lines(void **state)
{
    struct ptl_node *rain = listening_node("rain", PTL_LOG_INFO), *snow = program("snow", rain);
    struct ptl_port to = witness_parse(snow, "rain#");

    (void)state;
    witness_port(rain, "echo", on_echo, NULL);
    for (int i = 0; i < REQUESTS; i++) {
        tell(snow, &to, "t", "snd");
    }
    ask(snow, "rain#echo");
    witness_stop(rain, 5000); /* what was counted is told */
    assert_non_null(strstr(witness_until("rain", "more of these"), "from snow: "));
    assert_true(witness_count("rain") < REQUESTS / 100);
}

static void strangers_that_come_and_go_cost_no_line_above_debug(void **state)
{
    struct ptl_node *rain = listening_node("rain", PTL_LOG_INFO), *snow = program("snow", rain);

    (void)state;
    witness_port(rain, "echo", on_echo, NULL);
    for (int i = 0; i < STRANGERS; i++) {
        int fd = wire_dial(ptl_node_address(rain, 0));
        if (i % 2 == 0) {
            assert_int_equal(write(fd, "aemp;1;", 7), 7);
        }
        close(fd);
    }
    ask(snow, "rain#echo");
    witness_stop(rain, 5000);
    assert_int_equal(witness_count("rain"), 0);
}

static void fail_from(struct ptl_node *rain, const char *from)
{
    int stranger = raw_stranger(rain, from, "GET / HTTP/1.0\n\n");

    raw_await_close(stranger);
    close(stranger);
}

static void stranger_that_fails_again_and_again_is_one_warning(void **state)
{
    struct ptl_node *rain = listening_node("rain", PTL_LOG_INFO);

    (void)state;
    for (int i = 0; i < FAILURES; i++) {
        fail_from(rain, i % 2 == 0 ? "127.0.0.2" : "127.0.0.3");
    }
    witness_stop(rain, 5000);
    for (int i = 0; i < 2; i++) {
        const char *line = witness_next("rain");
        assert_non_null(strstr(line, "warning: connection from 127.0.0."));
        assert_non_null(strstr(line, ptl_err_text(PTL_EGREETING)));
    }
    assert_silent("rain");
}

static void strangers_of_many_addresses_that_fail_are_few_warnings(void **state)
{
    struct ptl_node *rain = listening_node("rain", PTL_LOG_INFO);
    char from[16];

    (void)state;
    for (int i = 1; i <= FAILURES; i++) {
        snprintf(from, sizeof from, "127.0.1.%d", i);
        fail_from(rain, from);
    }
    witness_stop(rain, 5000);
    assert_int_equal(witness_count("rain"), PTL_REFUSALS_TOLD_COME);
}

static void strangers_cost_few_lines_at_debug(void **state)
{
    struct ptl_node *rain = listening_node("rain", PTL_LOG_DEBUG);

    (void)state;
    for (int i = 0; i < STRANGERS; i++) {
        close(wire_dial(ptl_node_address(rain, 0)));
    }
    witness_until("rain", "connection from 127.0.0.1");
    witness_stop(rain, 5000);
    assert_true(witness_count("rain") < STRANGERS / 4);
}

static void programs_that_come_and_go_cost_no_line_above_debug(void **state)
{
    struct ptl_node *rain = listening_node("rain", PTL_LOG_INFO);

    (void)state;
    witness_port(rain, "echo", on_echo, NULL);
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "program%d", i);
        struct ptl_node *node = program(id, rain);
        ask(node, "rain#echo");
        witness_stop(node, 5000);
    }
    assert_silent("rain");
}

static void global_node_that_comes_and_goes_is_told_of(void **state)
{
    struct ptl_node *rain = listening_node("rain", PTL_LOG_INFO);
    struct ptl_node_options options = witness_options("snow");
    const char *seeds[] = {ptl_node_address(rain, 0), NULL};

    (void)state;
    options.seeds = seeds;
    struct ptl_node *snow = witness_start(&options);
    witness_until("rain", "the global node snow is linked");
    witness_until("snow", "linked to rain at");
    witness_stop(snow, 5000);
    witness_until("rain", "lost the link to snow");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(malformed_requests_of_a_peer_cost_few_lines),
        WITNESSED(strangers_that_come_and_go_cost_no_line_above_debug),
        WITNESSED(stranger_that_fails_again_and_again_is_one_warning),
        WITNESSED(strangers_of_many_addresses_that_fail_are_few_warnings),
        WITNESSED(strangers_cost_few_lines_at_debug),
        WITNESSED(programs_that_come_and_go_cost_no_line_above_debug),
        WITNESSED(global_node_that_comes_and_goes_is_told_of),
    };
    static const unsigned shards[] = {2, 0};

    return witness_main(argc, argv, "log_peer", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
