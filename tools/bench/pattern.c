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
    {
        .name = "fan-in",
        .what = "all ports here send to one port there",
        .worker = PTL_BENCH_SHARED,
        .in_flight = 8192,
    },
    {
        .name = "fan-out",
        .what = "one port here sends to all ports there in turn",
        .worker = PTL_BENCH_SINK,
        .in_flight = 8192,
        .one_sender = true,
    },
    {
        .name = "ring",
        .what = "each message goes through --hops ports of the targets, and comes back",
        .worker = PTL_BENCH_RELAY,
        .in_flight = 1,
        .has_hops = true,
    },
    {
        .name = "mixed",
        .what = "request, while messages of --bulk bytes go the same way, one after the other",
        .worker = PTL_BENCH_RELAY,
        .in_flight = 1,
        .has_bulk = true,
    },
    {
        .name = "churn",
        .what = "a port is made here and one there, which is monitored and killed, again and again",
        .worker = PTL_BENCH_NOBODY,
        .deed = PTL_BENCH_CHURN,
        .in_flight = 1,
    },
    {
        .name = "db-set",
        .what = "sets --entries keys in turn, each until the node there shows it",
        .worker = PTL_BENCH_NOBODY,
        .deed = PTL_BENCH_SET_ASK,
        .in_flight = 1,
        .has_keys = true,
    },
    {
        .name = "db-watch",
        .what = "sets --entries keys in turn, each until a watcher there has told of it",
        .worker = PTL_BENCH_WATCH,
        .deed = PTL_BENCH_SET,
        .in_flight = 1,
        .has_keys = true,
        .may_skip = true,
    },
    {
        .name = "join",
        .what = "a node with --entries entries joins, until they are all there, and leaves",
        .worker = PTL_BENCH_NOBODY,
        .deed = PTL_BENCH_JOIN,
        .in_flight = 1,
        .has_keys = true,
    },
    {
        .name = "verify",
        .what =
            "the same as --verify: do order and monitors hold while links are cut and ports die?",
        .worker = PTL_BENCH_NOBODY,
        .deed = PTL_BENCH_VERIFY,
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
