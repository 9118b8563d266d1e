/*
 * tools/stats/permit.h - who may ask a node how it fares: what its rules say to `observe`.
 *
 * A service sees where its answer goes, and not how that node has proved itself.  So who asks must
 * be allowed by each of the proofs that it may have given.  Spec: docs/rules.md.
 */
#pragma once

#include "engine/portolan.h"

#include <pthread.h>

/* Only permit.c touches the fields. */
struct ptl_permit {
    pthread_mutex_t lock;
    const struct ptl_rules *rules; /* NULL: all may */
    const char *anonymous;         /* how IDs begin of those let in without a proof, or NULL */
    bool has_certificates;         /* else all have proved the secret */
};

/* Of a node without rules so far.  Owns: `anonymous` must outlive it. */
void ptl_permit_init(struct ptl_permit *permit, const char *anonymous, bool has_certificates);
void ptl_permit_drop(struct ptl_permit *permit);

/* These rules count from now on, and no others do any more.  Owns: the caller.  Thread: any. */
void ptl_permit_set(struct ptl_permit *permit, const struct ptl_rules *rules);

/* Whether the node of that ID may be told.  Thread: any. */
bool ptl_permit_observe(struct ptl_permit *permit, const char *node_id);
