/*
 * tools/stats/api.h - a node as JSON: what /api tells, and `portolan stats`.
 *
 * Each returns a JSON value of its own, or NULL when there is no memory.
 */
#pragma once

#include "tools/stats/sight.h"

#include <jansson.h>

json_t *ptl_api_node(const struct ptl_sight *sight);     /* who it is, and its numbers */
json_t *ptl_api_links(const struct ptl_sight *sight);    /* one by one */
json_t *ptl_api_ports(const struct ptl_sight *sight);    /* those that most came for */
json_t *ptl_api_database(const struct ptl_sight *sight); /* families, the largest first */

/* All of these in one. */
json_t *ptl_api_all(const struct ptl_sight *sight);

/* Who is in the network, as the database of this node has it: of the families 'g and 'l, each an
 * object; NULL: it is not known.  `neighbours`: who is linked to whom, as others have said it. */
json_t *ptl_api_cluster(const struct ptl_sight *sight, const json_t *globals,
                        const json_t *listening, const json_t *neighbours);
