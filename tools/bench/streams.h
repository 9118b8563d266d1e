/*
 * tools/bench/streams.h - lanes and their streams: dealt to shards, links and targets in turn.
 *
 *   stream i  --> lane i % lanes  --> target i / lanes % targets
 *   bulk b    --> lane b, the first of its link, a stream of large messages beside the others
 */
#pragma once

#include "tools/bench/load.h"

/* Sets that wait for their confirmation: half of the questions that a shard of a node lets wait. */
#define PTL_BENCH_QUESTIONS_MAX 2048

/*
 * Make the lanes of a load whose links and targets are there.  Returns an exit code, after one line
 * on standard error if it is not PTL_EXIT_OK.
 */
int ptl_bench_lanes_make(struct ptl_bench_load *load);

/* Make the streams' ports, and have the targets make theirs.  Returns as above. */
int ptl_bench_streams_open(struct ptl_bench_load *load);
