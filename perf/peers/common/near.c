/*
 * perf/peers/common/near.c - the near end: what is sent when, and how long it took.
 *
 * Open loop: requests are due at fixed times, and a time counts from when the request was due, not
 * from when it could be sent, so that a stall shows in everything that it has held up.
 */
#include "perf/peers/common/ends.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000
#define BURST_BYTES 65536           /* sent between two looks at the clock */
#define PATIENCE (5L * SECOND)      /* without progress, for what has not come yet */
#define LONGEST_WAIT (15L * SECOND) /* for it, whatever progress there is */

static struct {
    const struct peer_work *work;
    struct peer_shared *shared;
    int64_t warm_until, until; /* what is measured lies between */
    uint8_t *bulk;             /* sent again and again */
    _Atomic bool stopped;
    _Atomic uint64_t sent, answered, credited;
    _Atomic uint64_t bulks_sent, bulks_taken;
    uint64_t measured; /* answers between warm_until and until; under `lock` as the histogram */
    uint64_t sent_bytes;
    struct peer_histogram latency;
    pthread_mutex_t lock; /* of a threaded system only */
    pthread_cond_t told;
} near = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock(void)
{
    if (peer_system.threaded) {
        pthread_mutex_lock(&near.lock);
    }
}

static void unlock(void)
{
    if (peer_system.threaded) {
        pthread_mutex_unlock(&near.lock);
    }
}

/* Send what has been gathered; then let things happen until that time, or until something has. */
static void wait_until(int64_t until)
{
    if (peer_system.flush) {
        peer_system.flush();
    }
    if (peer_system.wait) {
        peer_system.wait(until);
        return;
    }
    struct timespec time = {.tv_sec = until / SECOND, .tv_nsec = until % SECOND};
    pthread_mutex_lock(&near.lock);
    pthread_cond_timedwait(&near.told, &near.lock, &time);
    pthread_mutex_unlock(&near.lock);
}

static void wake(void)
{
    if (peer_system.wait == NULL) {
        pthread_mutex_lock(&near.lock);
        pthread_cond_broadcast(&near.told);
        pthread_mutex_unlock(&near.lock);
    }
}

static uint8_t *pattern_bytes(size_t size)
{
    uint8_t *bytes = malloc(size);

    if (bytes == NULL) {
        peer_die("no memory");
    }
    memset(bytes, 'x', size);
    return bytes;
}

static void send_one(enum peer_kind kind, int64_t due)
{
    uint32_t number = (uint32_t)atomic_fetch_add(&near.sent, 1);
    struct peer_head head = {.time_ns = (uint64_t)due, .kind = kind, .number = number};

    if (near.work->pattern == PEER_DB_SET || near.work->pattern == PEER_DB_WATCH) {
        peer_system.set(number, &head);
        return;
    }
    if (near.work->size == sizeof(head)) {
        peer_system.send(&head, sizeof(head));
        return;
    }
    /* In closed loop a threaded system may send on several threads. */
    static _Thread_local uint8_t *message;
    if (message == NULL) {
        message = pattern_bytes(near.work->size);
    }
    memcpy(message, &head, sizeof(head));
    peer_system.send(message, near.work->size);
}

/* ---- What comes back ----------------------------------------------------------------------- */

static bool is_open_loop(void)
{
    return near.work->rate > 0;
}

static void answered(const struct peer_head *head)
{
    int64_t now = peer_now(), sent = (int64_t)head->time_ns;

    lock();
    if (now >= near.warm_until && now < near.until) {
        near.measured++;
    }
    if (sent >= near.warm_until && sent < near.until) {
        peer_histogram_add(&near.latency, (uint64_t)(now - sent));
    }
    unlock();
    atomic_fetch_add(&near.answered, 1);
    if (!is_open_loop() && !near.stopped) {
        send_one(PEER_ECHO, now);
    }
}

void peer_confirmed(const struct peer_head *head)
{
    if (near.work->pattern == PEER_DB_SET) {
        answered(head);
    }
}

enum peer_verdict peer_near_got(const void *bytes, size_t size)
{
    struct peer_head head;

    if (size < sizeof(head)) {
        peer_die("an answer of %zu bytes", size);
    }
    memcpy(&head, bytes, sizeof(head));
    switch (head.kind) {
    case PEER_ECHO:
        answered(&head);
        break;
    case PEER_CREDIT:
        atomic_fetch_add(&near.credited, head.time_ns);
        wake();
        break;
    case PEER_RECEIPT:
        atomic_fetch_add(&near.bulks_taken, 1);
        wake();
        break;
    default:
        peer_die("an answer of kind %u", head.kind);
    }
    return PEER_DROP;
}

/* ---- One way --------------------------------------------------------------------------------- */

static bool has_credit(void)
{
    return peer_system.window == 0 ||
           near.sent_bytes + near.work->size <= peer_system.window + atomic_load(&near.credited);
}

static void send_burst(void)
{
    size_t count = BURST_BYTES / near.work->size;

    for (size_t i = 0; i == 0 || i < count; i++) {
        if (!has_credit()) {
            wait_until(peer_now() + SECOND / 100);
            return;
        }
        send_one(PEER_DATA, 0);
        near.sent_bytes += near.work->size;
    }
}

