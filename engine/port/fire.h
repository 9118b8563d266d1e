/*
 * engine/port/fire.h - telling who has monitored what is gone, one by one.
 *
 *   monitoring --fire--> notice at its own port        (monitor.h)
 *                  '---> told: called, sent, killed
 *                          '--no room--> waits for the ring, or for the port to be full no more
 *                          '--PTL_LATER, no memory--> waits for a millisecond
 *
 * So that one waits needs no memory; and who waits for room is not asked again before there is some
 * (engine/shard/due.h).  Thread: the shard's.
 */
#pragma once

#include "engine/port/monitor.h"

/*
 * Fire one that is on no watch any more.  `failure` not 0: a notice waits at its port, and does not
 * run before the shard has adopted that failure.
 */
void ptl_monitoring_fire(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                         const struct ptl_msg *reason, uint64_t failure);

/* It could not be added, but its maker has gone on: fire it at once, since it would miss things. */
void ptl_monitoring_refuse(struct ptl_shard *shard, struct ptl_monitoring *monitoring, int err);

/* Run a monitoring's callback that has waited in its port's queue.  False: it said PTL_LATER. */
bool ptl_notice_run(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                    const struct ptl_msg *reason);

/*
 * It is about to wait in its port's queue.  Takes a hold on the reason, and needs memory only where
 * that can have none (a borrowed one); without memory it will be told that there was none.
 */
void ptl_notice_hold(struct ptl_monitoring *monitoring, const struct ptl_msg *reason,
                     uint64_t failure);

/*
 * It is about to be told; and has been.  `again`: its port said PTL_LATER, it waits for another
 * time, unless it was taken back meanwhile.  Returns whether it does; else it is freed.
 */
void ptl_notice_begin(struct ptl_monitoring *monitoring);
bool ptl_notice_end(struct ptl_shard *shard, struct ptl_monitoring *monitoring, bool again);

/* It is being freed: if it has waited to be told, it does so no more. */
void ptl_untold_forget(struct ptl_shard *shard, struct ptl_monitoring *monitoring);

/* A step of the turn: call those whose time is over, some a turn. */
uint64_t ptl_untold_work(struct ptl_shard *shard);
