/*
 * How often a peer may have us run functions, on the virtual network: what it does at once is done
 * at one time.
 */
#include "tests/common/village.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE 20

enum { RAIN, SNOW };

static unsigned spawned, refused;

static int count_spawned(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node, (void)msg, (void)data;
    spawned++;
    return 0;
}

static void count_refused(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level;
    refused += strstr(line, "more often than spawn_rate allows") != NULL;
}

static struct ptl_node *start(const char *id, const char *const *seeds)
{
    struct ptl_node_options options = {
        .size = sizeof(options),
        .id = id,
        .log = count_refused,
        .shards = 1,
        .seeds = seeds,
        .spawn_rate = RATE,
    };

    return village_start(&options);
}

static void spawn_all_at_once(struct ptl_node *snow)
{
    struct ptl_port port;

    for (unsigned i = 0; i < 4 * RATE; i++) {
        assert_int_equal(ptl_spawn(snow, "rain", "count", NULL, &port), 0);
    }
}

static void peer_spawns_so_often_and_again_later(void **state)
{
    const char *const seeds[] = {village_address(RAIN), NULL};

    (void)state;
    village_begin();
    struct ptl_node *rain = start("rain", NULL), *snow = start("snow", seeds);
    assert_int_equal(ptl_register(rain, "count", count_spawned, NULL), 0);
    village_run(5 * SIM_SECOND);
    spawn_all_at_once(snow);
    village_run(5 * SIM_SECOND);
    assert_in_range(spawned, RATE, RATE + 1);
    assert_in_range(refused, 1, 4); /* few lines, whatever it does */
    spawned = 0;
    spawn_all_at_once(snow);
    village_run(5 * SIM_SECOND);
    assert_in_range(spawned, RATE, RATE + 1);
    village_end();
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_spawns_so_often_and_again_later),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
