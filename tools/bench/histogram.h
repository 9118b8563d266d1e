/*
 * tools/bench/histogram.h - how often which duration was seen, to three significant digits.
 *
 *   0 .. 2047 ns each its own cell | 2048 .. 4095 in steps of 2 | 4096 .. 8191 in steps of 4 | ...
 *
 * The cells of Gil Tene's HdrHistogram: within each doubling of the value 1,024 of one width, so
 * that a cell is never wider than a thousandth of what it holds.  Recording is an increment, and
 * histograms of several threads add up to one without loss.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PTL_HISTOGRAM_MAX_NS ((int64_t)137438953471) /* 2^37 - 1, over two minutes */

struct ptl_histogram {
    uint64_t *cells;
    uint64_t count;
    int64_t min_ns; /* exact, as is the maximum */
    int64_t max_ns;
    double sum_ns;
};

/* False: no memory.  Pages that nothing falls into cost none. */
bool ptl_histogram_init(struct ptl_histogram *histogram);

void ptl_histogram_free(struct ptl_histogram *histogram);

/* Below 0 counts as 0, above PTL_HISTOGRAM_MAX_NS as that.  Thread: one at a time. */
void ptl_histogram_record(struct ptl_histogram *histogram, int64_t value_ns);

/* Add what `from` has seen. */
void ptl_histogram_add(struct ptl_histogram *histogram, const struct ptl_histogram *from);

/* Forget all. */
void ptl_histogram_clear(struct ptl_histogram *histogram);

/*
 * What `percent` of the values do not exceed, 0 to 100: the upper end of the cell of that rank, and
 * never more than the maximum.  0 when nothing was recorded.
 */
int64_t ptl_histogram_percentile(const struct ptl_histogram *histogram, double percent);

double ptl_histogram_mean(const struct ptl_histogram *histogram);

/*
 * Write all percentiles as text, values in milliseconds, in the format of HdrHistogram's
 * outputPercentileDistribution(), which its plotters read.  False: the file takes no more.
 */
bool ptl_histogram_write(const struct ptl_histogram *histogram, FILE *file);
