/*
 * io/tls.h - one connection's TLS, as a transformation of bytes.
 *
 *   from the peer --> ptl_tls_open() --> what it has said
 *                          |
 *                          v  (its own words: handshake, alerts)
 *   to the peer  <-------- out <-------- ptl_tls_seal() <-- what we say
 *
 *   SHAKING ----> UP ----> ENDED        any fault: FAILED, for good
 *
 * Nothing here knows a socket, blocks, or waits: whoever owns it moves bytes from and to the peer,
 * in whatever pieces they come.  What it has to say is appended to a buffer of the caller's, whose
 * bound is the caller's, too.  It holds at most one record and one handshake message that have not
 * come whole: PTL_TLS_HELD_MAX.
 *
 * A session belongs to one thread at a time.  The work of a handshake (signatures) is done inside
 * ptl_tls_open(), a few milliseconds in all.  The library reads the system's clock, for dates, and
 * its randomness.  Spec: RFC 8446, RFC 5246; AEMP protocol 1; docs/protocol.md.
 */
#pragma once

#include "io/base.h"
#include "io/buffer.h"
#include "io/err.h"
#include "io/tls_context.h"

#define PTL_TLS_RECORD 16384                  /* bytes in one record, at most */
#define PTL_TLS_HANDSHAKE_MAX ((size_t)65536) /* bytes of the peer until TLS is up */

/*
 * Bytes of memory that a session holds when it is up and idle, and what a peer can make one hold on
 * top that shakes hands; both at most, with Debian's library.  tests/io/tls_test.c measures them,
 * and what it is with one that has no more than we use (tools/wolfssl-fast).
 */
#define PTL_TLS_IDLE_BYTES ((size_t)75776)
#define PTL_TLS_HELD_MAX ((size_t)32768)

enum ptl_tls_role {
    PTL_TLS_CLIENT, /* it speaks first */
    PTL_TLS_SERVER,
};

enum ptl_tls_state {
    PTL_TLS_SHAKING, /* neither side knows the other */
    PTL_TLS_UP,      /* the peer is who its certificate says, if that is demanded, and what both say
                      * is sealed */
    PTL_TLS_ENDED,   /* the peer will say no more */
    PTL_TLS_FAILED,  /* not to be used any more, but what is in `out` may tell the peer why */
};

struct ptl_tls;

/* What a peer's certificate has to be. */
enum ptl_tls_demand {
    PTL_TLS_MUST_PROVE, /* believed, or there is no session */
    PTL_TLS_MAY_PROVE,  /* believed, or ptl_tls_is_verified() says that it is not, or is none */
};

/*
 * Make a session.  A server's costs some hundred bytes until it has heard something, a client's all
 * it ever needs.  When `node_id` is not empty, the peer's certificate must be for it: its common
 * name or a DNS name among its alternative ones is that, byte by byte.
 * Owns: the caller, until ptl_tls_free(); the context is held, node_id is copied.
 * Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_tls_make(const struct ptl_allocator *allocator,
                                struct ptl_tls_context *context, enum ptl_tls_role role,
                                enum ptl_tls_demand demand, struct ptl_span node_id,
                                struct ptl_tls **tls);

/*
 * Take bytes of the peer from the front of `input` (which may be empty: that makes a client begin)
 * and write what it has said into `room`.  Returns how many bytes that are: call it again, there
 * may be more.  0: all of `input` is used, and what has not come whole is kept.
 * Answers are appended to `out`, also before an error.
 * Errors, with the state now FAILED: PTL_ETLS, PTL_ETLSVERSION, PTL_ENOCERT, PTL_EAUTHORITY,
 * PTL_EEXPIRED, PTL_EEARLY, PTL_EREVOKED, PTL_ENOLIST, PTL_ECERTNAME, PTL_ECERTREFUSED, PTL_ENOMEM,
 * PTL_ESIZE (`out` is full).  Or PTL_ECLOSED, and the state is ENDED.
 * Not to be called in these two.
 */
PTL_MUST_CHECK int ptl_tls_open(struct ptl_tls *tls, struct ptl_span *input, void *room,
                                size_t size, struct ptl_buffer *out);

/*
 * Append `plain` to `out`, sealed, in records of up to PTL_TLS_RECORD bytes.  In state UP or ENDED.
 * Errors: PTL_ENOMEM, PTL_ESIZE; nothing of it may be sent then, and the state is FAILED.
 */
PTL_MUST_CHECK int ptl_tls_seal(struct ptl_tls *tls, struct ptl_span plain, struct ptl_buffer *out);

/* Append to `out` that nothing more will be said, once.  In state UP or ENDED.  Errors: the same */
PTL_MUST_CHECK int ptl_tls_finish(struct ptl_tls *tls, struct ptl_buffer *out);

/* Where it stands. */
enum ptl_tls_state ptl_tls_state(const struct ptl_tls *tls);

/*
 * Whether the peer has proved that it has the key of a certificate that is believed.  A client of
 * TLS 1.3 is UP before the server has looked at the client's own certificate: a server that refuses
 * it says so later, as an error of ptl_tls_open().
 */
bool ptl_tls_is_verified(const struct ptl_tls *tls);

/*
 * "TLSv1.3 TLS13-CHACHA20-POLY1305-SHA256", version and cipher, for an operator.
 * Owns: the session; good until the next call with it.
 */
const char *ptl_tls_text(struct ptl_tls *tls);

/* Wipe its keys and free it.  NULL is none. */
void ptl_tls_free(struct ptl_tls *tls);
