#include "engine/link/stop_losses.h"

#include "engine/link/connection.h"
#include "engine/link/link.h"
#include "engine/link/node_links.h"
#include "engine/link/shard_links.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

#include <inttypes.h>
#include <stdio.h>

/* Under the lock. */
static void add_name(struct ptl_losses *losses, struct ptl_span name)
{
    size_t size = strlen(losses->names);
    size_t room = sizeof(losses->names) - size;
    const char *comma = size == 0 ? "" : ", ";

    if (name.size + strlen(comma) + sizeof(" ...") < room) {
        snprintf(losses->names + size, room, "%s%.*s", comma, (int)name.size,
                 (const char *)name.bytes);
    } else if (room > sizeof(" ...") && (size < 3 || losses->names[size - 1] != '.')) {
        snprintf(losses->names + size, room, " ...");
    }
}

void ptl_stop_losses_of_link(struct ptl_shard *shard, const struct ptl_link *link)
{
    struct ptl_losses *losses = &shard->node->links->losses;
    uint64_t messages = 0, bytes = 0;

    for (const struct ptl_parcel *p = link->waiting_first; p != NULL; p = p->next) {
        messages += ptl_parcel_is_for_port(p); /* the others are not missed: see stop_losses.h */
        bytes += ptl_parcel_weight(p);
    }
    if (link->connection != NULL) {
        messages += ptl_outbox_messages(&link->connection->out);
        messages += link->connection->frames_out.waiting.messages;
        bytes += ptl_connection_unsent(link->connection);
    }
    if (messages == 0) {
        return;
    }
    pthread_mutex_lock(&shard->node->links->lock);
    losses->messages += messages;
    losses->bytes += bytes;
    losses->nodes++;
    add_name(losses, ptl_span(link->id, link->id_size));
    pthread_mutex_unlock(&shard->node->links->lock);
}

void ptl_stop_losses_of_shard(struct ptl_shard *shard)
{
    struct ptl_losses *losses = &shard->node->links->losses;
    const struct ptl_link *link;
    uint32_t at = 0;

    while ((link = ptl_map_next(&shard->links->by_id, &at)) != NULL) {
        ptl_stop_losses_of_link(shard, link);
    }
    pthread_mutex_lock(&shard->node->links->lock);
    losses->messages += shard->ports->queued;
    losses->at_ports += shard->ports->queued;
    pthread_mutex_unlock(&shard->node->links->lock);
}

void ptl_stop_losses_at_close(struct ptl_shard *shard)
{
    struct ptl_losses *losses = &shard->node->links->losses;

    pthread_mutex_lock(&shard->node->links->lock);
    for (const struct ptl_connection *c = shard->links->all; c != NULL; c = c->all_next) {
        if (ptl_connection_unconfirmed(c) != 0) {
            losses->silent++;
            losses->unconfirmed += ptl_connection_unconfirmed(c);
            add_name(losses, ptl_handshake_peer(&c->handshake)->node_id);
        }
    }
    pthread_mutex_unlock(&shard->node->links->lock);
}

/* Messages that are known to be lost come first; what is only not confirmed may have arrived. */
int ptl_stop_losses_tell(struct ptl_node *node)
{
    const struct ptl_losses *losses = &node->links->losses;

    if (losses->messages != 0) {
        ptl_log(node, PTL_LOG_WARN,
                "stopped before all was delivered: %" PRIu64 " messages are lost, %" PRIu64
                " at ports of this node, the others (%" PRIu64 " bytes) for %" PRIu32 " nodes: %s",
                losses->messages, losses->at_ports, losses->bytes, losses->nodes, losses->names);
    } else if (losses->silent != 0) {
        ptl_log(node, PTL_LOG_WARN,
                "stopped before all was confirmed: %" PRIu64 " bytes on their way to %" PRIu32
                " nodes may be lost: %s",
                losses->unconfirmed, losses->silent, losses->names);
    }
    return losses->messages != 0 || losses->silent != 0 ? PTL_ETIMEOUT : PTL_OK;
}
