/*
 * XXH3 has three keyed forms.  With a seed, all of its long keys are known numbers plus or minus
 * that one seed, so that the exclusive or of two of them can be guessed: who guesses it swaps what
 * two stripes of a lane contribute, and has two names of one hash for each such pair, 2^n for n of
 * them.  With a secret all of these keys are random and independent, at short lengths too, at the
 * speed of the unkeyed hash.
 */
#include "io/hash.h"

#include <errno.h>
#include <sys/random.h>

#include <xxhash.h>

#define SECRET_BYTES 192 /* XXH3's own: more is not used, with less its keys repeat sooner */

_Static_assert(SECRET_BYTES >= XXH3_SECRET_SIZE_MIN, "XXH3 asks for so much");

static uint8_t secret[SECRET_BYTES]; /* constant from main() on */

/* Before main(), so that no hash has to look whether there is a secret yet. */
__attribute__((constructor)) static void draw_secret(void)
{
    size_t have = 0;

    while (have < sizeof(secret)) {
        ssize_t got = getrandom(secret + have, sizeof(secret) - have, 0);
        ptl_assert(got > 0 || errno == EINTR);
        have += got > 0 ? (size_t)got : 0;
    }
}

/* SplitMix64. */
static uint64_t next_number(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void ptl_hash_fix(uint64_t seed)
{
    for (size_t i = 0; i < sizeof(secret); i += sizeof(seed)) {
        uint64_t number = next_number(&seed);
        memcpy(secret + i, &number, sizeof(number));
    }
}

uint64_t ptl_hash(struct ptl_span bytes)
{
    return XXH3_64bits_withSecret(bytes.bytes, bytes.size, secret, sizeof(secret));
}
