#include "engine/port/place.h"

#include "engine/message/name.h"
#include "engine/shard/node.h"
#include "engine/shard/op.h"
#include "engine/shard/shard.h"

unsigned ptl_place_of(const struct ptl_node *node, const struct ptl_port *port)
{
    switch (port->kind) {
    case PTL_PORT_REMOTE:
        return ptl_shard_of(port->node_hash, node->shard_count);
    case PTL_PORT_NODE:
        /* It is nobody's: the first shard answers for it. */
        return 0;
    default:
        return port->shard;
    }
}

bool ptl_is_linked_here(const struct ptl_shard *shard, const struct ptl_port *port)
{
    return port->kind == PTL_PORT_REMOTE && ptl_place_of(shard->node, port) == shard->index;
}

void ptl_op_address(struct ptl_op *op, const struct ptl_port *port)
{
    switch (port->kind) {
    case PTL_PORT_REMOTE:
        op->to = PTL_TO_NODE;
        op->node = ptl_port_node(port);
        op->name = ptl_port_name(port);
        break;
    case PTL_PORT_SLOT:
        op->to = PTL_TO_SLOT;
        op->slot = port->slot;
        op->generation = port->generation;
        break;
    default:
        op->to = PTL_TO_NAME;
        op->name = ptl_port_name(port);
        break;
    }
}
