/*
 * io/loop.h - everything that moves bytes and time, behind one interface.
 *
 *            engine: one shard                loop_uring.c, loop_epoll.c | the simulated loop
 *   ptl_loop_poll(loop, until) ----- submits, waits ----->  kernel       | virtual network
 *        hooks  <----- accepted, connected, received, sent, ended, ... -----
 *
 * A loop belongs to the thread that opened it: only ptl_loop_wake() may be called from another.
 * Hooks run inside ptl_loop_poll() and nowhere else, never inside a call that asks for something.
 * The user may call anything from inside a hook, close and detach included.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#define PTL_ADDRESS_TEXT_MAX 64 /* "[ffff:...:255.255.255.255%12]:65535" and its NUL fit */
#define PTL_RESOLVE_MAX 16      /* addresses told for one name */
#define PTL_SEND_SPANS_MAX 64   /* spans in one ptl_stream_send() */
#define PTL_INTERFACES_MAX 8    /* addresses told for one that stands for all */

struct ptl_loop;
struct ptl_stream;   /* one TCP connection, as its loop sees it */
struct ptl_listener; /* one listening socket */

/* A numeric address, "127.0.0.1:4040" or "[::1]:4040". */
struct ptl_address {
    char text[PTL_ADDRESS_TEXT_MAX];
};

/* What a loop tells whoever uses it.  `user` is the one given when the loop was opened. */
struct ptl_loop_hooks {
    /* A peer has connected; `peer` is its address.  The new stream must be adopted in this call
     * (it reads from then on) or closed. */
    void (*accepted)(void *user, struct ptl_listener *listener, struct ptl_stream *stream,
                     const struct ptl_address *peer);
    /* The answer to ptl_loop_resolve(): err < 0, or `count` addresses that live for this call. */
    void (*resolved)(void *user, void *request, int err, const struct ptl_address addresses[],
                     unsigned count);
    /* There was no descriptor for a connection.  A few are kept for this case, and have to do until
     * others are given back: close what can be spared.  May be NULL. */
    void (*starved)(void *user);
};

/* What becomes of a stream.  `owner` is the one given to ptl_stream_adopt(). */
struct ptl_stream_hooks {
    /* The answer to ptl_loop_connect(): 0 or -errno (then close the stream). */
    void (*connected)(void *owner, int err);
    /* Bytes have come; they live for this call.  Never empty. */
    void (*received)(void *owner, struct ptl_span bytes);
    /* Nothing more will come: 0 when the peer has closed its side, else -errno.  Told once. */
    void (*ended)(void *owner, int err);
    /* The answer to ptl_stream_send(): how many bytes went out (perhaps not all), or -errno. */
    void (*sent)(void *owner, int result);
    /* The answer to ptl_stream_detach(): `handle` is the connection, `stream` no longer exists. */
    void (*detached)(void *owner, int handle);
    /* The answer to ptl_stream_close(): the last hook of this stream, which no longer exists. The
     * bytes of a send that was under way are the owner's again. */
    void (*closed)(void *owner);
};

struct ptl_loop_ops {
    int (*listen)(struct ptl_loop *, const struct ptl_address *, struct ptl_listener **,
                  struct ptl_address *bound);
    void (*unlisten)(struct ptl_loop *, struct ptl_listener *);
    int (*resolve)(struct ptl_loop *, const char *host_port, void *request);
    int (*connect)(struct ptl_loop *, const struct ptl_address *, const struct ptl_stream_hooks *,
                   void *owner, struct ptl_stream **);
    int (*attach)(struct ptl_loop *, int handle, const struct ptl_stream_hooks *, void *owner,
                  struct ptl_stream **);
    void (*discard)(struct ptl_loop *, int handle);
    void (*adopt)(struct ptl_loop *, struct ptl_stream *, const struct ptl_stream_hooks *,
                  void *owner);
    int (*send)(struct ptl_loop *, struct ptl_stream *, const struct ptl_span spans[],
                unsigned count);
    void (*read)(struct ptl_loop *, struct ptl_stream *, bool on);
    void (*user_timeout)(struct ptl_loop *, struct ptl_stream *, uint32_t milliseconds);
    void (*keep_short)(struct ptl_loop *, struct ptl_stream *);
    void (*finish)(struct ptl_loop *, struct ptl_stream *);
    size_t (*unconfirmed)(struct ptl_loop *, struct ptl_stream *);
    void (*detach)(struct ptl_loop *, struct ptl_stream *);
    void (*close)(struct ptl_loop *, struct ptl_stream *);
    bool (*ready)(struct ptl_loop *);
    void (*poll)(struct ptl_loop *, uint64_t until_ns);
    void (*wake)(struct ptl_loop *, struct ptl_loop *from);
    uint64_t (*now)(struct ptl_loop *);
    uint64_t (*coarse)(struct ptl_loop *);
    double (*wall)(struct ptl_loop *);
    void (*random)(struct ptl_loop *, void *bytes, size_t size);
    const char *(*remark)(struct ptl_loop *);
    unsigned (*interfaces)(struct ptl_loop *, const struct ptl_address *, bool loopback,
                           struct ptl_address out[static PTL_INTERFACES_MAX]);
    void (*free)(struct ptl_loop *);
};

