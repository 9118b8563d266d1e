#include "tests/hostile/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define POLLS_MAX 1024
#define READ_BYTES 65536
#define READS_MAX 16 /* in one go, so that other wires have their turn */
#define MESSAGE_MAX ((size_t)128 << 20)

uint64_t wire_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t wire_now_ms(void)
{
    return wire_now_us() / 1000;
}

static void end(struct wire *wire)
{
    wire->state = WIRE_ENDED;
    if (wire->fd >= 0) {
        close(wire->fd);
    }
    wire->fd = -1;
}

/* ---- Connecting ----------------------------------------------------------------------------- */

static int open_socket(uint16_t port, unsigned source)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;

    if (fd < 0) {
        return -1;
    }
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xffffff00) | source);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if ((source != 0 && bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0) ||
        (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void begin(struct wire *wire)
{
    *wire = (struct wire){.fd = -1};
    ptl_buffer_init(&wire->in, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_init(&wire->out, ptl_allocator_libc(), SIZE_MAX);
}

/* The two lines of a real node, with a nonce of the same length as ours. */
static int init_real(struct wire *wire, const struct ptl_handshake_options *options,
                     const char *keys, struct sim_random *random)
{
    char lines[512];
    char nonce[41];

    for (unsigned i = 0; i < sizeof(nonce) - 1; i++) {
        nonce[i] = (char)('a' + sim_random_below(random, 26));
    }
    nonce[sizeof(nonce) - 1] = 0;
    snprintf(lines, sizeof(lines), "aemp;1;%s;hmac_sha3_512;%.*s;%s\n%s\n", wire->id,
             (int)options->framings.size, (const char *)options->framings.bytes, keys, nonce);
    return ptl_handshake_init_lines(&wire->handshake, ptl_allocator_libc(), options,
                                    ptl_span_text(lines));
}

static int init_handshake(struct wire *wire, struct sim_random *random)
{
    static const char *const keys[] = {
        [WIRE_PLAIN] = "provider=hostile-1;mproto=1",
        [WIRE_GLOBAL] = "provider=hostile-1;mproto=1;gproto=1",
        [WIRE_JSON] = "provider=hostile-1;mproto=1",
    };
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];
    const struct wire_options *options = &wire->options;
    struct ptl_handshake_options own = {
        .node_id = ptl_span_text(wire->id),
        .secret = ptl_span_text(options->secret),
        .framings = ptl_span_text(options->style == WIRE_JSON ? "json" : "cbor"),
        .provider = ptl_span_text("portolan-0.1.0"),
        .incarnation = options->incarnation != 0 ? options->incarnation : sim_random_next(random),
        .features = 3,
    };

    if (options->style != WIRE_OURS) {
        return init_real(wire, &own, keys[options->style], random);
    }
    sim_random_bytes(random, nonce, sizeof(nonce));
    return ptl_handshake_init(&wire->handshake, ptl_allocator_libc(), &own,
                              ptl_span(nonce, sizeof(nonce)), ptl_span_text("127.0.0.1:1"));
}

bool wire_dial(struct wire *wire, const struct wire_options *options, struct sim_random *random)
{
    begin(wire);
    wire->options = *options;
    snprintf(wire->id, sizeof(wire->id), "%s", options->id);
    if (init_handshake(wire, random) < 0) {
        fprintf(stderr, "hostile: no greeting for '%s'\n", wire->id);
        exit(2);
    }
    wire->fd = open_socket(options->port, options->source);
    wire->state = wire->fd < 0 ? WIRE_ENDED : WIRE_CONNECTING;
    return wire->fd >= 0;
}

bool wire_dial_raw(struct wire *wire, uint16_t port, unsigned source)
{
    begin(wire);
    wire->fd = open_socket(port, source);
    wire->state = wire->fd < 0 ? WIRE_ENDED : WIRE_UP;
    return wire->fd >= 0;
}

/* ---- The opening ---------------------------------------------------------------------------- */

static void say_line(struct wire *wire, struct ptl_span line)
{
    ptl_buffer_append(&wire->out, line.bytes, line.size);
    if (wire->options.lag_ms != 0) {
        wire->hold_until = wire_now_ms() + wire->options.lag_ms;
    }
}

static void connected(struct wire *wire)
{
    int err = 0;
    socklen_t size = sizeof(err);

    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0 || err != 0) {
        end(wire);
        return;
    }
    wire->state = WIRE_OPENING;
    say_line(wire, ptl_handshake_greeting(&wire->handshake));
}

static void prove(struct wire *wire)
{
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];
    int size = ptl_handshake_prove(&wire->handshake, 1, line);

    wire->proved = true;
    if (size > 0) {
        say_line(wire, ptl_span(line, (size_t)size));
    }
}

