/*
 * tools/bench/report.h - a result, for people and for programs.
 */
#pragma once

#include "tools/bench/options.h"
#include "tools/bench/result.h"

/* The exit code that a result comes to: see portolan bench --help. */
int ptl_bench_verdict(const struct ptl_bench_options *options,
                      const struct ptl_bench_result *result);

/* Print the summary.  False: standard output takes no more. */
bool ptl_bench_report_text(const struct ptl_bench_options *options,
                           const struct ptl_bench_result *result);

/* Print one JSON object on a line of its own; its keys are in portolan bench --help. */
bool ptl_bench_report_json(const struct ptl_bench_options *options,
                           const struct ptl_bench_result *result);
