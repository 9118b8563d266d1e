/*
 * perf/peers/tcp.c - the yardstick: bare TCP, messages behind four bytes of length.
 *
 * What a careful programmer writes for nothing but this work: small messages gathered into one
 * write, large ones written from where they are, one epoll for all connections.
 */
#include "perf/peers/common/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define LENGTH 4u
#define CHUNK (256u << 10)
#define GATHER 65536u   /* bytes for one write */
#define UNCOPIED 16384u /* a message of so many bytes goes from where it is */
#define MOST_EVENTS 256

/* Bytes at data[from..used). */
struct buffer {
    uint8_t *data;
    size_t from, used, capacity;
};

struct connection {
    int fd;
    struct buffer in, out;
    const uint8_t *large; /* goes after all of `out`, ... */
    size_t large_size;
    struct buffer behind; /* ... and before this */
    bool watched;         /* for room to write */
    bool gathered;        /* is in `gathering` */
};

static struct connection *connections;
static unsigned count, next_connection;
static int epoll, listener = -1;
static enum peer_end end;
static struct connection *gathering[16384]; /* those whose bytes have not been written */
static unsigned gathering_count;

static void reserve(struct buffer *buffer, size_t size)
{
    if (buffer->from == buffer->used) {
        buffer->from = buffer->used = 0;
    }
    if (buffer->capacity - buffer->used >= size) {
        return;
    }
    if (buffer->from > 0) {
        memmove(buffer->data, buffer->data + buffer->from, buffer->used - buffer->from);
        buffer->used -= buffer->from;
        buffer->from = 0;
    }
    if (buffer->capacity - buffer->used < size) {
        buffer->capacity =
            buffer->used + size > 2 * buffer->capacity ? buffer->used + size : 2 * buffer->capacity;
        buffer->data = realloc(buffer->data, buffer->capacity);
        if (buffer->data == NULL) {
            peer_die("no memory");
        }
    }
}

static void append(struct buffer *buffer, const void *bytes, size_t size)
{
    memcpy(buffer->data + buffer->used, bytes, size);
    buffer->used += size;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void watch(struct connection *connection, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    if (epoll_ctl(epoll, operation, connection->fd, &event) < 0) {
        peer_die("epoll: %s", strerror(errno));
    }
}

static void add_connection(int fd)
{
    struct connection *connection = &connections[count++];
    const int on = 1;

    connection->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(connection, EPOLL_CTL_ADD, EPOLLIN);
}

static void open_end(const struct peer_work *work, enum peer_end this_end)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(work->port)};
    const int on = 1;

    end = this_end;
    epoll = epoll_create1(0);
    connections = calloc(work->connections, sizeof(*connections));
    inet_pton(AF_INET, work->host, &address.sin_addr);
    if (end == PEER_FAR) {
        struct epoll_event event = {.events = EPOLLIN};
        listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(listener, 1024) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
            peer_die("listening: %s", strerror(errno));
        }
        return;
    }
    for (unsigned i = 0; i < work->connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
            peer_die("connecting: %s", strerror(errno));
        }
        add_connection(fd);
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void skip(struct buffer *buffer, size_t *written)
{
    size_t size = buffer->used - buffer->from;
    size_t gone = *written < size ? *written : size;

    buffer->from += gone;
    *written -= gone;
}

static void forget_written(struct connection *connection, size_t written)
{
    skip(&connection->out, &written);
    size_t gone = written < connection->large_size ? written : connection->large_size;
    connection->large += gone;
    connection->large_size -= gone;
    written -= gone;
    skip(&connection->behind, &written);
}

static size_t unwritten(const struct connection *connection)
{
    return connection->out.used - connection->out.from + connection->large_size +
           connection->behind.used - connection->behind.from;
}

