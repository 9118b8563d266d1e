#include "tools/bench/cutter.h"

#include "tools/bench/clock.h"
#include "tools/bench/random.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 256
#define BUFFER_BYTES 65536
#define WAIT_MS 20 /* a cut is late by that at most */

/* What was read from one socket and is to be written to the other. */
struct way {
    uint8_t bytes[BUFFER_BYTES];
    size_t from, until;
};

/* ways[i] leads from fds[i] to the other one. */
struct pair {
    int fds[2]; /* below 0: this place is free */
    struct way *ways;
};

struct ptl_bench_cutter {
    const struct ptl_list *seeds;
    int64_t every_ns;
    struct ptl_bench_random random;
    int64_t cut_at_ns;
    size_t turn; /* of the seeds */
    int listener;
    char address[32];
    struct pair pairs[PAIRS_MAX];
    pthread_t thread;
    atomic_bool is_cutting;
    atomic_bool ends;
    _Atomic uint64_t cuts;
};

/* ---- Connections --------------------------------------------------------------------------- */

static void plan_cut(struct ptl_bench_cutter *cutter)
{
    double share = 0.5 + ptl_bench_random_share(&cutter->random);

    cutter->cut_at_ns = ptl_bench_now() + (int64_t)(share * (double)cutter->every_ns);
}

