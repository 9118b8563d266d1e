/*
 * A million monitors fire, and what they tell finds no room: a node of two shards is stepped by
 * hand.  As long as the second has no turn, the ring to it is full.
 */
#include "engine/node/node.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/shard.h"
#include "tests/common/witness.h"

#ifdef PTL_QUICK
#define MANY 20000
#else
#define MANY 1000000
#endif

#define A_MESSAGE 500 /* monitors are set for each that the maker gets */

static struct ptl_node *node;
static struct ptl_port target, listener;
static unsigned made; /* monitors, numbered from 0 */
static unsigned
    expected; /* the number that is told next, plus one: the last one made is the first */
static unsigned out_of_order;

static int make_some(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    for (unsigned i = 0; i < A_MESSAGE && made < MANY; i++) {
        struct ptl_msg *prefix;
        int err = ptl_msg_make(its_node, &prefix, "i", (int)made);
        if (err == PTL_OK) {
            err = ptl_monitor_message(its_node, &target, &listener, prefix, NULL);
            ptl_msg_free(prefix);
        }
        if (err < 0) {
            return err;
        }
        made++;
    }
    return PTL_OK;
}

static int listen(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    (void)its_node;
    (void)data;
    if (ptl_next(&cursor, &value) < 0) {
        return PTL_EINVAL;
    }
    out_of_order += value.integer != (int64_t)expected - 1;
    expected--;
    return PTL_OK;
}

static void turn_until_idle(unsigned shard)
{
    while (ptl_node_next(node, shard) == 0) {
        ptl_node_turn(node, shard);
    }
}

static void turn_anyway(unsigned shard)
{
    node->shards[shard].unfinished = true;
    ptl_node_turn(node, shard);
}

static void make_monitors(void)
{
    struct ptl_node_options options = witness_options("rain");

    options.shards = 2;
    options.kept_room = (size_t)1 << 30;
    options.log_level = PTL_LOG_ERROR;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    assert_int_equal(ptl_node_open_shard(node, 0), 0);
    assert_int_equal(ptl_node_open_shard(node, 1), 0);
    target = witness_port_on(node, 0, on_message, "target");
    listener = witness_port_on(node, 1, listen, NULL);
    struct ptl_port maker = witness_port_on(node, 0, make_some, NULL);
    for (made = 0; made < MANY;) {
        assert_int_equal(ptl_sendf(node, &maker, "n"), 0);
        turn_until_idle(0);
        turn_until_idle(1);
    }
    expected = MANY;
    out_of_order = 0;
}

static void node_whose_million_monitors_find_a_full_ring_polls_nothing(void **state)
{
    (void)state;
    make_monitors();
    const struct ptl_monitors *monitors = &node->shards[0].ports->monitors;
    assert_int_equal(ptl_kill(node, &target, NULL), 0);
    turn_until_idle(0);
    uint64_t untold = monitors->untold;
    assert_true(untold > MANY / 2);
    assert_int_equal(expected, MANY);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(ptl_node_next(node, 0) == UINT64_MAX);
        turn_anyway(0);
        turn_until_idle(0);
        assert_int_equal(monitors->untold, untold);
    }
    while (expected > 0) {
        unsigned before = expected;
        turn_until_idle(1);
        turn_until_idle(0);
        assert_true(expected < before);
    }
    assert_int_equal(out_of_order, 0);
    assert_int_equal(monitors->untold, 0);
    assert_true(ptl_node_next(node, 0) == UINT64_MAX);
    ptl_node_crash(node);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(node_whose_million_monitors_find_a_full_ring_polls_nothing),
    };

    return witness_main(argc, argv, "fire", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
