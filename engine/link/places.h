/*
 * engine/link/places.h - accepted connections take places among the strangers of their shard, and
 * lose them.
 *
 * Who is a stranger, and which one goes, is stranger.h; here connections are closed for it.
 * Thread: the shard's.
 */
#pragma once

#include "engine/portolan.h"

struct ptl_connection;
struct ptl_shard;

/* An accepted connection takes one of the shard's places; perhaps another loses it.  Errors:
 * PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_connection_take_place(struct ptl_connection *connection);

/* There are no more descriptors: strangers lose theirs, here or on other shards.  A hook of the
 * loop. */
void ptl_connections_starved(struct ptl_shard *shard);

/* Close up to so many strangers, if there are any.  Returns how many. */
unsigned ptl_connections_evict(struct ptl_shard *shard, unsigned count);
