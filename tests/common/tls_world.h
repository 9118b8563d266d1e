/*
 * tests/common/tls_world.h - two ends of TLS over memory: what the tests of io/tls*.c share.
 */
#pragma once

#include "io/tls.h"
#include "tests/common/memory.h"

/* A file of tests/data/tls, read once and kept, with a NUL behind it; the test fails without it. */
struct ptl_span tls_file(const char *name);

/*
 * A context of an operator's: NAME.pem and NAME.key, the harbour's authority, and the lists of
 * `revoked` (files, ended by NULL; then the quay's is known, too; NULL: none).  `version` is the
 * only one, 12 or 13, or 0: both.
 */
struct ptl_tls_context *tls_node(const char *name, const char *const revoked[], unsigned version);

/* One of AEMP's kind: a file of one certificate and its key. */
struct ptl_tls_context *tls_pair(const char *file, unsigned version);

/* What one end has said and heard. */
struct tls_end {
    struct ptl_tls *tls;
    struct ptl_buffer out;   /* for the other end */
    struct ptl_buffer heard; /* what the other end has said */
    int err;                 /* the first error of its session */
};

/* The client is ends[0]. */
struct tls_ends {
    struct tls_end ends[2];
};

/* Both sessions; the node IDs are those that the other's certificate must be for, or NULL. */
void tls_ends_make(struct tls_ends *ends, struct ptl_tls_context *client,
                   struct ptl_tls_context *server, const char *client_wants,
                   const char *server_wants);
void tls_ends_free(struct tls_ends *ends);

/* Give `size` bytes at most of what ends[from] has to say to the other; false: it has nothing, or
 * the other one listens no more. */
bool tls_move(struct tls_ends *ends, unsigned from, size_t size);

/* All that both have to say, until both are quiet, in pieces of at most `size`. */
void tls_run(struct tls_ends *ends, size_t size);

/* Bytes that the library holds of the C library's heap, at the moment and at most: it is asked to
 * count from tls_count_memory() on, which comes before any other use of it. */
void tls_count_memory(void);
size_t tls_memory(void);
size_t tls_memory_most(void);
void tls_memory_most_anew(void);
