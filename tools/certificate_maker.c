#include "tools/certificate_maker.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/random.h>

#define DER_MAX 3000 /* bytes of a certificate, which as PEM fit PTL_PEM_MAX */
#define KEY_BYTES 32 /* of P-256 */
#define SEQUENCE 0x30
#define DNS_NAME 0x82 /* among alternative names: RFC 5280, section 4.2.1.6 */
#define LONG_SIZE 0x81
#define SHORT_SIZE_MAX 127

/* ---- Names --------------------------------------------------------------------------------- */

static bool is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text == '\0';
}

bool ptl_certificate_takes(const char *node_id)
{
    size_t size = strlen(node_id);

    return size != 0 && (size < CTC_NAME_SIZE || (size <= UINT8_MAX && is_ascii(node_id)));
}

/* The head of an item of at most 255 bytes. */
static size_t put_head(uint8_t *out, uint8_t tag, size_t size)
{
    size_t used = 0;

    out[used++] = tag;
    if (size > SHORT_SIZE_MAX) {
        out[used++] = LONG_SIZE;
    }
    out[used++] = (uint8_t)size;
    return used;
}

/* A list of one DNS name.  A longer head may make it longer than 255: then there is none. */
static void set_alternative_name(Cert *cert, const char *name)
{
    uint8_t head[4];
    size_t size = strlen(name);
    size_t head_size = put_head(head, DNS_NAME, size);

    if (!is_ascii(name) || head_size + size > UINT8_MAX) {
        return;
    }
    size_t used = put_head(cert->altNames, SEQUENCE, head_size + size);
    memcpy(cert->altNames + used, head, head_size);
    memcpy(cert->altNames + used + head_size, name, size);
    cert->altNamesSz = (int)(used + head_size + size);
}

/* A part of a name would be the whole name of another node: one that is too long is no common
 * name. */
static void set_name(Cert *cert, enum ptl_certificate_kind kind, const char *name)
{
    CertName *subject = &cert->subject;

    memcpy(subject->org, "portolan", sizeof "portolan");
    subject->orgEnc = CTC_UTF8;
    if (strlen(name) < CTC_NAME_SIZE) {
        memcpy(subject->commonName, name, strlen(name) + 1);
        subject->commonNameEnc = CTC_UTF8;
    }
    if (kind == PTL_CERTIFICATE_NODE) {
        set_alternative_name(cert, name);
    }
}

/* ---- PEM ----------------------------------------------------------------------------------- */

static int to_pem(const uint8_t *der, int size, int type, char pem[PTL_PEM_MAX])
{
    if (size < 0) {
        return size;
    }
    int count = wc_DerToPem(der, (word32)size, (byte *)pem, PTL_PEM_MAX - 1, type);
    if (count >= 0) {
        pem[count] = '\0';
    }
    return count;
}

static int put_key(ecc_key *key, char pem[PTL_PEM_MAX])
{
    uint8_t der[DER_MAX];
    word32 size = sizeof der;

    int result = wc_EccKeyToPKCS8(key, der, &size);
    result = to_pem(der, result, PKCS8_PRIVATEKEY_TYPE, pem);
    explicit_bzero(der, sizeof der);
    return result;
}

static int take_key(const char *pem, ecc_key *key)
{
    DerBuffer *der = NULL;
    word32 at = 0;

    int err =
        wc_PemToDer((const byte *)pem, (long)strlen(pem), PRIVATEKEY_TYPE, &der, NULL, NULL, NULL);
    if (err == 0) {
        err = wc_EccPrivateKeyDecode(der->buffer, &at, key, der->length);
    }
    wc_FreeDer(&der); /* which wipes it */
    return err;
}

/* ---- Making -------------------------------------------------------------------------------- */

static int set_use(Cert *cert, enum ptl_certificate_kind kind, ecc_key *key)
{
    int err = wc_SetSubjectKeyIdFromPublicKey_ex(cert, ECC_TYPE, key);

    cert->isCA = kind != PTL_CERTIFICATE_NODE;
    if (err == 0 && kind == PTL_CERTIFICATE_AUTHORITY) {
        cert->pathLen = 0;
        cert->pathLenSet = 1;
        err = wc_SetKeyUsage(cert, "keyCertSign,cRLSign");
    } else if (err == 0 && kind == PTL_CERTIFICATE_NODE) {
        err = wc_SetKeyUsage(cert, "digitalSignature");
        if (err == 0) {
            err = wc_SetExtKeyUsage(cert, "serverAuth,clientAuth");
        }
    }
    return err;
}

/* Who signs, of whom it takes name and identifier. */
static int set_issuer(Cert *cert, const char *pem)
{
    DerBuffer *der = NULL;

    int err = wc_PemToDer((const byte *)pem, (long)strlen(pem), CERT_TYPE, &der, NULL, NULL, NULL);
    if (err == 0) {
        err = wc_SetIssuerBuffer(cert, der->buffer, (int)der->length);
    }
    if (err == 0) {
        err = wc_SetAuthKeyIdFromCert(cert, der->buffer, (int)der->length);
    }
    wc_FreeDer(&der);
    return err;
}

static int sign(Cert *cert, ecc_key *key, ecc_key *signer, WC_RNG *random, char pem[PTL_PEM_MAX])
{
    uint8_t der[DER_MAX];

    int size = wc_MakeCert_ex(cert, der, sizeof der, ECC_TYPE, key, random);
    if (size >= 0) {
        size =
            wc_SignCert_ex(cert->bodySz, cert->sigType, der, sizeof der, ECC_TYPE, signer, random);
    }
    return to_pem(der, size, CERT_TYPE, pem);
}

/* The key, and who signs with what: itself, or the authority. */
static int make(Cert *cert, enum ptl_certificate_kind kind, const struct ptl_certificate *authority,
                WC_RNG *random, struct ptl_certificate *made)
{
    ecc_key key, signer;

    if (wc_ecc_init(&key) != 0 || wc_ecc_init(&signer) != 0) {
        return MEMORY_E;
    }
    int err = wc_ecc_make_key_ex(random, KEY_BYTES, &key, ECC_SECP256R1);
    if (err == 0) {
        err = set_use(cert, kind, &key);
    }
    if (err == 0 && authority) {
        err = set_issuer(cert, authority->certificate);
    }
    if (err == 0 && authority) {
        err = take_key(authority->key, &signer);
    }
    if (err == 0) {
        err = sign(cert, &key, authority ? &signer : &key, random, made->certificate);
    }
    if (err >= 0) {
        err = put_key(&key, made->key);
    }
    wc_ecc_free(&key);
    wc_ecc_free(&signer);
    return err;
}

const char *ptl_certificate_make(enum ptl_certificate_kind kind, const char *name, unsigned days,
                                 const struct ptl_certificate *authority,
                                 struct ptl_certificate *made)
{
    Cert *cert = malloc(sizeof *cert); /* of many kilobytes */
    WC_RNG random;

    if (!cert || wc_InitCert(cert) != 0 || wc_InitRng(&random) != 0) {
        free(cert);
        return "no memory, or the system has no random bytes";
    }
    cert->sigType = CTC_SHA256wECDSA;
    cert->daysValid = (int)days;
    cert->selfSigned = authority == NULL;
    set_name(cert, kind, name);
    int err = make(cert, kind, authority, &random, made);
    wc_FreeRng(&random);
    free(cert);
    return err < 0 ? wc_GetErrorString(err) : NULL;
}
