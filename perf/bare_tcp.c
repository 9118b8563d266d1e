/*
 * perf/bare_tcp.c - the yardstick for messages between nodes: what two processes get out of one
 * loopback TCP connection when nothing stands in the way.
 *
 *   one_way    the bytes that a node of ours sends for a message of one 16-byte value to a port of
 *              another node: a CBOR array of the port's name (22 bytes) and the value, gathered in
 *              64 KiB; the other side parses the heads, compares the name, looks at the value
 *   one_way_fixed   the same value after a 4-byte length: the least that could be sent
 *   ping_pong  such a frame there and back, with blocking read and write
 *
 * Prints one JSON object a measurement, as perf/run reads it: bare_tcp [SECONDS [REPETITIONS]]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BODY 16
#define FRAME (4 + BODY)
#define NAME 22
#define PACKET (3 + NAME + BODY)
#define CHUNK 65536

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Two connected sockets. */
static void connect_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    const int on = 1;

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
        connect(pair[0], (struct sockaddr *)&address, size) < 0) {
        die("connecting");
    }
    pair[1] = accept(listener, NULL, NULL);
    close(listener);
    for (int i = 0; i < 2; i++) {
        setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
}

static void write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written <= 0) {
            die("writing");
        }
        bytes += written;
        size -= (size_t)written;
    }
}

/* How a message stands among others.  Both return the bytes of one. */
struct framing {
    size_t (*put)(uint8_t *at, uint64_t number);
    size_t (*take)(const uint8_t *at, size_t size, uint64_t *number); /* 0: not whole */
};

static size_t put_fixed(uint8_t *at, uint64_t number)
{
    const uint32_t size = BODY;

    memcpy(at, &size, 4);
    memcpy(at + 4, &number, 8);
    memset(at + 12, 0, BODY - 8);
    return FRAME;
}

static size_t take_fixed(const uint8_t *at, size_t size, uint64_t *number)
{
    uint32_t body;

    if (size < 4) {
        return 0;
    }
    memcpy(&body, at, 4);
    if (size < 4 + (size_t)body) {
        return 0;
    }
    memcpy(number, at + 4, 8);
    return 4 + (size_t)body;
}

static const char port[NAME + 1] = "4kGq0vX81Zs2Aa0000004x";

static size_t put_cbor(uint8_t *at, uint64_t number)
{
    at[0] = 0x82;
    at[1] = 0x40 | NAME;
    memcpy(at + 2, port, NAME);
    at[2 + NAME] = 0x40 | BODY;
    memcpy(at + 3 + NAME, &number, 8);
    memset(at + 3 + NAME + 8, 0, BODY - 8);
    return PACKET;
}

/* Any array of two short byte strings, whatever their lengths. */
static size_t take_cbor(const uint8_t *at, size_t size, uint64_t *number)
{
    if (size < 2) {
        return 0;
    }
    size_t name = at[1] & 0x1f;
    if (at[0] != 0x82 || at[1] >> 5 != 2 || name > 23) {
        errno = EPROTO;
        die("a packet");
    }
    if (size < 3 + name) {
        return 0;
    }
    size_t body = at[2 + name] & 0x1f;
    if (size < 3 + name + body) {
        return 0;
    }
    if (name != NAME || memcmp(at + 2, port, NAME) != 0 || body < 8) {
        errno = EPROTO;
        die("a name");
    }
    memcpy(number, at + 3 + name, 8);
    return 3 + name + body;
}

/* Send numbered messages for `seconds`, then close our side. */
static inline __attribute__((always_inline)) void send_messages(int fd, double seconds,
                                                                struct framing framing)
{
    static uint8_t chunk[CHUNK];
    double end = now() + seconds;
    uint64_t number = 0;
    size_t used = 0;

    while (now() < end) {
        for (unsigned i = 0; i < 10000; i++) {
            if (used + PACKET > CHUNK) {
                write_all(fd, chunk, used);
                used = 0;
            }
            used += framing.put(chunk + used, number++);
        }
    }
    write_all(fd, chunk, used);
    shutdown(fd, SHUT_WR);
}

/* Parse until the end; returns how many messages came, in order, or dies. */
static inline __attribute__((always_inline)) uint64_t receive_messages(int fd,
                                                                       struct framing framing)
{
    static uint8_t chunk[CHUNK];
    uint64_t count = 0;
    size_t used = 0;

    for (;;) {
        ssize_t got = read(fd, chunk + used, CHUNK - used);
        if (got < 0) {
            die("reading");
        }
        if (got == 0) {
            return count;
        }
        used += (size_t)got;
        size_t at = 0;
        uint64_t number;
        for (size_t size; (size = framing.take(chunk + at, used - at, &number)) > 0; at += size) {
            if (number != count++) {
                errno = EPROTO;
                die("the order");
            }
        }
        memmove(chunk, chunk + at, used - at);
        used -= at;
    }
}

static const struct framing fixed = {put_fixed, take_fixed};
static const struct framing cbor = {put_cbor, take_cbor};

/* Written out once a framing, so that the compiler sees through it. */
static void send_fixed(int fd, double seconds)
{
    send_messages(fd, seconds, fixed);
}

static void send_cbor(int fd, double seconds)
{
    send_messages(fd, seconds, cbor);
}

static uint64_t receive_fixed(int fd)
{
    return receive_messages(fd, fixed);
}

static uint64_t receive_cbor(int fd)
{
    return receive_messages(fd, cbor);
}

static double one_way(double seconds, void (*send_all)(int, double), uint64_t (*receive_all)(int))
{
    int pair[2];

    connect_pair(pair);
    pid_t child = fork();
    if (child == 0) {
        close(pair[1]);
        send_all(pair[0], seconds);
        _exit(0);
    }
    close(pair[0]);
    double start = now();
    uint64_t count = receive_all(pair[1]);
    double rate = (double)count / (now() - start);
    close(pair[1]);
    waitpid(child, NULL, 0);
    return rate;
}

static int read_frame(int fd, uint8_t frame[FRAME])
{
    size_t used = 0;

    while (used < FRAME) {
        ssize_t got = read(fd, frame + used, FRAME - used);
        if (got <= 0) {
            return 0;
        }
        used += (size_t)got;
    }
    return 1;
}

static double ping_pong(double seconds)
{
    int pair[2];
    uint8_t frame[FRAME] = {BODY};
    uint64_t count = 0;

    connect_pair(pair);
    pid_t child = fork();
    if (child == 0) {
        close(pair[1]);
        while (read_frame(pair[0], frame)) {
            write_all(pair[0], frame, FRAME);
        }
        _exit(0);
    }
    close(pair[0]);
    double start = now();
    while (now() < start + seconds) {
        for (unsigned i = 0; i < 100; i++) {
            write_all(pair[1], frame, FRAME);
            if (!read_frame(pair[1], frame)) {
                die("the echo is gone");
            }
            count++;
        }
    }
    double rate = (double)count / (now() - start);
    close(pair[1]);
    waitpid(child, NULL, 0);
    return rate;
}

static void report(const char *name, double rate)
{
    printf("{\"name\": \"bare_tcp/%s\", \"items_per_second\": %.0f}\n", name, rate);
    fflush(stdout);
}

int main(int count, char *arguments[])
{
    double seconds = count > 1 ? atof(arguments[1]) : 1;
    int repetitions = count > 2 ? atoi(arguments[2]) : 3;

    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < repetitions; i++) {
        report("one_way", one_way(seconds, send_cbor, receive_cbor));
        report("one_way_fixed", one_way(seconds, send_fixed, receive_fixed));
        report("ping_pong", ping_pong(seconds));
    }
    return 0;
}
