/*
 * engine/shard/slice.h - how much of a long work is done in one turn.
 *
 * Nothing that grows is walked whole in one turn: what there are a million of is worked off in
 * slices, with the rest of the shard's life between them.  A unit is something like a monitor that
 * is told: a microsecond, so that a turn stays well below 10 ms.
 */
#pragma once

#include <stdint.h>

#ifdef PTL_SIMULATED
extern uint32_t ptl_slice; /* the simulator cuts everything small */
#define PTL_SLICE ptl_slice
#else
#define PTL_SLICE UINT32_C(4096) /* units */
#endif
