/*
 * io/clock.h - time and chance as the system has them: what every loop of a real system gives its
 * user, in the form of struct ptl_loop_ops and struct ptl_loop_maker.
 *
 * Thread: any, for all of it.
 */
#pragma once

#include "io/loop.h"

/* Monotonic nanoseconds. */
uint64_t ptl_clock_monotonic(void);

/* As ptl_loop_now(), ptl_loop_coarse(), ptl_loop_wall() and ptl_loop_random(), of any loop. */
uint64_t ptl_clock_now(struct ptl_loop *loop);
uint64_t ptl_clock_coarse(struct ptl_loop *loop);
double ptl_clock_wall(struct ptl_loop *loop);
void ptl_clock_chance(struct ptl_loop *loop, void *bytes, size_t size);

/* The same as a maker's, whatever `maker` is. */
void ptl_clock_chance_of_maker(void *maker, void *bytes, size_t size);
