/*
 * io/alloc.h - memory, from whichever allocator a node was given.
 */
#pragma once

#include "io/allocator.h"

#include <stddef.h>

/* The C library's allocator.  Thread: any. */
const struct ptl_allocator *ptl_allocator_libc(void);

/* NULL when there is no memory; the bytes are zero.  Owns: the caller, until ptl_free(). */
void *ptl_alloc(const struct ptl_allocator *allocator, size_t size);

/* As ptl_alloc(), but the bytes are not cleared. */
void *ptl_alloc_raw(const struct ptl_allocator *allocator, size_t size);

/* NULL when there is no memory, and `block` stays as it was. */
void *ptl_grow(const struct ptl_allocator *allocator, void *block, size_t old_size,
               size_t new_size);

/* `block` may be NULL.  `size` is what it was allocated with. */
void ptl_free(const struct ptl_allocator *allocator, void *block, size_t size);

/* A copy of a text of `size` bytes, and its end.  NULL when there is no memory. */
char *ptl_text_copy(const struct ptl_allocator *allocator, const char *text, size_t size);

/* Free such a copy; NULL is none. */
void ptl_text_free(const struct ptl_allocator *allocator, char *text);
