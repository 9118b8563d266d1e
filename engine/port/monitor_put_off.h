/*
 * engine/port/monitor_put_off.h - the list of monitors that wait until all failures are told.
 *
 *   monitor_take.c --add--> first -> ... -> last     in the order in which they arrived
 *                  <--next--'   '-- may be taken back meanwhile: they are found by their IDs
 *
 * Thread: the shard's.
 */
#pragma once

#include "engine/port/monitoring.h"

static inline bool ptl_monitor_put_off_any(const struct ptl_monitors *monitors)
{
    return monitors->put_off != NULL;
}

/* Behind all others; whoever takes it back finds it.  False: no memory, it stays the caller's. */
PTL_MUST_CHECK bool ptl_monitor_put_off_add(struct ptl_shard *shard,
                                            struct ptl_monitoring *monitoring);

/* The first of them, which is the caller's again; NULL: there is none. */
struct ptl_monitoring *ptl_monitor_put_off_next(struct ptl_shard *shard);

/* One is about to leave the list that it is on, whichever that is. */
void ptl_monitor_put_off_leaves(struct ptl_shard *shard, const struct ptl_monitoring *monitoring);
