#include "engine/port/notice.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/callback.h"
#include "engine/port/death.h"
#include "engine/port/port.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

bool ptl_monitoring_call(struct ptl_shard *shard, const struct ptl_monitoring *monitoring,
                         struct ptl_slot *as, const struct ptl_msg *reason)
{
    const struct ptl_port *target = &monitoring->target;
    struct ptl_callback callback;

    ptl_assert(monitoring->running); /* so it stays, even if its port ends */

    ptl_callback_begin(shard, &callback, as);
    int result = monitoring->tell(shard->node, target, reason, monitoring->data);
    return ptl_callback_done(shard, &callback, "a monitor", ptl_port_span(target), result);
}

bool ptl_notice_run(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                    const struct ptl_msg *reason)
{
    return ptl_monitoring_call(shard, monitoring, monitoring->owner, reason);
}

void ptl_notice_hold(struct ptl_monitoring *monitoring, const struct ptl_msg *reason,
                     uint64_t failure)
{
    ptl_assert(monitoring->notice.reason == NULL);
    /* NULL without memory: then it is told that memory lacked, and not why the target is gone. */
    monitoring->notice.reason = ptl_msg_keep(reason);
    monitoring->notice.failure = failure;
}

void ptl_notice_begin(struct ptl_monitoring *monitoring)
{
    ptl_assert(!monitoring->running);
    monitoring->running = true;
}

bool ptl_notice_end(struct ptl_shard *shard, struct ptl_monitoring *monitoring, bool again)
{
    ptl_assert(monitoring->running);
    monitoring->running = false;
    if (!again || monitoring->taken_back) {
        ptl_monitoring_free(shard, monitoring);
        return false;
    }
    monitoring->seen = true;
    return true;
}
