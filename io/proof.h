/*
 * io/proof.h - showing that one knows a secret without saying it: HMAC-SHA3-512, and what goes
 * with it.
 *
 * The hashes are wolfCrypt's; nothing above this file sees wolfSSL.  Everything that looks at a
 * secret or a proof takes the same time whatever the bytes are (their number may show).
 * Thread: any.  Spec: AEMP protocol 2.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#define PTL_PROOF_BYTES 64
#define PTL_PROOF_HEX (2 * PTL_PROOF_BYTES)

/*
 * HMAC-SHA3-512 (FIPS 202, block of 72 bytes) of the parts, one after another, under `key`.  A
 * part may be empty, and so may the key.  Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_proof_hmac(uint8_t proof[static PTL_PROOF_BYTES], struct ptl_span key,
                                  const struct ptl_span parts[], unsigned count);

/* SHA3-512 of the parts, one after another.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_proof_hash(uint8_t hash[static PTL_PROOF_BYTES],
                                  const struct ptl_span parts[], unsigned count);

/* Whether `hex` is the lower-case hex of `bytes`, in constant time. */
bool ptl_proof_is_hex(struct ptl_span hex, struct ptl_span bytes);

/* Write `bytes` as lower-case hex: 2 * bytes.size characters, no NUL. */
void ptl_proof_hex(char *hex, struct ptl_span bytes);

/* Overwrite what must not be left lying in memory; the compiler does not optimise it away. */
void ptl_wipe(void *bytes, size_t size);
