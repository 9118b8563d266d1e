/*
 * tests/perf/peer_histogram_test.c - percentiles of the peers' histogram against exact ones.
 */
#include "perf/peers/common/histogram.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT 20000

static int compare(const void *one, const void *two)
{
    uint64_t first = *(const uint64_t *)one, second = *(const uint64_t *)two;

    return first < second ? -1 : first > second;
}

/* What the share of the sorted times was not above. */
static uint64_t exact(const uint64_t *sorted, double share)
{
    size_t rank = (size_t)(share * COUNT);

    return sorted[rank > 0 ? rank - 1 : 0];
}

static void histogram_is_at_most_a_step_above_the_exact_percentile(void **state)
{
    static struct peer_histogram histogram;
    static uint64_t times[COUNT];
    const double shares[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1};
    struct sim_random random;

    (void)state;
    sim_random_seed(&random, 7);
    for (size_t i = 0; i < COUNT; i++) {
        times[i] = sim_random_scale(&random, 1, (uint64_t)1 << 40);
        peer_histogram_add(&histogram, times[i]);
    }
    qsort(times, COUNT, sizeof(times[0]), compare);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        uint64_t right = exact(times, shares[i]);
        assert_in_range(peer_histogram_at(&histogram, shares[i]), right,
                        right + right / PEER_STEPS);
    }
    assert_int_equal(histogram.count, COUNT);
    assert_int_equal(histogram.max_ns, times[COUNT - 1]);
}

static void histogram_is_exact_for_few_nanoseconds(void **state)
{
    static struct peer_histogram histogram;

    (void)state;
    for (uint64_t ns = 0; ns < PEER_STEPS; ns++) {
        peer_histogram_add(&histogram, ns);
    }
    assert_int_equal(peer_histogram_at(&histogram, 0.5), PEER_STEPS / 2 - 1);
    assert_int_equal(peer_histogram_at(&histogram, 1), PEER_STEPS - 1);
}

static void histogram_takes_the_longest_time_there_is(void **state)
{
    static struct peer_histogram histogram;

    (void)state;
    peer_histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(peer_histogram_at(&histogram, 0.5), UINT64_MAX);
}

static void histogram_of_nothing_has_no_percentile(void **state)
{
    static const struct peer_histogram histogram;

    (void)state;
    assert_int_equal(peer_histogram_at(&histogram, 0.99), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram_is_at_most_a_step_above_the_exact_percentile),
        cmocka_unit_test(histogram_is_exact_for_few_nanoseconds),
        cmocka_unit_test(histogram_takes_the_longest_time_there_is),
        cmocka_unit_test(histogram_of_nothing_has_no_percentile),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("peer_histogram", tests, NULL, NULL);
}
