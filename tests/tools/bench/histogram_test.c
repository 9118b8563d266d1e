#include "tools/bench/histogram.h"

#include "tools/bench/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLES 20000

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* Anything from a nanosecond to two minutes, each order of magnitude as often as the others. */
static void draw(int64_t *samples, uint64_t seed)
{
    struct ptl_bench_random random = {.state = seed};

    for (unsigned i = 0; i < SAMPLES; i++) {
        samples[i] = (int64_t)exp(ptl_bench_random_share(&random) * log(1.2e11));
    }
}

/* The smallest sample that `percent` of them do not exceed. */
static int64_t exact(const int64_t *sorted, unsigned count, double percent)
{
    unsigned rank = (unsigned)ceil(percent / 100 * count - 1e-9);

    return sorted[rank > 0 ? rank - 1 : 0];
}

static void assert_close(int64_t told, int64_t value)
{
    assert_true(told >= value);
    assert_true(told <= value + value / 1000);
}

static void assert_percentiles(const struct ptl_histogram *histogram, int64_t *samples,
                               unsigned count)
{
    static const double percents[] = {0, 1, 25, 50, 75, 90, 99, 99.9, 99.99, 100};

    qsort(samples, count, sizeof *samples, by_value);
    for (unsigned i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        assert_close(ptl_histogram_percentile(histogram, percents[i]),
                     exact(samples, count, percents[i]));
    }
    assert_true(histogram->max_ns == samples[count - 1]);
    assert_true(histogram->min_ns == samples[0]);
    assert_true(ptl_histogram_percentile(histogram, 100) == samples[count - 1]);
}

static void histogram_tells_percentiles_within_a_thousandth(void **state)
{
    static int64_t samples[SAMPLES];
    struct ptl_histogram histogram;

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        assert_true(ptl_histogram_init(&histogram));
        draw(samples, seed);
        for (unsigned i = 0; i < SAMPLES; i++) {
            ptl_histogram_record(&histogram, samples[i]);
        }
        assert_int_equal(histogram.count, SAMPLES);
        assert_percentiles(&histogram, samples, SAMPLES);
        ptl_histogram_free(&histogram);
    }
}

static void histogram_is_exact_below_two_microseconds(void **state)
{
    struct ptl_histogram histogram;

    (void)state;
    assert_true(ptl_histogram_init(&histogram));
    for (int64_t value = 0; value < 2048; value++) {
        ptl_histogram_record(&histogram, value);
    }
    for (int64_t rank = 1; rank <= 2048; rank++) {
        assert_int_equal(ptl_histogram_percentile(&histogram, (double)rank * 100 / 2048), rank - 1);
    }
    ptl_histogram_free(&histogram);
}

static void histogram_of_nothing_tells_zero(void **state)
{
    struct ptl_histogram histogram;

    (void)state;
    assert_true(ptl_histogram_init(&histogram));
    assert_int_equal(ptl_histogram_percentile(&histogram, 99), 0);
    assert_true(ptl_histogram_mean(&histogram) == 0);
    ptl_histogram_free(&histogram);
}

static void histogram_keeps_what_is_out_of_its_range_at_its_ends(void **state)
{
    struct ptl_histogram histogram;

    (void)state;
    assert_true(ptl_histogram_init(&histogram));
    ptl_histogram_record(&histogram, -5);
    ptl_histogram_record(&histogram, INT64_MAX);
    assert_int_equal(histogram.min_ns, 0);
    assert_true(histogram.max_ns == PTL_HISTOGRAM_MAX_NS);
    assert_true(ptl_histogram_percentile(&histogram, 100) == PTL_HISTOGRAM_MAX_NS);
    ptl_histogram_free(&histogram);
}

static void histograms_add_up_to_one(void **state)
{
    static int64_t samples[SAMPLES];
    struct ptl_histogram parts[3], sum;

    (void)state;
    assert_true(ptl_histogram_init(&sum));
    draw(samples, 9);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ptl_histogram_init(&parts[i]));
    }
    for (unsigned i = 0; i < SAMPLES; i++) {
        ptl_histogram_record(&parts[i % 3], samples[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        ptl_histogram_add(&sum, &parts[i]);
        ptl_histogram_free(&parts[i]);
    }
    assert_percentiles(&sum, samples, SAMPLES);
    ptl_histogram_free(&sum);
}

static void histogram_that_was_cleared_is_as_new(void **state)
{
    struct ptl_histogram histogram;

    (void)state;
    assert_true(ptl_histogram_init(&histogram));
    ptl_histogram_record(&histogram, 5);
    ptl_histogram_record(&histogram, 123456789);
    ptl_histogram_clear(&histogram);
    assert_int_equal(histogram.count, 0);
    ptl_histogram_record(&histogram, 7000);
    assert_int_equal(ptl_histogram_percentile(&histogram, 0), 7000);
    assert_int_equal(ptl_histogram_percentile(&histogram, 100), 7000);
    ptl_histogram_free(&histogram);
}

/* What a plotter does: numbers in columns, rising, up to all of them; comments behind. */
static void histogram_is_written_as_plotters_read_it(void **state)
{
    static int64_t samples[SAMPLES];
    struct ptl_histogram histogram;
    double value, share, last_value = -1, last_share = -1;
    unsigned long long count = 0;
    char line[128];
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_true(ptl_histogram_init(&histogram));
    draw(samples, 3);
    for (unsigned i = 0; i < SAMPLES; i++) {
        ptl_histogram_record(&histogram, samples[i]);
    }
    assert_true(ptl_histogram_write(&histogram, file));
    rewind(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "       Value     Percentile TotalCount 1/(1-Percentile)\n");
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "\n");
    while (fgets(line, sizeof line, file) && line[0] != '#') {
        assert_int_equal(sscanf(line, "%lf %lf %llu", &value, &share, &count), 3);
        assert_true(value >= last_value && share > last_share);
        double percentile_ms = (double)ptl_histogram_percentile(&histogram, share * 100) / 1e6;
        assert_true(fabs(value - percentile_ms) < 1e-6);
        last_value = value;
        last_share = share;
    }
    assert_true(share == 1);
    assert_int_equal(count, SAMPLES);
    assert_true(strncmp(line, "#[Mean    = ", 12) == 0);
    assert_non_null(fgets(line, sizeof line, file));
    assert_true(strncmp(line, "#[Max     = ", 12) == 0);
    ptl_histogram_free(&histogram);
    fclose(file);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram_tells_percentiles_within_a_thousandth),
        cmocka_unit_test(histogram_is_exact_below_two_microseconds),
        cmocka_unit_test(histogram_of_nothing_tells_zero),
        cmocka_unit_test(histogram_keeps_what_is_out_of_its_range_at_its_ends),
        cmocka_unit_test(histograms_add_up_to_one),
        cmocka_unit_test(histogram_that_was_cleared_is_as_new),
        cmocka_unit_test(histogram_is_written_as_plotters_read_it),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
