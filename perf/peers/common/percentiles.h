/*
 * perf/peers/common/percentiles.h - the percentiles that every result has, as members of JSON.
 */
#pragma once
#include "perf/peers/common/histogram.h"

/* Print them after `before`; nothing at all of an empty histogram. */
void peer_percentiles_print(const struct peer_histogram *histogram, const char *before);
