/*
 * tools/certificates.h - the certificates and keys of TLS, read from the files that options name.
 *
 *   --cert FILE                          one certificate and its key, as AEMP has it
 *   --tls-cert, --tls-key, --tls-ca      this node's, and whom it trusts; --tls-crl: and whom not
 *
 * A file with a key that others than its owner may read is refused, as one with a secret is.
 */
#pragma once

#include "tools/command.h"

/* The text of each file, or NULL. */
struct ptl_certificates {
    char *pair;
    char *cert;
    char *key;
    char *ca;
    char *crl;
};

/*
 * Read them.  Owns: the caller, until ptl_certificates_drop().  Returns PTL_EXIT_OK, or
 * PTL_EXIT_START after one line on standard error, and then there are none.
 */
int ptl_certificates_read(const struct ptl_options *options, struct ptl_certificates *certificates);

/* Wipe and free them; dropping twice is no error. */
void ptl_certificates_drop(struct ptl_certificates *certificates);
