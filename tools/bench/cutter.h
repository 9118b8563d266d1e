/*
 * tools/bench/cutter.h - a way to a node that breaks now and then: connections go through it, and
 * are cut with whatever is under way.
 *
 *   our nodes --> [ 127.0.0.1, a port of its own ] --pairs of sockets--> the seeds, in turns
 *
 * A thread of its own does the work, so that what it costs hits no shard.
 */
#pragma once

#include "tools/command.h"

struct ptl_bench_cutter;

/*
 * Listen, and lead to `seeds`.  Once it cuts, some connection is cut every `every_ns`, more or
 * less, at random by `random_seed`; never, if it is 0.  Returns 0 or -errno.
 * Owns: strings of `seeds` stay the caller's, for as long; ptl_bench_cutter_stop() must follow.
 */
int ptl_bench_cutter_start(struct ptl_bench_cutter **cutter, const struct ptl_list *seeds,
                           int64_t every_ns, uint64_t random_seed);

/* "127.0.0.1:PORT".  Owns: the cutter. */
const char *ptl_bench_cutter_address(const struct ptl_bench_cutter *cutter);

/* Whether anything is cut from now on; at first nothing is. */
void ptl_bench_cutter_cut(struct ptl_bench_cutter *cutter, bool cuts);

/* How many connections it has cut. */
uint64_t ptl_bench_cutter_cuts(const struct ptl_bench_cutter *cutter);

/* Close all and free it; NULL is allowed. */
void ptl_bench_cutter_stop(struct ptl_bench_cutter *cutter);
