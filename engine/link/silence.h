/*
 * engine/link/silence.h - links that are up and quiet: keep them alive, and find out whether the
 * peer still lives.
 *
 *   the last bytes received -------------- silence -------------> the peer is gone
 *   the last bytes sent ---- a quarter ---> HEARTBEAT             so that it does not think so
 *
 * How much silence a node of ours bears it says in its greeting, where both speak frames.  Time in
 * which this shard itself had no turn is no silence of anybody's: what was said then lies unread.
 * Thread: the link owner's.  Spec: docs/wire.md, "Agreeing".
 */
#pragma once

#include <stdint.h>

struct ptl_link;
struct ptl_shard;

/*
 * Look at this link, which is up; it may fail.  Returns when to look again.  The shard's links are
 * looked at together: links.gap says how long ago that was.
 */
uint64_t ptl_link_look_at_silence(struct ptl_shard *shard, struct ptl_link *link);
