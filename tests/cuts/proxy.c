#include "tests/cuts/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE 65536
#define SOCKET_BUFFER 131072 /* what a cut may lose in the kernel */
#define PAIRS_MAX 64

/* One end of a connection, and what was read from it and is to be written to the other end. */
struct end {
    int fd;       /* -1: closed */
    bool ended;   /* no more to read */
    bool shut;    /* told the other end so */
    bool swallow; /* read and forget */
    size_t at, size;
    uint8_t *bytes;
};

/* ends[n] is towards node n. */
struct pair {
    struct pair *next;
    struct end ends[2];
    bool cut;          /* has been; later cuts are for others */
    bool doomed;       /* when all that was read is written: the cut */
    uint64_t thaws_at; /* ms; nothing is read before, and it is closed then */
    int poll_at;       /* of ends[0]; -1: not polled */
};

struct proxy {
    int listeners[2];
    uint16_t ports[2];   /* ours */
    uint16_t targets[2]; /* the nodes' */
    uint64_t away_until; /* ms */
    bool parted;
    bool planned;
    struct proxy_cut cut;
    struct pair *pairs;
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "cuts: proxy: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static int make_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int size = SOCKET_BUFFER;

    if (fd < 0) {
        give_up("socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return fd;
}

struct proxy *proxy_new(void)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));

    if (proxy == NULL) {
        give_up("memory");
    }
    for (unsigned to = 0; to < 2; to++) {
        struct sockaddr_in address = loopback(0);
        socklen_t size = sizeof(address);
        int fd = proxy->listeners[to] = make_socket();
        if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 64) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
            give_up("listen");
        }
        proxy->ports[to] = ntohs(address.sin_port);
    }
    return proxy;
}

uint16_t proxy_port(const struct proxy *proxy, unsigned to)
{
    return proxy->ports[to];
}

void proxy_leads(struct proxy *proxy, unsigned to, uint16_t port)
{
    proxy->targets[to] = port;
}

void proxy_plan(struct proxy *proxy, const struct proxy_cut *cut)
{
    proxy->cut = *cut;
    proxy->planned = true;
}

bool proxy_planned(const struct proxy *proxy)
{
    return proxy->planned;
}

/* ---- Ends and pairs ------------------------------------------------------------------------- */

static void close_end(struct end *end, bool reset)
{
    if (end->fd < 0) {
        return;
    }
    if (reset) {
        const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    close(end->fd);
    end->fd = -1;
}

static void free_pair(struct proxy *proxy, struct pair *pair)
{
    struct pair **at = &proxy->pairs;

    while (*at != pair) {
        at = &(*at)->next;
    }
    *at = pair->next;
    for (unsigned i = 0; i < 2; i++) {
        close_end(&pair->ends[i], false);
        free(pair->ends[i].bytes);
    }
    free(pair);
}

void proxy_free(struct proxy *proxy)
{
    while (proxy->pairs != NULL) {
        free_pair(proxy, proxy->pairs);
    }
    close(proxy->listeners[0]);
    close(proxy->listeners[1]);
    free(proxy);
}

static void add_pair(struct proxy *proxy, unsigned to, int accepted)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    struct sockaddr_in address = loopback(proxy->targets[to]);

    if (pair == NULL) {
        give_up("memory");
    }
    for (unsigned i = 0; i < 2; i++) {
        pair->ends[i].bytes = malloc(BUFFER_SIZE);
        if (pair->ends[i].bytes == NULL) {
            give_up("memory");
        }
    }
    pair->ends[1 - to].fd = accepted;
    pair->ends[to].fd = make_socket();
    if (connect(pair->ends[to].fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
        errno != EINPROGRESS) {
        give_up("connect");
    }
    pair->poll_at = -1;
    pair->next = proxy->pairs;
    proxy->pairs = pair;
}

static void accept_all(struct proxy *proxy, unsigned to)
{
    for (;;) {
        int fd = accept4(proxy->listeners[to], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        if (proxy->parted || now_ms() < proxy->away_until) {
            close(fd);
        } else {
            add_pair(proxy, to, fd);
        }
    }
}

/* ---- Cutting -------------------------------------------------------------------------------- */

static void do_cut(struct proxy *proxy, struct pair *pair)
{
    const struct proxy_cut *cut = &proxy->cut;
    struct end *to = &pair->ends[cut->to], *from = &pair->ends[1 - cut->to];

    pair->doomed = false;
    pair->cut = true;
    proxy->planned = false;
    proxy->away_until = cut->away_ms == 0 ? 0 : now_ms() + cut->away_ms;
    switch (cut->kind) {
    case PROXY_RESET:
    case PROXY_CLOSE:
        close_end(to, cut->kind == PROXY_RESET);
        close_end(from, cut->kind == PROXY_RESET);
        break;
    case PROXY_CLOSE_ONE:
        close_end(to, false);
        from->swallow = true;
        break;
    case PROXY_HALF_CLOSE:
        shutdown(to->fd, SHUT_WR);
        from->swallow = true;
        break;
    case PROXY_SWALLOW_BOTH:
        to->swallow = true;
        from->swallow = true;
        break;
    case PROXY_FREEZE:
        pair->thaws_at = now_ms() + cut->frozen_ms;
        break;
    case PROXY_SWALLOW:
    default:
        from->swallow = true;
        break;
    }
}

void proxy_hurry(struct proxy *proxy)
{
    for (struct pair *pair = proxy->pairs; pair != NULL; pair = pair->next) {
        if (!pair->cut && pair->ends[0].fd >= 0 && pair->ends[1].fd >= 0) {
            do_cut(proxy, pair);
            return;
        }
    }
}

void proxy_part(struct proxy *proxy, enum proxy_kind kind)
{
    proxy->parted = true;
    for (struct pair *pair = proxy->pairs; pair != NULL; pair = pair->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (kind == PROXY_SWALLOW_BOTH) {
                pair->ends[i].swallow = true;
            } else {
                close_end(&pair->ends[i], kind == PROXY_RESET);
            }
        }
    }
}

void proxy_join(struct proxy *proxy)
{
    proxy->parted = false;
}

/* So many bytes have been read for node `to`: how many of them get through? */
static size_t let_through(struct proxy *proxy, struct pair *pair, unsigned to, size_t size)
{
    if (pair->cut || pair->doomed || !proxy->planned || proxy->cut.to != to) {
        return size;
    }
    if (size < proxy->cut.after) {
        proxy->cut.after -= size;
        return size;
    }
    pair->doomed = true;
    return (size_t)proxy->cut.after;
}

/* ---- Passing on ----------------------------------------------------------------------------- */

static void write_out(struct proxy *proxy, struct pair *pair, unsigned to)
{
    struct end *from = &pair->ends[1 - to], *into = &pair->ends[to];

    while (from->at < from->size && into->fd >= 0) {
        ssize_t sent = send(into->fd, from->bytes + from->at, from->size - from->at, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != ENOTCONN) {
                close_end(into, false);
            }
            break;
        }
        from->at += (size_t)sent;
    }
    if (into->fd < 0) {
        from->at = from->size; /* for nobody */
    }
    if (from->at < from->size) {
        return;
    }
    if (pair->doomed && proxy->cut.to == to) {
        do_cut(proxy, pair);
    } else if (from->ended && !from->shut && !from->swallow && into->fd >= 0) {
        from->shut = true;
        shutdown(into->fd, SHUT_WR);
    }
}

