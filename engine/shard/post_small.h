/*
 * engine/shard/post_small.h - the short way of what nearly all operations are: a small message
 * (op.h) to a port of this node.  Its record is written, and nothing else is done for it.
 */
#pragma once

#include "engine/shard/node.h"
#include "engine/shard/op.h"

/* As ptl_shard_post(), for such a message to a port known by its slot.  Errors: PTL_EFULL. */
PTL_MUST_CHECK static inline int ptl_shard_post_small(struct ptl_shard *from,
                                                      const struct ptl_port *to,
                                                      struct ptl_span body, uint32_t count)
{
    struct ptl_ring *ring = ptl_shard_ring(from, to->shard);
    uint32_t size = ptl_small_size(body.size);
    void *place = ptl_ring_reserve_message(ring, size);

    if (place == NULL) {
        return PTL_EFULL;
    }
    ptl_copy(ptl_small_begin(place, to->slot, to->generation, body.size, count), body.bytes,
             body.size);
    ptl_ring_commit(ring, size, 0);
    return PTL_OK;
}

/*
 * The same in two steps, for a body that is written where it goes: a place for one of any size a
 * small message may have, or NULL; and, if nothing else was posted meanwhile, what stands there.
 */
static inline uint8_t *ptl_shard_post_begin(struct ptl_shard *from, const struct ptl_port *to)
{
    uint8_t *place = (uint8_t *)ptl_ring_reserve_message(ptl_shard_ring(from, to->shard),
                                                         ptl_small_size(PTL_OP_INLINE_MAX));

    return place == NULL ? NULL : place + PTL_RECORD_SMALL_HEAD;
}

static inline void ptl_shard_post_end(struct ptl_shard *from, const struct ptl_port *to,
                                      uint8_t *body, size_t size, uint32_t count)
{
    ptl_assert(ptl_is_small(size, count));
    ptl_small_begin(body - PTL_RECORD_SMALL_HEAD, to->slot, to->generation, size, count);
    ptl_ring_commit(ptl_shard_ring(from, to->shard), ptl_small_size(size), 0);
}

/* The same to a port by its chosen name. */
PTL_MUST_CHECK static inline int ptl_shard_post_small_named(struct ptl_shard *from,
                                                            const struct ptl_port *to,
                                                            struct ptl_span body, uint32_t count)
{
    struct ptl_ring *ring = ptl_shard_ring(from, to->shard);
    struct ptl_span name = ptl_port_name(to);
    uint32_t size = ptl_small_size(name.size + body.size);
    void *place = ptl_ring_reserve_message(ring, size);

    if (place == NULL) {
        return PTL_EFULL;
    }
    ptl_small_pack_named(place, name, ptl_port_key(to), body, count);
    ptl_ring_commit(ring, size, 0);
    return PTL_OK;
}
