#include "tools/stats/amount.h"

#include <inttypes.h>
#include <stdio.h>

struct ptl_amount ptl_amount_whole(uint64_t count)
{
    struct ptl_amount amount;

    snprintf(amount.text, sizeof amount.text, "%" PRIu64, count);
    return amount;
}

/* With one digit behind the point where the number is small, or has a unit. */
static struct ptl_amount short_of(double value, double step, double most, const char *const units[])
{
    struct ptl_amount amount;
    unsigned unit = 0;

    while (value >= most && units[unit + 1]) {
        value /= step;
        most = step;
        unit++;
    }
    const char *format =
        value > 0 && (value < 9.95 || (unit > 0 && value < 99.95)) ? "%.1f%s" : "%.0f%s";
    snprintf(amount.text, sizeof amount.text, format, value, units[unit]);
    return amount;
}

struct ptl_amount ptl_amount_count(double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T", NULL};

    return short_of(count, 1000, 10000, units);
}

struct ptl_amount ptl_amount_bytes(double bytes)
{
    static const char *const units[] = {"", "K", "M", "G", "T", NULL};

    return short_of(bytes, 1024, 1024, units);
}

struct ptl_amount ptl_amount_nanoseconds(double ns)
{
    static const char *const units[] = {"ns", "us", "ms", NULL};

    if (ns <= 0) {
        return (struct ptl_amount){"-"};
    }
    return ns < 1e10 ? short_of(ns, 1000, 1000, units) : ptl_amount_span(ns / 1e9);
}

struct ptl_amount ptl_amount_span(double seconds)
{
    struct ptl_amount amount;
    uint64_t whole = seconds > 0 ? (uint64_t)seconds : 0;
    unsigned minutes = (unsigned)(whole / 60 % 60), hours = (unsigned)(whole / 3600 % 24);

    if (whole < 60) {
        snprintf(amount.text, sizeof amount.text, "%us", (unsigned)whole);
    } else if (whole < 3600) {
        snprintf(amount.text, sizeof amount.text, "%umin", minutes);
    } else if (whole < 86400) {
        snprintf(amount.text, sizeof amount.text, "%uh%umin", hours, minutes);
    } else {
        snprintf(amount.text, sizeof amount.text, "%" PRIu64 "d%uh", whole / 86400, hours);
    }
    return amount;
}
