/*
 * engine/directory/answer.h - how the answer to a question is made, and sent.
 *
 *   to a program  ERROR, and after PTL_OK one value       to its reply port
 *   to a peer     g_reply or g_found, its ID, one value   null: there is none
 *
 * The value is what the store says, or what the master has said.  How large it may be is said by
 * ptl_answer_size_max() (answer_bounds.h).  What cannot be sent now is
 * not kept here: the caller comes again.  Thread: the shard's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/directory/question_book.h"

/* Stands behind a null that is given to a node of ours since the rules let it have no answer. */
#define PTL_ANSWER_DENIED "not_allowed"

/*
 * Whether an answer has room on its way now.  Errors: PTL_EFULL; PTL_LATER: there may be some, but
 * its asker has had its share of this turn.
 */
PTL_MUST_CHECK int ptl_answer_room(struct ptl_shard *shard, const struct ptl_question *q);

/*
 * Send what the store says, an error where that is none or too large.
 * Errors: PTL_EFULL, PTL_ENOMEM; then come again.
 */
PTL_MUST_CHECK int ptl_answer_from_store(struct ptl_shard *shard, const struct ptl_question *q);

/*
 * Make an answer of what the master has said: `body` is the result.  Owns: *answer is the caller's.
 * Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_answer_from_master(struct ptl_shard *shard, const struct ptl_question *q,
                                          struct ptl_span body, struct ptl_msg **answer);

/* Send the answer that a question holds.  Errors: PTL_EFULL, PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_answer_held(struct ptl_shard *shard, const struct ptl_question *q);

/* Send an error.  Errors: PTL_EFULL, PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_answer_error(struct ptl_shard *shard, const struct ptl_question *q, int err);
