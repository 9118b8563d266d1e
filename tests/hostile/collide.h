/*
 * tests/hostile/collide.h - keys that all have one hash, for whoever hashes without a seed.
 *
 * XXH3 multiplies the two halves of eight bytes that were mixed with a constant, and adds.  Where
 * two such places have the same low half after mixing, a bit may move from the high half of one to
 * that of the other, and the sum stays what it was: each such bit doubles the keys.
 */
#pragma once

#include <stdint.h>

#define COLLIDE_KEY_SIZE 1000

/* Make ready for a hash with this seed (0: none), and return how many keys there are. */
uint32_t collide_prepare(uint64_t seed);

/* Write key number `index`, without a NUL at its end: ASCII, and no two are alike. */
void collide_key(char key[COLLIDE_KEY_SIZE], uint32_t index);

/* The seed that one who hashes the keys of a family with the family's own hash has. */
uint64_t collide_seed_of(const char *family);
