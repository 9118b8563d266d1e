/*
 * engine/port/notice.h - a monitor's callback is called: at once, or as a notice that has waited in
 * its port's queue.  Thread: the shard's.
 */
#pragma once

#include "engine/port/monitoring.h"

/* Call its callback as a port, or as none (NULL).  False: it said PTL_LATER. */
bool ptl_monitoring_call(struct ptl_shard *shard, const struct ptl_monitoring *monitoring,
                         struct ptl_slot *as, const struct ptl_msg *reason);

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
