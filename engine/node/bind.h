/*
 * engine/node/bind.h - the addresses that a node listens on; each is one shard's, in turn.
 */
#pragma once

#include "engine/portolan.h"
#include "io/address.h"

struct ptl_shard;

/* Whether this answer of the resolver was for an address to listen on. */
bool ptl_bind_resolved(struct ptl_node *node, void *request, int err,
                       const struct ptl_address addresses[]);

/* Listen on the addresses that are this shard's. */
PTL_MUST_CHECK int ptl_binds_listen(struct ptl_shard *shard);

/* Listen no more: who is connected stays so. */
void ptl_binds_unlisten(struct ptl_shard *shard);

/* Forget what listened for this shard: its loop is gone before its first turn. */
void ptl_binds_forget(struct ptl_shard *shard);
