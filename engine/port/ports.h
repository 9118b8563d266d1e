/*
 * engine/port/ports.h - the port room's part in a shard: made, closed, quiet, and what each turn
 * begins with.
 */
#pragma once

#include "engine/shard/tower.h"

/* What ports add to a shard's life. */
extern const struct ptl_part ptl_ports_part;

/* A turn begins: what is counted a turn starts anew. */
void ptl_ports_begin(struct ptl_shard *shard);
