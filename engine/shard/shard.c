#include "engine/shard/shard.h"

#include "engine/shard/node.h"
#include "engine/shard/take.h"
#include "engine/shard/tower.h"

/* ---- The turn ------------------------------------------------------------------------------ */

uint64_t ptl_shard_fire_timers(struct ptl_shard *shard)
{
    return ptl_timers_fire(shard, shard->now) ? 0 : UINT64_MAX;
}

/*
 * Rings are asked from the consumer's side: what a producer has not published is none of our news.
 */
static bool has_input(const struct ptl_shard *shard)
{
    if (!ptl_inbox_empty(&shard->inbox)) {
        return true;
    }
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        if (!ptl_ring_empty(ptl_shard_ring(&shard->node->shards[i], shard->index))) {
            return true;
        }
    }
    return false;
}

bool ptl_shard_has_more(const struct ptl_shard *shard)
{
    return has_input(shard) || !ptl_ring_drained(ptl_shard_ring(shard, shard->index));
}

/* What others may have told us by a flag, since we last looked. */
static bool has_news(const struct ptl_shard *shard)
{
    const struct ptl_tower *tower = shard->tower;

    if (has_input(shard) || ptl_untold_have_news(shard)) {
        return true;
    }
    for (unsigned i = 0; i < tower->part_count; i++) {
        if (tower->parts[i]->news != NULL && tower->parts[i]->news(shard)) {
            return true;
        }
    }
    return false;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t ptl_shard_due(struct ptl_shard *shard)
{
    if (shard->unfinished || has_news(shard)) {
        return 0;
    }
    return sooner(shard->due, ptl_timers_due(&shard->timers));
}

bool ptl_shard_quiet(struct ptl_shard *shard)
{
    const struct ptl_tower *tower = shard->tower;

    for (unsigned i = 0; i < tower->part_count; i++) {
        if (tower->parts[i]->quiet != NULL && !tower->parts[i]->quiet(shard)) {
            return false;
        }
    }
    return ptl_shard_drained(shard);
}

/*
 * A ring from us counts until its consumer has given back all of it; one to us until what has
 * been published is read: what is not published yet counts at its producer.
 */
bool ptl_shard_drained(const struct ptl_shard *shard)
{
    if (has_input(shard) || ptl_untold_any(&shard->untold)) {
        return false;
    }
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        if (!ptl_ring_drained(ptl_shard_ring(shard, i))) {
            return false;
        }
    }
    return true;
}

/* The clock is read once a turn: whatever happens in it happens at one time. */
void ptl_shard_stamp(struct ptl_shard *shard)
{
    if (shard->waited) {
        shard->waited = false;
        shard->now = ptl_loop_now(shard->loop);
        shard->coarse = ptl_loop_coarse(shard->loop);
    }
}

/* Read the time for this turn, and say until when what had come by then has been read. */
static void begin(struct ptl_shard *shard)
{
    bool stamped = !shard->waited; /* by the first hook, before what it brought was read */
    uint64_t stamp = shard->now;

    ptl_count(&shard->counts.turns, 1);
    shard->unfinished = false;
    shard->waited = true;
    ptl_shard_stamp(shard);
    shard->polled_at = stamped ? stamp : shard->now;
}

/*
 * Each step says when it is due again, and the soonest counts.  What a later step leaves for an
 * earlier one is asked for by a step at the end (ptl_ports_due() and others), or is work that is
 * left now (`unfinished`).
 */
static void work(struct ptl_shard *shard)
{
    uint64_t due = UINT64_MAX;

    begin(shard);
    for (ptl_step_fn *const *step = shard->tower->turn; *step != NULL; step++) {
        due = sooner(due, (*step)(shard));
    }
    shard->due = due;
}

/* Turns after which a shard that never sleeps says how it stands. */
#define MEASURE_TURNS 256

