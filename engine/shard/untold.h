/*
 * engine/shard/untold.h - what waits for a full ring: shards must be told it, and none may miss it.
 *
 *   ring to shard 1   untold -> untold -> untold     in the order in which they were refused
 *   ring to shard 2   untold
 *         ^-- drained when the consumer has made room and says so
 *
 * Whatever may have to tell a shard something that cannot be refused embeds a struct ptl_untold and
 * says how it is told; so to wait needs no memory.  A list is a queue: what is told with
 * ptl_untold_post() never overtakes those who wait for the same ring.  Nobody is asked again and
 * again: a shard whose rings are full sleeps until one of them is not.  Thread: the shard's.
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/list.h"
#include "engine/shard/op.h"

struct ptl_untold;
struct ptl_shard;

/*
 * Tell, with ptl_untold_post(), at the cost of *units; on no list meanwhile.  Returns PTL_OK when
 * all is told (the untold may be freed by then); PTL_EFULL as ptl_untold_post() has returned it;
 * PTL_LATER when the units are used up, for others to have their turn; PTL_ENOMEM.
 */
typedef int ptl_untold_fn(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units);

/*
 * Embedded in who has to tell; zeroed but for `tell`.  Who cannot wait for a ring yet may list it
 * somewhere else until then.
 */
struct ptl_untold {
    struct ptl_list listed;
    ptl_untold_fn *tell;
    unsigned to; /* the shard for whose ring it waits; set by who returns PTL_EFULL */
};

/* Of one shard.  Only engine/shard/untold.c touches the fields. */
struct ptl_untold_lists {
    struct ptl_list rings[PTL_SHARDS_MAX];
    uint64_t waiting;  /* a bit a ring that somebody waits for */
    uint64_t full;     /* of these: its consumer says when there is room */
    unsigned draining; /* the ring whose list is being drained, or PTL_SHARDS_MAX */
    unsigned next;     /* the ring that is drained first in the next turn */
    bool lacks_memory; /* that is asked for again and again: nobody says when there is some */
    bool closed;
};

void ptl_untold_init(struct ptl_untold_lists *lists);

/* Forget all who wait, and those to come: they are being freed. */
void ptl_untold_close(struct ptl_untold_lists *lists);

/* Whether it waits; whoever has something new to tell then leaves that to its turn. */
static inline bool ptl_untold_waits(const struct ptl_untold *untold)
{
    return ptl_listed(&untold->listed);
}

/* Have it tell: now if it can, or when it can.  It does not wait yet. */
void ptl_untold_tell(struct ptl_shard *shard, struct ptl_untold *untold);

/* It cannot: have it wait for the ring to that shard. */
void ptl_untold_wait(struct ptl_shard *shard, struct ptl_untold *untold, unsigned to);

/*
 * The same for all of a list: what they have waited for before that is over.  All are for one ring,
 * as untold->to says, and the list is empty then.
 */
void ptl_untold_wait_all(struct ptl_shard *shard, struct ptl_list *list);

/* It has nothing to tell any more, if it has waited, wherever. */
void ptl_untold_cancel(struct ptl_shard *shard, struct ptl_untold *untold);

/*
 * Post a control op for an untold, behind those who wait for that ring.
 * Errors: PTL_EFULL, PTL_ENOMEM; what tells returns them.
 */
PTL_MUST_CHECK int ptl_untold_post(struct ptl_shard *shard, struct ptl_untold *untold, unsigned to,
                                   const struct ptl_op *op);

/* Whether others wait for that ring, and it is not the turn of one of them. */
bool ptl_untold_wait_for(const struct ptl_shard *shard, unsigned to);

/* Whether anybody waits. */
static inline bool ptl_untold_any(const struct ptl_untold_lists *lists)
{
    return lists->waiting != 0;
}

/* Whether a ring that somebody waits for has room since. */
bool ptl_untold_have_news(const struct ptl_shard *shard);

/* A step of the turn: tell those for whom there is room, a slice of them. */
uint64_t ptl_untold_work(struct ptl_shard *shard);
