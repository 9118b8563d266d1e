/*
 * tools/bench/deeds.h - what streams do instead of sending messages: database entries, and ports.
 */
#pragma once

#include "tools/bench/flow.h"
#include "tools/bench/target.h"

/* What the streams of a lane have in common; flow->deeds. */
struct ptl_bench_deeds {
    const char *family;                    /* keys are the streams' numbers */
    const struct ptl_bench_target *target; /* where ports are spawned */
};

/* Set the stream's key.  The acknowledgement comes to the stream's port. */
extern const struct ptl_bench_means ptl_bench_sets;

/* Set the stream's key, then ask for it: the answer is the acknowledgement. */
extern const struct ptl_bench_means ptl_bench_confirmed_sets;

/*
 * Make a port here and kill it; spawn one at the target, monitor it and kill it: that it is told of
 * is the acknowledgement.  The flow is_unordered.
 */
extern const struct ptl_bench_means ptl_bench_churn;
