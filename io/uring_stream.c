#include "io/uring_loop.h"

#include "io/descriptor.h"
#include "io/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_BYTES_MAX ((size_t)1 << 30) /* of one span; more goes out with the next send */

enum stream_state {
    STREAM_CONNECTING,
    STREAM_ORPHAN, /* accepted, not adopted yet */
    STREAM_OPEN,
    STREAM_FAILED,    /* could not connect; waits to be closed */
    STREAM_DETACHING, /* to be given up as soon as no operation is active */
    STREAM_CLOSING,   /* to be closed as soon as no operation is active */
};

/*
 * What is asked of a stream is written down in its fields; steer() then starts whatever operation
 * brings the kernel closer to it.  Only the completion of `finish` frees a stream.
 */
struct ptl_stream {
    struct ptl_socket socket; /* the first: see io/socket.h */
    struct ptl_uring_loop *loop;
    const struct ptl_stream_hooks *hooks;
    void *owner;
    struct ptl_stream *next;
    struct ptl_stream **link; /* what points to us */
    enum stream_state state;
    bool reads;           /* the owner wants bytes */
    bool ended;           /* nothing more will come */
    bool receive_stopped; /* the receive that is active has been cancelled */
    bool out_stopped;     /* so has the send or connect */
    bool finish_closes;   /* what `finish` does when active: close, or nothing */
    struct ptl_uring_op receive;
    struct ptl_uring_op out; /* connect, then one send after another */
    struct ptl_uring_op finish;
    struct ptl_uring_cancel stop_receive;
    struct ptl_uring_cancel stop_out;
    union {
        struct {
            union ptl_sockaddr sockaddr;
            socklen_t size;
        } peer; /* while connecting */
        struct ptl_span span;
        struct msghdr message;
    } sent;
    struct iovec *spans; /* PTL_SEND_SPANS_MAX, from the first send that has several on */
};

_Static_assert(offsetof(struct ptl_stream, socket) == 0, "as io/socket.h has it");

/* ---- Streams: what they are told ----------------------------------------------------------- */

static void silent_result(void *owner, int result)
{
    (void)owner;
    (void)result;
}

static void silent_received(void *owner, struct ptl_span bytes)
{
    (void)owner;
    (void)bytes;
}

static void silent_closed(void *owner)
{
    (void)owner;
}

/* For a stream that nobody owns. */
static const struct ptl_stream_hooks silent = {
    .connected = silent_result,
    .received = silent_received,
    .ended = silent_result,
    .sent = silent_result,
    .detached = silent_result,
    .closed = silent_closed,
};

/* ---- Streams: operations ------------------------------------------------------------------- */

static void steer(struct ptl_stream *stream);

/*
 * A receive goes on by itself and takes as many buffers as there are.  A peer that floods us so
 * takes all of them, and again each that is put back, before others have any: so when the pool has
 * been empty, everybody gets one buffer at a time, until so many more have been filled.
 */
#define ONE_EACH 1024

static void prepare_receive(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, receive);

    if (stream->loop->uring.scarce > 0) {
        io_uring_prep_recv(sqe, stream->socket.fd, NULL, 0, 0);
    } else {
        io_uring_prep_recv_multishot(sqe, stream->socket.fd, NULL, 0, 0);
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
}

/* These end a receive, but not the stream: out of buffers, or of room for completions. */
static bool may_receive_again(int result)
{
    return result == -ECANCELED || result == -ENOBUFS || result == -EINTR || result == -EAGAIN;
}

static void share_buffers(struct ptl_uring *uring, int result)
{
    if (result == -ENOBUFS) {
        uring->scarce = ONE_EACH;
    } else if (result > 0 && uring->scarce > 0) {
        uring->scarce--;
    }
}

static void receive_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, receive);
    bool listens = stream->state == STREAM_OPEN || stream->state == STREAM_DETACHING;

    share_buffers(&stream->loop->uring, result);
    if (result > 0 && listens) {
        stream->hooks->received(stream->owner,
                                ptl_uring_buffer(&stream->loop->uring, result, flags));
    }
    /* After the hook, which has read the bytes where they lie. */
    ptl_uring_put_buffer(&stream->loop->uring, flags);
    if (result == 0 || (result < 0 && !may_receive_again(result))) {
        stream->ended = true;
        if (listens) {
            stream->hooks->ended(stream->owner, result);
        }
    }
    steer(stream);
}

static const struct ptl_uring_verb receive_verb = {prepare_receive, receive_done};

static void prepare_connect(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, out);

    io_uring_prep_connect(sqe, stream->socket.fd, &stream->sent.peer.sockaddr.any,
                          stream->sent.peer.size);
}

static void connect_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, out);
    (void)flags;

    if (stream->state == STREAM_CONNECTING) {
        stream->state = result == 0 ? STREAM_OPEN : STREAM_FAILED;
        stream->hooks->connected(stream->owner, result);
    }
    steer(stream);
}

static const struct ptl_uring_verb connect_verb = {prepare_connect, connect_done};

