#include "engine/link/unread.h"

/* What was read keeps so much memory for the next one. */
#define KEPT_MAX ((size_t)16384)

void ptl_unread_init(struct ptl_unread *unread, const struct ptl_allocator *allocator)
{
    ptl_buffer_init(&unread->buffer, allocator, SIZE_MAX);
    unread->at = 0;
}

void ptl_unread_drop(struct ptl_unread *unread)
{
    ptl_buffer_drop(&unread->buffer);
    unread->at = 0;
}

int ptl_unread_keep(struct ptl_unread *unread, struct ptl_span bytes)
{
    /* What is understood goes only when all is: so no byte is ever moved. */
    if (unread->at == unread->buffer.size) {
        ptl_buffer_clear(&unread->buffer);
        unread->at = 0;
    }
    return ptl_buffer_append(&unread->buffer, bytes.bytes, bytes.size);
}

struct ptl_span ptl_unread_bytes(const struct ptl_unread *unread)
{
    return ptl_span_skip(ptl_buffer_span(&unread->buffer), unread->at);
}

void ptl_unread_taken(struct ptl_unread *unread, size_t size)
{
    ptl_assert(size <= unread->buffer.size - unread->at);
    unread->at += size;
}

void ptl_unread_ease(struct ptl_unread *unread)
{
    ptl_assert(unread->at == unread->buffer.size);
    ptl_buffer_ease(&unread->buffer, KEPT_MAX);
    unread->at = 0;
}
