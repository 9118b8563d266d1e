/*
 * tools/bench/text.h - figures as people read them.
 */
#pragma once

#include <stdint.h>

#define PTL_BENCH_TIME_TEXT 24

/* A time with three digits and its unit, "12.3 us".  Returns `text`. */
const char *ptl_bench_time_text(int64_t time_ns, char text[PTL_BENCH_TIME_TEXT]);
