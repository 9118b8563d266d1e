/*
 * tools/bench/sweep.h - the highest rate at which the 99th percentile stays within a bound.
 *
 *   rate: 1000, 2000, 4000 ... until one is too much, then between the two, until they are close
 */
#pragma once

#include "tools/bench/options.h"

/* Run loads until it is found, and print each and what was found.  Returns an exit code. */
int ptl_bench_sweep(const struct ptl_bench_options *options);
