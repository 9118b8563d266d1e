/*
 * tools/bench/hub.h - one receiver for many streams, on the shard of the service: a port, or a
 * watch of the database.
 *
 *   shared   a port for all streams: counts, and acknowledges what is marked
 *   watch    is told what changes in the run's family: counts, and acknowledges what is marked;
 *            how many keys there are can be waited for
 */
#pragma once

#include "tools/bench/worker.h"

struct ptl_bench_hub;

/* Told once when there are as many keys as were waited for. */
typedef void ptl_bench_keys_fn(void *data);

/*
 * A port, which ends with the crew's anchor.  From a handler of the service.  Returns as
 * ptl_bench_worker_make().
 */
PTL_MUST_CHECK int ptl_bench_hub_make(struct ptl_node *node, struct ptl_bench_crew *crew,
                                      struct ptl_bench_hub **hub);

/*
 * A watch of `family`, until ptl_bench_hub_end().  From a handler, on whose shard all else is
 * called.
 * Errors: those of ptl_db_watch().
 */
PTL_MUST_CHECK int ptl_bench_hub_watch(struct ptl_node *node, struct ptl_bench_crew *crew,
                                       const char *family, struct ptl_bench_hub **hub);

/* End it: a watch is taken back; a port ends with the anchor. */
void ptl_bench_hub_end(struct ptl_node *node, struct ptl_bench_hub *hub);

/* Take a stream, which is acknowledged to `next`.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_bench_hub_add(struct ptl_bench_hub *hub, uint32_t stream,
                                     const struct ptl_port *next);

/* The port; of a watch it means nothing. */
const struct ptl_port *ptl_bench_hub_port(const struct ptl_bench_hub *hub);

/*
 * Call `tell` once the watch has `count` keys, perhaps at once.  It replaces what was waited for.
 */
void ptl_bench_hub_await(struct ptl_bench_hub *hub, uint64_t count, ptl_bench_keys_fn *tell,
                         void *data);
