/*
 * tools/bench/sizes.h - how large messages are: one size, or a mix such as "16:90,1024:9,65536:1".
 */
#pragma once

#include "tools/bench/random.h"

#include <stdbool.h>
#include <stddef.h>

#define PTL_BENCH_SIZES_MAX 16

struct ptl_bench_sizes {
    struct ptl_bench_size {
        size_t bytes;
        uint64_t until; /* the weights up to here: a draw below it takes this size */
    } list[PTL_BENCH_SIZES_MAX];
    unsigned count;
    size_t largest;
};

/*
 * Read SIZE, or SIZE:WEIGHT with commas between.  False when `text` is not that, a size is more
 * than a GiB, or all weights are 0.
 */
bool ptl_bench_sizes_parse(const char *text, struct ptl_bench_sizes *sizes);

/* Draw one. */
static inline size_t ptl_bench_sizes_draw(const struct ptl_bench_sizes *sizes,
                                          struct ptl_bench_random *random)
{
    unsigned i = 0;

    if (sizes->count > 1) {
        uint64_t draw = ptl_bench_random_next(random) % sizes->list[sizes->count - 1].until;
        while (draw >= sizes->list[i].until) {
            i++;
        }
    }
    return sizes->list[i].bytes;
}
