/*
 * engine/link/dial_addresses.h - a link that wants a connection, and where its node may listen.
 *
 *   what is known of the node, what the database answers --> "HOST:PORT,HOST:PORT" --> one attempt
 *                                                                                      at a time
 *
 * Here is what can be tried; when it is tried, and when to give up, is dialling.h.
 * Thread: the link owner's.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

struct ptl_link;
struct ptl_shard;

/* Something waits for this link, which is down: it is dialled, from the next tick on. */
void ptl_link_dial(struct ptl_shard *shard, struct ptl_link *link);

/* Where the node listens: a list with commas, before what was known already.  May be empty. */
void ptl_link_addresses(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span list);

/* Ask where it listens; false: that was done, or there is nobody to ask. */
bool ptl_link_ask(struct ptl_shard *shard, struct ptl_link *link);

/* There is somebody else to ask where it listens, or will be. */
void ptl_link_ask_again(struct ptl_shard *shard, struct ptl_link *link);

/* Start with the next HOST:PORT.  False: there is none. */
bool ptl_link_dial_next(struct ptl_shard *shard, struct ptl_link *link);

/* An attempt, or the last candidate, has failed: try the next address or give up, at once. */
void ptl_link_attempt_failed(struct ptl_shard *shard, struct ptl_link *link, int err);

/* The attempts are over, one way or the other. */
void ptl_link_dial_end(struct ptl_shard *shard, struct ptl_link *link);
