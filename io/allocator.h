/*
 * io/allocator.h - where memory comes from: a hook that an embedder may replace.
 */
#pragma once

#include <stddef.h>

/*
 * Where all memory of a node comes from.  `resize(user, NULL, 0, n)` allocates, `resize(user, p,
 * old, 0)` frees, anything else moves; NULL means no memory, and the old block stays.  Called from
 * every thread of the node at once.
 */
struct ptl_allocator {
    void *(*resize)(void *user, void *block, size_t old_size, size_t new_size);
    void *user;
};
