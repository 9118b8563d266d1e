/*
 * engine/link/links_flush.h - what has gathered for other nodes in a turn goes out.
 * Thread: the shard's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_shard;

/*
 * A step of the turn: send all that has gathered, one send a link; but what is little waits for the
 * next turn's, a moment at most, where the shard has that turn at once.  Then it is due.
 */
uint64_t ptl_links_flush(struct ptl_shard *shard);

/* Whether all that was accepted for other nodes has left. */
bool ptl_links_flushed(struct ptl_shard *shard);
