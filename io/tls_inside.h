/*
 * io/tls_inside.h - what the files of TLS (io/tls*.c) share, and nobody else sees.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#include <stdatomic.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

/* Constant once it is made, but for the count. */
struct ptl_tls_context {
    const struct ptl_allocator *allocator;
    _Atomic uint32_t holds;
    WOLFSSL_CTX *wolf; /* which shares itself with any number of threads, once it is set up */
    uint8_t *pinned;   /* the one certificate that is believed, as DER; NULL: see its authorities */
    uint32_t pinned_size;
};

/* What a peer's certificate has to be, and what it was found to be: one a session. */
struct ptl_tls_trust {
    const struct ptl_tls_context *context;
    struct ptl_span node_id; /* that must stand in it, unless empty */
    bool optional;           /* whatever it is, the session goes on */
    bool verified;           /* it is all that, and the peer has its key: true once TLS is up */
    int err;                 /* else why not, or 0 */
};

/*
 * The library asks for each certificate of the peer, those of authorities first: `trust` is the
 * store's userCtx.  `is_good` is what it thinks itself.
 */
int ptl_tls_trust_certificate(int is_good, WOLFSSL_X509_STORE_CTX *store);

/* Our error for one of the library's about a certificate; PTL_OK: it is about none. */
int ptl_tls_trust_err(int wolf_err);

/*
 * Whether `key` (PEM) is that of the first certificate of `chain` (PEM).  The library looks itself
 * at RSA keys, and not at others.  Errors: PTL_EKEY, PTL_ECERT, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_tls_key_check(struct ptl_span chain, struct ptl_span key);
