/*
 * engine/directory/mesh.h - what a global node does for the network's own families.
 *
 *   'g: SELF and every global node that is linked     'l: SELF, and mirrors of theirs
 *   who stands in 'g is kept linked
 *
 * No global node passes on what another one tells it.  So that two nodes that know only a third
 * one still find each other, each says which global nodes it is linked to, and their addresses.
 * Thread: the shards of 'g and of 'l.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/directory/database.h"

/* The node begins, or has become global. */
void ptl_mesh_begin(struct ptl_shard *shard);

/* Our addresses may have changed: what 'l says of us. */
void ptl_mesh_addresses(struct ptl_shard *shard);

/*
 * A peer has said that it is global; something of itself, in 'l perhaps; and its link is lost.
 * What it says is told here by whoever takes it, since a watch of 'l would not: when its word takes
 * the place of another's that is the same, nothing has changed there.
 */
void ptl_mesh_peer(struct ptl_shard *shard, const struct ptl_peer *peer);
void ptl_mesh_peer_says(struct ptl_shard *shard, struct ptl_span node);
void ptl_mesh_peer_lost(struct ptl_shard *shard, struct ptl_span node);
