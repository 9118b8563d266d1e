#include "engine/link/backlog.h"

/* A backlog that was read keeps so much memory for the next one. */
#define KEPT_MAX ((size_t)16384)

void ptl_backlog_init(struct ptl_backlog *backlog, const struct ptl_allocator *allocator)
{
    ptl_buffer_init(&backlog->buffer, allocator, SIZE_MAX);
    backlog->at = 0;
}

void ptl_backlog_drop(struct ptl_backlog *backlog)
{
    ptl_buffer_drop(&backlog->buffer);
    backlog->at = 0;
}

int ptl_backlog_keep(struct ptl_backlog *backlog, struct ptl_span bytes)
{
    /* What is understood goes only when all is: so no byte is ever moved. */
    if (backlog->at == backlog->buffer.size) {
        ptl_buffer_clear(&backlog->buffer);
        backlog->at = 0;
    }
    return ptl_buffer_append(&backlog->buffer, bytes.bytes, bytes.size);
}

struct ptl_span ptl_backlog_bytes(const struct ptl_backlog *backlog)
{
    return ptl_span_skip(ptl_buffer_span(&backlog->buffer), backlog->at);
}

void ptl_backlog_taken(struct ptl_backlog *backlog, size_t size)
{
    ptl_assert(size <= backlog->buffer.size - backlog->at);
    backlog->at += size;
}

void ptl_backlog_ease(struct ptl_backlog *backlog)
{
    ptl_assert(backlog->at == backlog->buffer.size);
    ptl_buffer_ease(&backlog->buffer, KEPT_MAX);
    backlog->at = 0;
}
