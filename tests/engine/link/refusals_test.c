/*
 * Which refused connections the operator is told of: by themselves, at times of the test's choice.
 */
#include "engine/link/refusals.h"

#include "engine/portolan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define START (7 * SECOND)
#define MANY 1000 /* lines a minute: no bound in these tests */

static struct ptl_refusals refusals;
static struct ptl_refusals_more more;

static void begin(void)
{
    memset(&refusals, 0, sizeof(refusals));
}

static bool take(uint64_t key, uint64_t now)
{
    return ptl_refusals_take(&refusals, key, MANY, now, &more);
}

static void refusals_of_one_address_are_told_once_a_minute_and_counted(void **state)
{
    (void)state;
    begin();
    assert_true(take(1, START));
    assert_int_equal(more.same, 0);
    for (unsigned i = 1; i < 60; i++) {
        assert_false(take(1, START + i * SECOND));
    }
    assert_true(take(1, START + MINUTE));
    assert_int_equal(more.same, 59);
    assert_int_equal(more.others, 0);
    assert_false(take(1, START + MINUTE + SECOND));
    assert_true(take(1, START + 3 * MINUTE));
    assert_int_equal(more.same, 1);
}

static void refusals_of_one_address_do_not_hide_those_of_another(void **state)
{
    (void)state;
    begin();
    assert_true(take(1, START));
    assert_true(take(2, START));
    assert_true(take(0, START)); /* an address whose key is that of nobody */
    assert_false(take(1, START + 1));
    assert_false(take(0, START + 1));
}

static void refusals_of_a_shard_whose_clock_is_behind_are_no_news(void **state)
{
    (void)state;
    begin();
    assert_true(take(1, START + 1));
    assert_false(take(1, START));
}

static void refusals_of_many_addresses_are_so_many_lines_a_minute(void **state)
{
    unsigned told = 0;

    (void)state;
    begin();
    for (uint64_t i = 0; i < 3 * PTL_REFUSALS_MAX; i++) {
        told += ptl_refusals_take(&refusals, i, 10, START + i, &more);
    }
    assert_int_equal(told, 10);
    /* Who was not told of is, when there are lines again, with those of whom nothing is left. */
    assert_true(ptl_refusals_take(&refusals, 3 * PTL_REFUSALS_MAX - 1, 10, START + MINUTE, &more));
    assert_int_equal(more.same, 1);
    assert_int_equal(more.others, 2 * PTL_REFUSALS_MAX - 10);
}

static void refusals_forget_who_was_not_seen_for_longest(void **state)
{
    (void)state;
    begin();
    for (uint64_t i = 1; i <= PTL_REFUSALS_MAX; i++) {
        assert_true(take(i, START + i));
    }
    assert_false(take(1, START + MINUTE / 2)); /* so the second is the oldest */
    assert_true(take(PTL_REFUSALS_MAX + 1, START + MINUTE / 2));
    assert_false(take(1, START + MINUTE / 2 + 1));
    assert_true(take(2, START + MINUTE / 2 + 2)); /* as if it had never come */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_of_one_address_are_told_once_a_minute_and_counted),
        cmocka_unit_test(refusals_of_one_address_do_not_hide_those_of_another),
        cmocka_unit_test(refusals_of_a_shard_whose_clock_is_behind_are_no_news),
        cmocka_unit_test(refusals_of_many_addresses_are_so_many_lines_a_minute),
        cmocka_unit_test(refusals_forget_who_was_not_seen_for_longest),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
