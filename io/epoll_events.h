/*
 * io/epoll_events.h - what the kernel tells of descriptors: the epoll instance of a loop.
 *
 * Every descriptor is registered once, for all that may happen to it, edge-triggered: whoever is
 * told remembers what it is ready for until it is not.  So to stop reading, to read on and to wait
 * for room are flags of the loop's and no system calls; a listener that pauses and a peer that is
 * not read do not wake it over and over; and the eventfd need not be read.  What it costs: a peer
 * that is not read wakes the loop with every segment until its window is full.
 *
 * Thread: the loop's, for all of it.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

/* What an event leads to.  It notes down what has happened, and runs no hook. */
struct ptl_epoll_source {
    void (*happened)(struct ptl_epoll_source *source, unsigned events);
};

/* Fields are io/epoll_events.c's. */
struct ptl_epoll_events {
    int fd;
    bool has_milliseconds; /* the kernel knows no finer waits */
};

/* Errors: -errno. */
PTL_MUST_CHECK int ptl_epoll_open(struct ptl_epoll_events *events);
void ptl_epoll_close(struct ptl_epoll_events *events);

/*
 * From now on `source` is told what happens to `fd`, and what already has; NULL: it only ends a
 * wait.  Errors: -errno.
 */
PTL_MUST_CHECK int ptl_epoll_register(struct ptl_epoll_events *events, int fd,
                                      struct ptl_epoll_source *source);

/*
 * Nothing is told of it any more.  To be called before it is closed or given away: a child of this
 * process may still have a copy, and then the kernel would go on, with a source that is no more.
 */
void ptl_epoll_unregister(struct ptl_epoll_events *events, int fd);

/* Wait for something to happen, at most `wait_ns` (UINT64_MAX: no limit); have it noted down. */
void ptl_epoll_gather(struct ptl_epoll_events *events, uint64_t wait_ns);
