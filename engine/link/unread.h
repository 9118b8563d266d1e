/*
 * engine/link/unread.h - bytes that a connection has received and not understood yet, in order.
 *
 *   [ understood | still to be understood ] <-- keep
 *                ^ at
 */
#pragma once

#include "engine/portolan.h"
#include "io/buffer.h"

/* Only engine/link/unread.c touches the fields. */
struct ptl_unread {
    struct ptl_buffer buffer;
    size_t at;
};

void ptl_unread_init(struct ptl_unread *unread, const struct ptl_allocator *allocator);
void ptl_unread_drop(struct ptl_unread *unread);

/* Append what has come.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_unread_keep(struct ptl_unread *unread, struct ptl_span bytes);

/* What is still to be understood: good until the next call that changes it. */
struct ptl_span ptl_unread_bytes(const struct ptl_unread *unread);

/* So many of those bytes are understood. */
void ptl_unread_taken(struct ptl_unread *unread, size_t size);

/* Nothing is left: give most of its memory back.  It is rarely needed. */
void ptl_unread_ease(struct ptl_unread *unread);
