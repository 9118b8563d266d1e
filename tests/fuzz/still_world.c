#include "tests/fuzz/still_world.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAIR_MAX 16384
#define NOW 1800000000 /* seconds since 1970, within the certificates' */

static uint64_t opened; /* times that somebody has asked for randomness */

void still_world_begin(void)
{
    opened = 0;
}

/* ---- What the library asks the system for -------------------------------------------------- */

time_t time(time_t *now)
{
    if (now != NULL) {
        *now = NOW;
    }
    return NOW;
}

static uint64_t next_number(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* As much as a seed takes, another one for each that asks. */
static int open_random(void)
{
    uint64_t numbers[64];
    uint64_t state = ++opened;
    int file = memfd_create("random", MFD_CLOEXEC);

    for (unsigned i = 0; i < 64; i++) {
        numbers[i] = next_number(&state);
    }
    ptl_assert(file >= 0 && write(file, numbers, sizeof numbers) == sizeof numbers);
    ptl_assert(lseek(file, 0, SEEK_SET) == 0);
    return file;
}

int open(const char *path, int flags, ...)
{
    va_list more;

    if (strcmp(path, "/dev/urandom") == 0 || strcmp(path, "/dev/random") == 0) {
        return open_random();
    }
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* ---- Certificates -------------------------------------------------------------------------- */

struct ptl_span still_world_pair(void)
{
    static uint8_t pair[PAIR_MAX];
    static size_t size;

    if (size == 0) {
        FILE *file = fopen(PTL_TEST_DATA "/tls/pair-a.pem", "rb");
        ptl_assert(file != NULL);
        size = fread(pair, 1, sizeof pair - 1, file);
        fclose(file);
    }
    return ptl_span(pair, size);
}

struct ptl_tls_context *still_world_context(void)
{
    static struct ptl_tls_context *context;

    if (context == NULL) {
        struct ptl_tls_options options = {.pair = still_world_pair()};
        ptl_assert(ptl_tls_context_make(ptl_allocator_libc(), &options, &context) == 0);
    }
    return context;
}
