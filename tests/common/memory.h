/*
 * tests/common/memory.h - an allocator that counts what is out, and says no when told to.
 */
#pragma once

#include "io/alloc.h"

struct test_memory {
    struct ptl_allocator allocator; /* hand out the address of this one */
    size_t out_bytes;               /* allocated and not freed */
    size_t most_bytes;              /* the most that was ever out */
    size_t calls;                   /* that asked for memory */
    size_t fail_from;               /* the number of the first call that gets none; 0: all get */
};

void test_memory_init(struct test_memory *memory);

/* Count calls anew, and refuse from the `fail_from`-th on. */
void test_memory_fail(struct test_memory *memory, size_t fail_from);
