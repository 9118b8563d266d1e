#include "engine/port/monitor_take.h"

#include "engine/message/name.h"
#include "engine/port/fire.h"
#include "engine/port/monitor_put_off.h"
#include "engine/port/outside.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

/*
 * A thread's monitor that was issued before a failure which the thread has not been told of: what
 * it has sent behind it may have been issued before that failure or after.  So that nothing gets
 * through behind what is lost, the link fails once more (G2).
 */
static void fail_for_stale(struct ptl_shard *shard, const struct ptl_monitoring *monitoring)
{
    if (monitoring->target.kind == PTL_PORT_REMOTE) {
        shard->node->port_outside->fail_once_more(shard, ptl_port_node(&monitoring->target),
                                                  monitoring->epoch);
    }
}

static void set(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    if (monitoring->epoch == PTL_TELLING_OUTSIDE) {
        /* Made while a failure was being told: it speaks for what is sent after that. */
        monitoring->epoch = shard->ports->told[shard->index];
    }
    ptl_assert(monitoring->outside);
    fail_for_stale(shard, monitoring);
    int err = ptl_monitoring_add(shard, monitoring);

    if (err < 0) {
        ptl_monitoring_refuse(shard, monitoring, err);
    }
}

/* Whether all failures that this shard has heard of have been told here. */
static bool all_are_told(const struct ptl_shard *shard)
{
    return shard->ports->told[shard->index] == shard->ports->failures;
}

/*
 * One of another node's port waits until all failures have been told here, and behind those that
 * wait.  One of a port of ours keeps its place before what the thread sends (G5).
 */
void ptl_monitoring_take(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    bool waits = monitoring->target.kind == PTL_PORT_REMOTE &&
                 (!all_are_told(shard) || ptl_monitor_put_off_any(&shard->ports->monitors));

    if (waits && !ptl_monitor_put_off_add(shard, monitoring)) {
        ptl_monitoring_refuse(shard, monitoring, PTL_ENOMEM);
    } else if (!waits) {
        set(shard, monitoring);
    }
}

bool ptl_monitors_may_resume(const struct ptl_shard *shard)
{
    return ptl_monitor_put_off_any(&shard->ports->monitors) && all_are_told(shard);
}

uint64_t ptl_monitors_resume(struct ptl_shard *shard)
{
    /* One may fail its link once more: the others wait for that, too. */
    while (ptl_monitors_may_resume(shard)) {
        set(shard, ptl_monitor_put_off_next(shard));
    }
    return UINT64_MAX;
}
