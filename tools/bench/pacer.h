/*
 * tools/bench/pacer.h - the thread that wakes lanes when something is due by their schedules.
 *
 * A node's timers have milliseconds, and a message that is due must not wait so long: this thread
 * sleeps until the next one is due, to some ten microseconds.
 */
#pragma once

#include "tools/bench/lane.h"

struct ptl_bench_pacer {
    struct ptl_bench_lane *lanes; /* whose first flow has a schedule */
    unsigned count;
    struct ptl_bench_schedule *schedules; /* copies of theirs */
    int64_t end_ns;
    atomic_bool is_over;
    bool is_running;
    pthread_t thread;
};

/*
 * Copy the lanes' schedules, before any lane has started.  `lanes` must outlive it, and their nodes
 * too.  Returns 0 or PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_bench_pacer_init(struct ptl_bench_pacer *pacer, struct ptl_bench_lane *lanes,
                                        unsigned count, int64_t end_ns);

/* Begin, when the lanes have been told to start.  Returns 0 or -errno. */
PTL_MUST_CHECK int ptl_bench_pacer_start(struct ptl_bench_pacer *pacer);

/* End it, and free.  One that never began is no error. */
void ptl_bench_pacer_stop(struct ptl_bench_pacer *pacer);
