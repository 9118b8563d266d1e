#include "engine/directory/attachment.h"

#include "engine/directory/node_directory.h"
#include "engine/shard/node.h"

/* No clock comes so far.  To outdo a number that was made up would lead to where none is left. */
#define OUTDONE_MAX (PTL_ATTACHMENT_MAX / 2)

uint64_t ptl_attachment_next(struct ptl_shard *shard, uint64_t known)
{
    uint64_t now = (uint64_t)(ptl_loop_wall(shard->loop) * 1000);
    uint64_t last = atomic_load(&shard->node->directory->attachment);
    uint64_t next;

    /* Numbers are milliseconds of the clock, so that they grow across restarts without being
     * kept. */
    if (known > OUTDONE_MAX) {
        known = 0;
    }
    /* Any shard may number an attachment, so each takes its number from all others. */
    do {
        uint64_t above = last > known ? last : known;
        next = now > above ? now : above + 1;
    } while (!atomic_compare_exchange_weak(&shard->node->directory->attachment, &last, next));
    ptl_assert(next > known && next <= PTL_ATTACHMENT_MAX);
    return next;
}

bool ptl_node_is_global(const struct ptl_node *node)
{
    return atomic_load(&node->directory->global);
}
