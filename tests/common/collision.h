/*
 * tests/common/collision.h - names that all have one hash for whoever hashes with XXH3 as it comes.
 */
#pragma once

#include <stdint.h>

#define COLLISION_SHORT 32  /* bytes of a name, as long as a node's ID may be */
#define COLLISION_LONG 1000 /* ... as long as a key may be */

/* Number `number` of 2^32 different names; `size` is one of the above. */
void collision_make(uint8_t *name, unsigned size, uint32_t number);

/* The hash that all names of this size have. */
uint64_t collision_hash(const uint8_t *name, unsigned size);
