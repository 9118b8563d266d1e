/*
 * engine/port/monitor_take.h - monitors of the program's threads arrive.
 *
 *   thread --PTL_OP_MONITOR--> failures still being told here?  no: set at once
 *                                     | yes: put off, monitor_put_off.h, in order --told--> set
 *
 * A thread issues a monitor knowing of the failures that it has been told of.  Set while a later
 * one is being told, it would stand on neither side of it.  Thread: the shard's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_monitoring;
struct ptl_shard;

/* A thread's monitor has arrived: set it, or put it off.  Owns: the shard. */
void ptl_monitoring_take(struct ptl_shard *shard, struct ptl_monitoring *monitoring);

/* A step: set those that were put off, as far as all failures have been told. */
uint64_t ptl_monitors_resume(struct ptl_shard *shard);

/* Whether there are some that it would set. */
bool ptl_monitors_may_resume(const struct ptl_shard *shard);
