/*
 * tools/bench/text.h - figures as people read them.
 */
#pragma once

#include <stdint.h>

#define PTL_BENCH_TIME_TEXT 24

/* A time with three digits and its unit, "12.3 us".  Returns `text`. */
const char *ptl_bench_time_text(int64_t time_ns, char text[PTL_BENCH_TIME_TEXT]);

#define PTL_BENCH_BYTES_TEXT 24

/* Bytes a second with three digits and the unit, "13.3 MB/s".  Returns `text`. */
const char *ptl_bench_bytes_text(double bytes_per_second, char text[PTL_BENCH_BYTES_TEXT]);

/* What stands behind the noun: "" for one, else "s". */
const char *ptl_bench_plural(uint64_t count);
