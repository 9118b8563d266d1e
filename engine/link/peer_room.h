/*
 * engine/link/peer_room.h - which ports are full, told from node to node.
 *
 *   A                                         B
 *   ptl_send() to B#x  ---- message ------->  x has no room: takes it all the same, and says
 *   PTL_EFULL for B#x  <--- portolan::full    so once
 *   ptl_on_room(B#x)   <--- portolan::room    x has room again
 *
 * So a node of ours never stops reading another because one port is slow.  If it did, two nodes
 * could wait for each other for ever: each reads again when a port has room that waits for the
 * other to read.  What is under way when B says so is bounded by what waits for one link.
 * Spoken only with peers that announce PTL_FEATURE_ROOM.  Thread: the link owner's.
 * Spec: design G6; docs/protocol.md, "Room".
 */
#pragma once

#include "io/base.h"

struct ptl_link;
struct ptl_shard;

/* A bit of the greeting's features: understands portolan::full and portolan::room. */
#define PTL_FEATURE_ROOM UINT64_C(1)

/* Another one: understands portolan::db, _owner and _lost, the database by owner. */
#define PTL_FEATURE_DATABASE UINT64_C(2)

#define PTL_REQUEST_FULL "portolan::full"
#define PTL_REQUEST_ROOM "portolan::room"

/*
 * A message from this peer is for port `name` of ours, which is full: say so, unless it knows.
 * False: it knows of as many as it may, and is not to be read until the port has room.
 */
bool ptl_peer_tell_full(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);

/* Port `name` of ours has room again: say so to the peers that were told. */
void ptl_peers_tell_room(struct ptl_shard *shard, struct ptl_span name);

/*
 * The peer says of its port `name` that it is full, or has room again.  Of more than
 * PTL_PEER_FULL_MAX ports it says so in vain.  Errors: PTL_ENOMEM.
 */
int ptl_peer_says_full(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);
void ptl_peer_says_room(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);
