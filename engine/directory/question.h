/*
 * engine/directory/question.h - somebody asks for a key or a family and is answered once.
 *
 *   ptl_db_get() --ASK--> the family's shard --store--> reply port
 *   a peer's g_db_keys ------^      '--no master's copy--> g_db_keys --> master --g_reply--.
 *                                        reply port <--------------------------------------'
 *
 * A global node answers from its store; for a while after it has become one, only what other
 * global nodes ask.  On an ordinary node the questions of its own programs wait for a master, and
 * go to the next one when that is lost; what peers ask is answered from what there is, or as soon
 * as we are global if they have attached to us.
 * How many and how much: engine/directory/answer_bounds.h.
 * Thread: the shard's.  Spec: AEMP protocol 5.
 */
#pragma once

#include "engine/directory/question_book.h"

/* Errors: PTL_ENOMEM; ptl_questions_drop() is to be called all the same. */
PTL_MUST_CHECK int ptl_questions_init(struct ptl_shard *shard);

/* PTL_DIR_ASK and PTL_DIR_PEER_ASKS. */
void ptl_question_take(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_question_take_peer(struct ptl_shard *shard, const struct ptl_op *op);

/* The master's answer: PTL_DIR_ANSWER. */
void ptl_question_answered(struct ptl_shard *shard, const struct ptl_op *op);

/* Our role or the master is another: what waits for an answer is looked at, and asked, anew. */
void ptl_questions_again(struct ptl_shard *shard);

/* A peer is gone: nobody waits for its answers. */
void ptl_questions_forget(struct ptl_shard *shard, struct ptl_span peer);

/*
 * A step of the turn: ask and answer what could not be, if something has happened meanwhile, a
 * bounded number of them.
 */
void ptl_questions_work(struct ptl_shard *shard);

/* Answer all with an error. */
void ptl_questions_stop(struct ptl_shard *shard, int err);

void ptl_questions_drop(struct ptl_shard *shard);
