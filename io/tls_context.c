#include "io/tls_context.h"

#include "io/tls_inside.h"

#include <stdio.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>

/*
 * The first that both sides have is taken: ChaCha20 where the library is built without the
 * processor's instructions for AES, as Debian's is, since it is more than twice as fast then, and
 * AES where it has them (tools/wolfssl-fast).
 */
#define CHACHA_13 "TLS13-CHACHA20-POLY1305-SHA256"
#define CHACHA_12 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define AES_13 "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384"
#define AES_12                                                                                     \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#if defined(WOLFSSL_AESNI) || defined(WOLFSSL_ARMASM)
#define CIPHERS AES_13 ":" CHACHA_13 ":" AES_12 ":" CHACHA_12
#else
#define CIPHERS CHACHA_13 ":" AES_13 ":" CHACHA_12 ":" AES_12
#endif

#define CHAIN_MAX 4 /* authorities between a node's certificate and one that is trusted */

/* ---- What is asked for --------------------------------------------------------------------- */

static bool is_version(unsigned version)
{
    return version == 0 || version == 12 || version == 13;
}

static int check_options(const struct ptl_tls_options *options)
{
    const struct ptl_span *pems[] = {&options->pair, &options->chain, &options->key,
                                     &options->authorities, &options->revoked};
    bool paired = options->pair.size != 0;
    bool whole =
        options->chain.size != 0 && options->key.size != 0 && options->authorities.size != 0;
    bool any = options->chain.size != 0 || options->key.size != 0 ||
               options->authorities.size != 0 || options->revoked.size != 0;

    for (size_t i = 0; i < sizeof(pems) / sizeof(*pems); i++) {
        if (pems[i]->size > PTL_TLS_PEM_MAX) {
            return PTL_ESIZE;
        }
    }
    if (paired ? any : !whole) {
        return PTL_EINVAL;
    }
    if (!is_version(options->version_min) || !is_version(options->version_max) ||
        (options->version_min == 13 && options->version_max == 12)) {
        return PTL_EINVAL;
    }
    return PTL_OK;
}

/* ---- Setting the library up ---------------------------------------------------------------- */

static int set_rules(WOLFSSL_CTX *wolf, const struct ptl_tls_options *options)
{
    int groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
    int lowest = options->version_min == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    int highest = options->version_max == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;

    if (wolfSSL_CTX_set_min_proto_version(wolf, lowest) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_max_proto_version(wolf, highest) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(wolf, CIPHERS) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(wolf, groups, 3) != WOLFSSL_SUCCESS) {
        return PTL_ENOMEM;
    }
    /* A link lasts: what is kept to begin another one sooner would only be held for it. */
    (void)wolfSSL_CTX_set_session_cache_mode(wolf, WOLFSSL_SESS_CACHE_OFF);
    (void)wolfSSL_CTX_no_ticket_TLSv13(wolf);
    (void)wolfSSL_CTX_set_options(wolf, WOLFSSL_OP_NO_TICKET);
    (void)wolfSSL_CTX_set_group_messages(wolf);
    wolfSSL_CTX_set_verify_depth(wolf, CHAIN_MAX);
    wolfSSL_CTX_set_verify(wolf, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           ptl_tls_trust_certificate);
    return PTL_OK;
}

static int set_own(WOLFSSL_CTX *wolf, struct ptl_span chain, struct ptl_span key)
{
    if (wolfSSL_CTX_use_certificate_chain_buffer(wolf, chain.bytes, (long)chain.size) !=
        WOLFSSL_SUCCESS) {
        return PTL_ECERT;
    }
    if (wolfSSL_CTX_use_PrivateKey_buffer(wolf, key.bytes, (long)key.size, WOLFSSL_FILETYPE_PEM) !=
            WOLFSSL_SUCCESS ||
        wolfSSL_CTX_check_private_key(wolf) != WOLFSSL_SUCCESS) {
        return PTL_EKEY;
    }
    return ptl_tls_key_check(chain, key);
}

/* Cut the next block of that label off: the library takes one where there may be more. */
static bool cut_block(struct ptl_span *rest, const char *label, struct ptl_span *block)
{
    char begin[48], end[48];
    size_t begin_size = (size_t)snprintf(begin, sizeof(begin), "-----BEGIN %s-----", label);
    size_t end_size = (size_t)snprintf(end, sizeof(end), "-----END %s-----", label);
    const uint8_t *from =
        rest->size == 0 ? NULL : memmem(rest->bytes, rest->size, begin, begin_size);

    if (from == NULL) {
        return false;
    }
    *rest = ptl_span_skip(*rest, (size_t)(from - rest->bytes));
    const uint8_t *until = memmem(rest->bytes, rest->size, end, end_size);
    size_t size = until == NULL ? rest->size : (size_t)(until - from) + end_size;
    *block = ptl_span(from, size);
    *rest = ptl_span_skip(*rest, size);
    return true;
}

