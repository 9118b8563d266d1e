/*
 * tools/http/neighbours.h - whom the other global nodes say they are linked to.
 *
 *   /api/cluster is asked for --> ["links"] to port `portolan` of every global node that is linked
 *                                 here --> its answer, for those who ask /api/cluster next
 *
 * Looking must not change what is looked at: only who is linked is asked, so that no link is made
 * for it, each once in PTL_NEIGHBOUR_ASK_MS however many look, and nobody while none does.  One
 * that does not answer is left alone for a minute.
 */
#pragma once

#include "tools/stats/sight.h"

#include <jansson.h>

#define PTL_NEIGHBOURS_MAX 64              /* that are asked */
#define PTL_NEIGHBOUR_ASK_MS 4000          /* between two questions to one */
#define PTL_NEIGHBOUR_BYTES_MAX (1u << 18) /* of an answer; a larger one is not kept */

struct ptl_neighbours;

/* NULL: no memory.  Owns: the caller, until ptl_neighbours_free(), behind the node's end. */
struct ptl_neighbours *ptl_neighbours_make(void);

/* Ask those whose time has come, of the global nodes that `sight` shows as linked. */
void ptl_neighbours_ask(struct ptl_neighbours *neighbours, struct ptl_node *node,
                        const struct ptl_sight *sight, uint64_t now_ms);

/* What they have said of late: node -> array of IDs.  NULL: no memory. */
json_t *ptl_neighbours_json(struct ptl_neighbours *neighbours, uint64_t now_ms);

/* Keep nothing of the node's from now on: before it is stopped. */
void ptl_neighbours_end(struct ptl_neighbours *neighbours);

/* NULL is allowed. */
void ptl_neighbours_free(struct ptl_neighbours *neighbours);