static void read_in(struct proxy *proxy, struct pair *pair, unsigned to)
{
    struct end *from = &pair->ends[1 - to];

    ssize_t got = recv(from->fd, from->bytes, BUFFER_SIZE, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got < 0) {
        close_end(from, false);
    }
    if (got <= 0) {
        from->ended = true;
        from->at = from->size = 0;
    } else {
        from->at = 0;
        from->size = from->swallow ? 0 : let_through(proxy, pair, to, (size_t)got);
    }
    write_out(proxy, pair, to);
}

/*
 * A pair ends when one end is closed and the other has nothing to come: a swallowed end stays open
 * until its node gives up.
 */
static bool is_over(const struct pair *pair)
{
    const struct end *a = &pair->ends[0], *b = &pair->ends[1];
    bool a_done = a->fd < 0 || (a->ended && a->at == a->size);
    bool b_done = b->fd < 0 || (b->ended && b->at == b->size);

    return (a_done && b_done) || (a_done && !b->swallow) || (b_done && !a->swallow);
}

unsigned proxy_polls(struct proxy *proxy, struct pollfd polls[])
{
    unsigned count = 2;

    for (unsigned to = 0; to < 2; to++) {
        polls[to] = (struct pollfd){.fd = proxy->listeners[to], .events = POLLIN};
    }
    for (struct pair *pair = proxy->pairs; pair != NULL; pair = pair->next) {
        pair->poll_at = -1;
        if (count + 2 > PROXY_POLLS_MAX) {
            continue;
        }
        pair->poll_at = (int)count;
        for (unsigned i = 0; i < 2; i++) {
            const struct end *end = &pair->ends[i], *other = &pair->ends[1 - i];
            short events = 0;
            if (end->at == end->size && !end->ended && pair->thaws_at == 0 &&
                !(pair->doomed && proxy->cut.to != i)) {
                events |= POLLIN;
            }
            if (other->at < other->size && pair->thaws_at == 0) {
                events |= POLLOUT;
            }
            polls[count++] = (struct pollfd){.fd = events == 0 ? -1 : end->fd, .events = events};
        }
    }
    return count;
}

static void work_pair(struct proxy *proxy, struct pair *pair, const struct pollfd polls[])
{
    for (unsigned i = 0; i < 2; i++) {
        if ((polls[i].revents & POLLOUT) != 0 && pair->ends[i].fd >= 0) {
            write_out(proxy, pair, i);
        }
        if ((polls[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && pair->ends[i].fd >= 0 &&
            pair->ends[i].at == pair->ends[i].size && pair->thaws_at == 0) {
            read_in(proxy, pair, 1 - i);
        }
    }
}

void proxy_work(struct proxy *proxy, const struct pollfd polls[])
{
    for (struct pair *pair = proxy->pairs, *next; pair != NULL; pair = next) {
        next = pair->next;
        if (pair->poll_at >= 0) {
            work_pair(proxy, pair, polls + pair->poll_at);
        }
        if (pair->thaws_at != 0 ? now_ms() >= pair->thaws_at : is_over(pair)) {
            if (pair->doomed) {
                do_cut(proxy, pair); /* its node was quicker */
            }
            free_pair(proxy, pair);
        }
    }
    for (unsigned to = 0; to < 2; to++) {
        if ((polls[to].revents & POLLIN) != 0) {
            accept_all(proxy, to);
        }
    }
}
