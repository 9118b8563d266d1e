/*
 * engine/link/links_tick.h - time passes for a shard's links, connections and attempts to connect.
 * Thread: the shard's.
 */
#pragma once

#include <stdint.h>

struct ptl_shard;

/* Look after deadlines and silence, when it is time; links.tick_at is when it is time again. */
void ptl_links_tick(struct ptl_shard *shard, uint64_t now);
