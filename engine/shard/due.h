/*
 * engine/shard/due.h - what shards must be told, and there was no room for it in the ring.
 *
 *   ring to shard 1   due -> due -> due     in the order in which they were refused
 *   ring to shard 2   due
 *         ^-- drained when the consumer has made room and says so
 *
 * Whatever may have to tell a shard something that cannot be refused embeds a struct ptl_due and
 * says how it is told; so to wait needs no memory.  A list is a queue: what is told with
 * ptl_due_post() never overtakes those who wait for the same ring.  Nobody is asked again and
 * again: a shard whose rings are full sleeps until one of them is not.  Thread: the shard's.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/list.h"
#include "engine/shard/op.h"

struct ptl_due;
struct ptl_shard;

/*
 * Tell, with ptl_due_post(), at the cost of *units; on no list meanwhile.  Returns PTL_OK when all
 * is told (the due may be freed by then); PTL_EFULL as ptl_due_post() has returned it; PTL_LATER
 * when the units are used up, for others to have their turn; PTL_ENOMEM.
 */
typedef int ptl_due_fn(struct ptl_shard *shard, struct ptl_due *due, uint64_t *units);

/*
 * Embedded in who has to tell; zeroed but for `tell`.  Who cannot wait for a ring yet may list it
 * somewhere else until then.
 */
struct ptl_due {
    struct ptl_list listed;
    ptl_due_fn *tell;
    unsigned to; /* the shard for whose ring it waits; set by who returns PTL_EFULL */
};

/* Of one shard.  Only engine/shard/due.c touches the fields. */
struct ptl_dues {
    struct ptl_list rings[PTL_SHARDS_MAX];
    uint64_t waiting;  /* a bit a ring that somebody waits for */
    uint64_t full;     /* of these: its consumer says when there is room */
    unsigned draining; /* the ring whose list is being drained, or PTL_SHARDS_MAX */
    unsigned next;     /* the ring that is drained first in the next turn */
    bool lacks_memory; /* that is asked for again and again: nobody says when there is some */
    bool closed;
};

void ptl_dues_init(struct ptl_dues *dues);

/* Forget all who wait, and those to come: they are being freed. */
void ptl_dues_close(struct ptl_dues *dues);

/* Whether it waits; whoever has something new to tell then leaves that to its turn. */
static inline bool ptl_due_waits(const struct ptl_due *due)
{
    return ptl_listed(&due->listed);
}

/* Have it tell: now if it can, or when it can.  It does not wait yet. */
void ptl_due_tell(struct ptl_shard *shard, struct ptl_due *due);

/* It cannot: have it wait for the ring to that shard. */
void ptl_due_wait(struct ptl_shard *shard, struct ptl_due *due, unsigned to);

/*
 * The same for all of a list: what they have waited for before that is over.  All are for one ring,
 * as due->to says, and the list is empty then.
 */
void ptl_dues_wait(struct ptl_shard *shard, struct ptl_list *list);

/* It has nothing to tell any more, if it has waited, wherever. */
void ptl_due_cancel(struct ptl_shard *shard, struct ptl_due *due);

/*
 * Post a control op for a due, behind those who wait for that ring.
 * Errors: PTL_EFULL, PTL_ENOMEM; what tells returns them.
 */
PTL_MUST_CHECK int ptl_due_post(struct ptl_shard *shard, struct ptl_due *due, unsigned to,
                                const struct ptl_op *op);

/* Whether others wait for that ring, and it is not the turn of one of them. */
bool ptl_dues_wait_for(const struct ptl_shard *shard, unsigned to);

/* Whether anybody waits. */
static inline bool ptl_dues_any(const struct ptl_dues *dues)
{
    return dues->waiting != 0;
}

/* Whether a ring that somebody waits for has room since. */
bool ptl_dues_have_news(const struct ptl_shard *shard);

/* A step of the turn: tell those for whom there is room, a slice of them. */
uint64_t ptl_shard_tell(struct ptl_shard *shard);
