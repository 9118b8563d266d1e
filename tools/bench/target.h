/*
 * tools/bench/target.h - the other end as the load sees it: the service `bench` of a node.
 *
 * Each function asks and waits (see tools/bench/words.h).  Thread: the main one.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/bench/pattern.h"

struct ptl_bench_target {
    struct ptl_node *node; /* of ours, that asks */
    char id[PTL_NODE_ID_MAX + 1];
    struct ptl_port service;
    uint64_t shards;
    bool is_plain; /* one of us hears JSON of the other, which has no bytes */
    unsigned timeout_ms;
    const char *run;        /* its name, once it has begun */
    struct ptl_port anchor; /* with which all ends there */
};

struct ptl_bench_there {
    int64_t cpu_ns; /* of its process, so far */
    uint64_t messages;
    uint64_t bytes;
    uint64_t reordered;
    uint64_t strange;
};

/* One stream to be opened: where its worker sends to, and then its worker. */
struct ptl_bench_opening {
    uint32_t stream;
    const struct ptl_port *next;
    struct ptl_port *worker;
};

/*
 * Find the service of node `id`, linking to it.  Returns an exit code, after one line on standard
 * error if it is not PTL_EXIT_OK; as those below that return one.
 */
int ptl_bench_target_find(struct ptl_bench_target *target, struct ptl_node *node, const char *id,
                          unsigned timeout_ms);

/* Begin a run that ends with `owner`.  Owns: `run` stays the caller's, for as long. */
int ptl_bench_target_begin(struct ptl_bench_target *target, const char *run,
                           const struct ptl_port *owner);

/* Have workers made for `count` streams, PTL_BENCH_BATCH at most. */
int ptl_bench_target_open(struct ptl_bench_target *target, enum ptl_bench_worker kind,
                          const struct ptl_bench_opening *openings, uint32_t count);

/* What it has counted.  Returns 0, or an error of ptl_bench_ask(). */
PTL_MUST_CHECK int ptl_bench_target_counts(struct ptl_bench_target *target,
                                           struct ptl_bench_there *there);

/*
 * Wait until the run's family has so many keys there. Returns 0, or an error of ptl_bench_ask().
 */
PTL_MUST_CHECK int ptl_bench_target_await(struct ptl_bench_target *target, uint64_t count);

/* Have a handler of a worker sleep, the next time that one runs. */
int ptl_bench_target_stall(struct ptl_bench_target *target, int64_t stall_ns);

/* End the run.  Whether it works does not matter: it ends with its owner as well. */
void ptl_bench_target_end(struct ptl_bench_target *target);
