/*
 * tools/bench/load.h - a load that stands ready: links, targets, lanes, two ports a stream.
 *
 *   ptl_bench_load_open() -> ptl_bench_drive() -> ptl_bench_load_stop() -> results -> _close()
 */
#pragma once

#include "tools/bench/deeds.h"
#include "tools/bench/lane.h"
#include "tools/bench/link.h"
#include "tools/bench/options.h"
#include "tools/bench/target.h"

struct ptl_bench_load {
    const struct ptl_bench_options *options;
    struct ptl_journal journal;
    struct ptl_secret secret;
    struct ptl_list seeds;
    const char *behind;        /* whom these lead to by way of a proxy, or NULL */
    char run[64];              /* its name */
    char family[80];           /* of the database, for the run alone */
    int signals;               /* a descriptor that SIGINT and SIGTERM come to */
    int event;                 /* a descriptor that tells of a change of lanes, or below */
    struct ptl_node *embedded; /* the other end, if it is here */
    struct ptl_bench_link *links;
    unsigned link_count;
    struct ptl_bench_target targets[PTL_LIST_MAX];
    unsigned target_count;
    struct ptl_bench_lane *lanes;
    struct ptl_bench_deeds *deeds; /* one a lane */
    unsigned lane_count;
    struct ptl_bench_clock clock; /* before the lanes start, then constant */

    pthread_mutex_t lock; /* guards what follows: shards write, the main thread reads */
    bool is_gone;
    char gone[512]; /* which target is gone, and why */
};

/*
 * Make all of it.  Returns an exit code, after one line on standard error if it is not PTL_EXIT_OK.
 * Owns: ptl_bench_load_close() must follow, whatever is returned.
 */
int ptl_bench_load_open(struct ptl_bench_load *load, const struct ptl_bench_options *options);

/*
 * The first half of it: our nodes, linked, and the targets found; by way of the addresses `seeds`
 * instead of those of the options, unless it is NULL.  Returns, owns: the same.
 */
int ptl_bench_load_reach(struct ptl_bench_load *load, const struct ptl_bench_options *options,
                         const struct ptl_list *seeds);

/* End the run at the targets and stop all nodes: from here on lanes are the main thread's. */
void ptl_bench_load_stop(struct ptl_bench_load *load);

/* Free everything, stopping first if need be. */
void ptl_bench_load_close(struct ptl_bench_load *load);

/* Whether a target is gone; then `why` says so. */
bool ptl_bench_load_is_gone(struct ptl_bench_load *load, char why[512]);