static uint64_t received(void)
{
    return atomic_load(&near.shared->received);
}

/* From the end of the warm-up on; if a burst stood still over all of the rest, from the start. */
static void run_one_way(struct peer_result *result)
{
    int64_t now, from = peer_now();
    uint64_t before = 0;
    bool warm = false;

    while ((now = peer_now()) < near.until) {
        if (!warm && now >= near.warm_until) {
            warm = true;
            from = now;
            before = received();
        }
        send_burst();
    }
    result->rate = (double)(received() - before) * SECOND / (double)(now - from);
}

/* ---- Requests and sets ----------------------------------------------------------------------- */

static void run_closed_loop(void)
{
    for (unsigned i = 0; i < near.work->in_flight; i++) {
        send_one(PEER_ECHO, peer_now());
    }
    while (peer_now() < near.until) {
        wait_until(near.until);
    }
}

static void send_bulk(void)
{
    struct peer_head head = {.kind = PEER_BULK};

    memcpy(near.bulk, &head, sizeof(head));
    atomic_fetch_add(&near.bulks_sent, 1);
    peer_system.send(near.bulk, near.work->bulk);
}

static bool is_bulk_on_its_way(void)
{
    return atomic_load(&near.bulks_taken) < atomic_load(&near.bulks_sent);
}

/* Of a threaded system: the thread whose send may stand still while a large message goes. */
static void *send_bulks(void *unused)
{
    while (!near.stopped) {
        send_bulk();
        while (is_bulk_on_its_way() && !near.stopped) {
            wait_until(peer_now() + SECOND / 100);
        }
    }
    return unused;
}

static void send_due(int64_t *due, int64_t period, enum peer_kind kind)
{
    int64_t now = peer_now();

    for (; *due <= now && *due < near.until; *due += period) {
        send_one(kind, *due);
    }
}

static void run_open_loop(enum peer_kind kind)
{
    int64_t period = (int64_t)(SECOND / near.work->rate);
    int64_t due = peer_now();
    bool inline_bulk = near.bulk && !peer_system.threaded;

    while (peer_now() < near.until) {
        send_due(&due, period, kind);
        if (inline_bulk && !is_bulk_on_its_way()) {
            send_bulk();
        }
        wait_until(due < near.until ? due : near.until);
    }
}

static void run_requests(void)
{
    pthread_t thread;
    bool threaded_bulk = near.bulk && peer_system.threaded;

    if (threaded_bulk && pthread_create(&thread, NULL, send_bulks, NULL) != 0) {
        peer_die("no thread for the large messages");
    }
    if (near.work->pattern == PEER_DB_WATCH) {
        run_open_loop(PEER_DATA);
    } else if (is_open_loop()) {
        run_open_loop(PEER_ECHO);
    } else {
        run_closed_loop();
    }
    near.stopped = true;
    if (threaded_bulk) {
        pthread_join(thread, NULL);
    }
}

/* ---- All of it ------------------------------------------------------------------------------- */

static uint64_t arrived(void)
{
    bool at_far_end = near.work->pattern == PEER_ONE_WAY || near.work->pattern == PEER_DB_WATCH;

    return at_far_end ? received() : atomic_load(&near.answered);
}

/* Wait for what is on its way; what does not come is lost. */
static uint64_t drain(void)
{
    int64_t start = peer_now(), progress = start;
    uint64_t seen = arrived();

    for (int64_t now = start; seen < atomic_load(&near.sent); now = peer_now()) {
        if (now - progress > PATIENCE || now - start > LONGEST_WAIT) {
            break;
        }
        wait_until(now + SECOND / 1000);
        if (arrived() != seen) {
            progress = peer_now();
            seen = arrived();
        }
    }
    return atomic_load(&near.sent) - seen;
}

static void set_up(const struct peer_work *work, struct peer_shared *shared)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&near.told, &attributes);
    near.work = work;
    near.shared = shared;
    near.bulk = work->pattern == PEER_MIXED ? pattern_bytes(work->bulk) : NULL;
    peer_system.open(work, PEER_NEAR);
    near.warm_until = peer_now() + (int64_t)(work->warm_up * SECOND);
    near.until = near.warm_until + (int64_t)(work->seconds * SECOND);
    atomic_store(&shared->warm_until_ns, near.warm_until);
}

void peer_near_run(const struct peer_work *work, struct peer_shared *shared,
                   struct peer_result *result)
{
    set_up(work, shared);
    if (work->pattern == PEER_ONE_WAY) {
        run_one_way(result);
    } else {
        run_requests();
    }
    double bulks = (double)atomic_load(&near.bulks_taken);
    result->bulk_rate = bulks / (work->warm_up + work->seconds);
    result->lost = drain();
    result->arrived = arrived();
    result->disordered = atomic_load(&shared->disordered);
    result->latency = work->pattern == PEER_DB_WATCH ? &shared->latency : &near.latency;
    if (work->pattern == PEER_DB_WATCH) {
        result->rate = (double)shared->latency.count / work->seconds;
    } else if (work->pattern != PEER_ONE_WAY) {
        result->rate = (double)near.measured / work->seconds;
    }
}
