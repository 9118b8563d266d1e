/*
 * TLS on the virtual network, where time and pieces are the test's own: links come up, carry, and
 * come up again when a node has lacked memory or turns in the middle of anything.
 */
#include "tests/common/tls_world.h"
#include "tests/common/village.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RAIN, SNOW };

#ifdef PTL_QUICK
#define MOMENTS 8
#else
#define MOMENTS 40
#endif

static unsigned sealed; /* lines that say that TLS is up */
static unsigned heard;

static void log_sealed(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level;
    sealed += strstr(line, "TLSv1.3") != NULL;
}

static int on_message(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node, (void)msg, (void)data;
    heard++;
    return 0;
}

static struct ptl_node *start(const char *id, const char *const *seeds)
{
    struct ptl_node_options options = {
        .size = sizeof(options),
        .id = id,
        .log = log_sealed,
        .log_level = PTL_LOG_DEBUG,
        .shards = 1,
        .seeds = seeds,
        .tls = PTL_TLS_REQUIRE,
        .tls_pair = (const char *)tls_file("pair-a.pem").bytes,
    };

    return village_start(&options);
}

static void count_link(const char *node_id, void *data)
{
    (void)node_id;
    (*(unsigned *)data)++;
}

static bool is_linked(struct ptl_node *node)
{
    unsigned links = 0;

    ptl_links(node, count_link, &links);
    return links == 1;
}

static void start_both(struct ptl_node **rain, struct ptl_node **snow)
{
    const char *const seeds[] = {village_address(RAIN), NULL};

    village_begin();
    sealed = heard = 0;
    *rain = start("rain", NULL);
    *snow = start("snow", seeds);
}

/* A message from snow to a port of rain arrives. */
static void expect_message(struct ptl_node *rain, struct ptl_node *snow)
{
    struct ptl_port_options options = {.size = sizeof(options), .handler = on_message};
    struct ptl_port here, there;
    unsigned before = heard;

    assert_int_equal(ptl_port_new(rain, &options, &here), 0);
    assert_int_equal(ptl_port_parse(snow, ptl_port_id(&here), strlen(ptl_port_id(&here)), &there),
                     0);
    assert_int_equal(ptl_sendf(snow, &there, "t", "hello"), 0);
    village_run(SIM_SECOND);
    assert_int_equal(heard, before + 1);
}

static void simulated_nodes_link_over_tls(void **state)
{
    struct ptl_node *rain, *snow;

    (void)state;
    start_both(&rain, &snow);
    village_run(5 * SIM_SECOND);
    assert_true(is_linked(rain) && is_linked(snow));
    assert_true(sealed >= 2);
    expect_message(rain, snow);
    village_end();
}

/* Without memory from some moment of the opening on, and later with it. */
static void node_that_lacks_memory_for_tls_links_later(void **state)
{
    struct ptl_node *rain, *snow;

    (void)state;
    for (unsigned moment = 0; moment < MOMENTS; moment++) {
        start_both(&rain, &snow);
        village_run(moment * (SIM_SECOND / 1000));
        village_starve(moment % 2, true);
        village_run(SIM_SECOND);
        village_starve(moment % 2, false);
        village_run(60 * SIM_SECOND);
        assert_true(is_linked(rain) && is_linked(snow));
        expect_message(rain, snow);
        village_end();
    }
}

/* A node that has no turn in the middle of a handshake is waited for, or tried again. */
static void node_that_stands_still_in_tls_links_later(void **state)
{
    struct ptl_node *rain, *snow;

    (void)state;
    for (unsigned moment = 0; moment < MOMENTS; moment++) {
        start_both(&rain, &snow);
        village_run(moment * (SIM_SECOND / 1000));
        village_still(moment % 2, true);
        village_run(15 * SIM_SECOND);
        village_still(moment % 2, false);
        village_run(60 * SIM_SECOND);
        assert_true(is_linked(rain) && is_linked(snow));
        expect_message(rain, snow);
        village_end();
    }
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(simulated_nodes_link_over_tls),
        cmocka_unit_test(node_that_lacks_memory_for_tls_links_later),
        cmocka_unit_test(node_that_stands_still_in_tls_links_later),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
