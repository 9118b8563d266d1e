/*
 * engine/directory/question_book.h - the questions that wait, and whose they are.
 *
 *   NEW --wait--> WAITS --sent--> SENT       WAITS and ANSWERED: on a list of its asker
 *                  ^ |             |         SENT: on that of what the master has, in that order
 *                  | '--answer--.  |
 *                  '---back-----|--'
 *                               v
 *                            ANSWERED        end: from any of them
 *
 * An *asker* is a peer, or all of this node's own programs that are answered on one shard.  Nobody
 * is answered while the way there is full: an answer is made when there is room for it, and not
 * before.  A question that lacks only room, for its answer or on the way to the master, waits for
 * that with whatever else does (shard/untold.h); the others are to do, and looked at when something
 * has happened that may be what they wait for.  Askers with something to do take turns.  All counts
 * are kept here, with the lists.
 *
 * Thread: the shard's.
 */
#pragma once

#include "engine/directory/body.h"
#include "engine/directory/database.h"
#include "engine/shard/belonging.h"

enum ptl_question_state {
    PTL_QUESTION_NEW,      /* on no list */
    PTL_QUESTION_WAITS,    /* for room, for a role, or for a master */
    PTL_QUESTION_SENT,     /* the master has it */
    PTL_QUESTION_ANSWERED, /* its answer is made, and waits for room */
};

/* What is asked for. */
enum ptl_ask { PTL_ASK_GET, PTL_ASK_FAMILY, PTL_ASK_KEYS, PTL_ASK_VALUES, PTL_ASK_FIND };

/* Changed by question_book.c only, but for `untold`, which is question.c's. */
struct ptl_question {
    struct ptl_list listed;
    struct ptl_untold untold; /* while it lacks room, or memory */
    uint64_t id;              /* of the last time the master was asked; these grow along its list */
    uint8_t what;             /* enum ptl_ask */
    uint8_t state;            /* enum ptl_question_state */
    struct ptl_port to;       /* the reply port, or the asking peer's node port */
    struct ptl_asker *asker;
    struct ptl_msg *tag;    /* of a peer: its ID for the question, as it came; else NULL */
    struct ptl_msg *answer; /* ANSWERED: what waits; else NULL */
    uint16_t key_size;      /* 0: none */
    uint8_t family_size;
    uint8_t text[]; /* the family, the key */
};

/* Its fields but `turn` and `bytes`, which are answer.c's, are changed by question_book.c only. */
struct ptl_asker {
    uint64_t hash;
    struct ptl_list due;   /* among those with something to do */
    struct ptl_list to_do; /* its questions that the master has not, in the order they came ... */
    struct ptl_list roomless; /* ... but those that lack room: these */
    uint32_t waiting;         /* questions, those that the master has among them */
    struct ptl_asked *places; /* this node's own, or those of all peers */
    struct ptl_asked asked;   /* its own part of these */
    uint64_t turn;            /* ns: `bytes` are of the turn at that time */
    uint64_t bytes;
    uint8_t id_size; /* 0: this node's own */
    char id[PTL_NODE_ID_MAX];
};

static inline struct ptl_span ptl_question_family(const struct ptl_question *q)
{
    return ptl_span(q->text, q->family_size);
}

static inline struct ptl_span ptl_question_key(const struct ptl_question *q)
{
    return ptl_span(q->text + q->family_size, q->key_size);
}

static inline struct ptl_question *ptl_question_of(struct ptl_list *listed)
{
    return ptl_container(listed, struct ptl_question, listed);
}

/* Whether a peer asks, not a program of this node. */
static inline bool ptl_question_is_peers(const struct ptl_question *q)
{
    return q->tag != NULL;
}

/* ---- Askers ---------------------------------------------------------------------------------- */

/* Errors: PTL_ENOMEM; ptl_askers_drop() is to be called all the same. */
PTL_MUST_CHECK int ptl_askers_init(struct ptl_shard *shard);

/* Free them, with no question left. */
void ptl_askers_drop(struct ptl_shard *shard);

/* The asker that a peer is, or NULL; and made if need be (NULL: no memory). */
struct ptl_asker *ptl_asker_find(struct ptl_shard *shard, struct ptl_span node);
struct ptl_asker *ptl_asker_get(struct ptl_shard *shard, struct ptl_span node);

/* The asker of this node's own questions that are answered on that shard. */
struct ptl_asker *ptl_asker_own(struct ptl_shard *shard, unsigned place);

/* Forget a peer that has no question left. */
void ptl_asker_remove(struct ptl_shard *shard, struct ptl_asker *asker);

/* It has something to do: it takes its turn behind the others. */
void ptl_asker_due(struct ptl_shard *shard, struct ptl_asker *asker);

/* ---- Questions ------------------------------------------------------------------------------- */

/* A question of nobody, NEW.  NULL: no memory. */
struct ptl_question *ptl_question_make(struct ptl_shard *shard,
                                       const struct ptl_body_question *asked);

/* Free one that is NEW. */
void ptl_question_free(struct ptl_shard *shard, struct ptl_question *q);

/* NEW --> WAITS, behind what its asker has asked before. */
void ptl_question_wait(struct ptl_shard *shard, struct ptl_question *q);

/* WAITS --> SENT; its ID is above that of all that were sent before. */
void ptl_question_sent(struct ptl_shard *shard, struct ptl_question *q);

/* SENT --> WAITS: the master has it no more; it goes before what its asker asked later. */
void ptl_question_back(struct ptl_shard *shard, struct ptl_question *q);

/* It lacks room, or memory: it is not to do until it is given back or gone. */
void ptl_question_lacks_room(struct ptl_shard *shard, struct ptl_question *q);

/* Something else has to be looked at: it is to do again, before what its asker asked later. */
void ptl_question_to_do(struct ptl_shard *shard, struct ptl_question *q);

/* WAITS --> ANSWERED.  Owns: the answer is the question's. */
void ptl_question_hold(struct ptl_question *q, struct ptl_msg *answer);

/* Answered, or never to be: take it off its list, and free it. */
void ptl_question_end(struct ptl_shard *shard, struct ptl_question *q);

/* The question that the master has under this ID, or NULL. */
struct ptl_question *ptl_question_find_sent(struct ptl_shard *shard, uint64_t id);
