#include "engine/shard/due.h"

#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* Units that one has before it is the next one's turn: small ones are soon done. */
#define SHARE 256

/* Memory that lacks is asked for again after this. */
#define AGAIN_NS UINT64_C(1000000)

void ptl_dues_init(struct ptl_dues *dues)
{
    *dues = (struct ptl_dues){.draining = PTL_SHARDS_MAX};
    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        ptl_list_init(&dues->rings[i]);
    }
}

void ptl_dues_close(struct ptl_dues *dues)
{
    for (unsigned i = 0; i < PTL_SHARDS_MAX; i++) {
        while (!ptl_list_empty(&dues->rings[i])) {
            ptl_list_remove(dues->rings[i].next);
        }
    }
    dues->waiting = dues->full = 0;
    dues->closed = true;
}

static uint64_t bit(unsigned ring)
{
    return UINT64_C(1) << ring;
}

/* Behind all others who wait for that ring, or before them. */
static void enlist(struct ptl_dues *dues, struct ptl_due *due, bool first)
{
    struct ptl_list *ring = &dues->rings[due->to];

    ptl_list_insert(first ? ring : ring->before, &due->listed);
    dues->waiting |= bit(due->to);
}

static int tell(struct ptl_shard *shard, struct ptl_due *due, uint64_t *units)
{
    uint64_t share = *units < SHARE ? *units : SHARE;

    *units -= share;
    share -= share > 0; /* it costs something to ask it */
    int err = due->tell(shard, due, &share);
    *units += share;
    return err;
}

/* Somebody waits for that ring: try it in the next turn, unless its consumer will say. */
static void look_soon(struct ptl_shard *shard, unsigned to)
{
    shard->unfinished |= (shard->dues.full & bit(to)) == 0;
}

void ptl_due_tell(struct ptl_shard *shard, struct ptl_due *due)
{
    uint64_t units = SHARE;

    ptl_assert(!ptl_due_waits(due));
    if (!shard->dues.closed && tell(shard, due, &units) < 0) {
        enlist(&shard->dues, due, false);
        look_soon(shard, due->to);
    }
}

void ptl_due_wait(struct ptl_shard *shard, struct ptl_due *due, unsigned to)
{
    ptl_assert(!ptl_due_waits(due));
    if (!shard->dues.closed) {
        due->to = to;
        enlist(&shard->dues, due, false);
        look_soon(shard, to);
    }
}

void ptl_dues_wait(struct ptl_shard *shard, struct ptl_list *list)
{
    if (ptl_list_empty(list)) {
        return;
    }
    unsigned to = ptl_container(list->next, struct ptl_due, listed)->to;
    ptl_list_append_all(&shard->dues.rings[to], list);
    shard->dues.waiting |= bit(to);
    look_soon(shard, to);
}

void ptl_due_cancel(struct ptl_shard *shard, struct ptl_due *due)
{
    struct ptl_dues *dues = &shard->dues;

    if (ptl_due_waits(due)) {
        ptl_list_remove(&due->listed);
        if (ptl_list_empty(&dues->rings[due->to])) {
            dues->waiting &= ~bit(due->to);
        }
    }
}

bool ptl_dues_wait_for(const struct ptl_shard *shard, unsigned to)
{
    return (shard->dues.waiting & bit(to)) != 0 && shard->dues.draining != to;
}

int ptl_due_post(struct ptl_shard *shard, struct ptl_due *due, unsigned to, const struct ptl_op *op)
{
    int err = ptl_dues_wait_for(shard, to) ? PTL_EFULL : ptl_shard_post(shard, to, op, true);

    if (err < 0) {
        due->to = to;
    }
    return err;
}

/* Have its consumer say when there is room.  False: there is some by now. */
static bool ask_for_room(struct ptl_shard *shard, unsigned to)
{
    struct ptl_ring *ring = ptl_shard_ring(shard, to);

    shard->dues.full |= bit(to);
    ptl_ring_wait_for_room(ring);
    if (ptl_ring_ample(ring)) { /* made just before we asked */
        shard->dues.full &= ~bit(to);
        return false;
    }
    return true;
}

/* Put back one that could not tell all.  False: the list that is drained has to wait. */
static bool put_back(struct ptl_shard *shard, struct ptl_due *due, unsigned to, int err)
{
    if (err == PTL_EFULL && due->to == to) {
        enlist(&shard->dues, due, true);
        return !ask_for_room(shard, to);
    }
    enlist(&shard->dues, due, false);
    shard->dues.lacks_memory |= err == PTL_ENOMEM;
    return err != PTL_ENOMEM;
}

static void drain(struct ptl_shard *shard, unsigned to, uint64_t *units)
{
    struct ptl_dues *dues = &shard->dues;
    struct ptl_list *ring = &dues->rings[to];
    bool goes_on = true;

    dues->draining = to;
    while (goes_on && *units > 0 && !ptl_list_empty(ring)) {
        struct ptl_due *due = ptl_container(ring->next, struct ptl_due, listed);
        ptl_list_remove(&due->listed);
        int err = tell(shard, due, units);
        goes_on = err == PTL_OK || put_back(shard, due, to, err);
    }
    dues->draining = PTL_SHARDS_MAX;
    if (ptl_list_empty(ring)) {
        dues->waiting &= ~bit(to);
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

bool ptl_dues_have_news(const struct ptl_shard *shard)
{
    return with_room(shard, shard->dues.full) != 0;
}

uint64_t ptl_shard_tell(struct ptl_shard *shard)
{
    struct ptl_dues *dues = &shard->dues;
    unsigned count = shard->node->shard_count;
    uint64_t units = PTL_SLICE;

    dues->full &= ~with_room(shard, dues->full);
    dues->lacks_memory = false;
    for (unsigned i = 0; i < count && dues->waiting != 0; i++) {
        unsigned to = (dues->next + i) % count;
        if ((dues->waiting & ~dues->full & bit(to)) != 0) {
            drain(shard, to, &units);
        }
    }
    dues->next = (dues->next + 1) % count;
    if ((dues->waiting & ~dues->full) == 0) {
        return UINT64_MAX;
    }
    return dues->lacks_memory ? shard->now + AGAIN_NS : 0;
}
