#include "tools/bench/worker.h"

#include "tools/bench/mark.h"

#include <stdalign.h>
#include <stdlib.h>
#include <time.h>

#define LINE_BYTES 64

/* Of one shard, which alone writes it; others read now and then. */
struct slice {
    alignas(LINE_BYTES) _Atomic uint64_t messages;
    _Atomic uint64_t bytes;
    _Atomic uint64_t reordered;
    _Atomic uint64_t strange;
};

struct ptl_bench_workers {
    struct ptl_port anchor;
    atomic_uint holders; /* its workers, and the service */
    unsigned shards;
    unsigned turn;                                /* the shard of the next worker */
    alignas(LINE_BYTES) _Atomic int64_t stall_ns; /* of the next handler; 0: none */
    struct slice slices[];
};

struct worker {
    struct ptl_bench_workers *workers;
    struct slice *slice;
    uint64_t expected; /* number of the next message */
    uint32_t stream;
    struct ptl_port next;
};

struct ptl_bench_workers *ptl_bench_workers_make(struct ptl_node *node,
                                                 const struct ptl_port *anchor)
{
    unsigned shards = ptl_node_shards(node);
    size_t size = sizeof(struct ptl_bench_workers) + shards * sizeof(struct slice);
    struct ptl_bench_workers *workers = aligned_alloc(LINE_BYTES, size);

    if (workers) {
        memset(workers, 0, size);
        workers->anchor = *anchor;
        workers->shards = shards;
        atomic_init(&workers->holders, 1);
    }
    return workers;
}

void ptl_bench_workers_drop(struct ptl_bench_workers *workers)
{
    if (atomic_fetch_sub(&workers->holders, 1) == 1) {
        free(workers);
    }
}

struct ptl_bench_tally ptl_bench_workers_tally(const struct ptl_bench_workers *workers)
{
    struct ptl_bench_tally tally = {.messages = 0};

    for (unsigned i = 0; i < workers->shards; i++) {
        const struct slice *slice = &workers->slices[i];
        tally.messages += atomic_load_explicit(&slice->messages, memory_order_relaxed);
        tally.bytes += atomic_load_explicit(&slice->bytes, memory_order_relaxed);
        tally.reordered += atomic_load_explicit(&slice->reordered, memory_order_relaxed);
        tally.strange += atomic_load_explicit(&slice->strange, memory_order_relaxed);
    }
    return tally;
}

void ptl_bench_workers_stall(struct ptl_bench_workers *workers, int64_t stall_ns)
{
    atomic_store(&workers->stall_ns, stall_ns);
}

/* One writer: no need for an atomic addition. */
static void add(_Atomic uint64_t *count, uint64_t more)
{
    uint64_t value = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, value + more, memory_order_relaxed);
}

static void stall_if_told(struct ptl_bench_workers *workers)
{
    if (atomic_load_explicit(&workers->stall_ns, memory_order_relaxed) > 0) {
        int64_t stall_ns = atomic_exchange(&workers->stall_ns, 0);
        struct timespec time = {
            .tv_sec = stall_ns / 1000000000,
            .tv_nsec = stall_ns % 1000000000,
        };
        nanosleep(&time, NULL);
    }
}

/* The bytes of the size that was asked for, in front of a mark or around it. */
static size_t bytes_of(const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    return ptl_next(&cursor, &value) == 0 && (value.type == PTL_BYTES || value.type == PTL_TEXT)
               ? value.string.size
               : 0;
}

static void count(struct worker *worker, const struct ptl_msg *msg, uint64_t number)
{
    add(&worker->slice->messages, 1);
    add(&worker->slice->bytes, bytes_of(msg));
    if (number != worker->expected) {
        add(&worker->slice->reordered, 1);
    }
    worker->expected = number + 1;
}

static bool read_mark(struct worker *worker, const struct ptl_msg *msg, struct ptl_bench_mark *mark)
{
    stall_if_told(worker->workers);
    if (ptl_bench_mark_read(msg, mark) && mark->stream == worker->stream) {
        return true;
    }
    add(&worker->slice->strange, 1);
    return false;
}

static int sink(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct worker *worker = data;
    struct ptl_bench_mark mark;

    if (!read_mark(worker, msg, &mark)) {
        return 0;
    }
    if (mark.acknowledge &&
        ptl_sendf(node, &worker->next, "u", ptl_bench_mark_pack(&mark)) == PTL_EFULL) {
        return PTL_LATER; /* and then it is counted */
    }
    count(worker, msg, mark.number);
    return 0;
}

static int relay(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct worker *worker = data;
    struct ptl_bench_mark mark;

    if (!read_mark(worker, msg, &mark)) {
        return 0;
    }
    if (ptl_send(node, &worker->next, msg) == PTL_EFULL) {
        return PTL_LATER;
    }
    count(worker, msg, mark.number);
    return 0;
}

static void release_worker(void *data)
{
    struct worker *worker = data;

    ptl_bench_workers_drop(worker->workers);
    free(worker);
}

static struct worker *make_worker(struct ptl_bench_workers *workers, unsigned shard,
                                  uint32_t stream, const struct ptl_port *next)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker) {
        atomic_fetch_add(&workers->holders, 1);
        worker->workers = workers;
        worker->slice = &workers->slices[shard];
        worker->stream = stream;
        worker->next = *next;
    }
    return worker;
}

int ptl_bench_worker_make(struct ptl_node *node, struct ptl_bench_workers *workers,
                          enum ptl_bench_worker kind, uint32_t stream, const struct ptl_port *next,
                          struct ptl_port *port)
{
    unsigned shard = workers->turn++ % workers->shards;
    struct worker *worker = make_worker(workers, shard, stream, next);
    struct ptl_port_options options = {
        .size = sizeof options,
        .handler = kind == PTL_BENCH_RELAY ? relay : sink,
        .data = worker,
        .release = release_worker,
        .shard_plus_one = shard + 1,
    };

    if (!worker) {
        return PTL_ENOMEM;
    }
    int err = ptl_port_new(node, &options, port);
    if (err < 0) {
        release_worker(worker);
        return err;
    }
    return ptl_monitor_kill(node, &workers->anchor, port, NULL);
}