static void prepare_send_one(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, out);
    struct ptl_span span = stream->sent.span;

    io_uring_prep_send(sqe, stream->socket.fd, span.bytes,
                       span.size < SEND_BYTES_MAX ? span.size : SEND_BYTES_MAX, MSG_NOSIGNAL);
}

static void prepare_send_many(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, out);

    io_uring_prep_sendmsg(sqe, stream->socket.fd, &stream->sent.message, MSG_NOSIGNAL);
}

static void send_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, out);
    (void)flags;

    if (stream->state == STREAM_OPEN) {
        if (result == -EINTR || result == -EAGAIN) {
            ptl_uring_start(&stream->loop->uring, op);
            return;
        }
        stream->hooks->sent(stream->owner, result);
    }
    steer(stream);
}

static const struct ptl_uring_verb send_one_verb = {prepare_send_one, send_done};
static const struct ptl_uring_verb send_many_verb = {prepare_send_many, send_done};

static void stop_receive_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, stop_receive.op);
    (void)flags;

    if (result < 0) {
        /* It was between two polls: if it is active still, try again. */
        stream->receive_stopped = false;
    }
    steer(stream);
}

static void stop_out_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, stop_out.op);
    (void)flags;

    if (result < 0) {
        stream->out_stopped = false;
    }
    steer(stream);
}

static const struct ptl_uring_verb stop_receive_verb = {ptl_uring_prepare_cancel,
                                                        stop_receive_done};
static const struct ptl_uring_verb stop_out_verb = {ptl_uring_prepare_cancel, stop_out_done};

static void prepare_finish(struct ptl_uring_op *op, struct io_uring_sqe *sqe)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, finish);

    stream->finish_closes = stream->state == STREAM_CLOSING;
    if (stream->finish_closes) {
        ptl_descriptor_closes(stream->socket.fd);
        io_uring_prep_close(sqe, stream->socket.fd);
    } else {
        io_uring_prep_nop(sqe);
    }
}

static void free_stream(struct ptl_stream *stream)
{
    ptl_assert(!stream->receive.active && !stream->out.active && !stream->finish.active);
    *stream->link = stream->next;
    if (stream->next != NULL) {
        stream->next->link = stream->link;
    }
    const struct ptl_allocator *allocator = stream->loop->allocator;
    ptl_free(allocator, stream->spans, PTL_SEND_SPANS_MAX * sizeof(stream->spans[0]));
    ptl_free(allocator, stream, sizeof(*stream));
}

static void finish_done(struct ptl_uring_op *op, int result, unsigned flags)
{
    struct ptl_stream *stream = PTL_URING_OWNER(op, struct ptl_stream, finish);
    const struct ptl_stream_hooks *hooks = stream->hooks;
    void *owner = stream->owner;
    int fd = stream->socket.fd;
    (void)flags;

    ptl_assert(stream->state == STREAM_DETACHING || stream->state == STREAM_CLOSING);

    if (stream->state == STREAM_DETACHING) {
        /* Freed first: the hook may free the owner, and with it what knows of the stream. */
        free_stream(stream);
        hooks->detached(owner, fd);
    } else if (!stream->finish_closes) {
        steer(stream); /* closed after all, while it was being detached */
    } else {
        if (result == -ECANCELED || result == -EAGAIN || result == -ENOMEM) {
            close(fd); /* the kernel has not even begun */
        }
        stream->loop->spares.freed = true;
        free_stream(stream);
        hooks->closed(owner);
    }
}

static const struct ptl_uring_verb finish_verb = {prepare_finish, finish_done};

static bool has_active_operation(const struct ptl_stream *stream)
{
    return stream->receive.active || stream->out.active || stream->stop_receive.op.active ||
           stream->stop_out.op.active || stream->finish.active;
}

static void steer(struct ptl_stream *stream)
{
    struct ptl_uring *uring = &stream->loop->uring;
    bool wants = stream->state == STREAM_OPEN && stream->reads && !stream->ended;

    if (wants && !stream->receive.active) {
        stream->receive_stopped = false;
        ptl_uring_start(uring, &stream->receive);
    }
    if (!wants && stream->receive.active && !stream->receive_stopped &&
        !stream->stop_receive.op.active) {
        stream->receive_stopped = true;
        ptl_uring_start(uring, &stream->stop_receive.op);
    }
    if (stream->state == STREAM_CLOSING && stream->out.active && !stream->out_stopped &&
        !stream->stop_out.op.active) {
        stream->out_stopped = true;
        ptl_uring_start(uring, &stream->stop_out.op);
    }
    if ((stream->state == STREAM_CLOSING || stream->state == STREAM_DETACHING) &&
        !has_active_operation(stream)) {
        ptl_uring_start(uring, &stream->finish);
    }
}

/* ---- Streams: what is asked of them -------------------------------------------------------- */