/* As much as the socket takes, or all of it. */
static void write_out(struct connection *connection, bool all)
{
    while (unwritten(connection) > 0) {
        const struct buffer *out = &connection->out, *behind = &connection->behind;
        struct iovec parts[] = {
            {out->data + out->from, out->used - out->from},
            {(void *)connection->large, connection->large_size},
            {behind->data + behind->from, behind->used - behind->from},
        };
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
        int flags = MSG_NOSIGNAL | (all ? 0 : MSG_DONTWAIT);
        ssize_t written = sendmsg(connection->fd, &message, flags);
        if (written < 0 && errno == EAGAIN) {
            break;
        }
        if (written < 0) {
            peer_die("writing: %s", strerror(errno));
        }
        forget_written(connection, (size_t)written);
    }
    bool rest = unwritten(connection) > 0;
    if (rest != connection->watched) {
        connection->watched = rest;
        watch(connection, EPOLL_CTL_MOD, rest ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static void put(struct connection *connection, const void *bytes, size_t size)
{
    uint32_t length = (uint32_t)size;

    if (size > PEER_STABLE && connection->large_size > 0) {
        write_out(connection, true); /* one of these at a time */
    }
    struct buffer *buffer = connection->large_size ? &connection->behind : &connection->out;
    bool uncopied = size >= UNCOPIED && connection->large_size == 0;

    reserve(buffer, LENGTH + size);
    append(buffer, &length, LENGTH);
    if (uncopied) {
        connection->large = bytes;
        connection->large_size = size;
    } else {
        append(buffer, bytes, size);
    }
    if (size > PEER_STABLE) {
        write_out(connection, false);
    } else if (uncopied || unwritten(connection) >= GATHER) {
        write_out(connection, connection->large_size <= PEER_STABLE);
    }
    if (!connection->gathered && unwritten(connection) > 0) {
        connection->gathered = true;
        gathering[gathering_count++] = connection;
    }
}

static void send_message(const void *bytes, size_t size)
{
    put(&connections[next_connection], bytes, size);
    next_connection = next_connection + 1 < count ? next_connection + 1 : 0;
}

static void flush(void)
{
    for (unsigned i = 0; i < gathering_count; i++) {
        gathering[i]->gathered = false;
        write_out(gathering[i], false);
    }
    gathering_count = 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void handle(struct connection *connection, const uint8_t *bytes, size_t size)
{
    struct peer_head answer;

    switch (peer_got(bytes, size, &answer)) {
    case PEER_DROP:
        break;
    case PEER_SEND_BACK:
        put(connection, bytes, size);
        break;
    case PEER_ANSWER:
        put(connection, &answer, sizeof(answer));
        break;
    }
}

/* What it takes to have the message at the front whole, beyond what is there. */
static size_t take_messages(struct connection *connection)
{
    struct buffer *in = &connection->in;
    uint32_t size;

    while (in->used - in->from >= LENGTH) {
        memcpy(&size, in->data + in->from, LENGTH);
        if (in->used - in->from < LENGTH + size) {
            return LENGTH + size - (in->used - in->from);
        }
        handle(connection, in->data + in->from + LENGTH, size);
        in->from += LENGTH + size;
    }
    return 0;
}

static void read_in(struct connection *connection)
{
    struct buffer *in = &connection->in;
    size_t want = take_messages(connection);

    reserve(in, want > CHUNK ? want : CHUNK);
    ssize_t got = recv(connection->fd, in->data + in->used, in->capacity - in->used, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        peer_die("reading: %s", got == 0 ? "closed" : strerror(errno));
    }
    in->used += got > 0 ? (size_t)got : 0;
    take_messages(connection);
}

static void handle_event(const struct epoll_event *event)
{
    struct connection *connection = event->data.ptr;

    if (connection == NULL) {
        add_connection(accept(listener, NULL, NULL));
        return;
    }
    if (event->events & EPOLLOUT) {
        write_out(connection, false);
    }
    if (event->events & EPOLLIN) {
        read_in(connection);
    }
}

static void wait_for_messages(int64_t until_ns)
{
    struct epoll_event events[MOST_EVENTS];
    struct timespec left;
    int got = epoll_pwait2(epoll, events, MOST_EVENTS, peer_left(until_ns, &left), NULL);

    for (int i = 0; i < got; i++) {
        handle_event(&events[i]);
    }
}

const struct peer_system peer_system = {
    .name = "tcp",
    .open = open_end,
    .send = send_message,
    .flush = flush,
    .wait = wait_for_messages,
};
