/*
 * engine/directory/question_master.h - questions that are asked of our master: how many it has at
 * once, and what becomes of its answers.
 *
 * Its answers wait here for room, so it is asked only for as much as may be held: by what its
 * answers were like lately, and a share of that for each asker.  What is over is asked for again.
 * Thread: the shard's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/directory/question_book.h"

/*
 * Whether there is a master that may be asked one more question of this asker, and has been told
 * all that was set here: a question comes behind that.
 */
bool ptl_master_may_ask(struct ptl_shard *shard, const struct ptl_question *q);

/*
 * Ask it, each time under another ID: an answer from before does not know what was set since.
 * Errors: PTL_EFULL, PTL_ENOMEM; then the question goes on waiting.
 */
PTL_MUST_CHECK int ptl_master_ask(struct ptl_shard *shard, struct ptl_question *q);

/*
 * It has answered a question, which waits again by now: from now on it holds its answer.  False:
 * there is no room or memory for that, it is to be asked again.
 */
bool ptl_master_take_answer(struct ptl_shard *shard, struct ptl_question *q, struct ptl_span body);
