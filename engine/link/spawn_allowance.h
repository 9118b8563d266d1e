/*
 * engine/link/spawn_allowance.h - how often a peer may spawn ports here, and call functions, which
 * is the same: a port that is gone at once is in no count of ports, and takes time all the same.
 * Thread: the link owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_link;

/* Whether it may do so now, which counts then: as often at once as in a second, `rate` times. */
bool ptl_spawn_allowed(struct ptl_link *link, uint64_t now, unsigned rate);
