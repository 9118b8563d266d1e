#include "perf/peers/common/percentiles.h"

#include <inttypes.h>
#include <stdio.h>

void peer_percentiles_print(const struct peer_histogram *histogram, const char *before)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50_ns", 0.5}, {"p90_ns", 0.9}, {"p99_ns", 0.99}, {"p999_ns", 0.999}};

    if (histogram->count == 0) {
        return;
    }
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        printf("%s\"%s\": %" PRIu64, i == 0 ? before : ", ", points[i].name,
               peer_histogram_at(histogram, points[i].share));
    }
    printf(", \"max_ns\": %" PRIu64, histogram->max_ns);
}
