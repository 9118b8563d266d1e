/*
 * perf/peers/common/ends.h - the two ends of a measurement, and what both processes see.
 */
#pragma once
#include "perf/peers/common/peer.h"

#include <stdatomic.h>

/* In memory that both processes share.  The far end writes; the near end reads when it counts. */
struct peer_shared {
    _Atomic uint64_t received;   /* messages of PEER_DATA */
    _Atomic uint64_t disordered; /* of them, those that were not the one after the last */
    _Atomic int64_t
        warm_until_ns; /* written by the near end: what was sent before does not count */
    struct peer_histogram latency; /* of PEER_DB_WATCH: the far end's until the near end drains */
};

/* What came out; times are in the histogram. */
struct peer_result {
    double rate;      /* messages a second that arrived, or were answered */
    double bulk_rate; /* large messages a second, beside them */
    uint64_t arrived; /* or were answered, in the whole run */
    uint64_t lost;    /* sent, and nothing came of it before the end of patience */
    uint64_t disordered;
    struct peer_histogram *latency;
};

void peer_near_run(const struct peer_work *work, struct peer_shared *shared,
                   struct peer_result *result);
enum peer_verdict peer_near_got(const void *bytes, size_t size);

/* Opens the far end, writes one byte to `ready`, and goes on until it is killed. */
_Noreturn void peer_far_run(const struct peer_work *work, struct peer_shared *shared, int ready);
enum peer_verdict peer_far_got(const void *bytes, size_t size, struct peer_head *answer);
