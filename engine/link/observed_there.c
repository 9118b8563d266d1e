#include "engine/link/observed_there.h"

#include "engine/link/dial_addresses.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/observed.h"
#include "engine/message/message.h"
#include "engine/port/bottleneck.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

int ptl_link_observe(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    struct ptl_observer observer = op->as.observer;
    struct ptl_observed *observed = ptl_observed_get(&link->observed_there, op->name);
    int err =
        observed == NULL ? PTL_ENOMEM : ptl_observed_add(shard->allocator, observed, observer);

    if (err < 0) {
        if (observed != NULL && observed->count == 0) {
            ptl_observed_forget(&link->observed_there, observed);
        }
        return err;
    }
    if (op->name.size != 0) {
        if (observed->count == 1) {
            err = ptl_link_request_values(shard, link, "mon1", op->name, ptl_span(NULL, 0), 0);
        }
    } else if (link->state == PTL_LINK_DOWN) {
        ptl_link_dial(shard, link); /* a node port is observed by being linked */
    }
    if (err < 0) {
        ptl_assert(observed->count == 1); /* only the first one asks the peer, which may fail */
        ptl_observed_forget(&link->observed_there, observed);
    }
    return err;
}

int ptl_link_unobserve(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    struct ptl_observed *observed = ptl_observed_find(&link->observed_there, op->name);

    for (uint32_t i = 0; observed != NULL && i < observed->count; i++) {
        struct ptl_observer *at = &observed->observers[i];
        if (at->observation == op->as.observer.observation && at->shard == op->as.observer.shard) {
            *at = observed->observers[--observed->count];
            break;
        }
    }
    if (observed == NULL || observed->count != 0) {
        return PTL_OK;
    }
    ptl_observed_forget(&link->observed_there, observed);
    if (op->name.size == 0) {
        return PTL_OK;
    }
    return ptl_link_request_values(shard, link, "mon0", op->name, ptl_span(NULL, 0), 0);
}

int ptl_observer_tell(struct ptl_shard *shard, struct ptl_observer observer, uint64_t failure,
                      const struct ptl_msg *reason)
{
    struct ptl_op op = {
        .kind = PTL_OP_DOWN,
        .to = PTL_TO_SHARD,
        .as.down = {.observation = observer.observation, .failure = failure},
        .body = ptl_span(reason->body, reason->size),
        .count = reason->count,
        .whole = reason->holds != 0 ? reason : NULL,
    };
    return ptl_shard_post(shard, observer.shard, &op, true);
}

int ptl_link_port_down(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                       const struct ptl_msg *reason, struct ptl_bottleneck *full)
{
    struct ptl_observed *observed =
        name.size == 0 ? NULL : ptl_observed_find(&link->observed_there, name);

    if (observed == NULL) {
        return PTL_OK; /* not asked for, or taken back meanwhile */
    }
    /* From the last one on, so that who has been told is not told again when we come again. */
    while (observed->count != 0) {
        struct ptl_observer observer = observed->observers[observed->count - 1];
        int err = ptl_observer_tell(shard, observer, 0, reason);
        if (err < 0) {
            ptl_bottleneck_at_ring(full, observer.shard);
            return err;
        }
        observed->count--;
    }
    ptl_observed_forget(&link->observed_there, observed);
    return PTL_OK;
}
