/*
 * io/hash.h - the hash of whatever is kept by name: ports, nodes, families, keys.
 *
 * Names come from outside, and whoever knows the hash of a name in advance can send thousands that
 * all meet in one place of a table.  So the hash hangs on a secret, drawn anew from the system's
 * random numbers by each process before main(): it is good for tables and for choosing a shard, and
 * means nothing to anybody else.
 * Thread: any.
 */
#pragma once

#include "io/base.h"

uint64_t ptl_hash(struct ptl_span bytes);

/*
 * Hash with a secret made of `seed` from now on, so that a run repeats.  Nothing may be kept by
 * hash yet.  Only for tests and the simulator.
 */
void ptl_hash_fix(uint64_t seed);
