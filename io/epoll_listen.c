#include "io/epoll_loop.h"

#include "io/clock.h"
#include "io/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_BATCH 16 /* connections before others have their turn */
#define PAUSE_NS ((uint64_t)100000000)

struct ptl_listener {
    struct ptl_epoll_loop *loop;
    struct ptl_listener *next;
    struct ptl_listener **link;
    int fd;
    bool closed; /* the user has forgotten it */
    bool held;   /* a hook runs: it must not be freed */
    bool paused;
    struct ptl_epoll_source source;
    struct ptl_epoll_work accept; /* in `costly` while somebody may want in */
};

static void happened(struct ptl_epoll_source *source, unsigned events)
{
    struct ptl_listener *listener = PTL_EPOLL_OWNER(source, struct ptl_listener, source);
    (void)events;

    if (!listener->paused) {
        ptl_epoll_queue_add(&listener->loop->costly, &listener->accept);
    }
}

static void pause_listener(struct ptl_listener *listener)
{
    struct ptl_epoll_loop *loop = listener->loop;

    listener->paused = true;
    if (loop->resume_ns == 0) {
        loop->resume_ns = ptl_clock_monotonic() + PAUSE_NS;
    }
}

uint64_t ptl_epoll_resume_listeners(struct ptl_epoll_loop *loop)
{
    if (loop->resume_ns == 0) {
        return UINT64_MAX;
    }
    if (!loop->spares.freed && ptl_clock_monotonic() < loop->resume_ns) {
        return loop->resume_ns;
    }
    /* One that began to pause later is tried sooner than it had to be: no harm. */
    loop->resume_ns = 0;
    for (struct ptl_listener *listener = loop->listeners; listener != NULL;
         listener = listener->next) {
        if (listener->paused) {
            listener->paused = false;
            ptl_epoll_queue_add(&loop->costly, &listener->accept);
        }
    }
    return UINT64_MAX;
}

static void take_connection(struct ptl_listener *listener, int fd,
                            const union ptl_sockaddr *sockaddr)
{
    struct ptl_epoll_loop *loop = listener->loop;
    struct ptl_stream *stream;
    struct ptl_address peer;

    ptl_epoll_spend(loop, PTL_EPOLL_ACCEPT_COST);
    if (ptl_epoll_take_socket(loop, fd, &stream) < 0) {
        close(fd);
        return;
    }
    ptl_address_from_sockaddr(sockaddr, &peer);
    loop->hooks->accepted(loop->user, listener, stream, &peer);
    ptl_assert(!ptl_epoll_is_orphan(stream));
}

/* Returns whether there may be more to accept now. */
static bool accept_one(struct ptl_listener *listener)
{
    union ptl_sockaddr sockaddr;
    socklen_t size = sizeof(sockaddr);

    int fd = accept4(listener->fd, &sockaddr.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        take_connection(listener, fd, &sockaddr);
        return !listener->closed;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case ECONNABORTED:
    case EINTR:
        return true;
    case EMFILE:
    case ENFILE:
        if (ptl_spares_release(&listener->loop->spares)) {
            return true;
        }
        break;
    }
    /* No memory, most likely: at once it would fail again. */
    pause_listener(listener);
    return false;
}

/* Its descriptor is closed. */
static void free_listener(struct ptl_listener *listener)
{
    ptl_epoll_queue_remove(&listener->accept);
    *listener->link = listener->next;
    if (listener->next != NULL) {
        listener->next->link = listener->link;
    }
    ptl_free(listener->loop->allocator, listener, sizeof(*listener));
}

static void accept_some(struct ptl_epoll_work *work)
{
    struct ptl_listener *listener = PTL_EPOLL_OWNER(work, struct ptl_listener, accept);
    bool more = true;

    ptl_assert(!listener->held && !listener->closed);
    listener->held = true;
    for (unsigned i = 0; i < ACCEPT_BATCH && more; i++) {
        more = accept_one(listener);
    }
    listener->held = false;
    if (listener->closed) {
        free_listener(listener);
    } else if (more) {
        ptl_epoll_queue_add(&listener->loop->costly, &listener->accept);
    }
}

int ptl_epoll_listen(struct ptl_loop *base, const struct ptl_address *address,
                     struct ptl_listener **listener, struct ptl_address *bound)
{
    struct ptl_epoll_loop *loop = ptl_epoll_loop(base);
    int err = PTL_ENOMEM;

    int fd = ptl_socket_listen(address, SOCK_NONBLOCK, bound);
    if (fd < 0) {
        return fd;
    }
    struct ptl_listener *new = ptl_alloc(loop->allocator, sizeof(*new));
    if (new == NULL) {
        goto out;
    }
    new->loop = loop;
    new->fd = fd;
    new->source.happened = happened;
    new->accept.run = accept_some;
    err = ptl_epoll_register(&loop->events, fd, &new->source);
    if (err < 0) {
        ptl_free(loop->allocator, new, sizeof(*new));
        goto out;
    }
    new->next = loop->listeners;
    new->link = &loop->listeners;
    if (new->next != NULL) {
        new->next->link = &new->next;
    }
    loop->listeners = new;
    *listener = new;
    return PTL_OK;

out:
    close(fd);
    return err;
}

void ptl_epoll_unlisten(struct ptl_loop *base, struct ptl_listener *listener)
{
    ptl_assert(!listener->closed);
    listener->closed = true;
    ptl_epoll_unregister(&ptl_epoll_loop(base)->events, listener->fd);
    close(listener->fd);
    if (!listener->held) {
        free_listener(listener);
    }
}

void ptl_epoll_drop_listeners(struct ptl_epoll_loop *loop)
{
    while (loop->listeners != NULL) {
        ptl_epoll_unlisten(&loop->base, loop->listeners);
    }
}
