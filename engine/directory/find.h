/*
 * engine/directory/find.h - where the node of a link listens: asked of the database.
 *
 *   we are global    FIND --> the shard of 'l --FOUND--> the link's owner
 *   we are ordinary  g_find --> master --g_found--> ---FOUND---^
 *
 * Thread: the link owner's, and that of the shard of 'l.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/link/link.h"

/* Whether this node is global: then it is this node itself that is asked. */
bool ptl_directory_knows(const struct ptl_shard *shard);

/* Ask where this link's node listens: PTL_DIR_FOUND answers.  False: there is nobody to ask. */
bool ptl_directory_find(struct ptl_shard *shard, struct ptl_link *link);

/* Whether a seed is linked that can be our master: there will be somebody to ask.  Thread: any. */
bool ptl_directory_may_find(const struct ptl_node *node);

/* There is another master to ask where nodes listen; or none. */
void ptl_directory_find_again(struct ptl_shard *shard);

/* PTL_DIR_FIND, at the shard of 'l; and PTL_DIR_FOUND, at the link's owner. */
void ptl_directory_take_find(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_directory_take_found(struct ptl_shard *shard, const struct ptl_op *op);
