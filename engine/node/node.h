/*
 * engine/node/node.h - how a node starts and turns, and how tests step it.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/node.h"

/*
 * Instead of ptl_node_open() whoever made the node may step it: open one shard on this thread, its
 * loop and the addresses it listens on ...
 */
PTL_MUST_CHECK int ptl_node_open_shard(struct ptl_node *node, unsigned shard);

/* One turn of one shard, without waiting. */
void ptl_node_turn(struct ptl_node *node, unsigned shard);

/* When the shard next needs a turn: 0 at once, UINT64_MAX only when woken. */
uint64_t ptl_node_next(struct ptl_node *node, unsigned shard);

/* Close every shard on this thread and free the node: it has stopped, or it has crashed. */
void ptl_node_free(struct ptl_node *node);
void ptl_node_crash(struct ptl_node *node);
