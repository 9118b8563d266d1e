/*
 * tests/common/random.h - the one source of chance: xoshiro256**, seeded by splitmix64.
 *
 * Every delay, fault and choice of a run is drawn from one of these, so that a seed is the run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value; only random.c touches the field. */
struct sim_random {
    uint64_t state[4];
};

/* Equal seeds give equal sequences for ever. */
void sim_random_seed(struct sim_random *random, uint64_t seed);

uint64_t sim_random_next(struct sim_random *random);

/* A number from 0 to limit - 1; `limit` is not 0. */
uint64_t sim_random_below(struct sim_random *random, uint64_t limit);

/* A number from `low` to `high`, both included. */
uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high);

/* The same, but every order of magnitude is equally likely; `low` is not 0. */
uint64_t sim_random_scale(struct sim_random *random, uint64_t low, uint64_t high);

/* True `per_mille` times out of a thousand. */
bool sim_random_chance(struct sim_random *random, unsigned per_mille);

void sim_random_bytes(struct sim_random *random, void *bytes, size_t size);
