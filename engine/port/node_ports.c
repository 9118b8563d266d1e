#include "engine/port/node_ports.h"

#include "engine/port/function.h"
#include "engine/shard/node.h"

int ptl_node_ports_init(struct ptl_node *node)
{
    node->ports = ptl_alloc(node->allocator, sizeof(*node->ports));
    if (node->ports == NULL) {
        return PTL_ENOMEM;
    }
    pthread_mutex_init(&node->ports->lock, NULL);
    ptl_map_init(&node->ports->functions, node->allocator);
    return PTL_OK;
}

void ptl_node_ports_drop(struct ptl_node *node)
{
    if (node->ports == NULL) {
        return;
    }
    ptl_functions_drop(node);
    pthread_mutex_destroy(&node->ports->lock);
    ptl_free(node->allocator, node->ports, sizeof(*node->ports));
    node->ports = NULL;
}
