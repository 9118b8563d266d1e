#include "engine/node/node.h"

#include "engine/directory/directory.h"
#include "engine/directory/node_directory.h"
#include "engine/link/links_end.h"
#include "engine/link/losses.h"
#include "engine/link/node_links.h"
#include "engine/message/message.h"
#include "engine/node/node_own.h"
#include "engine/node/options.h"
#include "engine/node/tower.h"
#include "engine/port/fall.h"
#include "engine/port/node_ports.h"
#include "io/address.h"
#include "io/thread.h"

/* How long shards may take to let go of their connections, once all is told. */
#define CLOSE_NS UINT64_C(500000000)

/* Shards look this often whether they are done with the present step of stopping. */
#define VOTE_NS UINT64_C(1000000)

/* How long peers may take to confirm that they have got all, within the deadline: who is silent for
 * longer is gone. */
static uint64_t confirm_ns(const struct ptl_node *node)
{
    return (uint64_t)node->options.silence_ms * 1000000;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

const char *ptl_node_id(const struct ptl_node *node)
{
    return node->self.id;
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
    uintptr_t start =
        ((uintptr_t)node->own->rings_block + PTL_CACHE_LINE - 1) & ~(uintptr_t)(PTL_CACHE_LINE - 1);
    node->rings = (struct ptl_ring *)start;
    for (size_t i = 0; i < count; i++) {
        int err = ptl_ring_init(&node->rings[i], node->allocator, node->options.ring_bytes);
        if (err < 0) {
            return err;
        }
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
        while (ring->bytes != NULL && (record = ptl_ring_take(ring, ptl_ring_tail(ring)))) {
            struct ptl_op op;
            ptl_op_unpack(record, &op);
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
        err = ptl_node_links_init(node, options->seeds);
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

bool ptl_bind_resolved(struct ptl_node *node, void *request, int err,
                       const struct ptl_address addresses[])
{
    for (unsigned i = 0; i < node->own->bind_count; i++) {
        if (request == &node->own->binds[i]) {
            node->own->binds[i].resolved = err < 0 ? err : 1;
            if (err == PTL_OK) {
                node->own->binds[i].address = addresses[0];
            }
            return true;
        }
    }
    return false;
}

/* The address that a host's name stands for.  The node is not running yet, so this may wait. */
static int resolve_bind(struct ptl_shard *shard, struct ptl_bind *bind)
{
    if (ptl_address_parse(bind->wish, &bind->address) == PTL_OK) {
        return PTL_OK;
    }
    int err = ptl_loop_resolve(shard->loop, bind->wish, bind);

    while (err == PTL_OK && bind->resolved == 0) {
        ptl_loop_poll(shard->loop, UINT64_MAX);
    }
    return err < 0 ? err : bind->resolved < 0 ? bind->resolved : PTL_OK;
}

static int listen_on(struct ptl_node *node, struct ptl_shard *shard, struct ptl_bind *bind)
{
    struct ptl_address wanted = bind->address;
    int err = bind->resolved < 0 ? bind->resolved : PTL_OK;

    if (err == PTL_OK) {
        err = ptl_loop_listen(shard->loop, &wanted, &bind->listener, &bind->address);
    }
    if (err < 0) {
        ptl_log(node, PTL_LOG_ERROR, "cannot listen on %s: %s", bind->wish, ptl_err_text(err));
    }
    return err;
}

int ptl_node_listen(struct ptl_node *node, struct ptl_shard *shard)
{
    /* All names first: nobody may be accepted while the loop is polled for one of them, since no
     * shard runs yet. */
    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        int err = resolve_bind(shard, &node->own->binds[i]);
        node->own->binds[i].resolved = err < 0 ? err : 1;
    }
    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        int err = listen_on(node, shard, &node->own->binds[i]);
        if (err < 0) {
            return err;
        }
        ptl_whereabouts_listen(node, i, &node->own->binds[i].address);
    }
    return PTL_OK;
}

void ptl_node_unlisten(struct ptl_node *node, struct ptl_shard *shard)
{
    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        node->own->binds[i].listener = NULL;
        node->own->binds[i].resolved = 0;
    }
}

int ptl_node_open_shard(struct ptl_node *node, unsigned shard)
{
    return ptl_shard_open(&node->shards[shard]);
}

void ptl_node_turn(struct ptl_node *node, unsigned shard)
{
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
    return NULL;
}

static int start_threads(struct ptl_node *node)
{
    unsigned started = 0;
    int err = PTL_OK;

    node->own->opened = 0;
    node->own->open_err = PTL_OK;
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

int ptl_node_open(struct ptl_node *node)
{
    if (node->own->threads != NULL) {
        return PTL_EINVAL;
    }
    node->own->threads =
        ptl_alloc(node->allocator, node->shard_count * sizeof(*node->own->threads));
    int err = node->own->threads == NULL ? PTL_ENOMEM : start_threads(node);
    if (err < 0) {
        ptl_log(node, PTL_LOG_ERROR, "cannot start: %s", ptl_err_text(err));
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

static void wake_all(struct ptl_node *node)
{
    for (unsigned i = 0; i < node->shard_count; i++) {
        ptl_shard_wake(&node->shards[i], NULL);
    }
}

static void next_step(struct ptl_node *node, unsigned from, unsigned to)
{
    pthread_mutex_lock(&node->own->lock);
    bool first = atomic_load(&node->stop_step) == from; /* or another shard was */
    if (first) {
        node->own->stopped = 0;
        atomic_store(&node->stop_step, to);
    }
    pthread_mutex_unlock(&node->own->lock);
    if (first) {
        wake_all(node);
    }
}

/*
 * A shard says whether it is done with a step.  One that is not makes all look again.  Under the
 * lock, so that a word about one step is never counted for the next.
 */
static void vote(struct ptl_node *node, unsigned shard, unsigned step, bool done)
{
    uint64_t all = ptl_node_all_shards(node);

    pthread_mutex_lock(&node->own->lock);
    bool current = atomic_load(&node->stop_step) == step;
    if (current) {
        node->own->stopped = done ? node->own->stopped | UINT64_C(1) << shard : 0;
    }
    bool agreed = current && node->own->stopped == all;
    pthread_mutex_unlock(&node->own->lock);
    if (agreed) {
        next_step(node, step, step + 1);
    }
}

void ptl_node_stop_begin(struct ptl_node *node, unsigned deadline_ms)
{
    atomic_store(&node->own->patience_ns, (uint64_t)deadline_ms * 1000000);
    next_step(node, PTL_STOP_NOT, PTL_STOP_FLUSH);
}

bool ptl_node_stop_done(const struct ptl_node *node)
{
    return atomic_load(&node->stop_step) == PTL_STOP_CLOSE;
}

static void begin_flush(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;

    if (shard->index == 0) {
        shard->stop_at = shard->now + atomic_load(&node->own->patience_ns);
    }
    for (unsigned i = shard->index; i < node->own->bind_count; i += node->shard_count) {
        ptl_loop_unlisten(shard->loop, node->own->binds[i].listener);
    }
    ptl_waiters_drop(shard, true);
    ptl_links_deafen(shard);
}

/* A shard that was busy may have missed the steps between. */
static void enter(struct ptl_shard *shard, unsigned step)
{
    unsigned before = shard->stop_step;

    shard->stop_step = step;
    if (before < PTL_STOP_FLUSH) {
        begin_flush(shard);
    }
    if (step == PTL_STOP_TELL) {
        if (atomic_load(&shard->node->own->cut_short)) {
            ptl_losses_of_shard(shard);
        }
        ptl_fall_all(shard);
        ptl_directory_stop(shard);
        ptl_links_close(shard);
        shard->close_at = shard->now + CLOSE_NS;
        if (shard->index == 0) {
            uint64_t confirmed = sooner(shard->stop_at, shard->now + confirm_ns(shard->node));
            shard->stop_at = shard->now + CLOSE_NS;
            shard->stop_at = confirmed > shard->stop_at ? confirmed : shard->stop_at;
        }
    }
}

static bool is_done(struct ptl_shard *shard, unsigned step)
{
    if (step == PTL_STOP_TELL) {
        /* What monitors were told may be a message to a port of another shard. */
        return ptl_links_closed(shard) && !ptl_monitors_untold(&shard->monitors) &&
               ptl_shard_drained(shard);
    }
    return ptl_shard_quiet(shard);
}

uint64_t ptl_node_stop_work(struct ptl_shard *shard)
{
    struct ptl_node *node = shard->node;
    unsigned step = atomic_load(&node->stop_step);

    if (step == PTL_STOP_NOT || step == PTL_STOP_CLOSE) {
        return UINT64_MAX;
    }
    if (shard->stop_step != step) {
        enter(shard, step);
    }
    vote(node, shard->index, step, is_done(shard, step));
    if (shard->index == 0 && shard->now >= shard->stop_at) {
        bool flushing = step < PTL_STOP_TELL;
        if (flushing) {
            atomic_store(&node->own->cut_short, true);
        }
        next_step(node, step, flushing ? PTL_STOP_TELL : PTL_STOP_CLOSE);
    }
    return shard->now + VOTE_NS;
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
    int result = ptl_losses_tell(node);
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
