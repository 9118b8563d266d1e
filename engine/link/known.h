/*
 * engine/link/known.h - where other nodes listen, as the program has told or the node has learnt.
 *
 * What the program tells counts: what is learnt does not replace it.  Thread: any.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

/* Copy the addresses known for a node; NULL if none.  Owns: the caller frees *size bytes. */
char *ptl_node_known_addresses(struct ptl_node *node, struct ptl_span node_id, uint32_t *size);

/* Remember that `node_id` listens at `addresses` (with commas), unless the program has said where.
 * Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_node_learn(struct ptl_node *node, struct ptl_span node_id,
                                  const char *addresses);

/* Its link is forgotten: forget what was learnt of it, too, where more than so many are known. */
#define PTL_LEARNT_MAX 4096u
void ptl_node_unlearn(struct ptl_node *node, struct ptl_span node_id);

/* Forget them all: the node ends. */
void ptl_known_drop(struct ptl_node *node);
