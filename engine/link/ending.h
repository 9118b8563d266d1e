/*
 * engine/link/ending.h - a connection ends: its link, the attempt that it was made for and its seed
 * hear of it.
 *
 *   the link's own one  --broken--> the link fails, and closes it
 *   any other           --broken--> closed --> candidate, dial or seed: try something else
 *
 * Thread: that of its shard.
 */
#pragma once

#include "engine/link/connection.h"

/* Nothing more will come, or nothing good: it is broken, for `err`. */
void ptl_connection_over(struct ptl_connection *connection, int err);

/* It has been closed: in struct ptl_connection_hooks. */
void ptl_connection_closed(struct ptl_connection *connection, enum ptl_connection_state was,
                           int err);
