/*
 * io/tls_context.h - who we are in TLS and whom we believe, for all connections of a node.
 *
 *   AEMP's:        pair        one certificate and its key, and nobody else has another
 *   operators':    chain, key        ours, and the authorities between it and theirs
 *                  authorities       whose certificates are believed
 *                  revoked           those of them that are not, or not any more
 *
 * A context is made once and not changed: sessions of all shards use it at once.  Each holds it, so
 * a new one (other certificates) can take its place while old sessions live on.  Only TLS 1.2 and
 * 1.3, only ciphers with authentication and forward secrecy, no resumption, no early data.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

/* PEM of more than this is refused, of each kind. */
#define PTL_TLS_PEM_MAX ((size_t)1 << 20)

struct ptl_tls_context;

/* All of it is PEM, copied where it is kept: the caller wipes its own copy of a key. */
struct ptl_tls_options {
    /* Either this alone: our certificate and its key, in whatever order.  A peer must show the same
     * certificate.  It need not be that of an authority. */
    struct ptl_span pair;
    /* ... or these. */
    struct ptl_span chain;       /* our certificate, then those between it and an authority */
    struct ptl_span key;         /* of our certificate */
    struct ptl_span authorities; /* one or more; a peer's certificate must lead to one */
    struct ptl_span revoked; /* or none: lists of authorities that all stand in `authorities`, of
                                  * each that may stand in a chain */
    unsigned version_min;    /* 12 or 13; 0 stands for 12 */
    unsigned version_max;    /* 12 or 13; 0 stands for 13 */
};

/*
 * Make a context.
 * Owns: the caller, until ptl_tls_context_release().
 * Errors: PTL_EINVAL (neither one nor the other, versions), PTL_ESIZE (PTL_TLS_PEM_MAX), PTL_ECERT,
 * PTL_EKEY, PTL_EAUTHORITIES, PTL_ELIST: which of them is not usable; PTL_ENOMEM.
 * Thread: any.  The library's memory is the C library's, not the allocator's.
 */
PTL_MUST_CHECK int ptl_tls_context_make(const struct ptl_allocator *allocator,
                                        const struct ptl_tls_options *options,
                                        struct ptl_tls_context **context);

/* One more owner.  Thread: any. */
struct ptl_tls_context *ptl_tls_context_hold(struct ptl_tls_context *context);

/* One owner less; the last one frees it.  NULL is none.  Thread: any. */
void ptl_tls_context_release(struct ptl_tls_context *context);

/*
 * Give back what the library keeps for the calling thread, which has had sessions and is about to
 * end: multiples of the points it has met on curves, up to 13 MB.
 */
void ptl_tls_thread_end(void);
