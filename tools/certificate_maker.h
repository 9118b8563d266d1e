/*
 * tools/certificate_maker.h - keys and certificates for TLS: an authority, a node's certificate by
 * it, and AEMP's pair, which is one for all nodes.
 *
 *   pair        says itself what it is; believed by whoever has it
 *   authority   says itself what it is; signs those of nodes, and no other authority
 *   node        by an authority; for the node ID that stands in it, and no authority itself
 *
 * Keys are on the curve P-256, signatures by ECDSA with SHA-256: small, quick, and known to all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PTL_PEM_MAX 4096          /* bytes of one, its NUL included */
#define PTL_CERTIFICATE_DAYS 3650 /* it is good for, unless something else is asked for */

enum ptl_certificate_kind {
    PTL_CERTIFICATE_PAIR,
    PTL_CERTIFICATE_AUTHORITY,
    PTL_CERTIFICATE_NODE,
};

/* A certificate and its key, each as PEM. */
struct ptl_certificate {
    char certificate[PTL_PEM_MAX];
    char key[PTL_PEM_MAX];
};

/*
 * Whether a node's ID can stand in a certificate: as common name, which takes 63 bytes, or as DNS
 * name, which takes ASCII only.
 */
bool ptl_certificate_takes(const char *node_id);

/*
 * Make a key, and a certificate for it that is good from yesterday (clocks differ) for so many
 * days.  `name` is its common name: a node's ID, also as DNS name.  `authority` signs that of a
 * node; only then it is not NULL.
 * Returns NULL, or what is wrong, for people.  Owns: the caller, who wipes it.
 */
const char *ptl_certificate_make(enum ptl_certificate_kind kind, const char *name, unsigned days,
                                 const struct ptl_certificate *authority,
                                 struct ptl_certificate *made);
