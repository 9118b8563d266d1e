/*
 * engine/directory/intake_limit.h - what is taken of what peers bring, and what is left out.
 *
 * Thread: the shard's.
 */
#pragma once

#include "engine/directory/database.h"

/* Why a key is none, by the error of reading it (key.h). */
const char *ptl_intake_key_trouble(int err);

/* Whether an entry of a real global node is one that it had from us. */
bool ptl_intake_is_echo(const struct ptl_shard *shard, struct ptl_span key);

/* Whether a node has more entries here than it may, or bytes of them. */
bool ptl_intake_is_over(const struct ptl_shard *shard, struct ptl_span owner);

/*
 * Whether so much has come through `via` that its link is to be failed with PTL_EBROUGHT: owners,
 * entries or bytes beyond options.db_owners_max, db_brought_max, db_brought_bytes_max.  What it has
 * lost and is leaving still may be as much again, so that whoever comes anew at once is taken.
 */
bool ptl_intake_brings_too_much(const struct ptl_shard *shard, struct ptl_span via);

/* Whether one of this source may enter nodes in 'g: only what a global node says itself counts. */
bool ptl_intake_may_name(const struct ptl_source *source, struct ptl_span family);

/* A line of what was left out of a family. */
void ptl_intake_warn(struct ptl_shard *shard, struct ptl_span node, struct ptl_span family,
                     const char *trouble);
