/*
 * tools/bench/drive.h - a load from its first message to its last acknowledgement.
 *
 *   start -- warm-up --> moment -- measuring --> moment -- finish, until drained --> moment, stop
 *      '------------------------ a target is gone, a signal ------------------^
 */
#pragma once

#include "tools/bench/load.h"
#include "tools/bench/result.h"

/*
 * Run a load that is open; it is stopped when this returns.  Returns an exit code, after one line
 * on standard error if it is not PTL_EXIT_OK: then there is no result.
 * Owns: `result` is the caller's, until ptl_bench_result_free().
 */
int ptl_bench_drive(struct ptl_bench_load *load, struct ptl_bench_result *result);
