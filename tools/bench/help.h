/*
 * tools/bench/help.h - the text of `portolan bench --help`.
 */
#pragma once

#include <stdbool.h>

/* Print it.  False: standard output takes no more. */
bool ptl_bench_help(void);
