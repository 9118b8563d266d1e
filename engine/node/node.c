#include "engine/node/node.h"

#include "engine/directory/node_directory.h"
#include "engine/link/node_links.h"
#include "engine/link/sealing.h"
#include "engine/link/stop_losses.h"
#include "engine/message/message.h"
#include "engine/node/node_own.h"
#include "engine/node/options.h"
#include "engine/node/stop.h"
#include "engine/node/tower.h"
#include "engine/port/node_ports.h"
#include "engine/shard/take.h"
#include "io/thread.h"
#include "io/uring_features.h"

#include <stdio.h>

const char *ptl_node_id(const struct ptl_node *node)
{
    return node->self.id;
}

void ptl_node_log_level(struct ptl_node *node, enum ptl_log_level level)
{
    ptl_log_set_level(node, level);
}

unsigned ptl_node_shards(const struct ptl_node *node)
{
    return node->shard_count;
}

const char *ptl_node_address(const struct ptl_node *node, unsigned index)
{
    bool listens = index < node->own->bind_count && node->own->binds[index].listener != NULL;

    return listens ? node->own->binds[index].address.text : NULL;
}

/* ---- Making -------------------------------------------------------------------------------- */

static int make_rings(struct ptl_node *node)
{
    size_t count = (size_t)node->shard_count * node->shard_count;

    node->own->rings_block =
        ptl_alloc(node->allocator, count * sizeof(*node->rings) + PTL_CACHE_LINE);
    if (node->own->rings_block == NULL) {
        return PTL_ENOMEM;
    }
    /* A ring's fields stand apart by cache lines, which the allocator knows nothing of. */
    uintptr_t start =
        ((uintptr_t)node->own->rings_block + PTL_CACHE_LINE - 1) & ~(uintptr_t)(PTL_CACHE_LINE - 1);
    node->rings = (struct ptl_ring *)start;
    for (size_t i = 0; i < count; i++) {
        int err = ptl_ring_init(&node->rings[i], node->allocator, node->options.ring_bytes);
        if (err < 0) {
            return err;
        }
    }
    for (unsigned i = 0; i < node->shard_count; i++) {
        node->shards[i].rings = &node->rings[(size_t)i * node->shard_count];
    }
    return PTL_OK;
}

static int make_shards(struct ptl_node *node)
{
    node->shards = ptl_alloc(node->allocator, node->shard_count * sizeof(*node->shards));
    if (node->shards == NULL) {
        return PTL_ENOMEM;
    }
    for (unsigned i = 0; i < node->shard_count; i++) {
        int err = ptl_shard_init(&node->shards[i], node, i);
        if (err < 0) {
            return err;
        }
    }
    return make_rings(node);
}

static unsigned default_shards(void)
{
    unsigned processors = ptl_processors();
    return processors > PTL_SHARDS_MAX ? PTL_SHARDS_MAX : processors;
}

static void free_threads(struct ptl_node *node)
{
    struct ptl_node_own *own = node->own;

    ptl_free(node->allocator, own->threads, node->shard_count * sizeof(*own->threads));
    own->threads = NULL;
}

static int make_own(struct ptl_node *node)
{
    node->own = ptl_alloc(node->allocator, sizeof(*node->own));
    if (node->own == NULL) {
        return PTL_ENOMEM;
    }
    pthread_mutex_init(&node->own->lock, NULL);
    pthread_cond_init(&node->own->changed, NULL);
    return PTL_OK;
}

static void drop_own(struct ptl_node *node)
{
    if (node->own == NULL) {
        return;
    }
    free_threads(node);
    pthread_cond_destroy(&node->own->changed);
    pthread_mutex_destroy(&node->own->lock);
    ptl_free(node->allocator, node->own, sizeof(*node->own));
}

static void drop_rings(struct ptl_node *node)
{
    size_t count = (size_t)node->shard_count * node->shard_count;

    for (size_t i = 0; node->rings != NULL && i < count; i++) {
        struct ptl_ring *ring = &node->rings[i];
        void *record;
        ptl_ring_publish(ring); /* what closing has added */
        while ((record = ptl_ring_take(ring, ptl_ring_tail(ring))) != NULL) {
            struct ptl_op op;
            ptl_op_unpack(record, &op);
            /* What hands something over is the last to know of it; any shard can free it, by the
             * allocator. */
            ptl_op_drop(&node->shards[0], &op);
            ptl_op_done(record);
        }
        ptl_ring_drop(ring);
    }
    if (node->rings != NULL) {
        ptl_free(node->allocator, node->own->rings_block,
                 count * sizeof(*node->rings) + PTL_CACHE_LINE);
    }
}

