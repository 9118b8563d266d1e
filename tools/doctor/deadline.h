/*
 * tools/doctor/deadline.h - a clock that only goes on, for limits of time.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t ptl_doctor_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
