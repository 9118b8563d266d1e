/*
 * tools/bench/lane.h - one shard of one node of ours: it has a port of its own, and flows of
 * streams whose ports live on the same shard, so that nothing of them needs a lock.
 *
 *   main thread --start, go, look, finish--> lane's port --> flows --> streams' ports
 *        ^                                                     |
 *        '------------- lane.seen, by lane.lock ---------------'
 */
#pragma once

#include "tools/bench/flow.h"

#include <pthread.h>
#include <stdatomic.h>

#define PTL_BENCH_FLOWS_MAX 2

/* What a lane shows of itself to the main thread. */
struct ptl_bench_seen {
    struct ptl_bench_counts counts[PTL_BENCH_FLOWS_MAX];
    uint64_t serial; /* how often it has looked */
    bool is_drained;
    int err;
};

struct ptl_bench_lane {
    struct ptl_node *node;
    struct ptl_port self;
    struct ptl_bench_flow flows[PTL_BENCH_FLOWS_MAX]; /* the lane's shard */
    unsigned flow_count;
    struct ptl_msg *again; /* what the lane sends to itself to go on */
    bool is_going;         /* that is under way; the lane's shard */
    atomic_bool is_told;   /* a "go" is under way; the thread that sends these, and the shard */
    int event;             /* a descriptor that tells the main thread to look */

    pthread_mutex_t lock; /* guards all below */
    struct ptl_bench_seen seen;
    struct ptl_histogram interval; /* of the first flow, since the main thread took it */
};

/*
 * Make the port of a lane on `shard`, and what it needs itself.  Flows are the caller's to fill in
 * before ptl_bench_lane_tell("start").  Returns 0, or an error of ptl_port_new().
 */
PTL_MUST_CHECK int ptl_bench_lane_init(struct ptl_bench_lane *lane, struct ptl_node *node,
                                       unsigned shard, int event);

/* After the node has stopped. */
void ptl_bench_lane_free(struct ptl_bench_lane *lane);

/*
 * Send the lane one of
 *   "start"   its streams may send
 *   "go"      something is due by its schedule
 *   "look"    show what there is: lane.seen.serial grows, and the event is told
 *   "finish"  nothing new any more; the event is told when all is acknowledged
 * Returns as ptl_send().  Thread: any.
 */
PTL_MUST_CHECK int ptl_bench_lane_tell(struct ptl_bench_lane *lane, const char *what);