/* Drop what was made, on any thread; loops are gone. */
static void drop_node(struct ptl_node *node)
{
    const struct ptl_allocator *allocator = node->allocator;

    /* Rings before shards: what lies in them may belong to a shard's tables. */
    drop_rings(node);
    for (unsigned i = 0; node->shards != NULL && i < node->shard_count; i++) {
        ptl_shard_drop(&node->shards[i]);
    }
    ptl_free(allocator, node->shards, node->shard_count * sizeof(*node->shards));
    ptl_node_directory_drop(node);
    ptl_node_links_drop(node);
    ptl_node_ports_drop(node);
    ptl_options_drop(node);
    drop_own(node);
    ptl_free(allocator, node, sizeof(*node));
}

/* The random number that makes its names its own (G3). */
static int give_identity(struct ptl_node *node, const char *id)
{
    const struct ptl_loop_maker *maker = node->options.loops;
    uint64_t incarnation;

    maker->random(maker->maker, &incarnation, sizeof(incarnation));
    return ptl_identity_init(&node->self, id, incarnation, node->shard_count, node->allocator);
}

/* Each room's own. */
static int make_parts(struct ptl_node *node, const struct ptl_node_options *options)
{
    int err = ptl_node_ports_init(node);

    if (err == PTL_OK) {
        err = ptl_node_links_init(node, options);
    }
    if (err == PTL_OK) {
        err = ptl_node_sealing_init(node, options);
    }
    return err < 0 ? err : ptl_node_directory_init(node, options);
}

int ptl_node_make(const struct ptl_node_options *options, struct ptl_node **out)
{
    if (options->size != sizeof(*options) || options->id == NULL ||
        options->shards > PTL_SHARDS_MAX) {
        return PTL_EINVAL;
    }
    const struct ptl_allocator *allocator =
        options->allocator != NULL ? options->allocator : ptl_allocator_libc();
    struct ptl_node *node = ptl_alloc(allocator, sizeof(*node));
    if (node == NULL) {
        return PTL_ENOMEM;
    }
    node->allocator = allocator;
    node->shard_count = options->shards != 0 ? options->shards : default_shards();
    /* The tables first: whatever fails from here on is dropped through them. */
    ptl_tower_raise(node);
    int err = make_own(node);
    if (err == PTL_OK) {
        err = ptl_options_take(node, options);
    }
    if (err == PTL_OK) {
        err = give_identity(node, options->id);
    }
    if (err == PTL_OK) {
        err = make_parts(node, options);
    }
    if (err == PTL_OK) {
        err = make_shards(node);
    }
    if (err < 0) {
        drop_node(node);
        return err;
    }
    *out = node;
    return PTL_OK;
}

/* ---- Opening ------------------------------------------------------------------------------- */

int ptl_node_open_shard(struct ptl_node *node, unsigned shard)
{
    ptl_assert(shard < node->shard_count);
    return ptl_shard_open(&node->shards[shard]);
}

void ptl_node_turn(struct ptl_node *node, unsigned shard)
{
    ptl_assert(shard < node->shard_count);
    ptl_shard_turn(&node->shards[shard], true);
    /* Between turns it counts as asleep: whoever sends it something wakes its loop. */
    atomic_store(&node->shards[shard].sleeping, true);
}

uint64_t ptl_node_next(struct ptl_node *node, unsigned shard)
{
    return ptl_shard_due(&node->shards[shard]);
}

/* ---- Threads ------------------------------------------------------------------------------- */

static void report_open(struct ptl_node *node, int err)
{
    pthread_mutex_lock(&node->own->lock);
    ptl_assert(node->own->opened < node->shard_count);
    node->own->opened++;
    if (err < 0 && node->own->open_err == PTL_OK) {
        node->own->open_err = err;
    }
    pthread_cond_broadcast(&node->own->changed);
    pthread_mutex_unlock(&node->own->lock);
}

/* All or none: a shard runs only when every shard is open.  Returns the first error. */
static int wait_until_open(struct ptl_node *node)
{
    pthread_mutex_lock(&node->own->lock);
    while (node->own->opened < node->shard_count) {
        pthread_cond_wait(&node->own->changed, &node->own->lock);
    }
    int err = node->own->open_err;
    pthread_mutex_unlock(&node->own->lock);
    return err;
}

/* One more will wake no shard from now on. */
static void finish(struct ptl_node *node)
{
    pthread_mutex_lock(&node->own->lock);
    ptl_assert(node->own->finished < node->own->running);
    node->own->finished++;
    pthread_cond_broadcast(&node->own->changed);
    pthread_mutex_unlock(&node->own->lock);
}

