/*
 * engine/directory/own.h - the entries that this node itself sets: its programs', and those of the
 * network's own families that speak of it.
 *
 * Everything we set is ours and comes through nobody, so nothing that others say of us counts more.
 * Thread: the shard's that has the family.
 */
#pragma once

#include "engine/directory/database.h"

/* Our own database, as the store knows it. */
struct ptl_source ptl_directory_own(const struct ptl_shard *shard);

/* Set and delete an entry of our own; trouble is logged. */
void ptl_directory_set(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key,
                       struct ptl_span value);
void ptl_directory_del(struct ptl_shard *shard, struct ptl_span family, struct ptl_span key);

/* PTL_DIR_SET and PTL_DIR_DEL: a program of this node does. */
void ptl_directory_take_set(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_directory_take_del(struct ptl_shard *shard, const struct ptl_op *op);
