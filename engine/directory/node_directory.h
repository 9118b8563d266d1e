/*
 * engine/directory/node_directory.h - what all shards of a node share of the room of the database.
 */
#pragma once

#include "engine/directory/whereabouts.h"
#include "engine/portolan.h"

struct ptl_node_directory {
    _Atomic bool global;         /* once true, for good */
    _Atomic bool attaching;      /* ordinary: a seed that can be our master is linked */
    _Atomic uint64_t attachment; /* the number of our last one: ptl_attachment_next() */
    struct ptl_whereabouts whereabouts;
};

/*
 * Make it, from the node's options as the program gave them, and free it, if there is one.
 * Errors: PTL_ENOMEM: what was made is to be freed too.  Thread: the node's maker.
 */
PTL_MUST_CHECK int ptl_node_directory_init(struct ptl_node *node,
                                           const struct ptl_node_options *options);
void ptl_node_directory_drop(struct ptl_node *node);
