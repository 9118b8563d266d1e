#include "io/tls_inside.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/random.h>

#define POINT_MAX (1 + 2 * MAX_ECC_BYTES) /* bytes of a public key on a curve */

/*
 * The public half of an EC key.  Returns its size, or 0: it is no such key.
 */
static uint32_t ec_public(const DerBuffer *key, uint8_t point[static POINT_MAX])
{
    ecc_key ec;
    word32 at = 0;
    word32 size = POINT_MAX;

    if (wc_ecc_init(&ec) != 0) {
        return 0;
    }
    /* Computed, not read: what is said of it in the file may be somebody else's. */
    if (wc_EccPrivateKeyDecode(key->buffer, &at, &ec, key->length) != 0 ||
        wc_ecc_make_pub(&ec, NULL) != 0 || wc_ecc_export_x963(&ec, point, &size) != 0) {
        size = 0;
    }
    wc_ecc_free(&ec);
    return size;
}

/* The same of an Ed25519 key. */
static uint32_t edwards_public(const DerBuffer *key, uint8_t point[static POINT_MAX])
{
    ed25519_key edwards;
    word32 at = 0;
    word32 size = ED25519_PUB_KEY_SIZE;

    if (wc_ed25519_init(&edwards) != 0) {
        return 0;
    }
    if (wc_Ed25519PrivateKeyDecode(key->buffer, &at, &edwards, key->length) != 0 ||
        wc_ed25519_make_public(&edwards, point, size) != 0) {
        size = 0;
    }
    wc_ed25519_free(&edwards);
    return size;
}

/* A certificate of our own has the public half of its key in it, as it is. */
static int check(const DerBuffer *certificate, const DerBuffer *key)
{
    uint8_t point[POINT_MAX];
    uint32_t size = ec_public(key, point);

    if (size == 0) {
        size = edwards_public(key, point);
    }
    if (size == 0) {
        return PTL_OK; /* of another kind */
    }
    return memmem(certificate->buffer, certificate->length, point, size) != NULL ? PTL_OK
                                                                                 : PTL_EKEY;
}

int ptl_tls_key_check(struct ptl_span chain, struct ptl_span key)
{
    DerBuffer *certificate_der = NULL;
    DerBuffer *key_der = NULL;
    int err = PTL_OK;

    if (wc_PemToDer(chain.bytes, (long)chain.size, CERT_TYPE, &certificate_der, NULL, NULL, NULL) !=
        0) {
        err = PTL_ECERT;
    } else if (wc_PemToDer(key.bytes, (long)key.size, PRIVATEKEY_TYPE, &key_der, NULL, NULL,
                           NULL) != 0) {
        err = PTL_EKEY;
    } else {
        err = check(certificate_der, key_der);
    }
    wc_FreeDer(&certificate_der);
    wc_FreeDer(&key_der); /* which wipes it */
    return err;
}