/* "HOST:PORT" or "[HOST]:PORT" taken apart. */
static bool split_address(const char *address, char host[256], const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon ? (size_t)(colon - address) : 0;

    if (size > 1 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    if (size == 0 || size > 255) {
        return false;
    }
    memcpy(host, address, size);
    host[size] = '\0';
    *port = colon + 1;
    return true;
}

static int connect_to(const char *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    const char *port;
    char host[256];
    int fd = -1;

    if (!split_address(address, host, &port) || getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    for (struct addrinfo *each = found; each && fd < 0; each = each->ai_next) {
        fd = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, each->ai_addr, each->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static void prepare(int fd)
{
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void close_pair(struct pair *pair, bool reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    for (unsigned i = 0; i < 2; i++) {
        if (reset) {
            setsockopt(pair->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        close(pair->fds[i]);
        pair->fds[i] = -1;
    }
    free(pair->ways);
    pair->ways = NULL;
}

static struct pair *free_pair(struct ptl_bench_cutter *cutter)
{
    for (unsigned i = 0; i < PAIRS_MAX; i++) {
        if (cutter->pairs[i].fds[0] < 0) {
            return &cutter->pairs[i];
        }
    }
    return NULL;
}

static void take_connection(struct ptl_bench_cutter *cutter)
{
    int here = accept4(cutter->listener, NULL, NULL, SOCK_CLOEXEC);
    struct pair *pair = free_pair(cutter);

    if (here < 0) {
        return;
    }
    int there = pair ? connect_to(cutter->seeds->items[cutter->turn]) : -1;
    struct way *ways = there >= 0 ? calloc(2, sizeof *ways) : NULL;
    if (!ways) {
        cutter->turn = (cutter->turn + 1) % cutter->seeds->count;
        close(here);
        if (there >= 0) {
            close(there);
        }
        return;
    }
    prepare(here);
    prepare(there);
    *pair = (struct pair){.fds = {here, there}, .ways = ways};
}

/* Whoever comes first behind a random place. */
static void cut_one(struct ptl_bench_cutter *cutter)
{
    uint64_t draw = ptl_bench_random_next(&cutter->random);

    for (unsigned i = 0; i < PAIRS_MAX; i++) {
        struct pair *pair = &cutter->pairs[(draw + i) % PAIRS_MAX];
        if (pair->fds[0] >= 0) {
            close_pair(pair, draw >> 63);
            atomic_fetch_add(&cutter->cuts, 1);
            break;
        }
    }
    plan_cut(cutter);
}

/* ---- Bytes --------------------------------------------------------------------------------- */

/* False: the connection is over. */
static bool pass_on(struct pair *pair, unsigned from)
{
    struct way *way = &pair->ways[from];

    if (way->from == way->until) {
        ssize_t got = recv(pair->fds[from], way->bytes, sizeof way->bytes, 0);
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        }
        way->from = 0;
        way->until = (size_t)got;
    }
    ssize_t sent =
        send(pair->fds[1 - from], way->bytes + way->from, way->until - way->from, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    way->from += (size_t)sent;
    return true;
}

/* What each socket is waited for: to be read where nothing waits, else the other to be written. */
static void ask_for(const struct pair *pair, struct pollfd fds[2])
{
    for (unsigned i = 0; i < 2; i++) {
        fds[i] = (struct pollfd){.fd = pair->fds[i]};
    }
    for (unsigned i = 0; i < 2 && pair->fds[0] >= 0; i++) {
        if (pair->ways[i].from == pair->ways[i].until) {
            fds[i].events |= POLLIN;
        } else {
            fds[1 - i].events |= POLLOUT;
        }
    }
}

static void serve_pair(struct pair *pair, const struct pollfd fds[2])
{
    if (pair->fds[0] < 0 || fds[0].fd != pair->fds[0] || !(fds[0].revents | fds[1].revents)) {
        return;
    }
    if (!pass_on(pair, 0) || !pass_on(pair, 1)) {
        close_pair(pair, false);
    }
}

static void *work(void *data)
{
    struct ptl_bench_cutter *cutter = data;
    struct pollfd fds[1 + 2 * PAIRS_MAX];

    while (!atomic_load(&cutter->ends)) {
        fds[0] = (struct pollfd){.fd = cutter->listener, .events = POLLIN};
        for (unsigned i = 0; i < PAIRS_MAX; i++) {
            ask_for(&cutter->pairs[i], &fds[1 + 2 * i]);
        }
        int count = poll(fds, 1 + 2 * PAIRS_MAX, WAIT_MS);
        for (unsigned i = 0; count > 0 && i < PAIRS_MAX; i++) {
            serve_pair(&cutter->pairs[i], &fds[1 + 2 * i]);
        }
        if (count > 0 && fds[0].revents) {
            take_connection(cutter);
        }
        if (cutter->every_ns > 0 && atomic_load(&cutter->is_cutting) &&
            ptl_bench_now() >= cutter->cut_at_ns) {
            cut_one(cutter);
        }
    }
    return NULL;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static int listen_at(struct ptl_bench_cutter *cutter)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof address;

    cutter->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (cutter->listener < 0 ||
        bind(cutter->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(cutter->listener, PAIRS_MAX) < 0 ||
        getsockname(cutter->listener, (struct sockaddr *)&address, &size) < 0) {
        return -errno;
    }
    snprintf(cutter->address, sizeof cutter->address, "127.0.0.1:%u", ntohs(address.sin_port));
    return 0;
}

static void free_cutter(struct ptl_bench_cutter *cutter)
{
    if (cutter->listener >= 0) {
        close(cutter->listener);
    }
    free(cutter);
}

static struct ptl_bench_cutter *make_cutter(const struct ptl_list *seeds, int64_t every_ns,
                                            uint64_t random_seed)
{
    struct ptl_bench_cutter *cutter = calloc(1, sizeof *cutter);

    if (cutter) {
        cutter->seeds = seeds;
        cutter->every_ns = every_ns;
        cutter->random.state = random_seed;
        for (unsigned i = 0; i < PAIRS_MAX; i++) {
            cutter->pairs[i].fds[0] = cutter->pairs[i].fds[1] = -1;
        }
        plan_cut(cutter);
    }
    return cutter;
}

/* Signals are for the main thread, which may not have blocked them yet. */
static int start_thread(struct ptl_bench_cutter *cutter)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = -pthread_create(&cutter->thread, NULL, work, cutter);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

int ptl_bench_cutter_start(struct ptl_bench_cutter **cutter, const struct ptl_list *seeds,
                           int64_t every_ns, uint64_t random_seed)
{
    struct ptl_bench_cutter *made = make_cutter(seeds, every_ns, random_seed);

    *cutter = NULL;
    if (!made) {
        return -ENOMEM;
    }
    int err = listen_at(made);
    if (err == 0) {
        err = start_thread(made);
    }
    if (err < 0) {
        free_cutter(made);
        return err;
    }
    *cutter = made;
    return 0;
}

const char *ptl_bench_cutter_address(const struct ptl_bench_cutter *cutter)
{
    return cutter->address;
}

void ptl_bench_cutter_cut(struct ptl_bench_cutter *cutter, bool cuts)
{
    atomic_store(&cutter->is_cutting, cuts);
}

uint64_t ptl_bench_cutter_cuts(const struct ptl_bench_cutter *cutter)
{
    return atomic_load(&cutter->cuts);
}

void ptl_bench_cutter_stop(struct ptl_bench_cutter *cutter)
{
    if (!cutter) {
        return;
    }
    atomic_store(&cutter->ends, true);
    pthread_join(cutter->thread, NULL);
    for (unsigned i = 0; i < PAIRS_MAX; i++) {
        if (cutter->pairs[i].fds[0] >= 0) {
            close_pair(&cutter->pairs[i], false);
        }
    }
    free_cutter(cutter);
}
