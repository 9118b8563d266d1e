#include "tests/cuts/cuts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 64        /* messages of one handler's turn */
#define PAUSE_MS 2      /* before looking again for something to do */
#define RENEW_EVERY 997 /* messages: then the monitor is taken back for a new one */

/* Fields of a port's stream belong to its shard, those of a thread's stand under the lock. */
struct cuts_stream {
    struct cuts_stage *stage;
    unsigned number;
    struct ptl_port self; /* unset for a thread; streams may share one, by their tags */
    char tick[16], gone[16];
    struct ptl_port target;
    int64_t run, sent; /* `sent` messages of run `run` */
    int64_t round;     /* the last check that was sent */
    bool watching;
    struct ptl_monitor monitor;
    struct cuts_entry *entry;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool lost; /* the monitor has fired */
    bool room; /* ptl_on_room() has told */
};

static uint8_t padding[CUTS_PAD_MAX];

size_t cuts_pad_size(int64_t stream, int64_t run, int64_t number)
{
    uint64_t mixed = (uint64_t)(stream * 1000003 + run * 7919 + number) * 0x9E3779B97F4A7C15u;
    mixed ^= mixed >> 29;
    uint64_t kind = mixed % 1000, size = mixed >> 16;

    if (kind < 900) {
        return size % 97;
    }
    return size % (kind < 990 ? 1500 : kind < 999 ? 8192 : CUTS_PAD_MAX);
}

static int send_next(struct cuts_stream *stream)
{
    int64_t number = stream->sent + 1;
    size_t size = cuts_pad_size(stream->number, stream->run, number);

    int err = ptl_sendf(stream->stage->node, &stream->target, "tiiiy", "d", (int64_t)stream->number,
                        stream->run, number, (const void *)padding, size);
    if (err == PTL_OK) {
        stream->sent = number;
        atomic_fetch_add_explicit(&stream->stage->sent, 1, memory_order_relaxed);
    }
    return err;
}

/* Ask the sink whether it has had everything; PTL_OK when that was sent or is not wanted. */
static int send_check(struct cuts_stream *stream)
{
    struct cuts_stage *stage = stream->stage;
    int64_t round = atomic_load(&stage->round);

    if (round == stream->round) {
        return PTL_OK;
    }
    int err = ptl_sendf(stage->node, &stream->target, "tiiii", "f", (int64_t)stream->number,
                        stream->run, stream->sent, round);
    if (err == PTL_OK) {
        stream->round = round;
    }
    return err;
}

/* Take leave to send at most `most` messages. */
static int64_t take_leave(struct cuts_stage *stage, int64_t most)
{
    int64_t taken = atomic_load_explicit(&stage->taken, memory_order_relaxed);

    for (;;) {
        int64_t left = atomic_load(&stage->allowed) - taken;
        int64_t count = left < most ? left : most;
        if (count <= 0) {
            return 0;
        }
        if (atomic_compare_exchange_weak(&stage->taken, &taken, taken + count)) {
            return count;
        }
    }
}

