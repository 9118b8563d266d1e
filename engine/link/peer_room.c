#include "engine/link/peer_room.h"

#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/link_send.h"
#include "engine/link/peer_full.h"
#include "engine/link/shard_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

/* ---- Our ports ----------------------------------------------------------------------------- */

bool ptl_peer_tell_full(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    if (ptl_peer_is_told(link, name)) {
        return true;
    }
    if (link->told_full.count >= PTL_PEER_FULL_MAX) {
        return false;
    }
    /* Without memory the peer is told with a later message. */
    if (ptl_peer_told(shard, link, name) == PTL_OK &&
        ptl_link_request(shard, link, PTL_REQUEST_FULL, name) < 0) {
        ptl_peer_told_no_more(shard, link, name);
    }
    return true;
}

void ptl_peers_tell_room(struct ptl_shard *shard, struct ptl_span name)
{
    struct ptl_link *link;
    uint32_t at = 0;

    while (shard->links->told_full != 0 &&
           (link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        if (ptl_peer_told_no_more(shard, link, name) &&
            ptl_link_request(shard, link, PTL_REQUEST_ROOM, name) < 0) {
            ptl_link_fail(shard, link, PTL_ENOMEM); /* else it would wait for ever */
        }
    }
}

/* ---- The peer's ports ---------------------------------------------------------------------- */

int ptl_peer_says_full(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    if (link->id_size + 1 + name.size > PTL_PORT_ID_MAX) {
        return PTL_OK; /* nobody here can name that port */
    }
    if (ptl_peer_full_is_crowded(link, name)) {
        ptl_log(shard->node, PTL_LOG_WARN, "%s has too many ports that are full: %.*s: ignored",
                link->id, (int)name.size, (const char *)name.bytes);
        return PTL_OK;
    }
    return ptl_peer_full_set(shard, link, name, PTL_FULL_THERE);
}

void ptl_peer_says_room(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name)
{
    ptl_peer_full_clear(shard, link, name, PTL_FULL_THERE);
}
