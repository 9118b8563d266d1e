/*
 * tools/bench/worker.h - the ports at the other end of a load: they take, count and send on.
 *
 *   sink     [MARKED BYTES] -> counted; if its mark asks for it, the mark goes to the next port
 *   relay    [MARKED BYTES] -> counted, and sent on to the next port as it came
 *
 * A worker that finds no room for what it sends lets its own port wait, and nobody else.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/bench/pattern.h"

#include <stdatomic.h>

struct ptl_bench_workers;

/* What the workers of one run have seen. */
struct ptl_bench_tally {
    uint64_t messages;
    uint64_t bytes;
    uint64_t reordered; /* not of the number that was to come next in its stream */
    uint64_t strange;   /* no mark, or that of another stream */
};

/*
 * A run without workers; they will end with `anchor`, a port of this node.  NULL: no memory.
 * Owns: the caller, until ptl_bench_workers_drop().
 */
struct ptl_bench_workers *ptl_bench_workers_make(struct ptl_node *node,
                                                 const struct ptl_port *anchor);

/* The caller needs it no more; it is freed when its last worker is gone. */
void ptl_bench_workers_drop(struct ptl_bench_workers *workers);

/*
 * Make a worker for a stream; `next` is where it sends to.  Shards take their turn.
 * Errors: those of ptl_port_new() and ptl_monitor_kill().
 */
PTL_MUST_CHECK int ptl_bench_worker_make(struct ptl_node *node, struct ptl_bench_workers *workers,
                                         enum ptl_bench_worker kind, uint32_t stream,
                                         const struct ptl_port *next, struct ptl_port *port);

/* What all of them have seen so far. */
struct ptl_bench_tally ptl_bench_workers_tally(const struct ptl_bench_workers *workers);

/* The next message that any of them gets makes its handler sleep. */
void ptl_bench_workers_stall(struct ptl_bench_workers *workers, int64_t stall_ns);
