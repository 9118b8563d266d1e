/*
 * engine/port/fire.h - telling who has monitored what is gone, one by one.
 *
 *   monitoring --fire--> notice at its own port        (monitor.h)
 *                  '---> told: called, sent, killed
 *                          '--no room--> waits for the ring, or for the port to be full no more
 *                          '--PTL_LATER, no memory--> waits for a millisecond
 *
 * So that one waits needs no memory; and who waits for room is not asked again before there is some
 * (engine/shard/untold.h).  Thread: the shard's.
 */
#pragma once

#include "engine/port/monitor.h"

/*
 * Fire one that belongs to no observation any more.  `failure` not 0: a notice waits at its port,
 * and does not run before the shard has adopted that failure.
 */
void ptl_monitoring_fire(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                         const struct ptl_msg *reason, uint64_t failure);

/* It could not be added, but its maker has gone on: fire it at once, since it would miss things. */
void ptl_monitoring_refuse(struct ptl_shard *shard, struct ptl_monitoring *monitoring, int err);

/* A step of the turn: call those whose time is over, some a turn. */
uint64_t ptl_monitors_tell_again(struct ptl_shard *shard);
