#include "io/buffer.h"

#define SMALLEST 64

void ptl_buffer_init(struct ptl_buffer *buffer, const struct ptl_allocator *allocator,
                     size_t size_max)
{
    *buffer = (struct ptl_buffer){.allocator = allocator, .size_max = size_max};
}

void ptl_buffer_clear(struct ptl_buffer *buffer)
{
    buffer->size = 0;
    buffer->err = 0;
}

void ptl_buffer_drop(struct ptl_buffer *buffer)
{
    ptl_free(buffer->allocator, buffer->bytes, buffer->capacity);
    ptl_buffer_init(buffer, buffer->allocator, buffer->size_max);
}

void ptl_buffer_ease(struct ptl_buffer *buffer, size_t kept_max)
{
    if (buffer->capacity > kept_max) {
        ptl_buffer_drop(buffer);
    } else {
        ptl_buffer_clear(buffer);
    }
}

/* Doubling keeps appends linear; the limit keeps the last doubling from overshooting it. */
static size_t next_capacity(const struct ptl_buffer *buffer, size_t wanted)
{
    size_t capacity = buffer->capacity < SMALLEST / 2 ? SMALLEST : buffer->capacity;

    if (capacity <= buffer->size_max / 2) {
        capacity = buffer->capacity == 0 ? capacity : 2 * capacity;
    } else {
        capacity = buffer->size_max;
    }
    return capacity < wanted ? wanted : capacity;
}

uint8_t *ptl_buffer_grow(struct ptl_buffer *buffer, size_t size)
{
    ptl_assert(buffer->size <= buffer->capacity);
    if (buffer->err != 0) {
        return NULL;
    }
    if (buffer->size > buffer->size_max || size > buffer->size_max - buffer->size) {
        buffer->err = PTL_ESIZE;
        return NULL;
    }
    size_t wanted = buffer->size + size;
    if (wanted > buffer->capacity) {
        size_t capacity = next_capacity(buffer, wanted);
        ptl_assert(capacity >= wanted && capacity <= buffer->size_max);
        void *bytes = ptl_grow(buffer->allocator, buffer->bytes, buffer->capacity, capacity);
        if (bytes == NULL) {
            buffer->err = PTL_ENOMEM;
            return NULL;
        }
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->size;
}
