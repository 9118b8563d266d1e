/*
 * engine/link/secrets.h - what proves that a node belongs to the network: changed while it runs.
 *
 *   ptl_secrets_set() --> the node's own --hold--> each connection that opens, until it is closed
 *
 * A connection is judged by the secrets that there were when it greeted.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#include <stdatomic.h>

struct ptl_node;

/* Constant but for the count. */
struct ptl_secrets {
    _Atomic unsigned holds;
    struct ptl_span secret; /* of size 0: none */
    struct ptl_span other;  /* with which others may prove, too; of size 0: none */
    size_t size;            /* of the block */
    uint8_t bytes[];
};

/*
 * From now on these are the node's.  Errors: PTL_ENOMEM: those before are.
 * Owns: they are copied, and wiped when they are nobody's any more.  Thread: any.
 */
PTL_MUST_CHECK int ptl_secrets_set(struct ptl_node *node, struct ptl_span secret,
                                   struct ptl_span other);

/* Those of the node, held; and no longer (`secrets` may be NULL).  Thread: any. */
struct ptl_secrets *ptl_secrets_hold(struct ptl_node *node);
void ptl_secrets_release(struct ptl_node *node, struct ptl_secrets *secrets);
