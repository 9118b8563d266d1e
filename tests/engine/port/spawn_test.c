/*
 * Ports that other nodes have spawned here: how many there may be, of one and of all.
 */
#include "tests/common/witness.h"

#define ONE 40 /* ports of one node */
#define ALL 60 /* of all */

static const char *const loopback[] = {"127.0.0.1:0", NULL};
static struct ptl_node *rain;

static int init(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)msg;
    return ptl_self(node, &self) ? ptl_port_on(node, &self, NULL, on_message, data) : PTL_EINVAL;
}

static int set_up(void **state)
{
    int err = witness_set_up(state);
    struct ptl_node_options options = witness_options("rain");

    options.binds = loopback;
    options.spawned_max = ONE;
    options.spawned_all_max = ALL;
    rain = witness_start(&options);
    assert_int_equal(ptl_register(rain, "test::port", init, "fate"), 0);
    return err;
}

static struct ptl_node *other_node(const char *id)
{
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    struct ptl_node *node = witness_start(&options);
    assert_int_equal(ptl_node_known(node, "rain", ptl_node_address(rain, 0)), 0);
    return node;
}

/*
 * Spawn so many; `ports` has those that live then.  One that was refused is told as one that there
 * is not, one that lives by nothing: a message that it passes on says so.
 */
static unsigned spawn(struct ptl_node *node, unsigned count, struct ptl_port ports[])
{
    unsigned alive = 0;

    for (unsigned i = 0; i < count; i++) {
        struct ptl_port *port = &ports[alive];
        struct ptl_monitor monitor;
        assert_int_equal(ptl_spawn(node, "rain", "test::port", NULL, port), 0);
        assert_int_equal(ptl_monitor(node, port, on_gone, "fate", &monitor), 0);
        tell(node, port, "i", (int64_t)i);
        if (strstr(witness_next("fate"), "no_such_port") == NULL) {
            ptl_unmonitor(node, &monitor);
            alive++;
        }
    }
    return alive;
}

/* Kill one and wait until it is gone. */
static void end(struct ptl_node *node, const struct ptl_port *port)
{
    assert_int_equal(ptl_monitor(node, port, on_gone, "ended", NULL), 0);
    assert_int_equal(ptl_kill(node, port, NULL), 0);
    assert_next("ended", "[]");
}

static void node_spawns_so_many_ports_and_more_when_some_have_died(void **state)
{
    struct ptl_node *snow = other_node("snow");
    struct ptl_port ports[4 * ONE], more[2 * ONE];

    (void)state;
    assert_int_equal(spawn(snow, 4 * ONE, ports), ONE);
    witness_until("rain", "could not be spawned by snow: a limit");
    for (unsigned i = 0; i < ONE; i++) {
        end(snow, &ports[i]);
    }
    assert_int_equal(spawn(snow, 4 * ONE, ports), ONE);
    /* Nobody else is refused for it, our own ports least. */
    assert_int_equal(spawn(rain, 2 * ONE, more), 2 * ONE);
}

static void spawned_ports_outlive_their_spawner_and_count_until_they_die(void **state)
{
    struct ptl_node *snow = other_node("snow"), *wind = other_node("wind");
    struct ptl_port of_snow[4 * ONE], of_wind[8 * ONE];

    (void)state;
    assert_int_equal(spawn(snow, 4 * ONE, of_snow), ONE);
    assert_int_equal(witness_stop(snow, 1000), 0);
    assert_int_equal(spawn(wind, 8 * ONE, of_wind), ALL - ONE);
    for (unsigned i = 0; i < ONE; i++) {
        end(rain, &of_snow[i]); /* still there */
    }
    assert_int_equal(spawn(wind, 8 * ONE, of_wind), ONE - (ALL - ONE));
}

static void limit_that_is_changed_counts_from_then_on_and_takes_nothing_away(void **state)
{
    struct ptl_node *snow = other_node("snow");
    struct ptl_node_limits limits = {.size = sizeof(limits), .spawned_max = ONE + 10};
    struct ptl_port ports[4 * ONE], more[8 * ONE];

    (void)state;
    assert_int_equal(spawn(snow, 4 * ONE, ports), ONE);
    assert_int_equal(ptl_node_set_limits(rain, &limits), 0);
    assert_int_equal(spawn(snow, 4 * ONE, more), 10);
    limits.spawned_max = ONE;
    assert_int_equal(ptl_node_set_limits(rain, &limits), 0);
    assert_int_equal(spawn(snow, 4 * ONE, more + 10), 0);
    end(snow, &ports[0]);
    end(snow, &more[0]);
    limits.size = 1;
    assert_int_equal(ptl_node_set_limits(rain, &limits), PTL_EINVAL);
}

#define LINKED(name) cmocka_unit_test_setup_teardown(name, set_up, witness_tear_down)

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        LINKED(node_spawns_so_many_ports_and_more_when_some_have_died),
        LINKED(spawned_ports_outlive_their_spawner_and_count_until_they_die),
        LINKED(limit_that_is_changed_counts_from_then_on_and_takes_nothing_away),
    };

    return witness_main(argc, argv, "spawn", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
