/*
 * engine/directory/apply.h - what peers say of databases, into the store.
 *
 * Of a node that is attached to us, or of a real global one, we take what is within the limits:
 * what is not is left out with a line in the log, and a database over the limit of entries costs
 * its node the link.  Our own global nodes have done that already for what they bring.
 * Thread: the shard's.  Spec: design section 8; AEMP protocol 5.
 */
#pragma once

#include "engine/directory/database.h"

/* PTL_DIR_UPDATE: of a node without owners. */
void ptl_apply_update(struct ptl_shard *shard, const struct ptl_op *op);

/* PTL_DIR_OWNER, PTL_DIR_LOST, PTL_DIR_OWNED: from a global node of ours. */
void ptl_apply_owner(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_apply_lost(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_apply_owned(struct ptl_shard *shard, const struct ptl_op *op);

/* PTL_DIR_CHANGE: from our master. */
void ptl_apply_change(struct ptl_shard *shard, const struct ptl_op *op);

/* For whole databases (replacing.c) too: why a key is none, by the error of reading it ... */
const char *ptl_apply_trouble(int err);

/* ... a line of what was left out of a family; whether a node has too many entries ... */
void ptl_apply_warn(struct ptl_shard *shard, struct ptl_span node, struct ptl_span family,
                    const char *trouble);
bool ptl_apply_over_limit(const struct ptl_shard *shard, struct ptl_span owner);

/* ... and whether an entry of a real global node is one that it had from us. */
bool ptl_apply_is_echo(const struct ptl_shard *shard, struct ptl_span key);
