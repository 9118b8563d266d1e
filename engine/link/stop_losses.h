/*
 * engine/link/stop_losses.h - what a node throws away at its end: counted by its shards, told once.
 *
 *   link that fails while the node stops --.
 *   link with unsent messages, at the deadline --> counted --> ptl_stop_losses_tell(): one line
 *   port with waiting messages, at the deadline -'
 *
 * Only messages for ports count: what the node itself had to tell a peer that goes is not missed.
 */
#pragma once

#include <stdint.h>

struct ptl_link;
struct ptl_node;
struct ptl_shard;

#define PTL_LOSSES_NAMES 160 /* bytes of names of nodes that the line shows */

/* Under the links' lock. */
struct ptl_losses {
    uint64_t messages; /* for ports; one that is partly out counts, and so do its neighbours */
    uint64_t bytes;
    uint64_t at_ports;    /* of the messages, those that waited at ports of this node */
    uint32_t nodes;       /* that some were for */
    uint32_t silent;      /* nodes that did not confirm that they have got all that was sent */
    uint64_t unconfirmed; /* bytes on their way to them */
    char names[PTL_LOSSES_NAMES];
};

/* What waits for the link is about to be thrown away.  Thread: the owner's. */
void ptl_stop_losses_of_link(struct ptl_shard *shard, const struct ptl_link *link);

/* So is what waits at ports and for links of this shard: the deadline has come. */
void ptl_stop_losses_of_shard(struct ptl_shard *shard);

/* The shard closes: connections that still wait for the peer's end are not confirmed. */
void ptl_stop_losses_at_close(struct ptl_shard *shard);

/* Log it, if there is anything to tell.  Thread: any, when the shards have ended.  Returns 0, or
 * PTL_ETIMEOUT if something was or may be lost. */
int ptl_stop_losses_tell(struct ptl_node *node);