/* Every loop begins with this. */
struct ptl_loop {
    const struct ptl_loop_ops *ops;
};

/* Where loops come from, and chance before there are any. */
struct ptl_loop_maker {
    /* One call a shard, on the thread that will run it. */
    int (*open)(void *maker, unsigned shard, const struct ptl_allocator *allocator,
                const struct ptl_loop_hooks *hooks, void *user, struct ptl_loop **loop);
    /* As ptl_loop_random().  Thread: any. */
    void (*random)(void *maker, void *bytes, size_t size);
    void *maker;
};

/* Loops on io_uring.  PTL_EFEATURE when it cannot be had, or lacks what is required. */
const struct ptl_loop_maker *ptl_loop_uring(void);

/* Loops on epoll.  A copy of this whose `maker` is a text has it as its loops' remark; the text
 * must outlive them. */
const struct ptl_loop_maker *ptl_loop_epoll(void);

/*
 * Listen on a numeric address; port 0 lets the system choose.  `bound` (may be NULL) tells which
 * it is.  Blocks for up to three seconds while another listens there: it may just have been
 * killed.  Returns 0, PTL_EADDRESS or -errno.
 */
static inline int ptl_loop_listen(struct ptl_loop *loop, const struct ptl_address *address,
                                  struct ptl_listener **listener, struct ptl_address *bound)
{
    return loop->ops->listen(loop, address, listener, bound);
}

/* Stop listening; no `accepted` comes afterwards.  Owns: the listener is gone at once. */
static inline void ptl_loop_unlisten(struct ptl_loop *loop, struct ptl_listener *listener)
{
    loop->ops->unlisten(loop, listener);
}

/*
 * Ask for the numeric addresses of "HOST:PORT", "[HOST]:PORT" or "srv:NAME", a service that DNS
 * knows hosts and ports of, without blocking; `resolved` answers with the same `request`, once,
 * also when `host_port` was numeric.  Returns 0, PTL_EADDRESS or PTL_ENOMEM, and then nothing
 * answers.
 */
static inline int ptl_loop_resolve(struct ptl_loop *loop, const char *host_port, void *request)
{
    return loop->ops->resolve(loop, host_port, request);
}

/* Connect to a numeric address; `connected` answers.  The stream may be closed at any time. */
static inline int ptl_loop_connect(struct ptl_loop *loop, const struct ptl_address *address,
                                   const struct ptl_stream_hooks *hooks, void *owner,
                                   struct ptl_stream **stream)
{
    return loop->ops->connect(loop, address, hooks, owner, stream);
}

/* Take over a connection that another loop of the same maker has detached.  It reads at once.  On
 * failure the handle stays the caller's. */
static inline int ptl_loop_attach(struct ptl_loop *loop, int handle,
                                  const struct ptl_stream_hooks *hooks, void *owner,
                                  struct ptl_stream **stream)
{
    return loop->ops->attach(loop, handle, hooks, owner, stream);
}

/* Close a detached connection that nobody will attach. */
static inline void ptl_loop_discard(struct ptl_loop *loop, int handle)
{
    loop->ops->discard(loop, handle);
}

/* Say who owns a stream: for an accepted one this starts the reading; else it changes the owner. */
static inline void ptl_stream_adopt(struct ptl_loop *loop, struct ptl_stream *stream,
                                    const struct ptl_stream_hooks *hooks, void *owner)
{
    loop->ops->adopt(loop, stream, hooks, owner);
}

/*
 * Send the spans, in order; `sent` answers.  One send at a time on a stream.  Owns: the bytes (not
 * the array) must stay as they are until `sent` or `closed`.
 * Returns 0, or PTL_ENOMEM: then nothing answers.
 */
static inline int ptl_stream_send(struct ptl_loop *loop, struct ptl_stream *stream,
                                  const struct ptl_span spans[], unsigned count)
{
    return loop->ops->send(loop, stream, spans, count);
}

/* Stop or resume reading.  After a stop, bytes already on their way up may still be told: the
 * owner keeps them. */
static inline void ptl_stream_read(struct ptl_loop *loop, struct ptl_stream *stream, bool on)
{
    loop->ops->read(loop, stream, on);
}

/* Fail the stream when what was sent stays unacknowledged for so long (TCP_USER_TIMEOUT); 0: the
 * system's own default. */