/* The library would believe whatever a node has signed whose own certificate stands here. */
static bool is_authority(struct ptl_span block)
{
    WOLFSSL_X509 *certificate =
        wolfSSL_X509_load_certificate_buffer(block.bytes, (int)block.size, WOLFSSL_FILETYPE_PEM);
    bool is = certificate != NULL && wolfSSL_X509_get_isCA(certificate) != 0;

    wolfSSL_X509_free(certificate);
    return is;
}

static int set_authorities(WOLFSSL_CTX *wolf, struct ptl_span authorities)
{
    struct ptl_span block;
    unsigned count = 0;

    while (cut_block(&authorities, "CERTIFICATE", &block)) {
        if (!is_authority(block) ||
            wolfSSL_CTX_load_verify_buffer(wolf, block.bytes, (long)block.size,
                                           WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) {
            return PTL_EAUTHORITIES;
        }
        count++;
    }
    return count == 0 ? PTL_EAUTHORITIES : PTL_OK;
}

static int set_revoked(WOLFSSL_CTX *wolf, struct ptl_span revoked)
{
    struct ptl_span list;
    unsigned count = 0;

    if (revoked.size == 0) {
        return PTL_OK;
    }
    if (wolfSSL_CTX_EnableCRL(wolf, WOLFSSL_CRL_CHECKALL) != WOLFSSL_SUCCESS) {
        return PTL_ENOMEM;
    }
    while (cut_block(&revoked, "X509 CRL", &list)) {
        if (wolfSSL_CTX_LoadCRLBuffer(wolf, list.bytes, (long)list.size, WOLFSSL_FILETYPE_PEM) !=
            WOLFSSL_SUCCESS) {
            return PTL_ELIST;
        }
        count++;
    }
    return count == 0 ? PTL_ELIST : PTL_OK;
}

/* Nobody but who has the same certificate: no authority, which could sign another. */
static int pin(struct ptl_tls_context *context, struct ptl_span pair)
{
    DerBuffer *der = NULL;

    if (wc_PemToDer(pair.bytes, (long)pair.size, CERT_TYPE, &der, NULL, NULL, NULL) != 0) {
        return PTL_ECERT;
    }
    context->pinned = ptl_alloc_raw(context->allocator, der->length);
    if (context->pinned != NULL) {
        memcpy(context->pinned, der->buffer, der->length);
        context->pinned_size = der->length;
    }
    wc_FreeDer(&der);
    return context->pinned != NULL ? PTL_OK : PTL_ENOMEM;
}

static int set_trust(struct ptl_tls_context *context, const struct ptl_tls_options *options)
{
    if (options->pair.size != 0) {
        return pin(context, options->pair);
    }
    int err = set_authorities(context->wolf, options->authorities);
    return err == PTL_OK ? set_revoked(context->wolf, options->revoked) : err;
}

static int set_up(struct ptl_tls_context *context, const struct ptl_tls_options *options)
{
    bool paired = options->pair.size != 0;

    context->wolf = wolfSSL_CTX_new(wolfSSLv23_method());
    if (context->wolf == NULL) {
        return PTL_ENOMEM;
    }
    int err = set_rules(context->wolf, options);
    if (err == PTL_OK) {
        err = set_own(context->wolf, paired ? options->pair : options->chain,
                      paired ? options->pair : options->key);
    }
    return err == PTL_OK ? set_trust(context, options) : err;
}

/* ---- Birth and death ----------------------------------------------------------------------- */

int ptl_tls_context_make(const struct ptl_allocator *allocator,
                         const struct ptl_tls_options *options, struct ptl_tls_context **made)
{
    int err = check_options(options);
    if (err < 0) {
        return err;
    }
    struct ptl_tls_context *context = ptl_alloc(allocator, sizeof(*context));
    if (context == NULL) {
        return PTL_ENOMEM;
    }
    context->allocator = allocator;
    atomic_init(&context->holds, 1);
    if (wolfSSL_Init() != WOLFSSL_SUCCESS) { /* which counts, as the end of the context does */
        ptl_free(allocator, context, sizeof(*context));
        return PTL_ENOMEM;
    }
    err = set_up(context, options);
    if (err < 0) {
        ptl_tls_context_release(context);
        return err;
    }
    *made = context;
    return PTL_OK;
}

struct ptl_tls_context *ptl_tls_context_hold(struct ptl_tls_context *context)
{
    uint32_t before = atomic_fetch_add_explicit(&context->holds, 1, memory_order_relaxed);

    ptl_assert(before > 0 && before < UINT32_MAX);
    return context;
}

void ptl_tls_context_release(struct ptl_tls_context *context)
{
    if (context == NULL ||
        atomic_fetch_sub_explicit(&context->holds, 1, memory_order_acq_rel) != 1) {
        return;
    }
    wolfSSL_CTX_free(context->wolf);
    wolfSSL_Cleanup();
    ptl_free(context->allocator, context->pinned, context->pinned_size);
    ptl_free(context->allocator, context, sizeof(*context));
}

void ptl_tls_thread_end(void)
{
#ifdef FP_ECC
    wc_ecc_fp_free();
#endif
}
