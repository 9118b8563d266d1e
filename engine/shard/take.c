#include "engine/shard/take.h"

#include "engine/message/message.h"
#include "engine/shard/node.h"
#include "engine/shard/stint.h"
#include "engine/shard/tower.h"

/* Give the producer its room back after so many records, not only at the end. */
#define RELEASE_EVERY 256

void ptl_shard_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_assert(op->kind < PTL_OP_KINDS);
    /* Whoever keeps a message of a ring copies it; a large one is held as a message already. */
    struct ptl_msg borrowed = ptl_msg_borrow(op->body, op->count);
    borrowed.allocator = shard->allocator; /* of copies that are kept */

    shard->tower->ops[op->kind].take(shard, op, op->whole != NULL ? op->whole : &borrowed);
}

void ptl_op_drop(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_assert(op->kind < PTL_OP_KINDS);
    const struct ptl_op_taker *taker = &shard->tower->ops[op->kind];

    if (taker->drop != NULL) {
        taker->drop(shard, op);
    }
}

/*
 * All of it: each sender was told that it is accepted, so none of this can be refused.  The weight
 * is read before, since what has been taken may be freed, and given back after, so that those who
 * wait for the inbox to drain find it so.
 */
uint64_t ptl_shard_take_inbox(struct ptl_shard *shard)
{
    struct ptl_parcel *list = ptl_inbox_take(&shard->inbox);

    ptl_shard_lap(shard);
    while (list != NULL) {
        struct ptl_parcel *parcel = list;
        struct ptl_op op;
        list = list->next;
        uint64_t weight = ptl_parcel_weight(parcel);
        ptl_op_unpack(parcel->bytes, &op);
        bool embedded = shard->tower->ops[op.kind].embedded;
        ptl_shard_take(shard, &op);
        if (!embedded) {
            ptl_parcel_free(parcel, shard->allocator);
        }
        uint64_t before =
            atomic_fetch_sub_explicit(&shard->inbox.weight, weight, memory_order_relaxed);
        ptl_assert(before >= weight); /* it was weighed before it was pushed */
        shard->inbox_taken = true;
    }
    return UINT64_MAX;
}

/* ---- What comes by rings -------------------------------------------------------------------- */

struct row {
    struct ptl_stint stint;
    const struct ptl_record *last; /* not released before the stint has ended */
};

/* Field by field: a struct that is handed around is copied in pieces of another size. */
static PTL_HOT_INLINE void borrow(const struct ptl_shard *shard, const struct ptl_record *record,
                                  struct ptl_msg *msg)
{
    msg->body = ptl_small_body(record);
    msg->size = ptl_small_body_size(record);
    msg->count = ptl_small_count(record);
    atomic_init(&msg->holds, 0);
    msg->allocator = shard->allocator; /* of copies that are kept */
}

static void end_row(struct ptl_shard *shard, struct row *row)
{
    uint64_t took = ptl_stint_end(shard, &row->stint);

    if (took != 0) {
        struct ptl_msg msg;
        borrow(shard, row->last, &msg);
        shard->tower->slow(shard, row->stint.slot, row->stint.generation, row->stint.count, took,
                           &msg);
    }
    row->stint.count = 0;
}

static PTL_HOT_INLINE void take_small(struct ptl_shard *shard, struct row *row,
                                      const struct ptl_record *record, uint32_t slot,
                                      uint32_t generation)
{
    struct ptl_msg msg;

    if (!ptl_stint_goes_on(&row->stint, slot, generation)) {
        end_row(shard, row);
        ptl_stint_begin(shard, &row->stint, slot, generation);
    }
    row->stint.count++;
    row->last = record;
    borrow(shard, record, &msg);
    shard->tower->message(shard, slot, generation, &msg);
}

/* If nobody of that name is there the message is for nobody. */
static void take_named(struct ptl_shard *shard, struct row *row, const struct ptl_record *record)
{
    uint32_t slot, generation;

    if (shard->tower->find(shard, ptl_small_name(record), record->generation, &slot, &generation)) {
        take_small(shard, row, record, slot, generation);
    } else {
        ptl_count(&shard->counts.taken, 1);
        ptl_count(&shard->counts.dropped, 1);
    }
}

static void take_other(struct ptl_shard *shard, struct ptl_ring *ring,
                       const struct ptl_record *record)
{
    struct ptl_op op;

    ptl_op_unpack(record, &op);
    ptl_shard_take(shard, &op);
    uint64_t held = ptl_op_done(record);
    if (held != 0) {
        ptl_ring_returned(ring, held);
    }
}

/* What was taken may be overwritten. */
static void release(struct ptl_shard *shard, unsigned from, struct ptl_ring *ring)
{
    if (ptl_ring_release(ring)) {
        ptl_shard_wake(&shard->node->shards[from], shard);
        /* Room in our own ring is news for ourselves, and nobody would wake us for it. */
        shard->unfinished |= from == shard->index;
    }
}

/*
 * Each record is read where it lies, and overwritten once it is released: who keeps any of it
 * copies it.  Up to `tail` and no further: what has been published since may have been sent by
 * somebody who knew of something that came into the inbox after it was taken.
 */
static void take_ring(struct ptl_shard *shard, unsigned from, uint64_t tail)
{
    struct ptl_ring *ring = ptl_shard_ring(&shard->node->shards[from], shard->index);
    struct row row = {.last = NULL};
    uint64_t begin = ptl_ring_taken(ring);
    unsigned count = 0;
    const struct ptl_record *record;

    while ((record = ptl_ring_take(ring, tail)) != NULL) {
        if (ptl_record_is_small(record) && !ptl_small_is_named(record)) {
            take_small(shard, &row, record, ptl_small_slot(record), record->generation);
        } else if (ptl_record_is_small(record)) {
            take_named(shard, &row, record);
        } else {
            end_row(shard, &row);
            take_other(shard, ring, record);
        }
        if (++count % RELEASE_EVERY == 0) {
            end_row(shard, &row);
            release(shard, from, ring);
        }
    }
    ptl_assert(ptl_ring_taken(ring) == tail);
    ptl_count(&shard->counts.taken_bytes, tail - begin);
    shard->heard |= count != 0 && from != shard->index;
    end_row(shard, &row);
    release(shard, from, ring);
}

/* The first of the three, for the reason given above: look, then the inbox, then the rings. */
uint64_t ptl_shard_look(struct ptl_shard *shard)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        shard->tails[i] = ptl_ring_tail(ptl_shard_ring(&shard->node->shards[i], shard->index));
    }
    ptl_shard_lap(shard);
    return UINT64_MAX;
}

uint64_t ptl_shard_take_rings(struct ptl_shard *shard)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        ptl_shard_lap(shard);
        take_ring(shard, i, shard->tails[i]);
    }
    return UINT64_MAX;
}

/*
 * At the end of a node: nobody takes these any more, and what they hand over belongs to nobody
 * else.
 */
void ptl_shard_drop_inbox(struct ptl_shard *shard)
{
    struct ptl_parcel *list = ptl_inbox_take(&shard->inbox);

    while (list != NULL) {
        struct ptl_parcel *parcel = list;
        struct ptl_op op;
        list = list->next;
        ptl_op_unpack(parcel->bytes, &op);
        bool embedded = shard->tower->ops[op.kind].embedded;
        ptl_op_drop(shard, &op);
        if (!embedded) {
            ptl_parcel_free(parcel, shard->allocator);
        }
    }
}
