#include "io/huge.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void ptl_huge_ask(void *block, size_t size)
{
    uintptr_t mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    uintptr_t start = (uintptr_t)block & ~mask;
    uintptr_t end = ((uintptr_t)block + size + mask) & ~mask;

    /* All that libc has mapped for it, so that it stays one mapping, which can grow in place.
     * Where it fails it is as slow as it was. */
    madvise((void *)start, end - start, MADV_HUGEPAGE);
}
