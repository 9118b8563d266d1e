/*
 * engine/node/stop.h - how the shards of a node stop together (G9).
 *
 *   NOT --begin--> FLUSH --all done--> FLUSH_AGAIN --all done--> TELL --all done--> CLOSE
 *                    |                     |                     ^ |                  ^
 *                    '---- deadline -------'---------------------' '--- deadline -----'
 *
 * In each step (engine/shard/node.h) every shard says whether it is done; when all have said so, or
 * the deadline has come, all go on to the next one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_node;
struct ptl_shard;

/* Begin to stop; go on with turns until it is done.  Any thread. */
void ptl_node_stop_begin(struct ptl_node *node, unsigned deadline_ms);
bool ptl_node_stop_done(const struct ptl_node *node);

/* A shard's part in the stop, a step of its turn.  Returns when it is due again. */
uint64_t ptl_node_stop_work(struct ptl_shard *shard);
