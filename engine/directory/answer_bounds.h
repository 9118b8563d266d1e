/*
 * engine/directory/answer_bounds.h - how many questions may wait, how many are asked of a master at
 * once, how large one answer may be, and how many bytes of answers may be made and held.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ptl_question;
struct ptl_shard;

/* Questions that may wait on each shard: this node's own, for a master or for room ... */
#define PTL_QUESTIONS_MAX 4096

/* ... and those of each peer; more are answered with an error, or not at all. */
#define PTL_QUESTIONS_PEER_MAX 256

/* A peer's own name for a question: real nodes give a number, ours a few letters. */
#define PTL_QUESTION_TAG_MAX 1024

/* Bytes of answers that one asker may have made in one turn (one answer may exceed it). */
#define PTL_ANSWERS_TURN_BYTES ((uint64_t)1 << 20)

/*
 * Bytes of a master's answers that may wait here for room, of this node's own questions and of
 * peers'; what is over is asked for again.  A peer for which this much waits has to take it first.
 */
#define PTL_ANSWERS_HELD_MAX ((uint64_t)8 << 20)
#define PTL_ANSWERS_HELD_PEERS_MAX ((uint64_t)4 << 20)
#define PTL_ANSWERS_HELD_PEER_MAX ((uint64_t)512 << 10)

/* Questions that are looked at in one turn of a shard, and those of one asker among them. */
#define PTL_QUESTIONS_TURN_MAX 512
#define PTL_QUESTIONS_ASKER_TURN_MAX 64

/* What a master's answers are taken to be like before there was one, in bytes. */
#define PTL_ANSWER_GUESS ((uint32_t)128 << 10)

/* A master is asked so many questions at once, however large its answers are. */
#define PTL_QUESTIONS_ASKED_LEAST 4

/*
 * How large the answer to this question may be, in bytes: what we make (the option
 * message_bytes_max), and what the peer that asks takes.  A larger one is answered with an error.
 * Thread: the shard's.
 */
size_t ptl_answer_size_max(struct ptl_shard *shard, const struct ptl_question *q);
