#include "engine/directory/keep.h"

#include "engine/directory/database.h"
#include "engine/directory/post.h"
#include "engine/link/failure.h"
#include "engine/link/kept.h"
#include "engine/link/link.h"
#include "engine/link/shard_links.h"
#include "engine/shard/node.h"

/* A link to a global node that nobody knows of any more is tried for so long. */
#define KEEP_LOST_NS UINT64_C(600000000000)

/* The node with the higher ID leaves the first attempt to the other. */
#define KEEP_WAIT_NS UINT64_C(300000000)

/* ---- Keeping --------------------------------------------------------------------------------- */

/* So that the two of them do not connect to each other at once. */
static void attempt(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_span self = ptl_directory_self(&shard->node->self);
    size_t common = self.size < link->id_size ? self.size : link->id_size;
    bool first = memcmp(self.bytes, link->id, common) < 0;

    link->keep_at = shard->now + (first ? 0 : KEEP_WAIT_NS);
    ptl_links_tick_at(shard->links, link->keep_at);
}

void ptl_directory_take_keep(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_assert(ptl_directory_owner(shard, op->node) == shard->index);
    struct ptl_link *link = ptl_link_find(shard, op->node);

    if (link == NULL && ptl_link_keep(shard, NULL)) {
        link = ptl_link_get(shard, op->node);
    }
    /* Without memory, and beyond what may be named: tried again when it is next told of. */
    if (link != NULL && ptl_link_keep(shard, link)) {
        attempt(shard, link);
    }
}

/* Nobody names it, it has never been there, and nothing is to be sent there. */
static bool is_for_nothing(const struct ptl_link *link)
{
    return link->keep_until == 0 && link->state == PTL_LINK_DIALING && link->up_at == 0 &&
           link->waiting_first == NULL && !ptl_link_observes(link) && link->candidates == NULL;
}

void ptl_directory_take_leave(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_link *link = ptl_link_find(shard, op->node);

    if (link == NULL) {
        return;
    }
    /* It may only be cut off, and all who knew it with it. */
    ptl_link_keep_lost(shard, link, KEEP_LOST_NS);
    if (is_for_nothing(link)) {
        ptl_link_fail(shard, link, link->last_err);
        return;
    }
    /* Tried once more at once: it may have gone only for whoever told us. */
    attempt(shard, link);
}

/* ---- Failing --------------------------------------------------------------------------------- */

/* Some other shard has lost what it had to say of a link, and could not even keep of which. */
static void fail_all(struct ptl_shard *shard)
{
    struct ptl_link *link;
    bool some = true;

    /* Whoever is told of it may make links, and those that are up stand elsewhere then: once more,
     * until there are none. */
    while (some) {
        uint32_t at = 0;
        some = false;
        while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
            if (link->state == PTL_LINK_UP) {
                ptl_link_fail(shard, link, PTL_ENOMEM);
                some = true;
            }
        }
    }
}

void ptl_directory_take_fail(struct ptl_shard *shard, const struct ptl_op *op)
{
    if (op->node.size == 0) {
        fail_all(shard);
        return;
    }
    struct ptl_link *link = ptl_link_find(shard, op->node);
    if (link != NULL && link->state == PTL_LINK_UP) {
        int err = ptl_dir_words(op).err;
        ptl_log_about(shard, PTL_LOG_ERROR, op->node, "the database of %s: %s", link->id,
                      ptl_err_text(err));
        ptl_link_fail(shard, link, err);
    }
}