/* Write the gauges, if it is time: before it sleeps, or when it has not for long. */
static void measure(struct ptl_shard *shard, bool sleeps)
{
    struct ptl_counts *counts = &shard->counts;
    uint32_t turn = (uint32_t)ptl_counted(&counts->turns);

    if (sleeps || turn - counts->measured_turn >= MEASURE_TURNS) {
        counts->measured_turn = turn;
        shard->tower->measure(shard);
    }
    ptl_gauge(&counts->asleep, sleeps);
}

/* Looks between two looks at the clock, which cost about as much. */
#define LOOKS 16

/*
 * At so many rings is looked before a shard sleeps that has just heard of somebody: some
 * microseconds, as long as to be woken costs both.
 */
#ifdef PTL_SIMULATED
#define LINGER_RINGS 4 /* in vain: no time passes meanwhile */
#else
#define LINGER_RINGS 256
#endif

/* Who was woken so soon after falling asleep would have done better to look about as long. */
#define BRIEF_NS UINT64_C(10000)

static bool look(const struct ptl_shard *shard, unsigned times)
{
    while (times-- > 0) {
        if (has_news(shard) || ptl_loop_ready(shard->loop)) {
            return true;
        }
        ptl_relax();
    }
    return false;
}

/*
 * Another shard has sent us something, or a sleep was brief, and more may be about to come: who
 * sleeps after each part of a stream has to be woken for each.  Returns whether there is something
 * to do.
 */
static bool linger(struct ptl_shard *shard)
{
    bool found = shard->heard && look(shard, LINGER_RINGS / shard->node->shard_count);

    shard->heard &= found;
    return found;
}

/*
 * Look for something to do for as long as the options say, and at most until then; nobody has to
 * wake us meanwhile.  Returns whether there is something.
 */
static bool look_busily(const struct ptl_shard *shard, uint64_t until)
{
    uint64_t now = ptl_loop_now(shard->loop);
    uint64_t end = sooner(until, now + (uint64_t)ptl_limit(&shard->node->limits.poll_us) * 1000);

    while (now < end) {
        if (look(shard, LOOKS)) {
            return true;
        }
        now = ptl_loop_now(shard->loop);
    }
    return false;
}

