/*
 * tests/common/any_loop.h - the loops of this machine, for tests that put something in between.
 */
#pragma once

#include "io/loop.h"
#include "io/loop_kind.h"

/* Those on io_uring, or where that cannot be had, those on epoll: what a node takes by itself. */
const struct ptl_loop_maker *any_loop(void);

/* Their chance, as the `random` of a maker that has something in between. */
void any_loop_random(void *maker, void *bytes, size_t size);

/* The same as an option of nodes, which then do not remark upon it. */
enum ptl_loop_kind any_loop_kind(void);
