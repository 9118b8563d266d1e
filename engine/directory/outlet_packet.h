/*
 * engine/directory/outlet_packet.h - how an outlet's changes become packets to a peer.
 *
 *   changes --gather--> sets, dels of one owner and family --flush--> packet --room?--> peer
 *                                                                       '--> parcels of the outlet
 *
 * A packet goes when it is large, when another owner or family begins, and when nothing is left.
 * Thread: the shard's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/directory/outlet.h"

/* What a peer understands: `form` of an outlet to a peer. */
enum ptl_packet_form {
    PTL_PACKET_OWNED,  /* portolan::db, _owner, _lost: by owner */
    PTL_PACKET_MERGED, /* g_upd: all owners as one database */
    PTL_PACKET_FAMILY, /* g_chg1, g_chg2: one family */
};

/* Tell a piece of it: `drain` of outlets to a peer. */
enum ptl_drained ptl_outlet_drain_packets(struct ptl_shard *shard, struct ptl_outlet *outlet);
