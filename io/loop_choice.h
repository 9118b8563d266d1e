/*
 * io/loop_choice.h - loops on io_uring where it can be had, else on epoll: one decision for all the
 * loops of a node, since they wake each other and hand each other connections.
 *
 * The first that is opened tries, and what comes of it is what all others are.  A loop on epoll
 * remarks why it is not on io_uring.
 */
#pragma once

#include "io/loop.h"

struct ptl_loop_choice;

/* Errors: PTL_ENOMEM.  Thread: any. */
PTL_MUST_CHECK int ptl_loop_choice_open(const struct ptl_allocator *allocator,
                                        struct ptl_loop_choice **choice);

/* The loops' maker, for any threads.  Owns: lives as long as `choice`. */
const struct ptl_loop_maker *ptl_loop_choice_maker(const struct ptl_loop_choice *choice);

/* Its loops must be gone; NULL is none.  Thread: any. */
void ptl_loop_choice_free(struct ptl_loop_choice *choice);