static struct ptl_stream *make_stream(struct ptl_uring_loop *loop, int fd, enum stream_state state,
                                      const struct ptl_stream_hooks *hooks, void *owner)
{
    struct ptl_stream *stream = ptl_alloc(loop->allocator, sizeof(*stream));
    if (stream == NULL) {
        return NULL;
    }
    stream->loop = loop;
    stream->hooks = hooks;
    stream->owner = owner;
    stream->socket.fd = fd;
    stream->state = state;
    stream->reads = true;
    stream->receive.verb = &receive_verb;
    stream->finish.verb = &finish_verb;
    stream->stop_receive.op.verb = &stop_receive_verb;
    stream->stop_receive.target = &stream->receive;
    stream->stop_out.op.verb = &stop_out_verb;
    stream->stop_out.target = &stream->out;
    stream->next = loop->streams;
    stream->link = &loop->streams;
    if (stream->next != NULL) {
        stream->next->link = &stream->next;
    }
    loop->streams = stream;
    return stream;
}

int ptl_uring_take_socket(struct ptl_uring_loop *loop, int fd, struct ptl_stream **stream)
{
    *stream = make_stream(loop, fd, STREAM_ORPHAN, &silent, NULL);
    return *stream != NULL ? PTL_OK : PTL_ENOMEM;
}

bool ptl_uring_is_orphan(const struct ptl_stream *stream)
{
    return stream->state == STREAM_ORPHAN;
}

int ptl_uring_connect(struct ptl_loop *base, const struct ptl_address *address,
                      const struct ptl_stream_hooks *hooks, void *owner, struct ptl_stream **stream)
{
    struct ptl_uring_loop *loop = ptl_uring_loop(base);
    union ptl_sockaddr sockaddr;
    socklen_t size;

    int fd = ptl_spares_socket(&loop->spares, address, 0, &sockaddr, &size);
    if (fd < 0) {
        return fd;
    }
    struct ptl_stream *new = make_stream(loop, fd, STREAM_CONNECTING, hooks, owner);
    if (new == NULL) {
        close(fd);
        return PTL_ENOMEM;
    }
    new->sent.peer.sockaddr = sockaddr;
    new->sent.peer.size = size;
    new->out.verb = &connect_verb;
    ptl_uring_start(&loop->uring, &new->out);
    *stream = new;
    return PTL_OK;
}

int ptl_uring_attach(struct ptl_loop *base, int handle, const struct ptl_stream_hooks *hooks,
                     void *owner, struct ptl_stream **stream)
{
    *stream = make_stream(ptl_uring_loop(base), handle, STREAM_OPEN, hooks, owner);
    if (*stream == NULL) {
        return PTL_ENOMEM;
    }
    steer(*stream);
    return PTL_OK;
}

void ptl_uring_adopt(struct ptl_loop *base, struct ptl_stream *stream,
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

static int gather(struct ptl_stream *stream, const struct ptl_span spans[], unsigned count)
{
    if (stream->spans == NULL) {
        stream->spans =
            ptl_alloc_raw(stream->loop->allocator, PTL_SEND_SPANS_MAX * sizeof(stream->spans[0]));
        if (stream->spans == NULL) {
            return PTL_ENOMEM;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        stream->spans[i].iov_base = (void *)(uintptr_t)spans[i].bytes;
        stream->spans[i].iov_len = spans[i].size;
    }
    stream->sent.message = (struct msghdr){.msg_iov = stream->spans, .msg_iovlen = count};
    return PTL_OK;
}

int ptl_uring_send(struct ptl_loop *base, struct ptl_stream *stream, const struct ptl_span spans[],
                   unsigned count)
{
    (void)base;
    ptl_assert(stream->state == STREAM_OPEN);
    ptl_assert(!stream->out.active);
    ptl_assert(count >= 1 && count <= PTL_SEND_SPANS_MAX);
    if (count == 1) {
        stream->sent.span = spans[0];
        stream->out.verb = &send_one_verb;
    } else {
        int err = gather(stream, spans, count);
        if (err < 0) {
            return err;
        }
        stream->out.verb = &send_many_verb;
    }
    ptl_uring_start(&stream->loop->uring, &stream->out);
    return PTL_OK;
}

void ptl_uring_read(struct ptl_loop *base, struct ptl_stream *stream, bool on)
{
    (void)base;
    stream->reads = on;
    steer(stream);
}

void ptl_uring_finish(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base;
    ptl_assert(stream->state == STREAM_OPEN);
    ptl_assert(!stream->out.active);
    ptl_socket_finish(stream->socket.fd);
}

void ptl_uring_detach(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base;
    ptl_assert(stream->state == STREAM_OPEN);
    ptl_assert(!stream->out.active);
    stream->state = STREAM_DETACHING;
    steer(stream);
}

void ptl_uring_close_stream(struct ptl_loop *base, struct ptl_stream *stream)
{
    (void)base;
    ptl_assert(stream->state != STREAM_CLOSING);
    stream->state = STREAM_CLOSING;
    steer(stream);
}

void ptl_uring_drop_streams(struct ptl_uring_loop *loop)
{
    /* None is freed within this walk: that is for the completion of `finish` alone. */
    for (struct ptl_stream *stream = loop->streams; stream != NULL; stream = stream->next) {
        stream->hooks = &silent;
        stream->state = STREAM_CLOSING;
        steer(stream);
    }
}
