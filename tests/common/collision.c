#include "tests/common/collision.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Names of 17 to 240 bytes: 16 bytes count as the product of their halves, each with a known number
 * by exclusive or.  Where one half is that number, the other one may be anything. */
static void make_short(uint8_t *name, uint32_t number)
{
    memcpy(name, XXH3_kSecret, 8);
    memcpy(name + 8, &number, sizeof(number));
}

/* Longer ones: of each 8 bytes in a stripe of 64 the product counts likewise, and in another lane
 * their sum.  Two stripes with the same sum in one lane undo that. */
static void make_long(uint8_t *name, uint32_t number)
{
    uint32_t other = -number;

    for (unsigned stripe = 0; stripe < 2; stripe++) {
        uint8_t *lane = name + (size_t)64 * stripe;
        memcpy(lane, XXH3_kSecret + (size_t)8 * stripe, 4);
        memcpy(lane + 4, stripe == 0 ? &number : &other, 4);
    }
}

void collision_make(uint8_t *name, unsigned size, uint32_t number)
{
    memset(name, 'x', size);
    if (size == COLLISION_SHORT) {
        make_short(name, number);
    } else {
        make_long(name, number);
    }
}

uint64_t collision_hash(const uint8_t *name, unsigned size)
{
    return XXH3_64bits(name, size);
}
