#include "io/proof.h"

#include <limits.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha3.h>

_Static_assert(WC_SHA3_512_DIGEST_SIZE == PTL_PROOF_BYTES, "one proof, one size");
_Static_assert(WC_SHA3_512_BLOCK_SIZE == 72, "keys over 72 bytes are hashed first");

/* Each byte of input is one of a few kilobytes of handshake lines, so wolfCrypt's 32-bit sizes
 * are enough; nothing but memory can be wrong then. */
static bool fits(struct ptl_span part)
{
    return part.size <= INT_MAX;
}

static int hmac_parts(Hmac *hmac, uint8_t *proof, const struct ptl_span parts[], unsigned count)
{
    int bad = 0;

    for (unsigned i = 0; i < count && bad == 0; i++) {
        ptl_assert(fits(parts[i]));
        if (parts[i].size > 0) {
            bad = wc_HmacUpdate(hmac, parts[i].bytes, (word32)parts[i].size);
        }
    }
    return bad != 0 ? bad : wc_HmacFinal(hmac, proof);
}

int ptl_proof_hmac(uint8_t proof[static PTL_PROOF_BYTES], struct ptl_span key,
                   const struct ptl_span parts[], unsigned count)
{
    static const uint8_t no_key[1]; /* wolfCrypt refuses NULL even for no bytes */
    Hmac hmac;

    ptl_assert(fits(key));
    if (wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0) {
        return PTL_ENOMEM;
    }
    int bad =
        wc_HmacSetKey(&hmac, WC_SHA3_512, key.size > 0 ? key.bytes : no_key, (word32)key.size);
    if (bad == 0) {
        bad = hmac_parts(&hmac, proof, parts, count);
    }
    wc_HmacFree(&hmac);
    ptl_wipe(&hmac, sizeof(hmac));
    return bad == 0 ? PTL_OK : PTL_ENOMEM;
}

int ptl_proof_hash(uint8_t hash[static PTL_PROOF_BYTES], const struct ptl_span parts[],
                   unsigned count)
{
    wc_Sha3 sha3;
    int bad = 0;

    if (wc_InitSha3_512(&sha3, NULL, INVALID_DEVID) != 0) {
        return PTL_ENOMEM;
    }
    for (unsigned i = 0; i < count && bad == 0; i++) {
        ptl_assert(fits(parts[i]));
        if (parts[i].size > 0) {
            bad = wc_Sha3_512_Update(&sha3, parts[i].bytes, (word32)parts[i].size);
        }
    }
    if (bad == 0) {
        bad = wc_Sha3_512_Final(&sha3, hash);
    }
    wc_Sha3_512_Free(&sha3);
    return bad == 0 ? PTL_OK : PTL_ENOMEM;
}

/* No table and no branch: neither the cache nor the clock tells the digit. */
static uint8_t hex_digit(unsigned value)
{
    unsigned letter = (9 - value) >> (sizeof(value) * CHAR_BIT - 1);

    return (uint8_t)('0' + value + letter * ('a' - '0' - 10));
}

/* In a time that depends on the lengths alone: how far a wrong proof was right is not told. */
bool ptl_proof_is_hex(struct ptl_span hex, struct ptl_span bytes)
{
    uint8_t difference = 0;

    if (hex.size != 2 * bytes.size) {
        return false;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        difference |= hex.bytes[2 * i] ^ hex_digit(bytes.bytes[i] >> 4);
        difference |= hex.bytes[2 * i + 1] ^ hex_digit(bytes.bytes[i] & 15);
    }
    return difference == 0;
}

void ptl_proof_hex(char *hex, struct ptl_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        hex[2 * i] = (char)hex_digit(bytes.bytes[i] >> 4);
        hex[2 * i + 1] = (char)hex_digit(bytes.bytes[i] & 15);
    }
}

void ptl_wipe(void *bytes, size_t size)
{
    explicit_bzero(bytes, size);
}
