/*
 * io/huge.h - huge pages for large blocks: with pages of 4 KiB the kernel takes longer to find
 * those of a large message than to copy it.
 */
#pragma once

#include <stddef.h>

/* Blocks from this size on are worth it. */
#define PTL_HUGE_MIN ((size_t)4 << 20)

/* Have the kernel give this block of libc's huge pages, if it has any.  Thread: any. */
void ptl_huge_ask(void *block, size_t size);
