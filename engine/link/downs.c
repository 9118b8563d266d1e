#include "engine/link/downs.h"

#include "engine/link/dial_addresses.h"
#include "engine/link/link.h"
#include "engine/link/shard_links.h"
#include "engine/message/message.h"
#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

static struct ptl_op down(const struct ptl_shard *shard, const struct ptl_link *link)
{
    struct ptl_op op = {
        .kind = PTL_OP_LINK_DOWN,
        .to = PTL_TO_SHARD,
        .node = ptl_link_id(link),
        .as.failure = {.number = link->failed_at, .owner = shard->index},
        .whole = link->reason,
    };

    if (link->reason != NULL) {
        op.body = ptl_span(link->reason->body, link->reason->size);
        op.count = link->reason->count;
    }
    return op;
}

/*
 * Tell one shard, in the order of the failures: having been told of one says that it knows of all
 * before it.  What a link has announced before its end waits for the same ring, and goes first.
 */
static int tell_shard(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_failings *failings = ptl_container(untold, struct ptl_failings, untold);
    unsigned to = (unsigned)(failings - shard->links->failings);

    while (failings->next != NULL) {
        struct ptl_op op = down(shard, failings->next);
        int err = *units > 0 ? ptl_untold_post(shard, untold, to, &op) : PTL_LATER;
        if (err < 0) {
            return err;
        }
        --*units;
        failings->next = failings->next->failing_next;
    }
    return PTL_OK;
}

void ptl_link_tell_failed(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_assert(link == shard->links->failing_last);
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        struct ptl_failings *failings = &shard->links->failings[i];
        if (failings->next == NULL) {
            failings->next = link;
            failings->untold.tell = tell_shard;
            ptl_untold_wait(shard, &failings->untold, i);
        }
    }
}

bool ptl_link_failure_is_told(const struct ptl_shard *shard, const struct ptl_link *link)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        const struct ptl_link *next = shard->links->failings[i].next;
        if (next != NULL && next->failed_at <= link->failed_at) {
            return false;
        }
    }
    return true;
}
