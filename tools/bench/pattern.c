#include "tools/bench/pattern.h"

#include <stddef.h>
#include <string.h>

static const struct ptl_bench_pattern patterns[] = {
    {
        .name = "one-way",
        .what = "each port here sends to its own port there",
        .worker = PTL_BENCH_SINK,
        .in_flight = 8192,
    },
    {
        .name = "request",
        .what = "each port here sends to its own port there, which sends the same back",
        .worker = PTL_BENCH_RELAY,
        .in_flight = 1,
    },
};

const struct ptl_bench_pattern *ptl_bench_pattern_at(unsigned index)
{
    return index < sizeof patterns / sizeof patterns[0] ? &patterns[index] : NULL;
}

const struct ptl_bench_pattern *ptl_bench_pattern_find(const char *name)
{
    const struct ptl_bench_pattern *pattern;

    for (unsigned i = 0; (pattern = ptl_bench_pattern_at(i)) != NULL; i++) {
        if (strcmp(pattern->name, name) == 0) {
            return pattern;
        }
    }
    return NULL;
}
