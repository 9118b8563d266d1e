#include "tools/bench/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALF_BITS 10
#define HALF ((int64_t)1 << HALF_BITS) /* cells of one width, from the second doubling on */
#define VALUE_BITS 37
#define CELLS ((size_t)(VALUE_BITS - HALF_BITS + 1) << HALF_BITS)
#define STEPS_PER_HALF 5 /* lines of the file from one halving of what is left to the next */

bool ptl_histogram_init(struct ptl_histogram *histogram)
{
    *histogram = (struct ptl_histogram){.cells = calloc(CELLS, sizeof(uint64_t))};
    return histogram->cells != NULL;
}

void ptl_histogram_free(struct ptl_histogram *histogram)
{
    free(histogram->cells);
    histogram->cells = NULL;
}

/* By how many bits the cells around this value are wider than one. */
static unsigned shift_of(int64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll((unsigned long long)value | 1);

    return bits > HALF_BITS + 1 ? bits - HALF_BITS - 1 : 0;
}

static size_t cell_of(int64_t value)
{
    unsigned shift = shift_of(value);

    return ((size_t)shift << HALF_BITS) + (size_t)(value >> shift);
}

/* The largest value that falls into a cell. */
static int64_t end_of(size_t cell)
{
    unsigned shift = cell < 2 * (size_t)HALF ? 0 : (unsigned)(cell >> HALF_BITS) - 1;
    int64_t first = (int64_t)(cell - ((size_t)shift << HALF_BITS)) << shift;

    return first + ((int64_t)1 << shift) - 1;
}

static int64_t middle_of(size_t cell)
{
    int64_t end = end_of(cell);

    return end - ((int64_t)1 << shift_of(end)) / 2;
}

void ptl_histogram_record(struct ptl_histogram *histogram, int64_t value_ns)
{
    int64_t value = value_ns < 0 ? 0 : value_ns;

    value = value > PTL_HISTOGRAM_MAX_NS ? PTL_HISTOGRAM_MAX_NS : value;
    histogram->cells[cell_of(value)]++;
    histogram->min_ns =
        histogram->count == 0 || value < histogram->min_ns ? value : histogram->min_ns;
    histogram->max_ns = value > histogram->max_ns ? value : histogram->max_ns;
    histogram->sum_ns += (double)value;
    histogram->count++;
}

void ptl_histogram_add(struct ptl_histogram *histogram, const struct ptl_histogram *from)
{
    if (from->count == 0) {
        return;
    }
    size_t end = cell_of(from->max_ns) + 1;
    for (size_t i = cell_of(from->min_ns); i < end; i++) {
        if (from->cells[i] > 0) {
            histogram->cells[i] += from->cells[i];
        }
    }
    histogram->min_ns = histogram->count == 0 || from->min_ns < histogram->min_ns
                            ? from->min_ns
                            : histogram->min_ns;
    histogram->max_ns = from->max_ns > histogram->max_ns ? from->max_ns : histogram->max_ns;
    histogram->sum_ns += from->sum_ns;
    histogram->count += from->count;
}

void ptl_histogram_clear(struct ptl_histogram *histogram)
{
    uint64_t *cells = histogram->cells;

    if (histogram->count > 0) {
        size_t first = cell_of(histogram->min_ns);
        memset(cells + first, 0, (cell_of(histogram->max_ns) + 1 - first) * sizeof *cells);
    }
    *histogram = (struct ptl_histogram){.cells = cells};
}

/* The cell in which the value of this rank lies, counted from 1; `below` are in it and before. */
static size_t cell_of_rank(const struct ptl_histogram *histogram, uint64_t rank, uint64_t *below)
{
    size_t cell = cell_of(histogram->min_ns);

    for (*below = histogram->cells[cell]; *below < rank; *below += histogram->cells[cell]) {
        cell++;
    }
    return cell;
}

static uint64_t rank_of(const struct ptl_histogram *histogram, double percent)
{
    double share = percent < 0 ? 0 : percent > 100 ? 1 : percent / 100;
    uint64_t rank = (uint64_t)ceil(share * (double)histogram->count - 1e-9);

    rank = rank > histogram->count ? histogram->count : rank;
    return rank > 0 ? rank : 1;
}

static int64_t value_of(const struct ptl_histogram *histogram, size_t cell)
{
    int64_t end = end_of(cell);

    return end < histogram->max_ns ? end : histogram->max_ns;
}

int64_t ptl_histogram_percentile(const struct ptl_histogram *histogram, double percent)
{
    uint64_t below;

    if (histogram->count == 0) {
        return 0;
    }
    return value_of(histogram, cell_of_rank(histogram, rank_of(histogram, percent), &below));
}

double ptl_histogram_mean(const struct ptl_histogram *histogram)
{
    return histogram->count > 0 ? histogram->sum_ns / (double)histogram->count : 0;
}

static double deviation(const struct ptl_histogram *histogram)
{
    double mean = ptl_histogram_mean(histogram);
    double sum = 0;

    for (size_t i = 0; histogram->count > 0 && i <= cell_of(histogram->max_ns); i++) {
        double distance = (double)middle_of(i) - mean;
        sum += distance * distance * (double)histogram->cells[i];
    }
    return histogram->count > 0 ? sqrt(sum / (double)histogram->count) : 0;
}

/* One line of the file; the last has no fourth column, since nothing is left above it. */
static void write_line(const struct ptl_histogram *histogram, double share, FILE *file)
{
    uint64_t below;
    size_t cell = cell_of_rank(histogram, rank_of(histogram, share * 100), &below);
    double value_ms = (double)value_of(histogram, cell) / 1e6;

    if (share < 1) {
        fprintf(file, "%12.6f %14.12f %10llu %14.2f\n", value_ms, share, (unsigned long long)below,
                1 / (1 - share));
    } else {
        fprintf(file, "%12.6f %14.12f %10llu\n", value_ms, share, (unsigned long long)below);
    }
}

bool ptl_histogram_write(const struct ptl_histogram *histogram, FILE *file)
{
    fputs("       Value     Percentile TotalCount 1/(1-Percentile)\n\n", file);
    if (histogram->count > 0) {
        double left = 1;
        for (unsigned step = 0; left * (double)histogram->count >= 0.5; step++) {
            write_line(histogram, 1 - left, file);
            left = ldexp(1 - (double)((step + 1) % STEPS_PER_HALF) / (2.0 * STEPS_PER_HALF),
                         -(int)((step + 1) / STEPS_PER_HALF));
        }
        write_line(histogram, 1, file);
    }
    fprintf(file, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
            ptl_histogram_mean(histogram) / 1e6, deviation(histogram) / 1e6);
    fprintf(file, "#[Max     = %12.6f, Total count    = %12llu]\n", (double)histogram->max_ns / 1e6,
            (unsigned long long)histogram->count);
    fprintf(file, "#[Buckets = %12u, SubBuckets     = %12u]\n", (unsigned)(VALUE_BITS - HALF_BITS),
            (unsigned)(2 * HALF));
    return fflush(file) == 0 && !ferror(file);
}
