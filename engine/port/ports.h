/*
 * engine/port/ports.h - the port room's part in a shard: made, closed, quiet, and what each turn
 * begins with.
 */
#pragma once

#include "engine/shard/tower.h"

/* What ports add to a shard's life. */
extern const struct ptl_part ptl_ports_part;

/* A step: the turn begins, and what is counted a turn starts anew. */
uint64_t ptl_ports_begin(struct ptl_shard *shard);

/*
 * The last step of the room: when it wants the next turn.  It is asked here for all of its steps,
 * since what runs behind one of them may leave something for it.
 */
uint64_t ptl_ports_due(struct ptl_shard *shard);
