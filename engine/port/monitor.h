/*
 * engine/port/monitor.h - monitors are kept where the interest is.
 *
 *   monitoring --.
 *   monitoring ---+--> observation  one a target and shard --OBSERVE--> the port's shard or the
 *   monitoring --'       ^--------------------------------------DOWN---' link's owner: an observer
 *                        '--- route: all observations of this shard on one other node's ports
 *
 * A DOWN fires all monitorings of its observation.  A failed link needs no message a port: each
 * shard fires the observations on that node's route.
 *
 * Its life goes through these files: monitor_api.c makes a monitoring and gives it to its shard;
 * monitor_take.c takes those of threads, which may have to wait there; monitor.c has the target
 * observed, and takes a monitoring back; monitor_fall.c finds, a slice a turn, whom it concerns
 * that something has gone; fire.c tells one, or has it wait for room; notice.c and pending.c are
 * about those that are told in the queue of their own port.  Wherever it stands, it is found by its
 * ID and can be taken back; whoever is at work on it at that time frees it (`taken_back`).
 *
 * Thread: the shard's.  Spec: design, G2, G4, G5.
 */
#pragma once

#include "engine/port/monitoring.h"

/*
 * Begin to monitor monitoring->target.  Owns: on success the shard.
 * Errors: PTL_EFULL, PTL_ENOMEM; then it stays the caller's.
 */
PTL_MUST_CHECK int ptl_monitoring_add(struct ptl_shard *shard, struct ptl_monitoring *monitoring);

/* Take one back, if it is there. */
void ptl_monitoring_take_back(struct ptl_shard *shard, uint64_t id);

/*
 * As ptl_monitor() from a handler, for a request that was sent earlier.  Its sender had then been
 * told of the first `since` failures of links by their owner (ptl_epoch_of(), ptl_epoch_outside());
 * the monitor tells of any failure behind these.
 */
PTL_MUST_CHECK int ptl_monitor_since(struct ptl_node *node, const struct ptl_port *port,
                                     ptl_monitor_fn *tell, void *data, uint64_t since);

/* Free all, telling nobody. */
void ptl_monitors_drop(struct ptl_shard *shard);

/* ---- For monitor_fall.c and fire.c ------------------------------------------------------ */

/* Give it to its port.  `failure`: as for ptl_monitoring_fire(). */
void ptl_monitoring_notify(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                           const struct ptl_msg *reason, uint64_t failure);
