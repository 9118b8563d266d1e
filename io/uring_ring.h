/*
 * io/uring_ring.h - one io_uring as a loop uses it: operations in, completions out, and a pool of
 * receive buffers that the kernel takes from by itself.
 *
 *   ptl_uring_start(op) --> [ submission queue ] --ptl_uring_enter()--> kernel
 *        no room: waits in `queue`, in order          op->verb->done() <--ptl_uring_reap()
 *
 * An operation is a struct that its owner embeds; starting one cannot fail and never runs a
 * callback.  It must stay where it is until its last completion.
 * Thread: the one that opened the ring, for all of it.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#include <liburing.h>

/* 2 MiB in all: measured at least as fast as 4, and a shard's cache holds more of it. */
#define PTL_URING_BUFFERS 64               /* a power of two */
#define PTL_URING_BUFFER_BYTES (32 * 1024) /* the most that one receive tells */

struct ptl_uring_op;

/* What all operations of a kind have in common. */
struct ptl_uring_verb {
    /* Fill in the entry, all but its user data. */
    void (*prepare)(struct ptl_uring_op *op, struct io_uring_sqe *sqe);
    /* It has completed.  `flags` has IORING_CQE_F_MORE while more completions follow; else the
     * operation is inactive again and may be started or freed. */
    void (*done)(struct ptl_uring_op *op, int result, unsigned flags);
};

/* An operation.  Whoever embeds it sets `verb`; the rest is touched by io/uring_ring.c only. */
struct ptl_uring_op {
    const struct ptl_uring_verb *verb;
    struct ptl_uring_op *next; /* while it waits for room in the submission queue */
    bool active;               /* started, and its last completion has not been told */
};

/* The cancelling of another operation, which completes with -ECANCELED, unless otherwise first. */
struct ptl_uring_cancel {
    struct ptl_uring_op op;
    struct ptl_uring_op *target;
};

/* Fields are read freely, written by io/uring_ring.c only. */
struct ptl_uring {
    struct io_uring ring;
    const struct ptl_allocator *allocator;
    unsigned features;                 /* enum ptl_uring_feature */
    int refused;                       /* -errno of the kernel that would not make a ring, or 0 */
    unsigned wait_flags;               /* of an entry into the kernel that waits */
    unsigned active;                   /* operations started and not completed */
    struct ptl_uring_op *queue;        /* operations that found no room, oldest first */
    struct ptl_uring_op *queue_end;    /* valid while `queue` is */
    struct io_uring_buf_ring *buffers; /* page-aligned, within `pages` */
    uint8_t *pages;
    size_t pages_size;
    uint8_t *bytes;    /* PTL_URING_BUFFERS of PTL_URING_BUFFER_BYTES each */
    unsigned returned; /* buffers put back that the kernel has not been shown yet */
    unsigned scarce;   /* so many receives still are of one buffer each: the pool was empty */
    /* What to do with a completion whose user data is odd: it belongs to no operation here. */
    void (*message)(void *user, uint64_t user_data, int result);
    void *user;
};

/*
 * Errors: PTL_EFEATURE, and then `missing` (may be NULL) is an operator's constant line;
 * PTL_ENOMEM; -errno.
 */
PTL_MUST_CHECK int ptl_uring_open(struct ptl_uring *uring, const struct ptl_allocator *allocator,
                                  const char **missing);

/* No operation may be active: the kernel would write into memory that is gone. */
void ptl_uring_close(struct ptl_uring *uring);

/* Start an operation that is not active; the next ptl_uring_enter() submits it, in order. */
void ptl_uring_start(struct ptl_uring *uring, struct ptl_uring_op *op);

/* An entry to fill in for a message to another ring, or NULL when there is no room. */
struct io_uring_sqe *ptl_uring_entry(struct ptl_uring *uring);

/*
 * Submit all that was started and let the kernel do what is due.  Waits for a completion for at
 * most `wait_ns` (0: does not wait; UINT64_MAX: no limit).
 */
void ptl_uring_enter(struct ptl_uring *uring, uint64_t wait_ns);

/* Whether operations were started that the kernel has not been shown. */
bool ptl_uring_unsubmitted(const struct ptl_uring *uring);

/* Whether a completion can be had without waiting. */
bool ptl_uring_ready(const struct ptl_uring *uring);

/* Tell the completions that are there now, and no later ones; but only so much received at once. */
void ptl_uring_reap(struct ptl_uring *uring);

/* The bytes of a receive that has completed with `flags`: they live until it is put back. */
struct ptl_span ptl_uring_buffer(const struct ptl_uring *uring, int result, unsigned flags);

/* Put the buffer of a completion back into the pool; nothing happens when it has none. */
void ptl_uring_put_buffer(struct ptl_uring *uring, unsigned flags);

/* The verb of every cancel is made of these two and the owner's own done(). */
void ptl_uring_prepare_cancel(struct ptl_uring_op *op, struct io_uring_sqe *sqe);
