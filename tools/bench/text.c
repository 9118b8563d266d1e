#include "tools/bench/text.h"

#include <stdio.h>

const char *ptl_bench_time_text(int64_t time_ns, char text[PTL_BENCH_TIME_TEXT])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    double value = (double)time_ns;
    unsigned unit = 0;

    while (value >= 1000 && unit < 3) {
        value /= 1000;
        unit++;
    }
    int places = unit == 0 || value >= 100 ? 0 : value < 10 ? 2 : 1;
    snprintf(text, PTL_BENCH_TIME_TEXT, "%.*f %s", places, value, units[unit]);
    return text;
}
