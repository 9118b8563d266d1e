/*
 * io/epoll_queue.h - queues of things that a loop on epoll still has to do, each embedded in what
 * it is about: a stream or a listener.
 *
 * A thing is in one queue or in none, and can be taken out of the middle.  Begins zeroed.
 * Thread: the loop's, for all of it.
 */
#pragma once

#include "io/base.h"

struct ptl_epoll_work {
    void (*run)(struct ptl_epoll_work *work); /* in none by then: it may be added again, or freed */
    struct ptl_epoll_work *next;              /* NULL: in no queue */
    struct ptl_epoll_work *before;
};

/* A ring: the first is behind `ends`, the last in front of it. */
struct ptl_epoll_queue {
    struct ptl_epoll_work ends;
};

static inline void ptl_epoll_queue_init(struct ptl_epoll_queue *queue)
{
    queue->ends.next = &queue->ends;
    queue->ends.before = &queue->ends;
}

static inline bool ptl_epoll_queue_empty(const struct ptl_epoll_queue *queue)
{
    return queue->ends.next == &queue->ends;
}

/* At the end, unless it is in a queue already. */
static inline void ptl_epoll_queue_add(struct ptl_epoll_queue *queue, struct ptl_epoll_work *work)
{
    if (work->next == NULL) {
        work->next = &queue->ends;
        work->before = queue->ends.before;
        work->before->next = work;
        queue->ends.before = work;
    }
}

/* Out of whatever queue it is in. */
static inline void ptl_epoll_queue_remove(struct ptl_epoll_work *work)
{
    if (work->next != NULL) {
        work->before->next = work->next;
        work->next->before = work->before;
        work->next = NULL;
    }
}

/* Take the first out and do it. */
static inline void ptl_epoll_queue_run_first(struct ptl_epoll_queue *queue)
{
    struct ptl_epoll_work *work = queue->ends.next;

    ptl_assert(work != &queue->ends);
    ptl_epoll_queue_remove(work);
    work->run(work);
}
