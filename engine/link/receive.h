/*
 * engine/link/receive.h - packets of a link on their way to ports.
 *
 * Packets are decoded where they lie.  What goes to a port of this shard is handled in place; what
 * goes to another shard is copied into the ring to it, so that receive buffers never leave their
 * shard.  A packet that finds no room is kept, and the connection is not read until there is.
 * Thread: the link owner's.  Spec: design, section 4; AEMP protocol 3.
 */
#pragma once

#include "io/base.h"

#include <stdbool.h>

struct ptl_connection;

/*
 * Take packets from `input`, which moves on, until it is empty or the connection is paused.
 * False: the connection is not the link's any more.
 */
bool ptl_connection_read(struct ptl_connection *connection, struct ptl_span *input);

/*
 * Whether a connection of a node of ours is not read because the peer has taken no answers for a
 * while: two nodes may wait for each other so, or one for a peer that is gone.
 */
bool ptl_connection_waits_for_peer(const struct ptl_connection *connection);

/* Deliver the packet that found no room.  False: there is still none, or the link is lost. */
bool ptl_connection_unstall(struct ptl_connection *connection);
