#include "engine/link/links_flush.h"

#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/link_weight.h"
#include "engine/link/shard_links.h"
#include "engine/link/stream.h"
#include "engine/port/ports.h"
#include "engine/shard/shard.h"

/*
 * To hand some hundred small messages to the kernel costs more than to make them.  So while the
 * shard has more to do at once, what is little waits for what that brings: so many bytes, such a
 * time (which is what such a send takes), so many turns.
 */
#define GATHER_BYTES ((size_t)16384)
#define GATHER_NS UINT64_C(30000)
#define GATHER_TURNS 8

static bool has_more_to_do(struct ptl_shard *shard)
{
    return ptl_shard_has_more(shard) || ptl_ports_due(shard) == 0;
}

/* The time of the turn is that of its beginning, and it may have been long. */
static bool gathers(struct ptl_shard *shard, struct ptl_link *link)
{
    return link->gathered++ < GATHER_TURNS && ptl_link_unsent(link) < GATHER_BYTES &&
           ptl_loop_now(shard->loop) - link->dirty_at < GATHER_NS;
}

uint64_t ptl_links_flush(struct ptl_shard *shard)
{
    struct ptl_link *gathering = NULL;
    bool goes_on = shard->links->dirty != NULL && has_more_to_do(shard);

    while (shard->links->dirty != NULL) {
        struct ptl_link *link = shard->links->dirty;
        shard->links->dirty = link->dirty_next;
        ptl_link_count_out(shard, link);
        if (link->state != PTL_LINK_UP || ptl_link_unsent(link) == 0) {
            link->dirty = false;
        } else if (goes_on && gathers(shard, link)) {
            link->dirty_next = gathering;
            gathering = link;
        } else {
            link->dirty = false;
            ptl_link_weigh(shard, link);
            ptl_connection_flush(link->connection);
        }
    }
    shard->links->dirty = gathering;
    return gathering != NULL ? 0 : UINT64_MAX;
}

bool ptl_links_flushed(struct ptl_shard *shard)
{
    const struct ptl_link *link;
    uint32_t at = 0;

    while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        bool wanted = link->state == PTL_LINK_DIALING && ptl_link_observes(link);
        if (link->state == PTL_LINK_FAILING || wanted || link->weight != 0 ||
            ptl_link_unsent(link) != 0) {
            return false;
        }
    }
    return true;
}
