#include "engine/node/stop.h"

#include "engine/directory/directory.h"
#include "engine/link/links_end.h"
#include "engine/link/shard_links.h"
#include "engine/link/stop_losses.h"
#include "engine/node/bind.h"
#include "engine/node/node_own.h"
#include "engine/port/monitor_fall.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

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

static void wake_all(struct ptl_node *node)
{
    for (unsigned i = 0; i < node->shard_count; i++) {
        ptl_shard_wake(&node->shards[i], NULL);
    }
}

static void next_step(struct ptl_node *node, unsigned from, unsigned to)
{
    ptl_assert(to > from && to <= PTL_STOP_CLOSE);
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

    ptl_assert(shard < node->shard_count);
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
        node->own->stop_at = shard->now + atomic_load(&node->own->patience_ns);
    }
    ptl_binds_unlisten(shard);
    ptl_waiters_drop(shard, true);
    ptl_links_deafen(shard);
}

/* All is told: peers may confirm it within the deadline, and there is always time to close. */
static void extend_patience(struct ptl_shard *shard)
{
    struct ptl_node_own *own = shard->node->own;
    uint64_t confirmed = sooner(own->stop_at, shard->now + confirm_ns(shard->node));
    uint64_t closed = shard->now + CLOSE_NS;

    own->stop_at = confirmed > closed ? confirmed : closed;
}

/* A shard that was busy may have missed the steps between. */
static void enter(struct ptl_shard *shard, unsigned step)
{
    unsigned before = shard->stop_step;

    ptl_assert(step > before);
    shard->stop_step = step;
    if (before < PTL_STOP_FLUSH) {
        begin_flush(shard);
    }
    if (step == PTL_STOP_TELL) {
        if (atomic_load(&shard->node->own->cut_short)) {
            ptl_stop_losses_of_shard(shard);
        }
        ptl_monitor_fall_all(shard);
        ptl_directory_stop(shard);
        ptl_links_close(shard);
        shard->links->close_at = shard->now + CLOSE_NS;
        if (shard->index == 0) {
            extend_patience(shard);
        }
    }
}

/* Everything accepted has been delivered, or, once all is told, everything told has been taken. */
static bool is_done(struct ptl_shard *shard, unsigned step)
{
    if (step == PTL_STOP_TELL) {
        /* What monitors were told may be a message to a port of another shard. */
        return ptl_links_closed(shard) && !ptl_monitors_untold(&shard->ports->monitors) &&
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
    /* One shard keeps the time: when it is up, the step ends for all, done or not. */
    if (shard->index == 0 && shard->now >= shard->node->own->stop_at) {
        bool flushing = step < PTL_STOP_TELL;
        if (flushing) {
            atomic_store(&node->own->cut_short, true);
        }
        next_step(node, step, flushing ? PTL_STOP_TELL : PTL_STOP_CLOSE);
    }
    return shard->now + VOTE_NS;
}
