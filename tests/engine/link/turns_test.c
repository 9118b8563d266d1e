/* Turns: whoever goes on sending has its share, whatever the sizes of what it sends. */
#include "engine/link/turns.h"

#include "engine/shard/belonging.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SENDERS 5
#define ROUNDS 1000

static struct ptl_turns turns;

struct sender {
    struct ptl_turn turn;
    size_t frame; /* bytes of each, or of the largest */
    size_t sent;
    unsigned times; /* that it had a turn */
    bool any_size;
};

static struct sender *sender_of(struct ptl_turn *turn)
{
    return ptl_container(turn, struct sender, turn);
}

/* One turn of somebody, all of it; returns who. */
static struct sender *take_turn(struct sim_random *random)
{
    size_t left;
    struct ptl_turn *turn = ptl_turns_first(&turns, &left);

    assert_non_null(turn);
    struct sender *sender = sender_of(turn);
    sender->times++;
    for (bool mine = true; mine;) {
        size_t size =
            sender->any_size ? 1 + sim_random_below(random, sender->frame) : sender->frame;
        sender->sent += size;
        mine = left > size;
        ptl_turns_sent(&turns, turn, size, true);
        if (mine) {
            assert_ptr_equal(ptl_turns_first(&turns, &left), turn);
        }
    }
    return sender;
}

static void turns_give_each_the_same_to_within_one_share(void **state)
{
    struct sender senders[SENDERS] = {
        {.frame = 20},
        {.frame = 1000},
        {.frame = 16388},
        {.frame = PTL_TURN_BYTES},
        {.frame = PTL_TURN_BYTES, .any_size = true},
    };
    struct sim_random random;

    (void)state;
    sim_random_seed(&random, 1);
    ptl_turns_init(&turns);
    for (unsigned i = 0; i < SENDERS; i++) {
        ptl_turns_add(&turns, &senders[i].turn);
    }
    for (size_t round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < SENDERS; i++) {
            assert_ptr_equal(take_turn(&random), &senders[i]);
            assert_in_range(senders[i].sent, round * PTL_TURN_BYTES,
                            (round + 1) * PTL_TURN_BYTES - 1);
        }
    }
}

static void turns_let_who_comes_wait_for_one_round(void **state)
{
    struct sender senders[SENDERS] = {{.frame = 16388}, {.frame = 16388}, {.frame = 100}};
    struct sim_random random;

    (void)state;
    sim_random_seed(&random, 2);
    ptl_turns_init(&turns);
    for (unsigned i = 0; i < 3; i++) {
        ptl_turns_add(&turns, &senders[i].turn);
    }
    for (unsigned i = 0; i < 100; i++) {
        take_turn(&random);
        struct sender guest = {.frame = 10};
        ptl_turns_add(&turns, &guest.turn);
        for (unsigned before = 0; before < 3; before++) {
            assert_ptr_not_equal(take_turn(&random), &guest);
        }
        size_t left;
        assert_ptr_equal(ptl_turns_first(&turns, &left), &guest.turn);
        assert_int_equal(left, PTL_TURN_BYTES);
        ptl_turns_sent(&turns, &guest.turn, 10, false);
        assert_false(ptl_listed(&guest.turn.listed));
    }
}

/* One that always leaves after a frame that is longer than its share has no more for that. */
static void turns_do_not_forget_a_debt(void **state)
{
    struct sender steady = {.frame = 1000}, fickle = {.frame = PTL_TURN_BYTES};
    struct sim_random random;
    size_t left, sent = 0;

    (void)state;
    sim_random_seed(&random, 3);
    ptl_turns_init(&turns);
    ptl_turns_add(&turns, &steady.turn);
    for (unsigned i = 0; i < ROUNDS; i++) {
        ptl_turns_add(&turns, &fickle.turn);
        assert_ptr_equal(take_turn(&random), &steady);
        assert_ptr_equal(ptl_turns_first(&turns, &left), &fickle.turn);
        assert_in_range(left, 1, PTL_TURN_BYTES);
        ptl_turns_sent(&turns, &fickle.turn, left - 1, true);
        sent += left - 1;
        if (ptl_turns_first(&turns, &left) == &fickle.turn) {
            ptl_turns_sent(&turns, &fickle.turn, PTL_TURN_BYTES, false);
            sent += PTL_TURN_BYTES;
        }
    }
    assert_true(sent < steady.sent + 2 * PTL_TURN_BYTES);
    assert_ptr_equal(take_turn(&random), &steady);
    ptl_turns_leave(&steady.turn);
    assert_null(ptl_turns_first(&turns, &left));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_give_each_the_same_to_within_one_share),
        cmocka_unit_test(turns_let_who_comes_wait_for_one_round),
        cmocka_unit_test(turns_do_not_forget_a_debt),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
