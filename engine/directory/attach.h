/*
 * engine/directory/attach.h - how two nodes say on their link what they are to each other.
 *
 *   g_slave            be global: you are a seed of mine
 *   g_slave DB NUMBER  be my master: here is my database, first where I listen
 *   g_global           I am global;   g_set DB: to a real global node, here is my part
 *
 * Thread: the link owner's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/link/link.h"

struct ptl_address;

/* The link is up, to whoever is at `peer`; and a seed of ours has turned out to lead to it. */
void ptl_directory_link_up(struct ptl_shard *shard, struct ptl_link *link,
                           const struct ptl_address *peer);
void ptl_directory_link_is_seed(struct ptl_shard *shard, struct ptl_link *link);

/* PTL_DIR_ATTACH: shard 0 wants the link's node for our master. */
void ptl_directory_attach(struct ptl_shard *shard, const struct ptl_op *op);

/* Begin our database at a real global node: g_set with our addresses.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_directory_say_set(struct ptl_shard *shard, struct ptl_link *link);

/* We are global now: say so to everybody. */
void ptl_directory_say_global(struct ptl_shard *shard);
