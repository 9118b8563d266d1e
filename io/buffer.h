/*
 * io/buffer.h - bytes that grow at the end.
 *
 * Errors stick: after the first one nothing is added any more, and `err` tells it, so a run of
 * appends needs one look at the end.  A buffer that holds nothing has no memory.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

struct ptl_buffer {
    const struct ptl_allocator *allocator;
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    size_t size_max; /* more is PTL_ESIZE */
    int err;         /* 0, PTL_ENOMEM or PTL_ESIZE */
};

/* Begin empty.  Cannot fail: memory is taken with the first byte. */
void ptl_buffer_init(struct ptl_buffer *buffer, const struct ptl_allocator *allocator,
                     size_t size_max);

/* Forget the content and the error, keep the memory. */
void ptl_buffer_clear(struct ptl_buffer *buffer);

/* The same, but memory of more than `kept_max` bytes is given back. */
void ptl_buffer_ease(struct ptl_buffer *buffer, size_t kept_max);

/* Give the memory back; the buffer is empty and can be used again. */
void ptl_buffer_drop(struct ptl_buffer *buffer);

/* Make room for `size` more bytes; the slow half of ptl_buffer_reserve(). */
uint8_t *ptl_buffer_grow(struct ptl_buffer *buffer, size_t size);

/*
 * Room for `size` more bytes at the end, or NULL (and `err` is set).  What was written of it counts
 * once it is added to `buffer->size`.  Owns: the room moves with the next call.
 */
static inline uint8_t *ptl_buffer_reserve(struct ptl_buffer *buffer, size_t size)
{
    if (__builtin_expect(buffer->err == 0 && size <= buffer->capacity - buffer->size, 1)) {
        return buffer->bytes + buffer->size;
    }
    return ptl_buffer_grow(buffer, size);
}

/* Add a copy.  Returns `err`. */
static inline int ptl_buffer_append(struct ptl_buffer *buffer, const void *bytes, size_t size)
{
    if (size > 0) {
        uint8_t *room = ptl_buffer_reserve(buffer, size);
        if (room != NULL) {
            memcpy(room, bytes, size);
            buffer->size += size;
        }
    }
    return buffer->err;
}

static inline int ptl_buffer_byte(struct ptl_buffer *buffer, uint8_t byte)
{
    uint8_t *room = ptl_buffer_reserve(buffer, 1);
    if (room != NULL) {
        *room = byte;
        buffer->size++;
    }
    return buffer->err;
}

/* What is in it.  Owns: the buffer; good until it changes. */
static inline struct ptl_span ptl_buffer_span(const struct ptl_buffer *buffer)
{
    return ptl_span(buffer->bytes, buffer->size);
}
