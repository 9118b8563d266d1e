#include "engine/link/link_weight.h"

#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/shard_links.h"
#include "engine/port/fullness.h"
#include "engine/shard/node.h"

/* A link may hold so much, however much others do. */
#define ROOM_LEAST ((uint64_t)65536)

uint64_t ptl_link_room(const struct ptl_shard *shard)
{
    const struct ptl_node_options *options = &shard->node->options;
    uint64_t held = shard->links->weight;
    uint64_t left = options->links_room > held ? options->links_room - held : 0;

    left = left < ROOM_LEAST ? ROOM_LEAST : left;
    return left < options->link_room ? left : options->link_room;
}

size_t ptl_link_unsent(const struct ptl_link *link)
{
    return link->connection == NULL ? 0 : ptl_connection_unsent(link->connection);
}

/* What its connection holds and does not weigh: as long as that of all links has room, too. */
static uint64_t unweighed(struct ptl_shard *shard, struct ptl_link *link)
{
    uint64_t bytes = link->connection == NULL ? 0 : ptl_connection_unweighed(link->connection);

    ptl_assert(shard->links->unweighed >= link->unweighed);
    shard->links->unweighed += bytes - link->unweighed;
    link->unweighed = bytes;
    return shard->links->unweighed <= shard->node->options.links_room ? bytes : 0;
}

uint64_t ptl_link_weight(struct ptl_shard *shard, struct ptl_link *link)
{
    return link->weight + ptl_link_unsent(link) - unweighed(shard, link);
}

void ptl_link_weigh(struct ptl_shard *shard, struct ptl_link *link)
{
    uint64_t weight = ptl_link_weight(shard, link);

    ptl_assert(shard->links->weight >= link->weighed);
    shard->links->weight += weight - link->weighed;
    link->weighed = weight;
    uint64_t room = ptl_link_room(shard);

    if (!link->fullness.full && weight > room) {
        ptl_fullness_set(shard, &link->fullness, true);
    } else if (link->fullness.full && weight <= room / 2) {
        ptl_fullness_set(shard, &link->fullness, false);
    }
}

void ptl_link_weigh_no_more(struct ptl_shard *shard, struct ptl_link *link)
{
    shard->links->weight -= link->weighed;
    shard->links->unweighed -= link->unweighed;
    link->weighed = link->unweighed = 0;
}
