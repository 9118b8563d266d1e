/*
 * engine/port/monitor_fall.h - telling all who monitor what has gone: a port, a node, or everything
 * at the end.
 *
 *   observation or route --gather--> notices in their ports' queues, none of which runs yet
 *                                | all gathered: the shard adopts the failure's number
 *                  --tell----> all others; notices run
 *                                | all told: the link's owner is answered
 *
 * A million may have to be told, so it is done in slices, turn by turn, one fall after the other in
 * the order in which they were heard of.  Until a failure is adopted, everything on this shard is
 * issued from before it, and is lost at the link's owner (G2).  Thread: the shard's.
 * Spec: design G2, G4; docs/architecture.md, "When a link fails".
 */
#pragma once

#include "io/base.h"

struct ptl_msg;
struct ptl_op;
struct ptl_shard;
struct ptl_observation;

/* PTL_OP_LINK_DOWN: tell all that is observed on that node, adopt the failure, answer its owner. */
void ptl_monitor_fall_link(struct ptl_shard *shard, const struct ptl_op *op,
                           const struct ptl_msg *reason);

/*
 * PTL_OP_DOWN: the target of an observation is gone.  `failure` is not 0 when it was lost with the
 * link's failure of that number.
 */
void ptl_monitor_fall_target(struct ptl_shard *shard, uint64_t observation, uint64_t failure,
                             const struct ptl_msg *reason);

/* The node stops: tell everything on other nodes with ["node_stopped"]. */
void ptl_monitor_fall_all(struct ptl_shard *shard);

/* Go on telling.  Returns whether some is left for the next turn. */
uint64_t ptl_falls_work(struct ptl_shard *shard);

/* Free what the falls hold; what they had to tell is freed with the monitors. */
void ptl_falls_drop(struct ptl_shard *shard);
