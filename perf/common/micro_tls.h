/*
 * perf/common/micro_tls.h - the two ends of a TLS session, over memory: what sealing and shaking
 * hands cost without a network, both sides on one thread.
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sealed_node; /* who has the certificate */
struct sealed_ends;

/* A node that has the pair in the file `path` and speaks that version only, 12 or 13; ends the
 * program where there is none. */
struct sealed_node *sealed_node_make(const char *path, unsigned version);
void sealed_node_free(struct sealed_node *node);

/* Two ends, both of that node, that have shaken hands. */
struct sealed_ends *sealed_ends_make(struct sealed_node *node);
void sealed_ends_free(struct sealed_ends *ends);

/* Seal `size` bytes at the one end, and open them at the other. */
void sealed_carry(struct sealed_ends *ends, size_t size);

/* "TLSv1.3 TLS13-CHACHA20-POLY1305-SHA256" */
const char *sealed_text(struct sealed_ends *ends);

#ifdef __cplusplus
}
#endif