/* The monitor has fired: what is sent from now on is a new run. */
static void begin_run(struct cuts_stream *stream)
{
    stream->run++;
    stream->sent = 0;
    stream->round = 0;
    stream->watching = false;
    atomic_fetch_add(&stream->stage->runs, 1);
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static int port_watch(struct cuts_stream *stream);

static int port_lost(struct ptl_node *node, const struct ptl_port *port,
                     const struct ptl_msg *reason, void *data)
{
    struct cuts_stream *stream = data;

    (void)node;
    (void)reason;
    if (!ptl_port_equal(port, &stream->target)) {
        cuts_fail("a monitor names another port than the one it was set on");
    }
    cuts_entry_fired(stream->entry);
    begin_run(stream);
    if (!atomic_load(&stream->stage->ended)) {
        int err = port_watch(stream);
        if (err < 0 && err != PTL_EFULL) {
            cuts_must(err, "ptl_monitor");
        }
    }
    return 0;
}

/* Odd streams are told by a message to themselves, even ones by a callback. */
static int port_watch(struct cuts_stream *stream)
{
    struct ptl_node *node = stream->stage->node;
    struct cuts_entry *entry = cuts_entry_new();
    int err;

    if (stream->number % 2 == 0) {
        /* The entry of this monitor: it is the stream's when it fires. */
        err = ptl_monitor(node, &stream->target, port_lost, stream, &stream->monitor);
    } else {
        struct ptl_msg *prefix;
        cuts_must(ptl_msg_make(node, &prefix, "tu", stream->gone, (uint64_t)(uintptr_t)entry),
                  "a prefix");
        err = ptl_monitor_message(node, &stream->target, &stream->self, prefix, &stream->monitor);
        ptl_msg_free(prefix);
    }
    if (err == PTL_OK) {
        stream->entry = entry;
        stream->watching = true;
    } else {
        cuts_entry_taken_back(entry);
    }
    return err;
}

static int port_gone(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct cuts_stream *stream = data;
    uint64_t entry;

    cuts_must(ptl_msg_read(node, msg, "*u", &entry), "a notice");
    cuts_entry_fired((struct cuts_entry *)(uintptr_t)entry);
    begin_run(stream);
    if (atomic_load(&stream->stage->ended)) {
        return PTL_OK;
    }
    int err = port_watch(stream);
    return err == PTL_EFULL ? PTL_OK : err;
}

/* Take the monitor back and set another: at no time there is none. */
static int renew(struct cuts_stream *stream)
{
    struct ptl_monitor old = stream->monitor;
    struct cuts_entry *entry = stream->entry;

    int err = port_watch(stream);
    if (err == PTL_OK) {
        cuts_entry_taken_back(entry);
        ptl_unmonitor(stream->stage->node, &old);
    }
    return err;
}

static int send_batch(struct cuts_stream *stream)
{
    struct cuts_stage *stage = stream->stage;
    int64_t leave = take_leave(stage, BATCH);

    while (leave > 0) {
        int err = send_next(stream);
        if (err < 0) {
            atomic_fetch_sub(&stage->taken, leave);
            return err;
        }
        leave--;
        if (stream->sent % RENEW_EVERY == 0) {
            err = renew(stream);
            if (err < 0 && err != PTL_EFULL) {
                cuts_must(err, "a new monitor");
            }
        }
    }
    return PTL_OK;
}

static int port_tick(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct cuts_stream *stream = data;
    struct cuts_stage *stage = stream->stage;
    int err = PTL_OK;

    if (atomic_load(&stage->ended)) {
        return PTL_OK;
    }
    if (!stream->watching) {
        err = port_watch(stream);
        if (err == PTL_EFULL) {
            return ptl_after_send(node, PAUSE_MS, &stream->self, msg, NULL);
        }
    }
    if (err == PTL_OK) {
        err = send_batch(stream);
    }
    if (err == PTL_OK) {
        err = send_check(stream);
    }
    if (err == PTL_EFULL) {
        atomic_fetch_add_explicit(&stage->full, 1, memory_order_relaxed);
        return PTL_LATER;
    }
    if (err < 0) {
        return err;
    }
    if (atomic_load(&stage->taken) >= atomic_load(&stage->allowed)) {
        return ptl_after_send(node, PAUSE_MS, &stream->self, msg, NULL);
    }
    err = ptl_send(node, &stream->self, msg);
    return err == PTL_EFULL ? PTL_LATER : err;
}

/* Ports of streams live as long as their node. */
static void port_died(void *data)
{
    struct cuts_stream *stream = data;

    if (!atomic_load(&stream->stage->ended)) {
        cuts_fail("the port of stream %u has died", stream->number);
    }
}

static int port_other(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    cuts_fail("a strange message for stream %u", ((struct cuts_stream *)data)->number);
}

static struct ptl_port own_port(struct cuts_stream *stream, unsigned shard)
{
    struct cuts_stream *before = stream - 1;

    /* On even shards one port sends to all sinks, and is told of each. */
    return shard % 2 == 0 && stream->number % stream->stage->shards != 0
               ? before->self
               : cuts_port(stream->stage, shard, port_other, port_died, stream);
}

static void start_port(struct cuts_stream *stream, unsigned shard)
{
    struct ptl_node *node = stream->stage->node;

    stream->self = own_port(stream, shard);
    snprintf(stream->tick, sizeof(stream->tick), "tick%u", stream->number);
    snprintf(stream->gone, sizeof(stream->gone), "gone%u", stream->number);
    cuts_must(ptl_port_on(node, &stream->self, stream->gone, port_gone, stream), "ptl_port_on");
    cuts_must(ptl_port_on(node, &stream->self, stream->tick, port_tick, stream), "ptl_port_on");
    cuts_must(ptl_sendf(node, &stream->self, "t", stream->tick), "the first tick");
}

/* ---- Threads -------------------------------------------------------------------------------- */

static int thread_lost(struct ptl_node *node, const struct ptl_port *port,
                       const struct ptl_msg *reason, void *data)
{
    struct cuts_stream *stream = data;

    (void)node;
    (void)port;
    (void)reason;
    pthread_mutex_lock(&stream->lock);
    cuts_entry_fired(stream->entry);
    stream->lost = true;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
    return 0;
}

static void thread_room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct cuts_stream *stream = data;

    (void)node;
    (void)to;
    pthread_mutex_lock(&stream->lock);
    if (stream->room) {
        cuts_fail("ptl_on_room told twice");
    }
    stream->room = true;
    pthread_cond_signal(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
}

/* Holding the lock, which is given up while waiting. */
static void wait_for_room(struct cuts_stream *stream)
{
    atomic_fetch_add_explicit(&stream->stage->full, 1, memory_order_relaxed);
    stream->room = false;
    cuts_must(ptl_on_room(stream->stage->node, &stream->target, thread_room, stream),
              "ptl_on_room");
    while (!stream->room) {
        pthread_cond_wait(&stream->changed, &stream->lock);
    }
}

static void wait_a_little(struct cuts_stream *stream)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PAUSE_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&stream->changed, &stream->lock, &until);
}