/* No shard frees its loop while another, or the thread that stops the node, may still wake it. */
static void wait_until_finished(struct ptl_node *node)
{
    finish(node);
    pthread_mutex_lock(&node->own->lock);
    while (node->own->finished < node->own->running) {
        pthread_cond_wait(&node->own->changed, &node->own->lock);
    }
    pthread_mutex_unlock(&node->own->lock);
}

static void *run_shard(void *argument)
{
    struct ptl_shard *shard = argument;
    struct ptl_node *node = shard->node;
    char name[16];

    snprintf(name, sizeof(name), "ptl-shard-%u", shard->index % PTL_SHARDS_MAX);
    ptl_thread_name(name);
    report_open(node, ptl_shard_open(shard));
    if (wait_until_open(node) < 0) {
        ptl_shard_unopen(shard);
        return NULL;
    }
    while (!ptl_node_stop_done(node)) {
        ptl_shard_turn(shard, true);
    }
    wait_until_finished(node);
    ptl_shard_close(shard);
    ptl_tls_thread_end();
    return NULL;
}

static int start_threads(struct ptl_node *node)
{
    unsigned started = 0;
    int err = PTL_OK;

    node->own->opened = 0;
    node->own->open_err = PTL_OK;
    /* The shards, and the thread that will stop the node. */
    node->own->running = node->shard_count + 1;
    while (started < node->shard_count && err == PTL_OK) {
        err = ptl_thread_start(&node->own->threads[started], run_shard, &node->shards[started]);
        started += err == PTL_OK;
    }
    for (unsigned i = started; i < node->shard_count; i++) {
        report_open(node, err); /* in place of those that could not be started */
    }
    err = wait_until_open(node);
    for (unsigned i = 0; err < 0 && i < started; i++) {
        pthread_join(node->own->threads[i], NULL);
    }
    return err;
}

static void log_failure(struct ptl_node *node, int err)
{
    const char *missing = err == PTL_EFEATURE ? ptl_loop_uring_missing() : NULL;

    if (missing != NULL) {
        ptl_log(node, PTL_LOG_ERROR, "cannot start: %s; or let the loop be auto or epoll", missing);
    } else {
        ptl_log(node, PTL_LOG_ERROR, "cannot start: %s", ptl_err_text(err));
    }
}

int ptl_node_open(struct ptl_node *node)
{
    if (node->own->threads != NULL) {
        return PTL_EINVAL;
    }
    node->own->threads =
        ptl_alloc(node->allocator, node->shard_count * sizeof(*node->own->threads));
    int err = node->own->threads == NULL ? PTL_ENOMEM : start_threads(node);
    if (err < 0) {
        log_failure(node, err);
        free_threads(node);
    }
    return err;
}

int ptl_node_start(const struct ptl_node_options *options, struct ptl_node **out)
{
    struct ptl_node *node;
    int err = ptl_node_make(options, &node);

    if (err < 0) {
        return err;
    }
    err = ptl_node_open(node);
    if (err < 0) {
        ptl_node_free(node);
        return err;
    }
    *out = node;
    return PTL_OK;
}

/* ---- Stopping ------------------------------------------------------------------------------ */

bool ptl_node_draining(const struct ptl_node *node)
{
    return ptl_node_stopping(node);
}

/* The shards have all but closed: they wait for whoever stops the node. */
void ptl_node_drain(struct ptl_node *node, unsigned deadline_ms)
{
    if (node->own->threads == NULL) { /* it has never run */
        return;
    }
    ptl_node_stop_begin(node, deadline_ms);
    pthread_mutex_lock(&node->own->lock);
    while (node->own->finished < node->shard_count) {
        pthread_cond_wait(&node->own->changed, &node->own->lock);
    }
    pthread_mutex_unlock(&node->own->lock);
}

int ptl_node_stop(struct ptl_node *node, unsigned deadline_ms)
{
    if (node->own->threads == NULL) { /* it has never run */
        ptl_node_crash(node);
        return PTL_OK;
    }
    ptl_node_stop_begin(node, deadline_ms);
    finish(node);
    for (unsigned i = 0; i < node->shard_count; i++) {
        pthread_join(node->own->threads[i], NULL);
    }
    int result = ptl_stop_losses_tell(node);
    if (result == PTL_OK && atomic_load(&node->own->cut_short)) {
        result = PTL_ETIMEOUT;
    }
    drop_node(node);
    return result;
}

void ptl_node_free(struct ptl_node *node)
{
    for (unsigned i = 0; i < node->shard_count; i++) {
        ptl_shard_close(&node->shards[i]);
    }
    drop_node(node);
}

void ptl_node_crash(struct ptl_node *node)
{
    atomic_store(&node->stop_step, PTL_STOP_CLOSE);
    ptl_node_free(node);
}
