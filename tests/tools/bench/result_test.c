#include "tools/bench/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A second of which a thousand messages were measured, and counted at the other end. */
static struct ptl_bench_result busy_second(void)
{
    return (struct ptl_bench_result){
        .seconds = 1,
        .hops = 1,
        .counts.measured = 1000,
        .from = {.at_ns = 1000000000, .is_known = true},
        .to = {.at_ns = 2000000000,
               .here_cpu_ns = 5000000,
               .there = {.cpu_ns = 2000000, .messages = 1000},
               .is_known = true},
    };
}

static void processor_time_is_that_of_the_messages_between_two_looks(void **state)
{
    struct ptl_bench_result result = busy_second();

    (void)state;
    assert_int_equal(ptl_bench_result_cpu_here(&result), 5000);
    assert_int_equal(ptl_bench_result_cpu_there(&result), 2000);
    result.to.there.messages = 500; /* it was looked too late, when half had gone by */
    assert_int_equal(ptl_bench_result_cpu_here(&result), 10000);
}

static void processor_time_is_not_known_where_all_had_gone_by(void **state)
{
    struct ptl_bench_result result = busy_second();

    (void)state;
    result.to.there.messages = result.from.there.messages;
    assert_true(ptl_bench_result_cpu_here(&result) < 0);
    assert_true(ptl_bench_result_cpu_there(&result) < 0);
}

static void processor_time_of_what_the_other_end_does_not_count_goes_by_time(void **state)
{
    struct ptl_bench_result result = busy_second();

    (void)state;
    result.hops = 0;
    result.to.at_ns = 1500000000; /* half of what was measured */
    assert_int_equal(ptl_bench_result_cpu_here(&result), 10000);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processor_time_is_that_of_the_messages_between_two_looks),
        cmocka_unit_test(processor_time_is_not_known_where_all_had_gone_by),
        cmocka_unit_test(processor_time_of_what_the_other_end_does_not_count_goes_by_time),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
