/*
 * io/uring_loop.h - what the parts of the loop on io_uring share: the loop itself
 * (io/loop_uring.c), its streams (io/uring_stream.c) and its listeners (io/uring_listen.c).
 * Nobody else includes this.
 */
#pragma once

#include "io/address.h"
#include "io/resolve.h"
#include "io/spare.h"
#include "io/uring_features.h"
#include "io/uring_ring.h"

#include <stdatomic.h>

/*
 * How others reach a loop.  It outlives the loop while the kernel still carries a message of
 * another loop to it, so that a message that failed can always be sent the other way.
 */
struct ptl_uring_waker {
    const struct ptl_allocator *allocator;
    _Atomic unsigned holders; /* the loop, and every message under way */
    _Atomic bool pending;     /* a wake is on its way: another one would say nothing new */
    int event_fd;             /* open as long as anybody holds the waker */
    int ring_fd;
};

/* Touched by its own thread only, but for what `waker` points to. */
struct ptl_uring_loop {
    struct ptl_loop base;
    struct ptl_uring uring;
    const struct ptl_allocator *allocator;
    const struct ptl_loop_hooks *hooks;
    void *user;
    struct ptl_uring_waker *waker;
    struct ptl_uring_op event;     /* reads the waker's eventfd */
    uint64_t event_count;          /* what it has read: of no use */
    bool woken;                    /* the next poll must not wait */
    bool freeing;                  /* nothing is started again */
    unsigned messages;             /* wakes of other loops under way */
    struct ptl_resolver *resolver; /* NULL until the first question */
    struct ptl_stream *streams;
    struct ptl_listener *listeners;
    unsigned listeners_paused;
    struct ptl_spares spares;
};

static inline struct ptl_uring_loop *ptl_uring_loop(struct ptl_loop *loop)
{
    return (struct ptl_uring_loop *)loop;
}

/* The owner of an operation that it embeds as `member`. */
#define PTL_URING_OWNER(op, type, member) ((type *)((char *)(op)-offsetof(type, member)))

/* The socket half of struct ptl_loop_ops. */
int ptl_uring_listen(struct ptl_loop *loop, const struct ptl_address *address,
                     struct ptl_listener **listener, struct ptl_address *bound);
void ptl_uring_unlisten(struct ptl_loop *loop, struct ptl_listener *listener);
int ptl_uring_connect(struct ptl_loop *loop, const struct ptl_address *address,
                      const struct ptl_stream_hooks *hooks, void *owner,
                      struct ptl_stream **stream);
int ptl_uring_attach(struct ptl_loop *loop, int handle, const struct ptl_stream_hooks *hooks,
                     void *owner, struct ptl_stream **stream);
void ptl_uring_adopt(struct ptl_loop *loop, struct ptl_stream *stream,
                     const struct ptl_stream_hooks *hooks, void *owner);
int ptl_uring_send(struct ptl_loop *loop, struct ptl_stream *stream, const struct ptl_span spans[],
                   unsigned count);
void ptl_uring_read(struct ptl_loop *loop, struct ptl_stream *stream, bool on);
void ptl_uring_finish(struct ptl_loop *loop, struct ptl_stream *stream);
void ptl_uring_detach(struct ptl_loop *loop, struct ptl_stream *stream);
void ptl_uring_close_stream(struct ptl_loop *loop, struct ptl_stream *stream);

/* Take over a connection that was just accepted; it waits for ptl_uring_adopt().  PTL_ENOMEM: the
 * descriptor stays the caller's. */
PTL_MUST_CHECK int ptl_uring_take_socket(struct ptl_uring_loop *loop, int fd,
                                         struct ptl_stream **stream);

/* Whether an accepted stream has neither been adopted nor closed. */
bool ptl_uring_is_orphan(const struct ptl_stream *stream);

/* Begin to close every stream and every listener without a hook. */
void ptl_uring_drop_streams(struct ptl_uring_loop *loop);
void ptl_uring_drop_listeners(struct ptl_uring_loop *loop);

/*
 * Listen again where a pause is over, and return when the next one ends (UINT64_MAX: no listener
 * pauses).  A listener pauses when accepting fails for want of descriptors or memory, until one is
 * given back or for a tenth of a second.
 */
uint64_t ptl_uring_resume_listeners(struct ptl_uring_loop *loop, uint64_t now_ns);
