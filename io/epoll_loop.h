/*
 * io/epoll_loop.h - what the parts of the loop on epoll share: the loop itself
 * (io/loop_epoll.c), its streams (io/epoll_stream.c) and its listeners (io/epoll_listen.c).
 * Nobody else includes this.
 *
 *   ptl_epoll_gather() --> happened(): notes it down, runs no hook
 *                              '--> [ due | due | ... ]   answers: all that are there, in each poll
 *                              '--> [ costly | ... ]      receiving, accepting: so much a poll
 *                                       '--> run() --> hooks
 *
 * A send is tried at once, where it is asked for, and its result told by the next poll.
 */
#pragma once

#include "io/epoll_events.h"
#include "io/epoll_queue.h"
#include "io/resolve.h"
#include "io/spare.h"

#include <stdatomic.h>

/* As of the loop on io_uring (io/uring_ring.c), and for the same reasons. */
#define PTL_EPOLL_BUFFER_BYTES (32 * 1024)   /* the most that one receive tells */
#define PTL_EPOLL_RECEIVED_MAX (64 * 1024)   /* told in one poll; the rest in the next */
#define PTL_EPOLL_COST 256                   /* bytes that a receive counts for at least */
#define PTL_EPOLL_ACCEPT_COST ((size_t)1024) /* and an accepted connection */

/* Whether others must wake a loop by its eventfd. */
enum ptl_epoll_sleep {
    PTL_EPOLL_AWAKE,
    PTL_EPOLL_ASLEEP, /* it waits in the kernel, or is about to */
    PTL_EPOLL_WOKEN,  /* somebody woke it since its last poll: the next one does not wait */
};

/* Touched by its own thread only, but for `sleep`, and `event_fd`, which does not change. */
struct ptl_epoll_loop {
    struct ptl_loop base;
    const struct ptl_allocator *allocator;
    const struct ptl_loop_hooks *hooks;
    void *user;
    const char *remark;     /* for operators, or NULL */
    _Atomic unsigned sleep; /* enum ptl_epoll_sleep */
    struct ptl_epoll_events events;
    int event_fd;
    bool woken;     /* by ourselves: the next poll must not wait */
    bool asked;     /* the last poll has asked the kernel */
    unsigned looks; /* that ptl_loop_ready() took without asking the kernel */
    size_t left;    /* bytes that may still be received in this poll */
    struct ptl_epoll_queue due;
    struct ptl_epoll_queue costly;
    uint8_t *buffer;               /* PTL_EPOLL_BUFFER_BYTES */
    struct ptl_resolver *resolver; /* NULL until the first question */
    struct ptl_stream *streams;
    struct ptl_listener *listeners;
    uint64_t resume_ns; /* when listeners that pause accept again; 0: none pauses */
    struct ptl_spares spares;
};

static inline struct ptl_epoll_loop *ptl_epoll_loop(struct ptl_loop *loop)
{
    return (struct ptl_epoll_loop *)loop;
}

/* The owner of a source or a work that it embeds as `member`. */
#define PTL_EPOLL_OWNER(part, type, member) ((type *)((char *)(part)-offsetof(type, member)))

/* Count what one of the costly works has done. */
static inline void ptl_epoll_spend(struct ptl_epoll_loop *loop, size_t bytes)
{
    loop->left -= bytes < loop->left ? bytes : loop->left;
}

/* The socket half of struct ptl_loop_ops. */
int ptl_epoll_listen(struct ptl_loop *loop, const struct ptl_address *address,
                     struct ptl_listener **listener, struct ptl_address *bound);
void ptl_epoll_unlisten(struct ptl_loop *loop, struct ptl_listener *listener);
int ptl_epoll_connect(struct ptl_loop *loop, const struct ptl_address *address,
                      const struct ptl_stream_hooks *hooks, void *owner,
                      struct ptl_stream **stream);
int ptl_epoll_attach(struct ptl_loop *loop, int handle, const struct ptl_stream_hooks *hooks,
                     void *owner, struct ptl_stream **stream);
void ptl_epoll_adopt(struct ptl_loop *loop, struct ptl_stream *stream,
                     const struct ptl_stream_hooks *hooks, void *owner);
int ptl_epoll_send(struct ptl_loop *loop, struct ptl_stream *stream, const struct ptl_span spans[],
                   unsigned count);
void ptl_epoll_read(struct ptl_loop *loop, struct ptl_stream *stream, bool on);
void ptl_epoll_finish(struct ptl_loop *loop, struct ptl_stream *stream);
void ptl_epoll_detach(struct ptl_loop *loop, struct ptl_stream *stream);
void ptl_epoll_close_stream(struct ptl_loop *loop, struct ptl_stream *stream);

/* Take over a connection that was just accepted; it waits for ptl_epoll_adopt().
 * Errors: PTL_ENOMEM or -errno, and the descriptor stays the caller's. */
PTL_MUST_CHECK int ptl_epoll_take_socket(struct ptl_epoll_loop *loop, int fd,
                                         struct ptl_stream **stream);

/* Whether an accepted stream has neither been adopted nor closed. */
bool ptl_epoll_is_orphan(const struct ptl_stream *stream);

/* Close every stream and every listener without a hook. */
void ptl_epoll_drop_streams(struct ptl_epoll_loop *loop);
void ptl_epoll_drop_listeners(struct ptl_epoll_loop *loop);

/*
 * Accept again where a pause is over, or all are since a descriptor was given back; returns when
 * the next pause ends (UINT64_MAX: none).  Listeners pause for a tenth of a second when accepting
 * fails for want of descriptors or memory.
 */
uint64_t ptl_epoll_resume_listeners(struct ptl_epoll_loop *loop);