static int thread_watch(struct cuts_stream *stream)
{
    /* The callback may run before ptl_monitor() returns, but waits for our lock. */
    stream->entry = cuts_entry_new();
    int err = ptl_monitor(stream->stage->node, &stream->target, thread_lost, stream, NULL);

    if (err == PTL_OK) {
        stream->watching = true;
    } else {
        cuts_entry_taken_back(stream->entry);
    }
    return err;
}

/*
 * One step under the lock: a send that begins before the monitor has fired is of the old run, and
 * the monitor cannot fire between looking at `lost` and sending.
 */
static int thread_step(struct cuts_stream *stream)
{
    struct cuts_stage *stage = stream->stage;

    if (stream->lost) {
        stream->lost = false;
        begin_run(stream);
    }
    if (!stream->watching) {
        return thread_watch(stream);
    }
    if (take_leave(stage, 1) == 0) {
        int err = send_check(stream);
        if (err == PTL_OK) {
            wait_a_little(stream);
        }
        return err;
    }
    int err = send_next(stream);
    if (err < 0) {
        atomic_fetch_sub(&stage->taken, 1);
    }
    return err;
}

static void *thread_main(void *data)
{
    struct cuts_stream *stream = data;

    while (!atomic_load(&stream->stage->ended)) {
        pthread_mutex_lock(&stream->lock);
        int err = thread_step(stream);
        if (err == PTL_EFULL) {
            wait_for_room(stream);
        } else {
            cuts_must(err, "a thread's step");
        }
        pthread_mutex_unlock(&stream->lock);
    }
    return NULL;
}

static void start_thread(struct cuts_stream *stream)
{
    if (pthread_create(&stream->thread, NULL, thread_main, stream) != 0) {
        cuts_fail("no thread");
    }
}

/* ---- All ------------------------------------------------------------------------------------ */

void cuts_streams_start(struct cuts_stage *stage)
{
    unsigned ports = stage->shards * stage->shards;

    memset(padding, 'p', sizeof(padding));
    stage->stream_count = ports + CUTS_THREADS;
    stage->streams = calloc(stage->stream_count, sizeof(*stage->streams));
    if (stage->streams == NULL) {
        cuts_fail("no memory");
    }
    for (unsigned i = 0; i < stage->stream_count; i++) {
        struct cuts_stream *stream = &stage->streams[i];
        stream->stage = stage;
        stream->number = i;
        stream->run = 1;
        stream->target = stage->far_sinks[i % stage->shards];
        pthread_mutex_init(&stream->lock, NULL);
        pthread_cond_init(&stream->changed, NULL);
        if (i < ports) {
            start_port(stream, i / stage->shards);
        } else {
            start_thread(stream);
        }
    }
}

void cuts_streams_join(struct cuts_stage *stage)
{
    for (unsigned i = stage->shards * stage->shards; i < stage->stream_count; i++) {
        pthread_join(stage->streams[i].thread, NULL);
    }
}

void cuts_streams_free(struct cuts_stage *stage)
{
    for (unsigned i = 0; i < stage->stream_count; i++) {
        pthread_mutex_destroy(&stage->streams[i].lock);
        pthread_cond_destroy(&stage->streams[i].changed);
    }
    free(stage->streams);
}

void cuts_streams_show(struct cuts_stage *stage)
{
    for (unsigned i = 0; i < stage->stream_count; i++) {
        struct cuts_stream *stream = &stage->streams[i];
        pthread_mutex_lock(&stream->lock);
        fprintf(stderr, "  stream %u: run %lld, sent %lld, round %lld,%s watching%s\n", i,
                (long long)stream->run, (long long)stream->sent, (long long)stream->round,
                stream->watching ? "" : " not", stream->lost ? ", lost" : "");
        pthread_mutex_unlock(&stream->lock);
    }
}
