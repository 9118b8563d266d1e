#include "tests/common/random.h"

#include <string.h>

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

void sim_random_seed(struct sim_random *random, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t mixed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
        random->state[i] = mixed ^ (mixed >> 31);
    }
}

uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t sim_random_below(struct sim_random *random, uint64_t limit)
{
    /* The bias of a plain remainder is below 2^-32 for every limit used here. */
    return sim_random_next(random) % limit;
}

uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high)
{
    return low + sim_random_below(random, high - low + 1);
}

uint64_t sim_random_scale(struct sim_random *random, uint64_t low, uint64_t high)
{
    unsigned doublings = 0;
    while (doublings < 63 && (low << doublings) < high) {
        doublings++;
    }
    uint64_t top = low << sim_random_between(random, 0, doublings);
    return sim_random_between(random, low, top < high ? top : high);
}

bool sim_random_chance(struct sim_random *random, unsigned per_mille)
{
    return sim_random_below(random, 1000) < per_mille;
}

void sim_random_bytes(struct sim_random *random, void *bytes, size_t size)
{
    uint8_t *to = bytes;
    while (size > 0) {
        uint64_t value = sim_random_next(random);
        size_t part = size < sizeof value ? size : sizeof value;
        memcpy(to, &value, part);
        to += part;
        size -= part;
    }
}
