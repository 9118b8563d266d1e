/*
 * engine/link/relay_allowance.h - for how many other nodes we look because of what a peer relays.
 * Thread: the link owner's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_link;

/*
 * Whether we look for another node, by its hash, because of something that this peer relays: 64 of
 * them at once, then 16 a second.  The same one again costs nothing.
 */
bool ptl_relay_allowed(struct ptl_link *link, uint64_t now, uint64_t hash);
