/*
 * engine/port/place.h - where a port is: its shard, and how an op is addressed to it.
 */
#pragma once

#include "engine/portolan.h"

struct ptl_op;

/* The shard that has the port, or the link to its node.  `port` is this node's own view of it. */
unsigned ptl_place_of(const struct ptl_node *node, const struct ptl_port *port);

/* Fill in the destination of an op: to, slot, generation, node, name. */
void ptl_op_address(struct ptl_op *op, const struct ptl_port *port);
