/*
 * engine/link/links_tick.h - time passes for a shard's links, connections and attempts to connect.
 * Thread: the shard's.
 */
#pragma once

#include <stdint.h>

struct ptl_shard;

/* A step: look after deadlines and silence, when it is time. */
uint64_t ptl_links_tick(struct ptl_shard *shard);

/* A step near the end: when it is time again. */
uint64_t ptl_links_due(struct ptl_shard *shard);
