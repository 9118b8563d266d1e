/*
 * engine/node/measure.h - how much a shard has of everything, written where any thread may read it.
 */
#pragma once

struct ptl_shard;

/* As struct ptl_tower has it.  Costs some twenty loads: it looks at counts, and walks nothing. */
void ptl_shard_measure(struct ptl_shard *shard);