static void come_up(struct wire *wire)
{
    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&wire->handshake);

    wire->state = WIRE_UP;
    ptl_decoder_init(&wire->decoder, ptl_allocator_libc(), (enum ptl_framing)peer->receive_framing,
                     MESSAGE_MAX);
}

static void take_packets(struct wire *wire, struct ptl_span input)
{
    struct ptl_packet packet;
    int got;

    while ((got = ptl_decoder_next(&wire->decoder, &input, &packet)) == 1) {
        wire->packets++;
        if (wire->options.take != NULL && !packet.empty && packet.oddity == 0) {
            wire->options.take(wire, &packet, wire->options.data);
        }
        if (wire->state != WIRE_UP) {
            return;
        }
    }
    if (got < 0) {
        end(wire);
    }
}

static void take_lines(struct wire *wire)
{
    size_t at = 0;

    while (wire->state == WIRE_OPENING) {
        int used =
            ptl_handshake_feed(&wire->handshake, ptl_span(wire->in.bytes + at, wire->in.size - at));
        if (used < 0) {
            end(wire);
        }
        if (used <= 0) {
            break;
        }
        at += (size_t)used;
        enum ptl_handshake_state state = ptl_handshake_state(&wire->handshake);
        if (state >= PTL_HANDSHAKE_PROOF && !wire->proved) {
            prove(wire);
        }
        if (state == PTL_HANDSHAKE_UP) {
            come_up(wire);
        }
    }
    if (wire->state == WIRE_UP) {
        take_packets(wire, ptl_span(wire->in.bytes + at, wire->in.size - at));
        ptl_buffer_drop(&wire->in);
    } else if (at != 0) {
        memmove(wire->in.bytes, wire->in.bytes + at, wire->in.size - at);
        wire->in.size -= at;
    }
}

/* ---- Work ----------------------------------------------------------------------------------- */

