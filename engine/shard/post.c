#include "engine/shard/post.h"

#include "engine/message/message.h"
#include "engine/shard/node.h"

int ptl_shard_post(struct ptl_shard *from, unsigned to, const struct ptl_op *op, bool control)
{
    ptl_assert(to < from->node->shard_count && op->kind < PTL_OP_KINDS);
    struct ptl_ring *ring = ptl_shard_ring(from, to);
    uint32_t size = ptl_op_size(op);
    uint64_t held = ptl_op_held(op);
    /* Room first: a large body is not copied for a ring that is full. */
    void *place = ptl_ring_reserve(ring, size, held, control);

    if (place == NULL) {
        return PTL_EFULL;
    }
    if (held == 0) {
        ptl_op_pack(op, place);
        ptl_ring_commit(ring, size, 0);
        return PTL_OK;
    }
    struct ptl_op prepared = *op;
    struct ptl_msg *made;
    if (ptl_op_prepare(&prepared, from->allocator, &made) < 0) {
        return PTL_ENOMEM; /* what was reserved is simply not committed */
    }
    ptl_op_pack(&prepared, place);
    ptl_ring_commit(ring, size, held);
    ptl_msg_free(made);
    return PTL_OK;
}

/*
 * The other half stands in ptl_shard_turn(): a shard says that it sleeps before it looks for the
 * last time, and here it has been sent to before the flag is read, all in one order.  So either it
 * finds what was sent, or we find that it sleeps; of all who do only one wakes it.
 */
void ptl_shard_wake(struct ptl_shard *shard, struct ptl_shard *from)
{
    if (shard != from && atomic_load(&shard->sleeping) &&
        atomic_exchange(&shard->sleeping, false)) {
        ptl_loop_wake(shard->loop, from == NULL ? NULL : from->loop);
    }
}

/* Weighed first: from the push on it is the shard's, which may have taken and freed it already. */
void ptl_shard_hand(struct ptl_shard *shard, struct ptl_parcel *parcel, struct ptl_shard *from)
{
    atomic_fetch_add_explicit(&shard->inbox.weight, ptl_parcel_weight(parcel),
                              memory_order_relaxed);
    ptl_inbox_push(&shard->inbox, parcel);
    ptl_shard_wake(shard, from);
}

/* At the end of the turn, so that however much it has sent, a shard is woken once. */
uint64_t ptl_shard_publish(struct ptl_shard *shard)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        struct ptl_ring *ring = ptl_shard_ring(shard, i);
        /* It may have been read already, as far as it was shown during the turn. */
        if (ptl_ring_publish(ring) && i != shard->index && !ptl_ring_drained(ring)) {
            ptl_shard_wake(&shard->node->shards[i], shard);
        }
    }
    return UINT64_MAX;
}
