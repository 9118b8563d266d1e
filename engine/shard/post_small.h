/*
 * engine/shard/post_small.h - the short way of what nearly all operations are: a small message
 * (op.h) to a port of this node.  Its record is written, and nothing else is done for it.
 */
#pragma once

#include "engine/message/flat.h"
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

/* The same of values that are written where they go. */
PTL_MUST_CHECK static inline int ptl_shard_post_flat(struct ptl_shard *from,
                                                     const struct ptl_port *to, const char *format,
                                                     const struct ptl_argument arguments[],
                                                     const struct ptl_flat *flat)
{
    struct ptl_ring *ring = ptl_shard_ring(from, to->shard);
    uint32_t size = ptl_small_size(flat->size);
    void *place = ptl_ring_reserve_message(ring, size);

    if (place == NULL) {
        return PTL_EFULL;
    }
    uint8_t *body = ptl_small_begin(place, to->slot, to->generation, flat->size, flat->count);
    const uint8_t *end = ptl_flat_write(body, format, arguments);
    ptl_assert(end == body + flat->size);
    ptl_ring_commit(ring, size, 0);
    return PTL_OK;
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
