#include "tests/replay/wire.h"

#include "io/json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIMIT (UINT64_C(1) << 26)

/* ---- Sockets ------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t wire_patience(void)
{
    return now_ms() + WIRE_WAIT_MS;
}

static bool readable(int socket, int64_t until_ms)
{
    struct pollfd poll_for = {.fd = socket, .events = POLLIN};
    int64_t left = until_ms - now_ms();

    return left > 0 && poll(&poll_for, 1, (int)left) == 1;
}

int wire_accept(int listener)
{
    assert_true(readable(listener, wire_patience()));
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    return accepted;
}

int wire_dial(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int socket_to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *port = strrchr(address, ':');

    assert_true(socket_to >= 0 && port != NULL);
    to.sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10));
    assert_int_equal(connect(socket_to, (struct sockaddr *)&to, sizeof to), 0);
    return socket_to;
}

static void send_all(int socket, struct ptl_span bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(socket, bytes.bytes, bytes.size, MSG_NOSIGNAL);
        assert_true(sent > 0);
        bytes = ptl_span_skip(bytes, (size_t)sent);
    }
}

void wire_send(struct wire *wire, struct ptl_span bytes)
{
    while (wire->cuts != NULL && bytes.size > 1) {
        size_t piece = (size_t)sim_random_scale(wire->cuts, 1, bytes.size);
        send_all(wire->socket, ptl_span(bytes.bytes, piece));
        bytes = ptl_span_skip(bytes, piece);
    }
    send_all(wire->socket, bytes);
}

/* ---- The opening --------------------------------------------------------------------------- */

/* Take lines until the handshake stands at `state`. */
static void take_lines(struct wire *wire, enum ptl_handshake_state state)
{
    while (ptl_handshake_state(&wire->handshake) != state) {
        int used = ptl_handshake_feed(&wire->handshake, ptl_span(wire->rest, wire->rest_size));
        assert_true(used >= 0);
        wire->rest_size -= (size_t)used;
        memmove(wire->rest, wire->rest + used, wire->rest_size);
        if (used == 0) {
            assert_true(readable(wire->socket, wire_patience()));
            ssize_t got = recv(wire->socket, wire->rest + wire->rest_size,
                               sizeof wire->rest - wire->rest_size, 0);
            assert_true(got > 0);
            wire->rest_size += (size_t)got;
        }
    }
}

static void say_third(struct wire *wire, const char *third)
{
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];
    int size;

    if (third != NULL) {
        size = snprintf(line, sizeof line, "%s\n", third);
    } else {
        size = ptl_handshake_prove(&wire->handshake, 0, line);
    }
    assert_true(size > 0 && size < (int)sizeof line);
    wire_send(wire, ptl_span(line, (size_t)size));
}

void wire_open(struct wire *wire, int socket, const struct wire_opening *opening,
               struct sim_random *cuts)
{
    const struct ptl_handshake_options options = {
        .node_id = ptl_span_text(opening->node_id),
        .secret = ptl_span_text(opening->secret),
        .framings = ptl_span_text(opening->framings),
    };
    const int on = 1;

    *wire = (struct wire){.socket = socket, .cuts = cuts};
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    assert_int_equal(ptl_handshake_init_lines(&wire->handshake, ptl_allocator_libc(), &options,
                                              ptl_span_text(opening->lines)),
                     0);
    wire_send(wire, ptl_handshake_greeting(&wire->handshake));
    take_lines(wire, PTL_HANDSHAKE_PROOF);
    say_third(wire, opening->third);
    take_lines(wire, PTL_HANDSHAKE_UP);
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&wire->handshake);
    wire->framing = (enum ptl_framing)peer->send_framing;
    ptl_decoder_init(&wire->decoder, ptl_allocator_libc(), (enum ptl_framing)peer->receive_framing,
                     LIMIT);
}

static void *await_goodbye(void *data)
{
    struct wire *wire = data;
    char bytes[4096];

    while (recv(wire->socket, bytes, sizeof bytes, 0) > 0) {
    }
    shutdown(wire->socket, SHUT_RDWR);
    return NULL;
}

void wire_part(struct wire *wire)
{
    assert_int_equal(pthread_create(&wire->parting, NULL, await_goodbye, wire), 0);
    wire->parts = true;
}

void wire_close(struct wire *wire)
{
    if (wire->parts) {
        pthread_join(wire->parting, NULL);
    }
    close(wire->socket);
    packets_drop(&wire->got);
    ptl_decoder_drop(&wire->decoder);
    ptl_handshake_drop(&wire->handshake);
}

/* ---- Packets -------------------------------------------------------------------------------- */

void wire_packet(struct wire *wire, struct ptl_span name, const struct ptl_msg *msg)
{
    struct ptl_buffer out;

    ptl_buffer_init(&out, ptl_allocator_libc(), LIMIT);
    assert_int_equal(ptl_packet_encode(wire->framing, &out, name, ptl_msg_body(msg), msg->count),
                     0);
    wire_send(wire, ptl_buffer_span(&out));
    ptl_buffer_drop(&out);
}

void wire_say(struct wire *wire, const char *json)
{
    struct ptl_decoder decoder;
    struct ptl_packet packet;
    struct ptl_span input = ptl_span_text(json);

    ptl_decoder_init(&decoder, ptl_allocator_libc(), PTL_FRAMING_JSON, LIMIT);
    assert_int_equal(ptl_decoder_next(&decoder, &input, &packet), 1);
    struct ptl_msg msg = ptl_msg_borrow(packet.body, packet.count);
    wire_packet(wire, packet.name, &msg);
    ptl_decoder_drop(&decoder);
}

static void take_packets(struct wire *wire, struct ptl_span input)
{
    struct ptl_packet packet;
    int got;

    while ((got = ptl_decoder_next(&wire->decoder, &input, &packet)) > 0) {
        assert_int_equal(packet.oddity, 0);
        packets_add(&wire->got, &packet);
    }
    assert_int_equal(got, 0);
}

bool wire_take(struct wire *wire, int64_t until_ms)
{
    static uint8_t bytes[65536];

    if (wire->rest_size > 0) {
        size_t size = wire->rest_size;
        wire->rest_size = 0;
        take_packets(wire, ptl_span(wire->rest, size));
        return true;
    }
    ssize_t got = readable(wire->socket, until_ms) ? recv(wire->socket, bytes, sizeof bytes, 0) : 0;
    if (got <= 0) {
        return false;
    }
    take_packets(wire, ptl_span(bytes, (size_t)got));
    return true;
}

const struct packet *wire_wait(struct wire *wire, const char *name)
{
    int64_t until_ms = wire_patience();

    for (size_t i = 0;; i++) {
        while (i == wire->got.count) {
            assert_true(wire_take(wire, until_ms));
        }
        if (strcmp(wire->got.at[i].name, name) == 0) {
            return &wire->got.at[i];
        }
    }
}

const struct packet *wire_wait_request(struct wire *wire, const char *request)
{
    int64_t until_ms = wire_patience();

    for (size_t i = 0;; i++) {
        while (i == wire->got.count) {
            assert_true(wire_take(wire, until_ms));
        }
        if (packet_requests(&wire->got.at[i], request)) {
            return &wire->got.at[i];
        }
    }
}

void wire_forget(struct wire *wire)
{
    packets_drop(&wire->got);
}