void ptl_shard_turn(struct ptl_shard *shard, bool may_wait)
{
    struct ptl_shard *interrupted = ptl_shard_enter(shard);
    uint64_t until = 0, slept_at = 0;

    ptl_assert(shard->loop != NULL && !shard->closing);

    if (may_wait) {
        until = ptl_shard_due(shard);
        if (until != 0 && (linger(shard) || (ptl_limit(&shard->node->limits.poll_us) != 0 &&
                                             look_busily(shard, until)))) {
            until = 0;
        }
        if (until != 0) {
            measure(shard, true);
            /* Whoever sends us something from now on sees that we sleep, or we see it here. */
            atomic_store(&shard->sleeping, true);
            if (has_news(shard)) {
                until = 0;
            }
        }
        slept_at = until == 0 ? 0 : ptl_loop_now(shard->loop);
    }
    shard->waited = true; /* the first hook reads the time, or else the turn itself */
    ptl_loop_poll(shard->loop, until);
    atomic_store(&shard->sleeping, false);
    if (slept_at != 0) {
        ptl_count(&shard->counts.wakeups, 1);
    }
    measure(shard, false);
    work(shard);
    shard->heard |= slept_at != 0 && shard->now - slept_at < BRIEF_NS;
    (void)ptl_shard_enter(interrupted);
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void on_accepted(void *user, struct ptl_listener *listener, struct ptl_stream *stream,
                        const struct ptl_address *peer)
{
    struct ptl_shard *shard = user;

    (void)listener;
    ptl_shard_stamp(shard);
    shard->tower->accepted(shard, stream, peer);
}

static void on_resolved(void *user, void *request, int err, const struct ptl_address addresses[],
                        unsigned count)
{
    struct ptl_shard *shard = user;

    ptl_shard_stamp(shard);
    shard->tower->resolved(shard, request, err, addresses, count);
}

static void on_starved(void *user)
{
    struct ptl_shard *shard = user;

    ptl_shard_stamp(shard);
    shard->tower->starved(shard);
}

static const struct ptl_loop_hooks loop_hooks = {
    .accepted = on_accepted,
    .resolved = on_resolved,
    .starved = on_starved,
};

int ptl_shard_init(struct ptl_shard *shard, struct ptl_node *node, unsigned index)
{
    const struct ptl_tower *tower = node->tower;
    int err = PTL_OK;

    shard->node = node;
    shard->index = index;
    shard->tower = tower;
    shard->allocator = node->allocator;
    ptl_timers_init(&shard->timers, shard->allocator);
    ptl_untold_init(&shard->untold);
    for (unsigned i = 0; i < tower->part_count && err == PTL_OK; i++) {
        shard->parts_made = i + 1; /* it is dropped whole, however far it comes */
        err = tower->parts[i]->init == NULL ? PTL_OK : tower->parts[i]->init(shard);
    }
    return err;
}

/* All loops are of one kind: one of them says it. */
static void say_remark(const struct ptl_shard *shard)
{
    const char *remark = ptl_loop_remark(shard->loop);

    if (remark != NULL) {
        ptl_log(shard->node, PTL_LOG_INFO, "%s", remark);
    }
}

static int open_parts(struct ptl_shard *shard)
{
    const struct ptl_tower *tower = shard->tower;
    int err = PTL_OK;

    for (unsigned i = 0; i < tower->part_count && err == PTL_OK; i++) {
        err = tower->parts[i]->open == NULL ? PTL_OK : tower->parts[i]->open(shard);
    }
    return err;
}

int ptl_shard_open(struct ptl_shard *shard)
{
    const struct ptl_loop_maker *maker = shard->node->options.loops;

    (void)ptl_shard_enter(shard);
    int err =
        maker->open(maker->maker, shard->index, shard->allocator, &loop_hooks, shard, &shard->loop);
    if (err == PTL_OK) {
        shard->now = ptl_loop_now(shard->loop);
        if (shard->index == 0) {
            say_remark(shard);
        }
        err = open_parts(shard);
    }
    (void)ptl_shard_enter(NULL);
    return err;
}

/* Call one of a part's functions in all parts that were made, the highest room first. */
#define EACH_PART_DOWN(shard, function)                                                            \
    for (unsigned i_ = (shard)->parts_made; i_-- > 0;) {                                           \
        if ((shard)->tower->parts[i_]->function != NULL) {                                         \
            (shard)->tower->parts[i_]->function(shard);                                            \
        }                                                                                          \
    }

void ptl_shard_unopen(struct ptl_shard *shard)
{
    if (shard->loop != NULL) {
        ptl_loop_free(shard->loop);
        shard->loop = NULL;
    }
    EACH_PART_DOWN(shard, unopen)
}

/*
 * From above downwards: a part may refer to those below it.  What the inbox still has goes before
 * the loop, which has to discard connections that are under way between shards; what the loop's
 * hooks might still call is freed behind it.
 */
void ptl_shard_close(struct ptl_shard *shard)
{
    ptl_assert(!shard->closing);
    (void)ptl_shard_enter(shard);
    ptl_log_end(shard);
    shard->closing = true;
    ptl_untold_close(&shard->untold);
    EACH_PART_DOWN(shard, close)
    if (shard->loop != NULL) {
        ptl_shard_drop_inbox(shard);
        ptl_loop_free(shard->loop);
    }
    EACH_PART_DOWN(shard, closed)
    (void)ptl_shard_enter(NULL);
}

void ptl_shard_drop(struct ptl_shard *shard)
{
    ptl_shard_drop_inbox(shard); /* what shards that closed later have handed over */
    EACH_PART_DOWN(shard, drop)
    ptl_assert(ptl_timers_first(&shard->timers) == NULL); /* those who made them have gone */
    ptl_timers_drop(&shard->timers);
}