static void receive(struct wire *wire)
{
    static uint8_t bytes[READ_BYTES];

    for (unsigned i = 0; i < READS_MAX && wire->fd >= 0; i++) {
        ssize_t size = recv(wire->fd, bytes, sizeof(bytes), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (size <= 0) {
            end(wire);
            return;
        }
        if (wire->state == WIRE_UP && wire->options.id != NULL) {
            take_packets(wire, ptl_span(bytes, (size_t)size));
        } else if (wire->state == WIRE_OPENING) {
            ptl_buffer_append(&wire->in, bytes, (size_t)size);
            take_lines(wire);
        }
        if (size < (ssize_t)sizeof(bytes)) {
            return;
        }
    }
}

static void transmit(struct wire *wire)
{
    ssize_t size = send(wire->fd, wire->out.bytes + wire->out_at, wire_unsent(wire), MSG_NOSIGNAL);

    if (size < 0 && errno != EAGAIN && errno != EINTR) {
        end(wire);
        return;
    }
    wire->out_at += size > 0 ? (size_t)size : 0;
    if (wire_unsent(wire) == 0) {
        ptl_buffer_clear(&wire->out);
        wire->out_at = 0;
    }
}

size_t wire_unsent(const struct wire *wire)
{
    return wire->out.size - wire->out_at;
}

/* Far away: neither has what it said left yet, nor has the answer come. */
static bool is_held(const struct wire *wire)
{
    return wire->hold_until != 0 && wire_now_ms() < wire->hold_until;
}

static bool may_send(const struct wire *wire)
{
    return wire_unsent(wire) != 0 && !is_held(wire);
}

short wire_events(const struct wire *wire)
{
    if (wire->fd < 0 || wire->state == WIRE_NONE) {
        return 0;
    }
    if (wire->state == WIRE_CONNECTING) {
        return POLLOUT;
    }
    bool reads = !wire->deaf && !is_held(wire);
    return (short)((reads ? POLLIN : 0) | (may_send(wire) ? POLLOUT : 0));
}

void wire_work(struct wire *wire, short revents)
{
    if (wire->fd < 0 || revents == 0) {
        return;
    }
    if (wire->state == WIRE_CONNECTING) {
        connected(wire);
    }
    if (wire->fd >= 0 && (revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        if (!wire->deaf) {
            receive(wire);
        } else if ((revents & (POLLHUP | POLLERR)) != 0) {
            end(wire);
        }
    }
    if (wire->fd >= 0 && wire->state >= WIRE_OPENING && may_send(wire)) {
        transmit(wire);
    }
}

void wire_poll(struct wire *wires, unsigned count, unsigned timeout_ms)
{
    struct pollfd polls[POLLS_MAX];

    ptl_assert(count <= POLLS_MAX);
    for (unsigned i = 0; i < count; i++) {
        short events = wire_events(&wires[i]);
        bool some = wires[i].fd >= 0 && wires[i].state != WIRE_NONE;
        polls[i] = (struct pollfd){.fd = some ? wires[i].fd : -1, .events = events};
    }
    if (poll(polls, count, (int)timeout_ms) <= 0) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        wire_work(&wires[i], polls[i].fd < 0 ? 0 : polls[i].revents);
    }
}

/* ---- Packets -------------------------------------------------------------------------------- */

static void put_zeros(struct ptl_buffer *out, size_t size)
{
    ptl_cbor_put_head(out, PTL_CBOR_BYTES, size);
    uint8_t *room = ptl_buffer_reserve(out, size);
    ptl_assert(room != NULL);
    memset(room, 0, size);
    out->size += size;
}

static uint64_t count_values(const char *format, va_list arguments)
{
    uint64_t count = 0;

    for (; *format != 0; format++) {
        count++;
        if (*format == 's') {
            (void)va_arg(arguments, const char *);
        } else if (*format == 'u') {
            (void)va_arg(arguments, uint64_t);
        } else if (*format == 'z') {
            (void)va_arg(arguments, size_t);
        } else {
            (void)va_arg(arguments, struct ptl_span);
            count += *format == 'M' ? va_arg(arguments, unsigned) - 1 : 0;
        }
    }
    return count;
}

static void put_values(struct ptl_buffer *out, const char *format, va_list arguments)
{
    for (; *format != 0; format++) {
        if (*format == 's') {
            ptl_cbor_put_string(out, PTL_CBOR_TEXT, ptl_span_text(va_arg(arguments, const char *)));
        } else if (*format == 'u') {
            ptl_cbor_put_head(out, PTL_CBOR_UINT, va_arg(arguments, uint64_t));
        } else if (*format == 'z') {
            put_zeros(out, va_arg(arguments, size_t));
        } else {
            struct ptl_span values = va_arg(arguments, struct ptl_span);
            ptl_buffer_append(out, values.bytes, values.size);
            if (*format == 'M') {
                (void)va_arg(arguments, unsigned);
            }
        }
    }
}

void wire_say(struct wire *wire, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    uint64_t count = count_values(format, arguments);
    va_end(arguments);
    ptl_cbor_put_head(&wire->out, PTL_CBOR_ARRAY, count);
    va_start(arguments, format);
    put_values(&wire->out, format, arguments);
    va_end(arguments);
}

/* ---- The end -------------------------------------------------------------------------------- */

void wire_close(struct wire *wire, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (wire->state == WIRE_NONE) {
        return;
    }
    if (wire->fd >= 0 && reset) {
        setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    end(wire);
    ptl_handshake_drop(&wire->handshake);
    ptl_decoder_drop(&wire->decoder);
    ptl_buffer_drop(&wire->in);
    ptl_buffer_drop(&wire->out);
    wire->state = WIRE_NONE;
}
