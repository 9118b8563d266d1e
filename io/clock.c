#include "io/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t ptl_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t ptl_clock_now(struct ptl_loop *loop)
{
    (void)loop;
    return ptl_clock_monotonic();
}

uint64_t ptl_clock_coarse(struct ptl_loop *loop)
{
    (void)loop;
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

double ptl_clock_wall(struct ptl_loop *loop)
{
    (void)loop;
    return (double)read_clock(CLOCK_REALTIME) / 1e9;
}

void ptl_clock_chance_of_maker(void *maker, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    (void)maker;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        ptl_assert(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

void ptl_clock_chance(struct ptl_loop *loop, void *bytes, size_t size)
{
    (void)loop;
    ptl_clock_chance_of_maker(NULL, bytes, size);
}
