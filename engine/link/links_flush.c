#include "engine/link/links_flush.h"

#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/link_weight.h"
#include "engine/link/shard_links.h"
#include "engine/link/stream.h"
#include "engine/shard/shard.h"

uint64_t ptl_links_flush(struct ptl_shard *shard)
{
    while (shard->links->dirty != NULL) {
        struct ptl_link *link = shard->links->dirty;
        shard->links->dirty = link->dirty_next;
        link->dirty = false;
        if (link->state == PTL_LINK_UP && ptl_link_unsent(link) != 0) {
            ptl_link_weigh(shard, link);
            ptl_connection_flush(link->connection);
        }
    }
    return UINT64_MAX;
}

bool ptl_links_flushed(struct ptl_shard *shard)
{
    const struct ptl_link *link;
    uint32_t at = 0;

    while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        bool wanted = link->state == PTL_LINK_DIALING && link->observed_there.by_name.count != 0;
        if (link->state == PTL_LINK_FAILING || wanted || link->weight != 0 ||
            ptl_link_unsent(link) != 0) {
            return false;
        }
    }
    return true;
}
