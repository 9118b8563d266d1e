/*
 * engine/directory/peer.h - the nodes whose link is up and that take part in the database, as every
 * shard sees them; struct ptl_peer stands in database.h.
 *
 * Thread: the shard's.
 */
#pragma once

#include "engine/directory/database.h"

/* The peer, or NULL; and made if need be (NULL: no memory). */
struct ptl_peer *ptl_peer_find(struct ptl_shard *shard, struct ptl_span node);
struct ptl_peer *ptl_peer_get(struct ptl_shard *shard, struct ptl_span node);

/* Its link is down, and its outlets are closed: forget it. */
void ptl_peer_remove(struct ptl_shard *shard, struct ptl_peer *peer);

/* Something that counted is gone: ask those who were not listened to for its sake. */
void ptl_peers_ask_again(struct ptl_shard *shard);

/* A step of the turn: ask those that are to be asked, now or when there is room. */
void ptl_peers_ask(struct ptl_shard *shard);

void ptl_peers_drop(struct ptl_shard *shard);
