#include "engine/shard/untold.h"

#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* Units that one has before it is the next one's turn: small ones are soon done. */
#define SHARE 256

/* Memory that lacks is asked for again after this. */
#define AGAIN_NS UINT64_C(1000000)

void ptl_untold_init(struct ptl_untold_lists *lists)
{
    *lists = (struct ptl_untold_lists){.draining = PTL_SHARDS_MAX};
    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        ptl_list_init(&lists->rings[i]);
    }
}

/* They are taken off their lists, so that who frees them finds them on none. */
void ptl_untold_close(struct ptl_untold_lists *lists)
{
    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        while (!ptl_list_empty(&lists->rings[i])) {
            ptl_list_remove(lists->rings[i].next);
        }
    }
    lists->waiting = lists->full = 0;
    lists->closed = true;
}

static uint64_t bit(unsigned ring)
{
    return UINT64_C(1) << ring;
}

/* Behind all others who wait for that ring, or before them. */
static void enlist(struct ptl_untold_lists *lists, struct ptl_untold *untold, bool first)
{
    ptl_assert(untold->to < PTL_SHARDS_MAX);
    struct ptl_list *ring = &lists->rings[untold->to];

    ptl_list_insert(first ? ring : ring->before, &untold->listed);
    lists->waiting |= bit(untold->to);
}

/* At most a share of *units at a time; what of it is not used goes back. */
static int tell(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    uint64_t share = *units < SHARE ? *units : SHARE;

    *units -= share;
    share -= share > 0; /* it costs something to ask it */
    int err = untold->tell(shard, untold, &share);
    *units += share;
    return err;
}

/* Somebody waits for that ring: try it in the next turn, unless its consumer will say. */
static void look_soon(struct ptl_shard *shard, unsigned to)
{
    shard->unfinished |= (shard->untold.full & bit(to)) == 0;
}

void ptl_untold_tell(struct ptl_shard *shard, struct ptl_untold *untold)
{
    uint64_t units = SHARE;

    ptl_assert(!ptl_untold_waits(untold));
    if (!shard->untold.closed && tell(shard, untold, &units) < 0) {
        enlist(&shard->untold, untold, false);
        look_soon(shard, untold->to);
    }
}

void ptl_untold_wait(struct ptl_shard *shard, struct ptl_untold *untold, unsigned to)
{
    ptl_assert(!ptl_untold_waits(untold));
    ptl_assert(to < shard->node->shard_count);
    if (!shard->untold.closed) {
        untold->to = to;
        enlist(&shard->untold, untold, false);
        look_soon(shard, to);
    }
}

void ptl_untold_wait_all(struct ptl_shard *shard, struct ptl_list *list)
{
    if (ptl_list_empty(list)) {
        return;
    }
    unsigned to = ptl_container(list->next, struct ptl_untold, listed)->to;
    ptl_list_append_all(&shard->untold.rings[to], list);
    shard->untold.waiting |= bit(to);
    look_soon(shard, to);
}

void ptl_untold_cancel(struct ptl_shard *shard, struct ptl_untold *untold)
{
    struct ptl_untold_lists *lists = &shard->untold;

    if (ptl_untold_waits(untold)) {
        ptl_list_remove(&untold->listed);
        if (ptl_list_empty(&lists->rings[untold->to])) {
            lists->waiting &= ~bit(untold->to);
        }
    }
}

/*
 * While its list is drained those who tell stand first: their posts must not wait for themselves.
 */
bool ptl_untold_wait_for(const struct ptl_shard *shard, unsigned to)
{
    return (shard->untold.waiting & bit(to)) != 0 && shard->untold.draining != to;
}

int ptl_untold_post(struct ptl_shard *shard, struct ptl_untold *untold, unsigned to,
                    const struct ptl_op *op)
{
    int err = ptl_untold_wait_for(shard, to) ? PTL_EFULL : ptl_shard_post(shard, to, op, true);

    if (err < 0) {
        untold->to = to;
    }
    return err;
}

/* Have its consumer say when there is room.  False: there is some by now. */
static bool ask_for_room(struct ptl_shard *shard, unsigned to)
{
    struct ptl_ring *ring = ptl_shard_ring(shard, to);

    shard->untold.full |= bit(to);
    ptl_ring_wait_for_room(ring);
    if (ptl_ring_ample(ring)) { /* made just before we asked */
        shard->untold.full &= ~bit(to);
        return false;
    }
    return true;
}

/* Put back one that could not tell all.  False: the list that is drained has to wait. */
static bool put_back(struct ptl_shard *shard, struct ptl_untold *untold, unsigned to, int err)
{
    ptl_assert(!ptl_untold_waits(untold) && untold->to < shard->node->shard_count);
    if (err == PTL_EFULL && untold->to == to) {
        enlist(&shard->untold, untold, true);
        return !ask_for_room(shard, to);
    }
    /* Its share is used up, another ring is full, or memory lacks: others come first, where it
     * waits. */
    enlist(&shard->untold, untold, false);
    shard->untold.lacks_memory |= err == PTL_ENOMEM;
    return err != PTL_ENOMEM;
}

static void drain(struct ptl_shard *shard, unsigned to, uint64_t *units)
{
    struct ptl_untold_lists *lists = &shard->untold;
    struct ptl_list *ring = &lists->rings[to];
    bool goes_on = true;

    ptl_assert(lists->draining == PTL_SHARDS_MAX); /* none is drained within another */

    lists->draining = to;
    while (goes_on && *units > 0 && !ptl_list_empty(ring)) {
        /* Off its list while it tells: it may be freed by that, or have to wait for another
         * ring. */
        struct ptl_untold *untold = ptl_container(ring->next, struct ptl_untold, listed);
        ptl_list_remove(&untold->listed);
        int err = tell(shard, untold, units);
        goes_on = err == PTL_OK || put_back(shard, untold, to, err);
    }
    lists->draining = PTL_SHARDS_MAX;
    if (ptl_list_empty(ring)) {
        lists->waiting &= ~bit(to);
    }
}

/* Which of these rings have room, and have said so. */
static uint64_t with_room(const struct ptl_shard *shard, uint64_t full)
{
    uint64_t news = 0;

    for (unsigned i = 0; full != 0 && i < shard->node->shard_count; i++) {
        if ((full & bit(i)) != 0 && !ptl_ring_waits(ptl_shard_ring(shard, i))) {
            news |= bit(i);
        }
    }
    return news;
}

bool ptl_untold_have_news(const struct ptl_shard *shard)
{
    return with_room(shard, shard->untold.full) != 0;
}

uint64_t ptl_untold_work(struct ptl_shard *shard)
{
    struct ptl_untold_lists *lists = &shard->untold;
    unsigned count = shard->node->shard_count;
    uint64_t units = PTL_SLICE;

    lists->full &= ~with_room(shard, lists->full);
    lists->lacks_memory = false;
    /* Begins with another ring in each turn: where units are short, no ring is always the last. */
    for (unsigned i = 0; i < count && lists->waiting != 0; i++) {
        unsigned to = (lists->next + i) % count;
        if ((lists->waiting & ~lists->full & bit(to)) != 0) {
            drain(shard, to, &units);
        }
    }
    lists->next = (lists->next + 1) % count;
    if ((lists->waiting & ~lists->full) == 0) {
        return UINT64_MAX;
    }
    return lists->lacks_memory ? shard->now + AGAIN_NS : 0;
}
