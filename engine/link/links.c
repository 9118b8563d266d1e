#include "engine/link/links.h"

#include "engine/link/connection.h"
#include "engine/link/dial.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/links_end.h"
#include "engine/link/links_flush.h"
#include "engine/link/node_links.h"
#include "engine/link/permission.h"
#include "engine/link/shard_links.h"
#include "engine/link/stop_losses.h"
#include "engine/link/stream.h"
#include "engine/link/telling.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

void ptl_links_fail(struct ptl_shard *shard, struct ptl_span node, int err)
{
    struct ptl_link *link = ptl_link_find(shard, node);

    if (link != NULL) {
        ptl_link_fail(shard, link, err);
    }
}

void ptl_links_fail_once_more(struct ptl_shard *shard, struct ptl_span node, uint64_t known)
{
    struct ptl_link *link = ptl_link_find(shard, node);

    if (link != NULL && known < link->failed_at) {
        ptl_link_fail(shard, link, PTL_ELOST);
    }
}

static void init_links(struct ptl_shard_links *links, const struct ptl_node *node)
{
    *links = (struct ptl_shard_links){
        .allocator = node->allocator,
        .hooks = &ptl_connection_hooks,
    };
    ptl_map_init(&links->by_id, node->allocator);
    ptl_strangers_init(&links->strangers, node->allocator,
                       ptl_strangers_share(node->options.half_open_max, node->shard_count),
                       node->options.half_open_per_address);
}

static int init(struct ptl_shard *shard)
{
    shard->links = ptl_alloc(shard->allocator, sizeof(*shard->links));
    if (shard->links == NULL) {
        return PTL_ENOMEM;
    }
    init_links(shard->links, shard->node);
    return PTL_OK;
}

static void close_links(struct ptl_shard *shard)
{
    if (shard->stop_step == PTL_STOP_TELL) {
        ptl_stop_losses_at_close(shard);
    }
}

/* The loop has closed the streams: nobody calls the connections any more. */
static void closed(struct ptl_shard *shard)
{
    while (shard->links->all != NULL) {
        struct ptl_connection *connection = shard->links->all;
        shard->links->all = connection->all_next;
        ptl_connection_free(connection);
    }
    ptl_spare_chunks_drop(&shard->links->spare_chunks, shard->allocator);
    ptl_dials_drop(shard);
    ptl_links_drop(shard);
}

static void drop(struct ptl_shard *shard)
{
    if (shard->links != NULL) { /* there was memory for them */
        ptl_rules_unsee(shard);
    }
    ptl_free(shard->allocator, shard->links, sizeof(*shard->links));
    shard->links = NULL;
}

static bool news(const struct ptl_shard *shard)
{
    return (shard->index == 0 && atomic_load(&shard->node->links->seed_news)) ||
           ptl_links_answered(shard);
}

const struct ptl_part ptl_links_part = {
    .init = init,
    .close = close_links,
    .closed = closed,
    .drop = drop,
    .quiet = ptl_links_flushed,
    .news = news,
};
