/*
 * engine/directory/outlet_peer.h - outlets to peers: what other nodes are told of this shard's
 * part of the database.
 *
 *   to a global node of ours            our part, by owner             portolan::db, _owner, _lost
 *   to a real global node, or a master  our part as one database       g_upd
 *   to a node that watches a family     that family                    g_chg1, g_chg2
 *
 * Thread: the shard's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/directory/outlet.h"

/*
 * Tell a peer our part of the database, by owner if it understands that; all of it once more if
 * that goes on already.  Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_outlet_feed(struct ptl_shard *shard, struct ptl_peer *peer, bool by_owner);

/* Whether a peer is fed by owner. */
bool ptl_outlet_feeds_owners(const struct ptl_peer *peer);

/* Whether there is something that a peer has not been told, of our part or of a family. */
bool ptl_outlet_is_feeding(const struct ptl_peer *peer);
bool ptl_outlet_is_telling(const struct ptl_peer *peer, struct ptl_span family);

/* PTL_DIR_PEER_WATCHES and PTL_DIR_PEER_LEAVES: begin, and end, to tell a peer of a family. */
void ptl_outlet_take_peer_watches(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_outlet_take_peer_leaves(struct ptl_shard *shard, const struct ptl_op *op);

/* End all that are for a peer; or only its feed. */
void ptl_outlets_close(struct ptl_peer *peer);
void ptl_outlet_end_feed(struct ptl_peer *peer);
