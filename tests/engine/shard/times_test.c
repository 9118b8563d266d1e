#include "engine/shard/times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct ptl_times times;

static int begin(void **state)
{
    (void)state;
    times = (struct ptl_times){0};
    return 0;
}

static void a_port_that_was_timed_is_known_by_mean_and_longest(void **state)
{
    (void)state;
    assert_null(ptl_times_find(&times, 0, 0));
    ptl_times_add(&times, 0, 0, 4, 400); /* of several the mean is all that is known */
    ptl_times_add(&times, 0, 0, 1, 150);
    const struct ptl_time *time = ptl_times_find(&times, 0, 0);
    assert_non_null(time);
    assert_int_equal(ptl_time_mean(time), 110);
    assert_int_equal(time->max_ns, 150);
    assert_int_equal(ptl_time_mean(NULL), 0);
}

static void the_next_port_of_a_slot_begins_anew(void **state)
{
    (void)state;
    ptl_times_add(&times, 7, 1, 1, 1000);
    ptl_times_add(&times, 7, 2, 1, 10);
    assert_null(ptl_times_find(&times, 7, 1));
    assert_int_equal(ptl_time_mean(ptl_times_find(&times, 7, 2)), 10);
}

/* Slots that fall into one set. */
static uint32_t rival(uint32_t i)
{
    return 3 + i * PTL_TIMES_SETS;
}

static void who_takes_most_time_stays_among_many(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        for (uint32_t i = 0; i < 50; i++) {
            ptl_times_add(&times, rival(i), 1, 1, i == 20 ? 100000 : 100);
        }
    }
    assert_int_equal(ptl_time_mean(ptl_times_find(&times, rival(20), 1)), 100000);
}

static void who_is_not_timed_any_more_gives_way(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PTL_TIMES_WAYS; i++) {
        ptl_times_add(&times, rival(i), 1, 1, 5000);
    }
    for (unsigned round = 0; round < 1000; round++) {
        ptl_times_add(&times, rival(PTL_TIMES_WAYS), 1, 1, 100);
    }
    assert_int_equal(ptl_time_mean(ptl_times_find(&times, rival(PTL_TIMES_WAYS), 1)), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_port_that_was_timed_is_known_by_mean_and_longest, begin),
        cmocka_unit_test_setup(the_next_port_of_a_slot_begins_anew, begin),
        cmocka_unit_test_setup(who_takes_most_time_stays_among_many, begin),
        cmocka_unit_test_setup(who_is_not_timed_any_more_gives_way, begin),
    };

    return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
