#include "io/uring_loop.h"

#include "io/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_NS ((uint64_t)100000000) /* when accepting failed for want of something */

struct ptl_listener {
    struct ptl_uring_loop *loop;
    struct ptl_listener *next;
    struct ptl_listener **link;
    int fd;
    bool closed;        /* the user has forgotten it */
    bool stopped;       /* the accept that is active has been cancelled */
    bool held;          /* a hook runs: it must not be freed */
    uint64_t resume_ns; /* when its pause ends; 0: it does not pause */
    struct ptl_uring_op accept;
    struct ptl_uring_cancel stop;
};

static void free_listener(struct ptl_listener *listener)
{
    *listener->link = listener->next;
    if (listener->next != NULL) {
        listener->next->link = listener->link;
    }
    close(listener->fd);
    ptl_free(listener->loop->allocator, listener, sizeof(*listener));
}

/*
 * Brings the kernel closer to what is wanted of it: an accept while it is open, none once it is
 * closed; then it is freed.
 */
static void steer_listener(struct ptl_listener *listener)
{
    struct ptl_uring *uring = &listener->loop->uring;

    if (!listener->closed) {
        if (!listener->accept.active && listener->resume_ns == 0) {
            ptl_uring_start(uring, &listener->accept);
        }
        return;
    }
    if (listener->accept.active && !listener->stopped && !listener->stop.op.active) {
        listener->stopped = true;
        ptl_uring_start(uring, &listener->stop.op);
    }
    if (!listener->accept.active && !listener->stop.op.active && !listener->held) {
        free_listener(listener);
    }
}

static void prepare_accept(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_listener *listener = PTL_URING_OWNER(op, struct ptl_listener, accept);

    io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void take_connection(struct ptl_listener *listener, int fd)
{
    struct ptl_uring_loop *loop = listener->loop;
    union ptl_sockaddr sockaddr;
    socklen_t size = sizeof(sockaddr);
    struct ptl_stream *stream;
    struct ptl_address peer;

    /* One accept serves many connections, so their addresses cannot come along with it.  A peer
     * that is gone again has none. */
    if (listener->closed || getpeername(fd, &sockaddr.any, &size) < 0 ||
        ptl_uring_take_socket(loop, fd, &stream) < 0) {
        close(fd);
        return;
    }
    ptl_address_from_sockaddr(&sockaddr, &peer);
    loop->hooks->accepted(loop->user, listener, stream, &peer);
    ptl_assert(!ptl_uring_is_orphan(stream));
}

static void pause_listener(struct ptl_listener *listener)
{
    ptl_assert(listener->resume_ns == 0 && !listener->closed);
    listener->resume_ns = ptl_loop_now(&listener->loop->base) + PAUSE_NS;
    listener->loop->listeners_paused++;
}

static void accept_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_listener *listener = PTL_URING_OWNER(op, struct ptl_listener, accept);
    (void)flags;

    ptl_assert(!listener->held);

    listener->held = true;
    if (result >= 0) {
        take_connection(listener, result);
    } else if (!listener->closed && (result == -EMFILE || result == -ENFILE)) {
        if (!ptl_spares_release(&listener->loop->spares)) {
            pause_listener(listener);
        }
    } else if (!listener->closed && result != -ECONNABORTED && result != -EINTR &&
               result != -EAGAIN) {
        /* No memory, most likely: at once it would fail again. */
        pause_listener(listener);
    }
    listener->held = false;
    steer_listener(listener);
}

static const struct ptl_uring_verb accept_verb = {prepare_accept, accept_done};

static void stop_accept_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_listener *listener = PTL_URING_OWNER(op, struct ptl_listener, stop.op);
    (void)flags;

    if (result < 0) {
        listener->stopped = false;
    }
    steer_listener(listener);
}

static const struct ptl_uring_verb stop_accept_verb = {ptl_uring_prepare_cancel, stop_accept_done};

uint64_t ptl_uring_resume_listeners(struct ptl_uring_loop *loop, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (struct ptl_listener *listener = loop->listeners; listener != NULL;
         listener = listener->next) {
        if (listener->resume_ns != 0 && listener->resume_ns <= now_ns) {
            ptl_assert(loop->listeners_paused > 0);
            listener->resume_ns = 0;
            loop->listeners_paused--;
            steer_listener(listener);
        } else if (listener->resume_ns != 0 && listener->resume_ns < next_ns) {
            next_ns = listener->resume_ns;
        }
    }
    return next_ns;
}

int ptl_uring_listen(struct ptl_loop *base, const struct ptl_address *address,
                     struct ptl_listener **listener, struct ptl_address *bound)
{
    struct ptl_uring_loop *loop = ptl_uring_loop(base);

    int fd = ptl_socket_listen(address, 0, bound);
    if (fd < 0) {
        return fd;
    }
    struct ptl_listener *new = ptl_alloc(loop->allocator, sizeof(*new));
    if (new == NULL) {
        close(fd);
        return PTL_ENOMEM;
    }
    new->loop = loop;
    new->fd = fd;
    new->accept.verb = &accept_verb;
    new->stop.op.verb = &stop_accept_verb;
    new->stop.target = &new->accept;
    new->next = loop->listeners;
    new->link = &loop->listeners;
    if (new->next != NULL) {
        new->next->link = &new->next;
    }
    loop->listeners = new;
    *listener = new;
    steer_listener(new);
    return PTL_OK;
}

void ptl_uring_unlisten(struct ptl_loop *base, struct ptl_listener *listener)
{
    (void)base;
    ptl_assert(!listener->closed);
    listener->closed = true;
    if (listener->resume_ns != 0) {
        listener->resume_ns = 0;
        listener->loop->listeners_paused--;
    }
    /* The descriptor stays until no operation names it any more; connecting shall fail now. */
    shutdown(listener->fd, SHUT_RDWR);
    steer_listener(listener);
}

void ptl_uring_drop_listeners(struct ptl_uring_loop *loop)
{
    struct ptl_listener *next;

    for (struct ptl_listener *listener = loop->listeners; listener != NULL; listener = next) {
        next = listener->next;
        if (!listener->closed) {
            ptl_uring_unlisten(&loop->base, listener);
        }
    }
}
