/*
 * engine/directory/role_choice.h - what this node is in the network, decided on shard 0.
 *
 *   ordinary: a seed is linked, and needed --> ATTACH --its link's owner--> MASTER, to all shards
 *             its link is lost --> the next seed
 *   somebody takes us for global --> GLOBAL, to all shards; for good
 *
 * Spec: AEMP protocol 5 and 6; design section 8.
 */
#pragma once

#include "engine/directory/database.h"

/* Shard 0 has one; the others none.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_role_choice_init(struct ptl_shard *shard);
void ptl_role_choice_drop(struct ptl_shard *shard);

/* Something on this node needs a master: one that listens somewhere always does, to be found. */
void ptl_role_choice_needed(struct ptl_shard *shard);

/* A seed is linked, and its link is lost. */
void ptl_role_choice_seed(struct ptl_shard *shard, struct ptl_span node);
void ptl_role_choice_link_down(struct ptl_shard *shard, struct ptl_span node);

/* Somebody wants us to be global. */
void ptl_role_choice_wanted(struct ptl_shard *shard);
