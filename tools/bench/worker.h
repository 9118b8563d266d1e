/*
 * tools/bench/worker.h - the ports at the other end of a load: they take, count and send on.
 *
 *   sink     [MARKED BYTES] -> counted; if its mark asks for it, the mark goes to the next port
 *   relay    [MARKED BYTES] -> counted, and sent on to the next port as it came
 *   anchor   ends with its run, and all workers with it; counts the mortals that are born
 *   mortal   spawned with [ANCHOR]: does nothing until it is killed
 *
 * A worker that finds no room for what it sends lets its own port wait, and nobody else.
 */
#pragma once

#include "tools/bench/pattern.h"
#include "tools/bench/tally.h"

/*
 * Make the port that workers end with, in a handler of the service. Errors: those of
 * ptl_port_new().
 */
PTL_MUST_CHECK int ptl_bench_anchor_make(struct ptl_node *node, struct ptl_bench_tally *tally,
                                         struct ptl_port *anchor);

/* End it, and them. */
void ptl_bench_anchor_end(struct ptl_node *node, const struct ptl_port *anchor);

/* What a worker belongs to. */
struct ptl_bench_crew {
    struct ptl_port anchor;
    struct ptl_bench_tally *tally;
    unsigned turn; /* the shard of the next worker */
};

/*
 * Make a sink or relay for a stream; `next` is where it sends to.  Shards take their turn.
 * Errors: those of ptl_port_new() and ptl_monitor_kill().
 */
PTL_MUST_CHECK int ptl_bench_worker_make(struct ptl_node *node, struct ptl_bench_crew *crew,
                                         enum ptl_bench_worker kind, uint32_t stream,
                                         const struct ptl_port *next, struct ptl_port *port);

/* Let mortals be spawned.  Errors: those of ptl_register(). */
PTL_MUST_CHECK int ptl_bench_mortals_register(struct ptl_node *node);
