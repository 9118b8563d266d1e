#include "io/epoll_loop.h"

#include "io/socket.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum stream_state {
    STREAM_CONNECTING,
    STREAM_ORPHAN, /* accepted, not adopted yet */
    STREAM_OPEN,
    STREAM_FAILED,    /* could not connect; waits to be closed */
    STREAM_DETACHING, /* to be given up by the next poll */
    STREAM_CLOSING,   /* the descriptor is closed already; the next poll tells */
};

/*
 * Only `answer` frees a stream, when it is being detached or closed: so one stays good whatever its
 * hooks do.
 */
struct ptl_stream {
    struct ptl_socket socket; /* the first: see io/socket.h */
    struct ptl_epoll_loop *loop;
    const struct ptl_stream_hooks *hooks;
    void *owner;
    struct ptl_stream *next;
    struct ptl_stream **link; /* what points to us */
    enum stream_state state;
    bool reads;    /* the owner wants bytes */
    bool ended;    /* nothing more will come */
    bool readable; /* the kernel may have something to tell */
    bool hung_up;  /* and the last of it is an end: a short receive was not all */
    bool sends;    /* a send has been asked for and not been answered */
    bool has_result;
    int result;             /* of the send or connect that is to be answered */
    struct ptl_span unsent; /* of a send that waits for room: its first span */
    struct ptl_epoll_source source;
    struct ptl_epoll_work answer;  /* in `due` while an answer can be given */
    struct ptl_epoll_work receive; /* in `costly` while there may be something to receive */
};

_Static_assert(offsetof(struct ptl_stream, socket) == 0, "as io/socket.h has it");

/* ---- Receiving ----------------------------------------------------------------------------- */

/* Brings the queue in line with what is known and wanted. */
static void steer(struct ptl_stream *stream)
{
    if (stream->state == STREAM_OPEN && stream->reads && stream->readable && !stream->ended) {
        ptl_epoll_queue_add(&stream->loop->costly, &stream->receive);
    } else {
        ptl_epoll_queue_remove(&stream->receive);
    }
}

static void tell_end(struct ptl_stream *stream, int err)
{
    stream->ended = true;
    stream->hooks->ended(stream->owner, err);
}

static void receive(struct ptl_epoll_work *work)
{
    struct ptl_stream *stream = PTL_EPOLL_OWNER(work, struct ptl_stream, receive);
    struct ptl_epoll_loop *loop = stream->loop;

    ptl_assert(stream->state == STREAM_OPEN && stream->reads && !stream->ended);
    ssize_t size = recv(stream->socket.fd, loop->buffer, PTL_EPOLL_BUFFER_BYTES, MSG_DONTWAIT);
    ptl_epoll_spend(loop, size > PTL_EPOLL_COST ? (size_t)size : PTL_EPOLL_COST);
    if (size > 0) {
        /* Less than there was room for is all that there is: for more there is a new event. */
        stream->readable = size == PTL_EPOLL_BUFFER_BYTES || stream->hung_up;
        steer(stream); /* behind the others; and first, since the hook may say otherwise */
        stream->hooks->received(stream->owner, ptl_span(loop->buffer, (size_t)size));
    } else if (size == 0) {
        tell_end(stream, 0);
    } else if (errno == EINTR) {
        steer(stream);
    } else if (errno == EAGAIN) {
        stream->readable = false;
        stream->hung_up = false;
    } else {
        tell_end(stream, -errno);
    }
}

/* ---- Answering ----------------------------------------------------------------------------- */

static int socket_error(int fd)
{
    int err = 0;
    socklen_t size = sizeof(err);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0 ? -errno : -err;
}

