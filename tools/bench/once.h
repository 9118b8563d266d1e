/*
 * tools/bench/once.h - one load from its nodes' start to their end.
 */
#pragma once

#include "tools/bench/options.h"
#include "tools/bench/result.h"

/*
 * Run it.  Returns an exit code, after one line on standard error if it is not PTL_EXIT_OK: then
 * there is no result.  Owns: `result` is the caller's, until ptl_bench_result_free(), either way.
 */
int ptl_bench_once(const struct ptl_bench_options *options, struct ptl_bench_result *result);
