#include "engine/directory/node_directory.h"

#include "engine/shard/node.h"

int ptl_node_directory_init(struct ptl_node *node, const struct ptl_node_options *options)
{
    node->directory = ptl_alloc(node->allocator, sizeof(*node->directory));
    if (node->directory == NULL) {
        return PTL_ENOMEM;
    }
    atomic_init(&node->directory->global, !options->ordinary);
    return ptl_whereabouts_init(node, options);
}

void ptl_node_directory_drop(struct ptl_node *node)
{
    if (node->directory == NULL) {
        return;
    }
    ptl_whereabouts_drop(node);
    ptl_free(node->allocator, node->directory, sizeof(*node->directory));
    node->directory = NULL;
}
