#include "tests/common/memory.h"

#include <stdlib.h>

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    struct test_memory *memory = user;

    if (new_size == 0) {
        free(block);
        memory->out_bytes -= old_size;
        return NULL;
    }
    memory->calls++;
    if (memory->fail_from != 0 && memory->calls >= memory->fail_from) {
        return NULL;
    }
    void *moved = realloc(block, new_size);
    if (moved == NULL) {
        return NULL;
    }
    memory->out_bytes += new_size - old_size;
    if (memory->out_bytes > memory->most_bytes) {
        memory->most_bytes = memory->out_bytes;
    }
    return moved;
}

void test_memory_init(struct test_memory *memory)
{
    *memory = (struct test_memory){.allocator = {.resize = resize, .user = memory}};
}

void test_memory_fail(struct test_memory *memory, size_t fail_from)
{
    memory->calls = 0;
    memory->fail_from = fail_from;
}
