/*
 * engine/port/place.h - where a port is: its shard, and how an op is addressed to it.
 */
#pragma once

#include "engine/portolan.h"

struct ptl_op;
struct ptl_shard;

/* The shard that has the port, or the link to its node.  `port` is this node's own view of it. */
unsigned ptl_place_of(const struct ptl_node *node, const struct ptl_port *port);

/* Whether it is another node's, whose link is this shard's: no ring is on the way there. */
bool ptl_is_linked_here(const struct ptl_shard *shard, const struct ptl_port *port);

/* Fill in the destination of an op: to, slot, generation, node, name. */
void ptl_op_address(struct ptl_op *op, const struct ptl_port *port);
