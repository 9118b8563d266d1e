/*
 * perf/peers/tools/percentiles.c - the percentiles of times that a script has measured, by the same
 * histogram as everybody's.
 *
 *   peer_percentiles FILE    nanoseconds, 8 bytes each; prints one JSON object
 */
#include "perf/peers/common/percentiles.h"
#include "perf/peers/common/histogram.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static struct peer_histogram histogram;
    uint64_t ns;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;

    if (file == NULL) {
        fprintf(stderr, "usage: peer_percentiles FILE\n");
        return 2;
    }
    while (fread(&ns, sizeof(ns), 1, file) == 1) {
        peer_histogram_add(&histogram, ns);
    }
    fclose(file);
    putchar('{');
    peer_percentiles_print(&histogram, "");
    puts("}");
    return 0;
}
