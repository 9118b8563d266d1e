/*
 * What shards must be told when rings are full.  A node of two shards is stepped by hand: as long
 * as the second has no turn, the ring to it stays as full as it is.
 */
#include "engine/shard/untold.h"

#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/shard/belonging.h"
#include "engine/shard/shard.h"
#include "tests/common/witness.h"

#define COUNT 5000 /* more than a slice */
#define TURNS_MAX 1000

/* Has to tell one number, or several. */
struct teller {
    struct ptl_untold untold;
    unsigned number, last;
};

static struct ptl_node *node;
static struct ptl_port port; /* on the second shard: it writes down what it is told */
static unsigned received[2 * COUNT], received_count;
static unsigned asked; /* how often tellers have been asked to tell */

static int write_down(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    (void)its_node;
    (void)data;
    if (received_count == 2 * COUNT || ptl_next(&cursor, &value) < 0) {
        return PTL_EINVAL;
    }
    received[received_count++] = (unsigned)value.integer;
    return PTL_OK;
}

static int tell_number(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct teller *teller = ptl_container(untold, struct teller, untold);

    asked++;
    while (teller->number <= teller->last) {
        struct ptl_msg *msg;
        assert_int_equal(ptl_msg_make(node, &msg, "i", (int)teller->number), 0);
        struct ptl_op op = {
            .kind = PTL_OP_MESSAGE,
            .to = PTL_TO_SLOT,
            .slot = port.slot,
            .generation = port.generation,
            .count = 1,
            .body = ptl_msg_body(msg),
        };
        int err = *units > 0 ? ptl_untold_post(shard, untold, 1, &op) : PTL_LATER;
        ptl_msg_free(msg);
        if (err < 0) {
            return err;
        }
        --*units;
        teller->number++;
    }
    return PTL_OK;
}

static void make_node(void)
{
    struct ptl_node_options options = witness_options("rain");

    options.shards = 2;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    assert_int_equal(ptl_node_open_shard(node, 0), 0);
    assert_int_equal(ptl_node_open_shard(node, 1), 0);
    port = witness_port_on(node, 1, write_down, NULL);
    received_count = asked = 0;
}

/* Turns of one shard until it waits for others. */
static void turn_until_idle(unsigned shard)
{
    unsigned turns = 0;

    while (ptl_node_next(node, shard) == 0) {
        assert_true(turns++ < TURNS_MAX);
        ptl_node_turn(node, shard);
    }
}

/* Nothing fits into the ring any more. */
static void fill_ring(void)
{
    struct ptl_op op = {
        .kind = PTL_OP_UNTIMER, .to = PTL_TO_SHARD, .as.timer = UINT64_MAX /* there is none */};

    while (ptl_shard_post(&node->shards[0], 1, &op, true) == PTL_OK) {
    }
    turn_until_idle(0); /* what it had to do besides is done */
}

static void turn_until_received(unsigned count)
{
    for (unsigned turns = 0; received_count < count; turns++) {
        assert_true(turns < TURNS_MAX);
        turn_until_idle(1);
        turn_until_idle(0);
    }
    assert_int_equal(received_count, count);
}

static void due_waits_unasked_for_as_long_as_the_ring_is_full(void **state)
{
    static struct teller tellers[COUNT];

    (void)state;
    make_node();
    struct ptl_shard *shard = &node->shards[0];
    fill_ring();
    for (unsigned i = 0; i < COUNT; i++) {
        tellers[i] = (struct teller){.untold.tell = tell_number, .number = i, .last = i};
        ptl_untold_tell(shard, &tellers[i].untold);
        assert_true(ptl_untold_waits(&tellers[i].untold));
    }
    turn_until_idle(0);
    assert_true(ptl_node_next(node, 0) == UINT64_MAX);
    unsigned before = asked;
    for (unsigned i = 0; i < 10; i++) {
        shard->unfinished = true; /* something else is to be done */
        ptl_node_turn(node, 0);
    }
    assert_int_equal(asked, before);
    assert_true(ptl_node_next(node, 0) == UINT64_MAX);
    turn_until_received(COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(received[i], i);
    }
    assert_false(ptl_untold_any(&shard->untold));
    assert_true(ptl_node_next(node, 0) == UINT64_MAX);
    ptl_node_crash(node);
}

/* One with much to tell does not keep back one with little that waits behind it. */
static void dues_have_turns(void **state)
{
    struct teller much = {.untold.tell = tell_number, .number = 1, .last = COUNT};
    struct teller little = {.untold.tell = tell_number};

    (void)state;
    make_node();
    fill_ring();
    ptl_untold_tell(&node->shards[0], &much.untold);
    ptl_untold_tell(&node->shards[0], &little.untold);
    turn_until_received(COUNT + 1);
    unsigned place = 0;
    while (received[place] != 0) {
        place++;
    }
    assert_true(place < COUNT);
    ptl_node_crash(node);
}

static void due_that_is_cancelled_is_not_asked(void **state)
{
    struct teller first = {.untold.tell = tell_number}, second = {.untold.tell = tell_number};

    (void)state;
    make_node();
    fill_ring();
    first.number = first.last = 1;
    second.number = second.last = 2;
    ptl_untold_tell(&node->shards[0], &first.untold);
    ptl_untold_tell(&node->shards[0], &second.untold);
    ptl_untold_cancel(&node->shards[0], &first.untold);
    assert_false(ptl_untold_waits(&first.untold));
    turn_until_received(1);
    assert_int_equal(received[0], 2);
    ptl_untold_cancel(&node->shards[0], &second.untold); /* nothing to do */
    ptl_node_crash(node);
}

static void node_closes_while_dues_wait(void **state)
{
    struct teller teller = {.untold.tell = tell_number};

    (void)state;
    make_node();
    fill_ring();
    ptl_untold_tell(&node->shards[0], &teller.untold);
    ptl_node_crash(node);
    assert_false(ptl_untold_waits(&teller.untold));
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(due_waits_unasked_for_as_long_as_the_ring_is_full),
        WITNESSED(dues_have_turns),
        WITNESSED(due_that_is_cancelled_is_not_asked),
        WITNESSED(node_closes_while_dues_wait),
    };

    return witness_main(argc, argv, "untold", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