static int transmit(int fd, const struct ptl_span spans[], unsigned count)
{
    struct iovec vectors[PTL_SEND_SPANS_MAX];
    ssize_t sent;

    for (unsigned i = 0; i < count; i++) {
        vectors[i].iov_base = (void *)(uintptr_t)spans[i].bytes;
        vectors[i].iov_len = spans[i].size;
    }
    const struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    do {
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : (int)sent;
}

static void set_result(struct ptl_stream *stream, int result)
{
    stream->has_result = true;
    stream->result = result;
    ptl_epoll_queue_add(&stream->loop->due, &stream->answer);
}

static void answer_connect(struct ptl_stream *stream)
{
    int err = stream->has_result ? stream->result : socket_error(stream->socket.fd);

    stream->has_result = false;
    stream->state = err == 0 ? STREAM_OPEN : STREAM_FAILED;
    steer(stream);
    stream->hooks->connected(stream->owner, err);
}

static void answer_send(struct ptl_stream *stream)
{
    int result =
        stream->has_result ? stream->result : transmit(stream->socket.fd, &stream->unsent, 1);

    if (result == -EAGAIN) {
        return; /* the room was taken again: for more there is a new event */
    }
    stream->has_result = false;
    stream->sends = false;
    stream->hooks->sent(stream->owner, result);
}

static void free_stream(struct ptl_stream *stream)
{
    ptl_epoll_queue_remove(&stream->receive);
    ptl_epoll_queue_remove(&stream->answer);
    *stream->link = stream->next;
    if (stream->next != NULL) {
        stream->next->link = stream->link;
    }
    ptl_free(stream->loop->allocator, stream, sizeof(*stream));
}

/* Freed before it is told: the hook may free the owner, and with it what knows of the stream. */
static void answer_detach(struct ptl_stream *stream)
{
    const struct ptl_stream_hooks *hooks = stream->hooks;
    void *owner = stream->owner;
    int fd = stream->socket.fd;

    ptl_epoll_unregister(&stream->loop->events, fd);
    free_stream(stream);
    hooks->detached(owner, fd);
}

static void answer_close(struct ptl_stream *stream)
{
    const struct ptl_stream_hooks *hooks = stream->hooks;
    void *owner = stream->owner;

    free_stream(stream);
    if (hooks != NULL) { /* it had an owner */
        hooks->closed(owner);
    }
}

static void answer(struct ptl_epoll_work *work)
{
    struct ptl_stream *stream = PTL_EPOLL_OWNER(work, struct ptl_stream, answer);

    switch (stream->state) {
    case STREAM_CONNECTING:
        answer_connect(stream);
        break;
    case STREAM_OPEN:
        answer_send(stream);
        break;
    case STREAM_DETACHING:
        answer_detach(stream);
        break;
    case STREAM_CLOSING:
        answer_close(stream);
        break;
    case STREAM_ORPHAN:
    case STREAM_FAILED:
        ptl_unreachable("nothing was asked of it");
    }
}

static void happened(struct ptl_epoll_source *source, unsigned events)
{
    struct ptl_stream *stream = PTL_EPOLL_OWNER(source, struct ptl_stream, source);

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        stream->readable = true;
        stream->hung_up |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        steer(stream);
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) &&
        (stream->state == STREAM_CONNECTING || (stream->state == STREAM_OPEN && stream->sends))) {
        ptl_epoll_queue_add(&stream->loop->due, &stream->answer);
    }
}

/* ---- What is asked of them ----------------------------------------------------------------- */

/* Owns: on failure the descriptor stays the caller's. */
static int make_stream(struct ptl_epoll_loop *loop, int fd, enum stream_state state,
                       const struct ptl_stream_hooks *hooks, void *owner,
                       struct ptl_stream **stream)
{
    struct ptl_stream *new = ptl_alloc(loop->allocator, sizeof(*new));
    if (new == NULL) {
        return PTL_ENOMEM;
    }
    new->loop = loop;
    new->hooks = hooks;
    new->owner = owner;
    new->socket.fd = fd;
    new->state = state;
    new->reads = true;
    new->source.happened = happened;
    new->answer.run = answer;
    new->receive.run = receive;
    int err = ptl_epoll_register(&loop->events, fd, &new->source);
    if (err < 0) {
        ptl_free(loop->allocator, new, sizeof(*new));
        return err;
    }
    new->next = loop->streams;
    new->link = &loop->streams;
    if (new->next != NULL) {
        new->next->link = &new->next;
    }
    loop->streams = new;
    *stream = new;
    return PTL_OK;
}

