#include "engine/link/watch_there.h"

#include "engine/link/addresses.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/watched.h"
#include "engine/message/message.h"
#include "engine/port/bottleneck.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

int ptl_link_watch(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    struct ptl_watcher watcher = op->as.watcher;
    struct ptl_watched *watched = ptl_watched_get(&link->watched_there, op->name);
    int err = watched == NULL ? PTL_ENOMEM : ptl_watched_add(shard->allocator, watched, watcher);

    if (err < 0) {
        if (watched != NULL && watched->count == 0) {
            ptl_watched_forget(&link->watched_there, watched);
        }
        return err;
    }
    if (op->name.size != 0) {
        if (watched->count == 1) {
            err = ptl_link_request_values(shard, link, "mon1", op->name, ptl_span(NULL, 0), 0);
        }
    } else if (link->state == PTL_LINK_DOWN) {
        ptl_link_dial(shard, link); /* a node port is watched by being linked */
    }
    if (err < 0) {
        ptl_assert(watched->count == 1); /* only the first one asks the peer, which may fail */
        ptl_watched_forget(&link->watched_there, watched);
    }
    return err;
}

int ptl_link_unwatch(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_op *op)
{
    struct ptl_watched *watched = ptl_watched_find(&link->watched_there, op->name);

    for (uint32_t i = 0; watched != NULL && i < watched->count; i++) {
        struct ptl_watcher *at = &watched->watchers[i];
        if (at->watch == op->as.watcher.watch && at->shard == op->as.watcher.shard) {
            *at = watched->watchers[--watched->count];
            break;
        }
    }
    if (watched == NULL || watched->count != 0) {
        return PTL_OK;
    }
    ptl_watched_forget(&link->watched_there, watched);
    if (op->name.size == 0) {
        return PTL_OK;
    }
    return ptl_link_request_values(shard, link, "mon0", op->name, ptl_span(NULL, 0), 0);
}

int ptl_watcher_tell(struct ptl_shard *shard, struct ptl_watcher watcher, uint64_t failure,
                     const struct ptl_msg *reason)
{
    struct ptl_op op = {
        .kind = PTL_OP_DOWN,
        .to = PTL_TO_SHARD,
        .as.down = {.watch = watcher.watch, .failure = failure},
        .body = ptl_span(reason->body, reason->size),
        .count = reason->count,
        .whole = reason->holds != 0 ? reason : NULL,
    };
    return ptl_shard_post(shard, watcher.shard, &op, true);
}

int ptl_link_port_down(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                       const struct ptl_msg *reason, struct ptl_bottleneck *full)
{
    struct ptl_watched *watched =
        name.size == 0 ? NULL : ptl_watched_find(&link->watched_there, name);

    if (watched == NULL) {
        return PTL_OK; /* not asked for, or taken back meanwhile */
    }
    /* From the last one on, so that who has been told is not told again when we come again. */
    while (watched->count != 0) {
        struct ptl_watcher watcher = watched->watchers[watched->count - 1];
        int err = ptl_watcher_tell(shard, watcher, 0, reason);
        if (err < 0) {
            ptl_bottleneck_at_ring(full, watcher.shard);
            return err;
        }
        watched->count--;
    }
    ptl_watched_forget(&link->watched_there, watched);
    return PTL_OK;
}
