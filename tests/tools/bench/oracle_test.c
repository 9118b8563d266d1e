#include "tools/bench/oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void oracle_has_no_word_about_what_comes_in_order(void **state)
{
    struct ptl_oracle oracle = {.next = 0};

    (void)state;
    for (uint64_t number = 0; number < 1000; number++) {
        assert_int_equal(ptl_oracle_take(&oracle, number), PTL_FINDING_NONE);
    }
    assert_int_equal(oracle.next, 1000);
    assert_false(ptl_oracle_has_hole(&oracle));
}

static void oracle_keeps_a_hole_open_that_nothing_fills(void **state)
{
    struct ptl_oracle oracle = {.next = 5};

    (void)state;
    assert_int_equal(ptl_oracle_take(&oracle, 7), PTL_FINDING_HOLE);
    assert_int_equal(ptl_oracle_take(&oracle, 8), PTL_FINDING_NONE);
    assert_true(ptl_oracle_has_hole(&oracle));
    assert_int_equal(oracle.hole_first, 5);
    assert_int_equal(oracle.hole_end, 7);
}

static void oracle_tells_two_that_were_swapped_from_one_that_is_lost(void **state)
{
    struct ptl_oracle oracle = {.next = 5};

    (void)state;
    assert_int_equal(ptl_oracle_take(&oracle, 6), PTL_FINDING_HOLE);
    assert_int_equal(ptl_oracle_take(&oracle, 5), PTL_FINDING_REORDERED);
    assert_int_equal(ptl_oracle_take(&oracle, 7), PTL_FINDING_NONE);
    assert_false(ptl_oracle_has_hole(&oracle));
}

static void oracle_tells_what_comes_again(void **state)
{
    struct ptl_oracle oracle = {.next = 5};

    (void)state;
    assert_int_equal(ptl_oracle_take(&oracle, 4), PTL_FINDING_REPEATED);
    assert_int_equal(ptl_oracle_take(&oracle, 0), PTL_FINDING_REPEATED);
    assert_int_equal(ptl_oracle_take(&oracle, 6), PTL_FINDING_HOLE);
    assert_int_equal(ptl_oracle_take(&oracle, 5), PTL_FINDING_REORDERED);
    assert_int_equal(ptl_oracle_take(&oracle, 5), PTL_FINDING_REPEATED);
    assert_int_equal(ptl_oracle_take(&oracle, 6), PTL_FINDING_REPEATED);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oracle_has_no_word_about_what_comes_in_order),
        cmocka_unit_test(oracle_keeps_a_hole_open_that_nothing_fills),
        cmocka_unit_test(oracle_tells_two_that_were_swapped_from_one_that_is_lost),
        cmocka_unit_test(oracle_tells_what_comes_again),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
