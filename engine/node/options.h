/*
 * engine/node/options.h - a node's options: checked, completed, copied.
 */
#pragma once

#include "engine/portolan.h"

struct ptl_node;

/*
 * Copy `from` into the node with all defaults filled in.
 * Errors: PTL_EINVAL, PTL_EADDRESS, PTL_ESECRET, PTL_ENOMEM; ptl_options_drop() frees the rest.
 */
PTL_MUST_CHECK int ptl_options_take(struct ptl_node *node, const struct ptl_node_options *from);

void ptl_options_drop(struct ptl_node *node);
