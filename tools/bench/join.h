/*
 * tools/bench/join.h - a node with entries of the database joins, and leaves, again and again.
 *
 *   made, entries set --> open .......... all entries are there at the target --> stop, all gone
 *                          '---- the latency ----'
 */
#pragma once

#include "tools/bench/load.h"
#include "tools/bench/result.h"

/*
 * Run it over a load that is open; it is stopped when this returns.  Returns an exit code, after
 * one line on standard error if it is not PTL_EXIT_OK: then there is no result.
 * Owns: as ptl_bench_drive().
 */
int ptl_bench_join(struct ptl_bench_load *load, struct ptl_bench_result *result);
