/*
 * engine/link/linked.h - which nodes are linked at this moment, for all threads.
 *
 * Each link is its owner shard's.  This is the list of them that everybody may read.  Thread: any.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

/* Its owner says that a link is up, or is not any more. */
void ptl_node_linked(struct ptl_node *node, struct ptl_span node_id, bool up);

/* Whether it is linked at this moment. */
bool ptl_node_is_linked(struct ptl_node *node, struct ptl_span node_id);

/* Forget them all: the node ends. */
void ptl_linked_drop(struct ptl_node *node);
