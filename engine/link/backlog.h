/*
 * engine/link/backlog.h - bytes that a connection has received and not understood yet, in order.
 *
 *   [ understood | still to be understood ] <-- keep
 *                ^ at
 */
#pragma once

#include "engine/portolan.h"
#include "io/buffer.h"

/* Only engine/link/backlog.c touches the fields. */
struct ptl_backlog {
    struct ptl_buffer buffer;
    size_t at;
};

void ptl_backlog_init(struct ptl_backlog *backlog, const struct ptl_allocator *allocator);
void ptl_backlog_drop(struct ptl_backlog *backlog);

/* Append what has come.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_backlog_keep(struct ptl_backlog *backlog, struct ptl_span bytes);

/* What is still to be understood: good until the next call that changes the backlog. */
struct ptl_span ptl_backlog_bytes(const struct ptl_backlog *backlog);

/* So many of those bytes are understood. */
void ptl_backlog_taken(struct ptl_backlog *backlog, size_t size);

/* Nothing is left: give most of its memory back.  It is rarely needed. */
void ptl_backlog_ease(struct ptl_backlog *backlog);
