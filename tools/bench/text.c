#include "tools/bench/text.h"

#include <stdio.h>

#define UNITS 4

/* The value with three digits, and of its units the one that suits. */
static void print_scaled(double value, const char *const units[UNITS], char *text, size_t size)
{
    unsigned unit = 0;

    while (value >= 1000 && unit < UNITS - 1) {
        value /= 1000;
        unit++;
    }
    int places = unit == 0 || value >= 100 ? 0 : value < 10 ? 2 : 1;
    snprintf(text, size, "%.*f %s", places, value, units[unit]);
}

const char *ptl_bench_time_text(int64_t time_ns, char text[PTL_BENCH_TIME_TEXT])
{
    static const char *const units[UNITS] = {"ns", "us", "ms", "s"};

    print_scaled((double)time_ns, units, text, PTL_BENCH_TIME_TEXT);
    return text;
}

const char *ptl_bench_bytes_text(double bytes_per_second, char text[PTL_BENCH_BYTES_TEXT])
{
    static const char *const units[UNITS] = {"B/s", "kB/s", "MB/s", "GB/s"};

    print_scaled(bytes_per_second, units, text, PTL_BENCH_BYTES_TEXT);
    return text;
}

const char *ptl_bench_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}
