#define XXH_INLINE_ALL /* for its constant */
#include <xxhash.h>

#include "tests/hostile/collide.h"

#include <stdbool.h>
#include <string.h>

#define STRIPE 64
#define STRIPES 14 /* those that only the plain rounds see */
#define LANES 8
#define BITS_MAX 16
#define ASCII UINT32_C(0x7f7f7f7f)
#define LETTERS UINT32_C(0x40404040)

/* One bit that may be in either of two places. */
struct choice {
    unsigned low, high; /* offsets of the high halves in the key */
    uint32_t bit;
};

static struct choice choices[BITS_MAX];
static unsigned choice_count;
static char pattern[COLLIDE_KEY_SIZE];
static uint8_t secret[XXH_SECRET_DEFAULT_SIZE];

static uint32_t load(const void *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static const uint8_t *secret_of(unsigned stripe, unsigned lane)
{
    return secret + (size_t)8 * stripe + (size_t)8 * lane;
}

static void add_choices(unsigned a, unsigned b, unsigned lane)
{
    const uint8_t *first = secret_of(a, lane), *second = secret_of(b, lane);
    uint32_t lows = load(first) ^ load(second);
    uint32_t equal = ~(load(first + 4) ^ load(second + 4));
    unsigned at_first = a * STRIPE + lane * 8, at_second = b * STRIPE + lane * 8;
    uint32_t low = LETTERS ^ lows;

    if ((lows & ~(ASCII & ~LETTERS)) != 0) {
        return; /* would not be letters */
    }
    memcpy(pattern + at_second, &low, sizeof(low));
    for (unsigned i = 0; i < 32 && choice_count < BITS_MAX; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if ((bit & equal & ASCII & ~LETTERS) != 0) {
            choices[choice_count++] =
                (struct choice){.low = at_first + 4, .high = at_second + 4, .bit = bit};
        }
    }
}

static void choose(void)
{
    bool used[STRIPES][LANES] = {{false}};

    for (unsigned lane = 0; lane < LANES; lane++) {
        for (unsigned a = 0; a < STRIPES; a++) {
            for (unsigned b = a + 1; b < STRIPES; b++) {
                unsigned before = choice_count;
                if (!used[a][lane] && !used[b][lane]) {
                    add_choices(a, b, lane);
                    used[a][lane] = used[b][lane] = choice_count != before;
                }
            }
        }
    }
}

uint32_t collide_prepare(uint64_t seed)
{
    XXH3_initCustomSecret(secret, seed);
    memset(pattern, '@', sizeof(pattern));
    choice_count = 0;
    choose();
    return UINT32_C(1) << choice_count;
}

uint64_t collide_seed_of(const char *family)
{
    return (uint32_t)XXH3_64bits(family, strlen(family));
}

void collide_key(char key[COLLIDE_KEY_SIZE], uint32_t index)
{
    memcpy(key, pattern, COLLIDE_KEY_SIZE);
    for (unsigned i = 0; i < choice_count; i++) {
        char *at = key + ((index >> i & 1) != 0 ? choices[i].high : choices[i].low);
        uint32_t value = load(at) | choices[i].bit;
        memcpy(at, &value, sizeof(value));
    }
}
