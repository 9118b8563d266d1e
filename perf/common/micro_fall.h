/*
 * perf/common/micro_fall.h - a node that goes, with many monitors on its ports: how long until all
 * have been told, and how long the longest turn of the shard took that told them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fall {
    double seconds;
    double longest_turn; /* seconds */
    uint64_t turns;
};

/* `count` monitors on as many ports, made by threads, or by a thousand ports.  Exits on failure. */
void fall_measure(uint64_t count, bool by_ports, struct fall *fall);

#ifdef __cplusplus
}
#endif