static inline void ptl_stream_user_timeout(struct ptl_loop *loop, struct ptl_stream *stream,
                                           uint32_t milliseconds)
{
    loop->ops->user_timeout(loop, stream, milliseconds);
}

/*
 * Have the system hold little of what is under way, in either direction, so that the order in which
 * bytes are sent is that in which they arrive soon: it takes no more when so much is unsent, and,
 * where the path is too short to hold more, gathers little that is not received.
 */
static inline void ptl_stream_keep_short(struct ptl_loop *loop, struct ptl_stream *stream)
{
    loop->ops->keep_short(loop, stream);
}

/*
 * Say that nothing more will be sent: the peer is told so behind all that was.  No send may be
 * under way or follow; reading goes on, and `ended` tells that the peer has finished too.  Only a
 * connection that is read to its end can be closed without the danger that bytes still on their
 * way to the peer are lost.
 */
static inline void ptl_stream_finish(struct ptl_loop *loop, struct ptl_stream *stream)
{
    loop->ops->finish(loop, stream);
}

/* Of one that is finished: bytes that were sent and that the peer's system has not confirmed. */
static inline size_t ptl_stream_unconfirmed(struct ptl_loop *loop, struct ptl_stream *stream)
{
    return loop->ops->unconfirmed(loop, stream);
}

/*
 * Give the connection up without closing it.  No send may be under way.  Bytes may still be told
 * by `received` (the owner keeps them), then `detached` comes; or `ended`, and then `detached`.
 */
static inline void ptl_stream_detach(struct ptl_loop *loop, struct ptl_stream *stream)
{
    loop->ops->detach(loop, stream);
}

/*
 * Close at once; what was handed to the kernel is still delivered where possible.  Only `closed`
 * comes afterwards.
 */
static inline void ptl_stream_close(struct ptl_loop *loop, struct ptl_stream *stream)
{
    loop->ops->close(loop, stream);
}

/*
 * Whether a poll would have something to do without waiting: what was asked is not submitted yet,
 * or something has completed.  Nearly free to ask, again and again; where the kernel must be asked
 * it is only now and then, and seen within some dozens of looks.
 */
static inline bool ptl_loop_ready(struct ptl_loop *loop)
{
    return loop->ops->ready(loop);
}

/*
 * Submit what was asked, wait until something completes, somebody wakes us or `until_ns` of
 * ptl_loop_now() is past (0: do not wait; UINT64_MAX: no limit), and run the hooks of all that has
 * completed.
 */
static inline void ptl_loop_poll(struct ptl_loop *loop, uint64_t until_ns)
{
    loop->ops->poll(loop, until_ns);
}

/*
 * Make `loop` return from ptl_loop_poll() soon.  Thread: any.  `from` is the caller's own loop, or
 * NULL for a thread without one: a wake with `from` may leave with the caller's own next poll.
 * Several wakes before a poll count as one.  `loop` must not be freed before this has returned.
 */
static inline void ptl_loop_wake(struct ptl_loop *loop, struct ptl_loop *from)
{
    loop->ops->wake(loop, from);
}

/* Monotonic time in nanoseconds. */
static inline uint64_t ptl_loop_now(struct ptl_loop *loop)
{
    return loop->ops->now(loop);
}

/* The same, exact to a few milliseconds only and nearly free to read. */
static inline uint64_t ptl_loop_coarse(struct ptl_loop *loop)
{
    return loop->ops->coarse(loop);
}

/* Seconds since 1970. */
static inline double ptl_loop_wall(struct ptl_loop *loop)
{
    return loop->ops->wall(loop);
}

/* Random bytes, good enough for nonces. */
static inline void ptl_loop_random(struct ptl_loop *loop, void *bytes, size_t size)
{
    loop->ops->random(loop, bytes, size);
}

/*
 * What somebody who listens on `address` can be reached at now: that address; or, when it is the
 * one that stands for all (0.0.0.0 or ::), those of the interfaces that are up, with the same port:
 * those that lead here from other machines, or, with `loopback`, the others.
 * Returns how many, at most PTL_INTERFACES_MAX.
 */
static inline unsigned ptl_loop_interfaces(struct ptl_loop *loop, const struct ptl_address *address,
                                           bool loopback,
                                           struct ptl_address out[static PTL_INTERFACES_MAX])
{
    return loop->ops->interfaces(loop, address, loopback, out);
}

/* What of this loop an operator may wonder about, as a line, or NULL.  Owns: lives as long as the
 * loop. */
static inline const char *ptl_loop_remark(struct ptl_loop *loop)
{
    return loop->ops->remark(loop);
}

/*
 * Free the loop on its own thread.  Streams still open are closed without a hook, and so are
 * listeners; nothing of the loop is left afterwards, helper threads included.
 */
static inline void ptl_loop_free(struct ptl_loop *loop)
{
    loop->ops->free(loop);
}
