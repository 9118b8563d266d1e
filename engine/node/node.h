/*
 * engine/node/node.h - how a node starts, turns and stops, and how tests step it.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/node.h"

struct ptl_address;

/*
 * Instead of ptl_node_open() whoever made the node may step it: open one shard on this thread, its
 * loop and the addresses it listens on ...
 */
PTL_MUST_CHECK int ptl_node_open_shard(struct ptl_node *node, unsigned shard);

/* One turn of one shard, without waiting. */
void ptl_node_turn(struct ptl_node *node, unsigned shard);

/* When the shard next needs a turn: 0 at once, UINT64_MAX only when woken. */
uint64_t ptl_node_next(struct ptl_node *node, unsigned shard);

/* Begin to stop; go on with turns until it is done. */
void ptl_node_stop_begin(struct ptl_node *node, unsigned deadline_ms);
bool ptl_node_stop_done(const struct ptl_node *node);

/* Close every shard on this thread and free the node: it has stopped, or it has crashed. */
void ptl_node_free(struct ptl_node *node);
void ptl_node_crash(struct ptl_node *node);

/* A shard's part in the stop, a step of its turn.  Returns when it is due again. */
uint64_t ptl_node_stop_work(struct ptl_shard *shard);

/* Whether this answer of the resolver was for an address to listen on. */
bool ptl_bind_resolved(struct ptl_node *node, void *request, int err,
                       const struct ptl_address addresses[]);

/* Listen on the addresses that are this shard's. */
PTL_MUST_CHECK int ptl_node_listen(struct ptl_node *node, struct ptl_shard *shard);

/* Forget what listened for this shard: its loop is gone before its first turn. */
void ptl_node_unlisten(struct ptl_node *node, struct ptl_shard *shard);