int ptl_epoll_take_socket(struct ptl_epoll_loop *loop, int fd, struct ptl_stream **stream)
{
    return make_stream(loop, fd, STREAM_ORPHAN, NULL, NULL, stream);
}

bool ptl_epoll_is_orphan(const struct ptl_stream *stream)
{
    return stream->state == STREAM_ORPHAN;
}

int ptl_epoll_connect(struct ptl_loop *base, const struct ptl_address *address,
                      const struct ptl_stream_hooks *hooks, void *owner, struct ptl_stream **stream)
{
    struct ptl_epoll_loop *loop = ptl_epoll_loop(base);
    union ptl_sockaddr sockaddr;
    socklen_t size;

    int fd = ptl_spares_socket(&loop->spares, address, SOCK_NONBLOCK, &sockaddr, &size);
    if (fd < 0) {
        return fd;
    }
    /* Before it is registered: what was not asked to connect counts as hung up. */
    int result = connect(fd, &sockaddr.any, size) < 0 ? -errno : 0;
    int err = make_stream(loop, fd, STREAM_CONNECTING, hooks, owner, stream);
    if (err < 0) {
        close(fd);
        return err;
    }
    if (result != -EINPROGRESS && result != -EINTR) {
        set_result(*stream, result);
    }
    return PTL_OK;
}

int ptl_epoll_attach(struct ptl_loop *base, int handle, const struct ptl_stream_hooks *hooks,
                     void *owner, struct ptl_stream **stream)
{
    return make_stream(ptl_epoll_loop(base), handle, STREAM_OPEN, hooks, owner, stream);
}

void ptl_epoll_adopt(struct ptl_loop *base, struct ptl_stream *stream,
                     const struct ptl_stream_hooks *hooks, void *owner)
{
    (void)base;
    stream->hooks = hooks;
    stream->owner = owner;
    if (stream->state == STREAM_ORPHAN) {
        stream->state = STREAM_OPEN;
    }
    steer(stream);
}

int ptl_epoll_send(struct ptl_loop *base, struct ptl_stream *stream, const struct ptl_span spans[],
                   unsigned count)
{
    (void)base;
    ptl_assert(stream->state == STREAM_OPEN);
    ptl_assert(!stream->sends);
    ptl_assert(count >= 1 && count <= PTL_SEND_SPANS_MAX);
    stream->sends = true;
    int result = transmit(stream->socket.fd, spans, count);
    if (result == -EAGAIN) {
        /* The first span is enough to go on with, and needs no memory: the array is not ours. */
        stream->unsent = spans[0];
    } else {
        set_result(stream, result);
    }
    return PTL_OK;
}

void ptl_epoll_read(struct ptl_loop *base, struct ptl_stream *stream, bool on)
{
    (void)base;
    stream->reads = on;
    steer(stream);
}

void ptl_epoll_finish(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base;
    ptl_assert(stream->state == STREAM_OPEN);
    ptl_assert(!stream->sends);
    ptl_socket_finish(stream->socket.fd);
}

void ptl_epoll_detach(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base;
    ptl_assert(stream->state == STREAM_OPEN);
    ptl_assert(!stream->sends);
    stream->state = STREAM_DETACHING;
    steer(stream);
    ptl_epoll_queue_add(&stream->loop->due, &stream->answer);
}

void ptl_epoll_close_stream(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base;
    ptl_assert(stream->state != STREAM_CLOSING);
    stream->state = STREAM_CLOSING;
    steer(stream);
    ptl_epoll_unregister(&stream->loop->events, stream->socket.fd);
    close(stream->socket.fd);
    stream->loop->spares.freed = true;
    ptl_epoll_queue_add(&stream->loop->due, &stream->answer);
}

void ptl_epoll_drop_streams(struct ptl_epoll_loop *loop)
{
    while (loop->streams != NULL) {
        if (loop->streams->state != STREAM_CLOSING) {
            close(loop->streams->socket.fd);
        }
        free_stream(loop->streams);
    }
}
