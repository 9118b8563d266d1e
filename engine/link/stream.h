/*
 * engine/link/stream.h - connections and the loop: what the loop tells of a stream, and whom of the
 * room above the connection each state belongs to.
 *
 *   loop --> connected, received, sent, ended, detached, closed
 *             '--> work: one step after the other, as far as state and room allow
 *                   GREETING, PROVING   opening.h
 *                   PROVED              joining.h
 *                   UP                  receive.h
 *
 * Thread: that of its shard.
 */
#pragma once

#include "engine/link/connection.h"

/* For ptl_links_init(). */
extern const struct ptl_connection_hooks ptl_connection_hooks;

/* A peer has connected: a hook of the loop. */
void ptl_connection_accepted(struct ptl_shard *shard, struct ptl_stream *stream,
                             const struct ptl_address *peer);

/* A connection has come over from the shard that accepted it. */
void ptl_connection_arrive(struct ptl_shard *shard, struct ptl_connection *connection);

/* Go on: read what is there, as far as state and room allow. */
void ptl_connection_work(struct ptl_connection *connection);

/* There may be room again for the packet that waits. */
void ptl_connection_resume(struct ptl_connection *connection);

/* One that waits for its peer to take answers (receive.h) goes on, and answers all the same. */
void ptl_connection_unblock(struct ptl_connection *connection);

/* Send what the link's outbox has. */
void ptl_connection_flush(struct ptl_connection *connection);
