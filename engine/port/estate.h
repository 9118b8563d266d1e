/*
 * engine/port/estate.h - what a dead port leaves behind: what waited in its queue, what belonged to
 * it, and then its own data to be released; cleared away in slices.
 *
 *   port --dies--> estate --a slice a turn--> released --> its observers are told (observers.h)
 *
 * A port may have had a million timers and monitors.  All of them end with it, at once: each knows
 * the generation of the port that made it, and tells nobody anything when that lives no longer
 * (ptl_slot_died()).  They are freed turn by turn; many that die take turns.  Thread: the shard's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ptl_port_more;
struct ptl_shard;

/*
 * The port is dead, its slot given back: clear its estate, now as far as this turn may, and bury it
 * when nothing is left.  Owns: `dead` is the estates'.
 */
void ptl_estate_leave(struct ptl_shard *shard, struct ptl_port_more *dead);

/* A step: go on clearing. */
uint64_t ptl_estates_work(struct ptl_shard *shard);

/* Clear all, telling no observer: the shard is closing. */
void ptl_estates_clear(struct ptl_shard *shard);
