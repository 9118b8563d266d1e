#include "tools/bench/schedule.h"

#include "tools/bench/sizes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void schedule_of_constant_arrivals_is_even(void **state)
{
    struct ptl_bench_schedule schedule = {.begin_ns = 1000, .interval_ns = 250, .offset_ns = 125};

    (void)state;
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(ptl_bench_schedule_due(&schedule), 1000 + 125 + i * 250);
        ptl_bench_schedule_advance(&schedule);
    }
}

/* As many as were asked for within four standard deviations, and as often none as e says. */
static void schedule_of_poisson_arrivals_has_the_rate_asked_for(void **state)
{
    enum { ARRIVALS = 100000 };
    struct ptl_bench_schedule schedule = {
        .interval_ns = 1000,
        .poisson = true,
        .random = {.state = 42},
    };
    unsigned long_ones = 0;

    (void)state;
    for (unsigned i = 0; i < ARRIVALS; i++) {
        double before = schedule.offset_ns;
        ptl_bench_schedule_advance(&schedule);
        long_ones += schedule.offset_ns - before > 1000;
    }
    assert_true(fabs(schedule.offset_ns / ARRIVALS - 1000) < 1000 * 4 / sqrt(ARRIVALS));
    assert_true(fabs((double)long_ones / ARRIVALS - exp(-1)) < 0.01);
}

static void schedule_goes_the_same_way_as_its_copy(void **state)
{
    struct ptl_bench_schedule schedule = {
        .interval_ns = 777,
        .poisson = true,
        .random = {.state = 7},
    };
    struct ptl_bench_schedule copy = schedule;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        ptl_bench_schedule_advance(&schedule);
        ptl_bench_schedule_advance(&copy);
        assert_int_equal(ptl_bench_schedule_due(&schedule), ptl_bench_schedule_due(&copy));
    }
}

static void schedule_counts_what_is_due_before_a_time(void **state)
{
    struct ptl_bench_schedule schedule = {.begin_ns = 50, .interval_ns = 10};

    (void)state;
    assert_int_equal(ptl_bench_schedule_count(&schedule, 50), 0);
    assert_int_equal(ptl_bench_schedule_count(&schedule, 51), 1);
    assert_int_equal(ptl_bench_schedule_count(&schedule, 60), 1);
    assert_int_equal(ptl_bench_schedule_count(&schedule, 61), 2);
    assert_int_equal(ptl_bench_schedule_count(&schedule, 50 + INT64_C(10000000000)), 1000000000);
}

static void sizes_are_drawn_by_their_weights(void **state)
{
    struct ptl_bench_random random = {.state = 3};
    struct ptl_bench_sizes sizes;
    unsigned small = 0, middle = 0, large = 0;

    (void)state;
    assert_true(ptl_bench_sizes_parse("16:90,1024:9,65536:1", &sizes));
    assert_int_equal(sizes.largest, 65536);
    for (unsigned i = 0; i < 100000; i++) {
        size_t size = ptl_bench_sizes_draw(&sizes, &random);
        small += size == 16;
        middle += size == 1024;
        large += size == 65536;
    }
    assert_int_equal(small + middle + large, 100000);
    assert_in_range(small, 89500, 90500);
    assert_in_range(middle, 8600, 9400);
    assert_in_range(large, 870, 1130);
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "-1",
        "16:",
        "16:0",
        "16:1,",
        "16,,1",
        "16 32",
        "16:1:2",
        "1e3",
        "1073741825",
        "99999999999999999999",
        "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
    };
    struct ptl_bench_sizes sizes;

    (void)state;
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(ptl_bench_sizes_parse(texts[i], &sizes));
    }
    assert_true(ptl_bench_sizes_parse("0", &sizes));
    assert_true(ptl_bench_sizes_parse("0:1,64:0", &sizes));
    assert_int_equal(sizes.largest, 0);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_of_constant_arrivals_is_even),
        cmocka_unit_test(schedule_of_poisson_arrivals_has_the_rate_asked_for),
        cmocka_unit_test(schedule_goes_the_same_way_as_its_copy),
        cmocka_unit_test(schedule_counts_what_is_due_before_a_time),
        cmocka_unit_test(sizes_are_drawn_by_their_weights),
        cmocka_unit_test(sizes_that_make_no_sense_are_refused),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
