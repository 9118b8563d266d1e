#include "io/base.h"

#include "io/huge.h"

#include <stdio.h>
#include <stdlib.h>

static void *libc_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    void *resized = realloc(block, new_size);
    if (resized != NULL && new_size >= PTL_HUGE_MIN) {
        ptl_huge_ask(resized, new_size);
    }
    return resized;
}

const struct ptl_allocator *ptl_allocator_libc(void)
{
    static const struct ptl_allocator libc = {.resize = libc_resize};
    return &libc;
}

void *ptl_alloc_raw(const struct ptl_allocator *allocator, size_t size)
{
    return allocator->resize(allocator->user, NULL, 0, size);
}

void *ptl_alloc(const struct ptl_allocator *allocator, size_t size)
{
    void *block = ptl_alloc_raw(allocator, size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void *ptl_grow(const struct ptl_allocator *allocator, void *block, size_t old_size, size_t new_size)
{
    return allocator->resize(allocator->user, block, old_size, new_size);
}

void ptl_free(const struct ptl_allocator *allocator, void *block, size_t size)
{
    if (block != NULL) {
        allocator->resize(allocator->user, block, size, 0);
    }
}

_Noreturn void ptl_assert_failed(const char *fact, const char *file, int line)
{
    fprintf(stderr, "portolan: broken invariant at %s:%d: %s\n", file, line, fact);
    abort();
}

char *ptl_text_copy(const struct ptl_allocator *allocator, const char *text, size_t size)
{
    char *copy = ptl_alloc_raw(allocator, size + 1);

    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = 0;
    }
    return copy;
}

void ptl_text_free(const struct ptl_allocator *allocator, char *text)
{
    if (text != NULL) {
        ptl_free(allocator, text, strlen(text) + 1);
    }
}
