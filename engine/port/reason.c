#include "engine/port/reason.h"

#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

/* Written as they travel, so that no memory is needed to say that there is none: a text of three
 * bytes, and one of 38. */
struct ptl_msg ptl_reason_short(void)
{
    static const char values[] = "\x63"
                                 "die"
                                 "\x78\x26"
                                 "the reason is too large to be told now";

    return ptl_msg_borrow(ptl_span(values, sizeof(values) - 1), 2);
}

struct ptl_msg ptl_reason_lost(void)
{
    static const char values[] = "\x63"
                                 "die"
                                 "\x6d"
                                 "out of memory";

    return ptl_msg_borrow(ptl_span(values, sizeof(values) - 1), 2);
}

struct ptl_msg *ptl_reason_keep(struct ptl_shard *shard, const struct ptl_msg *reason)
{
    struct ptl_msg instead = ptl_reason_short();

    if (reason == NULL || reason->count == 0) {
        return NULL;
    }
    /* Large ones have one room together; a small one is always kept. */
    if (reason->size > PTL_REASON_SMALL && shard->ports->reasons >= PTL_REASONS_ROOM) {
        instead.allocator = shard->allocator;
        reason = &instead;
    }
    struct ptl_msg *kept = ptl_msg_keep(reason);
    if (kept != NULL && kept->size > PTL_REASON_SMALL) {
        shard->ports->reasons += kept->size;
    }
    return kept;
}

void ptl_reason_let_go(struct ptl_shard *shard, struct ptl_msg *reason)
{
    if (reason != NULL && reason->size > PTL_REASON_SMALL) {
        ptl_assert(shard->ports->reasons >= reason->size);
        shard->ports->reasons -= reason->size;
    }
    ptl_msg_free(reason);
}
