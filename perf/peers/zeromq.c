/*
 * perf/peers/zeromq.c - ZeroMQ: PUSH to PULL one way, DEALER to ROUTER for requests.
 *
 * One DEALER with a thousand connections deals its requests to them in turns.
 */
#include "perf/peers/common/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define QUEUE_BYTES (64u << 20)
#define QUEUE_MOST 100000

static void *context, *sock;
static enum peer_end end;
static bool routes; /* messages come and go behind the identity of whom they are from or for */

static void set_option(int option, int value)
{
    if (zmq_setsockopt(sock, option, &value, sizeof(value)) != 0) {
        peer_die("option %d: %s", option, zmq_strerror(errno));
    }
}

/* The high-water mark counts messages; its default of 1000 is small for small ones. */
static int high_water_mark(const struct peer_work *work)
{
    size_t count = QUEUE_BYTES / work->size;

    return count > QUEUE_MOST ? QUEUE_MOST : (int)count;
}

static void attach(const struct peer_work *work)
{
    char address[64];

    snprintf(address, sizeof(address), "tcp://%s:%u", work->host, work->port);
    if (end == PEER_FAR) {
        if (zmq_bind(sock, address) != 0) {
            peer_die("%s: %s", address, zmq_strerror(errno));
        }
        return;
    }
    for (unsigned i = 0; i < work->connections; i++) {
        if (zmq_connect(sock, address) != 0) {
            peer_die("%s: %s", address, zmq_strerror(errno));
        }
    }
}

static void open_end(const struct peer_work *work, enum peer_end this_end)
{
    bool one_way = work->pattern == PEER_ONE_WAY;
    int near_type = one_way ? ZMQ_PUSH : ZMQ_DEALER, far_type = one_way ? ZMQ_PULL : ZMQ_ROUTER;

    end = this_end;
    routes = end == PEER_FAR && !one_way;
    context = zmq_ctx_new();
    sock = zmq_socket(context, end == PEER_FAR ? far_type : near_type);
    if (sock == NULL) {
        peer_die("no socket: %s", zmq_strerror(errno));
    }
    set_option(ZMQ_SNDHWM, high_water_mark(work));
    set_option(ZMQ_RCVHWM, high_water_mark(work));
    set_option(ZMQ_BACKLOG, 1024);
    attach(work);
}

/* Its bytes are the near end's for good. */
static void leave(void *bytes, void *hint)
{
    (void)bytes;
    (void)hint;
}

static void send_message(const void *bytes, size_t size)
{
    zmq_msg_t message;

    if (size <= PEER_STABLE) {
        if (zmq_send(sock, bytes, size, 0) < 0) {
            peer_die("sending: %s", zmq_strerror(errno));
        }
        return;
    }
    zmq_msg_init_data(&message, (void *)bytes, size, leave, NULL);
    if (zmq_msg_send(&message, sock, 0) < 0) {
        peer_die("sending: %s", zmq_strerror(errno));
    }
}

/* One message, if there is one: `from` is whom it is from, where that is told. */
static bool receive(zmq_msg_t *from, zmq_msg_t *message)
{
    if (routes && zmq_msg_recv(from, sock, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    return zmq_msg_recv(message, sock, ZMQ_DONTWAIT) >= 0;
}

static void handle(zmq_msg_t *from, zmq_msg_t *message)
{
    struct peer_head answer;

    switch (peer_got(zmq_msg_data(message), zmq_msg_size(message), &answer)) {
    case PEER_DROP:
        break;
    case PEER_SEND_BACK:
        zmq_msg_send(from, sock, ZMQ_SNDMORE);
        zmq_msg_send(message, sock, 0);
        break;
    case PEER_ANSWER:
        zmq_msg_send(from, sock, ZMQ_SNDMORE);
        zmq_send(sock, &answer, sizeof(answer), 0);
        break;
    }
}

/* The socket's descriptor tells of changes only: it is waited for once nothing is left. */
static void wait_for_change(int64_t until_ns)
{
    struct pollfd poll = {.events = POLLIN};
    size_t size = sizeof(poll.fd);
    int events;
    struct timespec left;

    zmq_getsockopt(sock, ZMQ_FD, &poll.fd, &size);
    size = sizeof(events);
    zmq_getsockopt(sock, ZMQ_EVENTS, &events, &size);
    if (!(events & ZMQ_POLLIN)) {
        ppoll(&poll, 1, peer_left(until_ns, &left), NULL);
    }
}

static void wait_for_messages(int64_t until_ns)
{
    zmq_msg_t from, message;
    bool any = false;

    zmq_msg_init(&from);
    zmq_msg_init(&message);
    while (receive(&from, &message)) {
        any = true;
        handle(&from, &message);
        if (end == PEER_NEAR && peer_now() >= until_ns) {
            break;
        }
    }
    zmq_msg_close(&from);
    zmq_msg_close(&message);
    if (!any) {
        wait_for_change(until_ns);
    }
}

const struct peer_system peer_system = {
    .name = "zeromq",
    .open = open_end,
    .send = send_message,
    .wait = wait_for_messages,
};
