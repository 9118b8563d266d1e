/*
 * engine/link/handover.h - a connection whose peer has said who it is goes to the shard that owns
 * that node.
 *
 *   shard that accepted or dialled                       owner of the node
 *   MOVING: what is being sent ends --> detached --op--> attached again, GREETING goes on
 *
 * Its bytes that were read already go with it.  No memory is needed: the op lies in the connection.
 * Thread: that of its shard.
 */
#pragma once

#include <stdbool.h>

struct ptl_connection;

/* It is known who calls: an attempt to connect ends here.  True: this shard owns that node; else
 * the connection moves. */
bool ptl_connection_find_owner(struct ptl_connection *connection);

/* One that moves: let go of its stream, unless something is being sent; then come again. */
void ptl_connection_start_detach(struct ptl_connection *connection);

/* The loop has let go of the stream: a hook of the loop. */
void ptl_connection_detached(void *connection, int handle);
