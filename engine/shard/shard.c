#include "engine/shard/shard.h"

#include "engine/directory/attachment.h"
#include "engine/directory/directory.h"
#include "engine/directory/follower.h"
#include "engine/directory/registration.h"
#include "engine/link/connection.h"
#include "engine/link/dial.h"
#include "engine/link/failure.h"
#include "engine/link/link_take.h"
#include "engine/link/links_end.h"
#include "engine/link/links_tick.h"
#include "engine/link/listener.h"
#include "engine/link/request.h"
#include "engine/link/telling.h"
#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/port/callback.h"
#include "engine/port/estate.h"
#include "engine/port/fall.h"
#include "engine/port/spawn.h"
#include "engine/shard/slice.h"

/* Something is left that could not be done for lack of room: look again soon. */
#define AGAIN_NS UINT64_C(1000000)

/* Give the producer its room back after so many records, not only at the end. */
#define RELEASE_EVERY 256

static _Thread_local struct ptl_shard *turning;

struct ptl_shard *ptl_shard_here(const struct ptl_node *node)
{
    return turning != NULL && turning->node == node ? turning : NULL;
}

struct ptl_ring *ptl_shard_ring(const struct ptl_shard *from, unsigned to)
{
    return &from->node->rings[from->index * from->node->shard_count + to];
}

/* ---- Posting ------------------------------------------------------------------------------- */

int ptl_shard_post(struct ptl_shard *from, unsigned to, const struct ptl_op *op, bool control)
{
    struct ptl_ring *ring = ptl_shard_ring(from, to);
    uint32_t size = ptl_op_size(op);
    uint64_t held = ptl_op_held(op);
    void *place = ptl_ring_reserve(ring, size, held, control);

    if (place == NULL) {
        return PTL_EFULL;
    }
    if (held == 0) {
        ptl_op_pack(op, place);
        ptl_ring_commit(ring, size, 0);
        return PTL_OK;
    }
    struct ptl_op prepared = *op;
    struct ptl_msg *made;
    if (ptl_op_prepare(&prepared, from->allocator, &made) < 0) {
        return PTL_ENOMEM; /* what was reserved is simply not committed */
    }
    ptl_op_pack(&prepared, place);
    ptl_ring_commit(ring, size, held);
    ptl_msg_free(made);
    return PTL_OK;
}

int ptl_shard_post_message(struct ptl_shard *from, const struct ptl_port *to, struct ptl_span body,
                           uint32_t count)
{
    struct ptl_ring *ring = ptl_shard_ring(from, to->shard);
    uint32_t size = ptl_record_message_size(body.size);
    void *place = ptl_ring_reserve(ring, size, 0, false);

    if (place == NULL) {
        return PTL_EFULL;
    }
    ptl_record_pack_message(place, to->slot, to->generation, body, count);
    ptl_ring_commit(ring, size, 0);
    return PTL_OK;
}

void ptl_shard_wake(struct ptl_shard *shard, struct ptl_shard *from)
{
    if (shard != from && atomic_load(&shard->sleeping) &&
        atomic_exchange(&shard->sleeping, false)) {
        ptl_loop_wake(shard->loop, from == NULL ? NULL : from->loop);
    }
}

void ptl_shard_hand(struct ptl_shard *shard, struct ptl_parcel *parcel, struct ptl_shard *from)
{
    atomic_fetch_add_explicit(&shard->inbox.weight, ptl_parcel_weight(parcel),
                              memory_order_relaxed);
    ptl_inbox_push(&shard->inbox, parcel);
    ptl_shard_wake(shard, from);
}

/* ---- Taking -------------------------------------------------------------------------------- */

static void link_down(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg)
{
    ptl_directory_link_down(shard, op->node);
    ptl_fall_link(shard, op, msg);
}

static void take_request(struct ptl_shard *shard, const struct ptl_op *op,
                         const struct ptl_msg *msg)
{
    struct ptl_port to;

    if (op->kind == PTL_OP_MESSAGE && ptl_request(shard, NULL, msg, &to) < 0) {
        shard->counters.lost++;
    }
}

static void take_for_link(struct ptl_shard *shard, const struct ptl_op *op)
{
    int err = ptl_link_take(shard, op);

    if (err < 0) {
        /* It was accepted, so it may not be lost silently: the link is, and tells. */
        struct ptl_link *link = ptl_link_find(shard, op->node);
        if (link != NULL) {
            ptl_link_fail(shard, link, err);
        } else if (op->kind == PTL_OP_WATCH) {
            ptl_watch_fail(shard, op);
        } else {
            ptl_log_about(shard, PTL_LOG_ERROR, op->node, "for %.*s: %s", (int)op->node.size,
                          (const char *)op->node.bytes, ptl_err_text(err));
        }
    }
}

static void take_for_port(struct ptl_shard *shard, const struct ptl_op *op,
                          const struct ptl_msg *msg)
{
    if (op->to == PTL_TO_NODE) {
        take_for_link(shard, op);
    } else if (op->kind == PTL_OP_SPAWN) {
        ptl_spawn_take(shard, op);
    } else if (op->to == PTL_TO_NAME && op->name.size == 0) {
        take_request(shard, op, msg);
    } else {
        ptl_port_take(shard, op);
    }
}

/*
 * A thread's monitor that was issued before a failure which the thread has not been told of: what
 * it has sent behind it may have been issued before that failure or after.  So that nothing gets
 * through behind what is lost, the link fails once more (G2).
 */
static void fail_for_stale(struct ptl_shard *shard, const struct ptl_monitoring *monitoring)
{
    struct ptl_link *link = monitoring->target.kind == PTL_PORT_REMOTE
                                ? ptl_link_find(shard, ptl_port_node(&monitoring->target))
                                : NULL;

    if (link != NULL && monitoring->epoch < link->failed_at) {
        ptl_link_fail(shard, link, PTL_ELOST);
    }
}

static void take_monitor(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    if (monitoring->epoch == PTL_TELLING_OUTSIDE) {
        /* Made while a failure was being told: it speaks for what is sent after that. */
        monitoring->epoch = shard->told[shard->index];
    }
    fail_for_stale(shard, monitoring);
    int err = ptl_monitoring_add(shard, monitoring);

    if (err < 0) {
        ptl_monitoring_refuse(shard, monitoring, err);
    }
}

static bool tells_failures(const struct ptl_shard *shard)
{
    return shard->told[shard->index] != shard->failures;
}

/*
 * A thread's monitor of another node's port waits until all failures have been told here, and
 * behind those that wait.  One of a port of ours keeps its place before what the thread sends (G5).
 */
static void take_or_put_off(struct ptl_shard *shard, struct ptl_monitoring *monitoring)
{
    bool waits = monitoring->target.kind == PTL_PORT_REMOTE &&
                 (tells_failures(shard) || shard->monitors.put_off != NULL);

    if (waits && !ptl_monitoring_put_off(shard, monitoring)) {
        ptl_monitoring_refuse(shard, monitoring, PTL_ENOMEM);
    } else if (!waits) {
        take_monitor(shard, monitoring);
    }
}

static void take_put_off(struct ptl_shard *shard)
{
    /* One may fail its link once more: the others wait for that, too. */
    while (shard->monitors.put_off != NULL && !tells_failures(shard)) {
        take_monitor(shard, ptl_monitoring_resume(shard));
    }
}

static void take_timer(struct ptl_shard *shard, struct ptl_timing *timing)
{
    timing->due += shard->now;
    ptl_timers_accept(shard, timing);
}

static void take_follower(struct ptl_shard *shard, struct ptl_follower *follower)
{
    if (ptl_follower_add(shard, follower) < 0) {
        ptl_log(shard->node, PTL_LOG_ERROR, "out of memory: a watch of the database is lost");
        ptl_follower_free(shard, follower);
    }
}

void ptl_shard_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_msg borrowed = ptl_msg_borrow(op->body, op->count);
    borrowed.allocator = shard->allocator; /* of copies that are kept */
    const struct ptl_msg *msg = op->whole != NULL ? op->whole : &borrowed;

    switch ((enum ptl_op_kind)op->kind) {
    case PTL_OP_MESSAGE:
    case PTL_OP_KILL:
    case PTL_OP_ON:
    case PTL_OP_WATCH:
    case PTL_OP_UNWATCH:
    case PTL_OP_NOTICE:
    case PTL_OP_SPAWN:
    case PTL_OP_EVENT:
    case PTL_OP_REGISTER:
        take_for_port(shard, op, msg);
        break;
    case PTL_OP_DOWN:
        ptl_fall_target(shard, op->number, op->epoch, msg);
        break;
    case PTL_OP_LINK_DOWN:
        link_down(shard, op, msg);
        break;
    case PTL_OP_FULL:
    case PTL_OP_ROOM:
        ptl_fullness_told(shard, op->node, op->name, op->kind == PTL_OP_FULL);
        break;
    case PTL_OP_HANDOVER:
        ptl_connection_arrive(shard, op->pointer);
        break;
    case PTL_OP_MONITOR:
        take_or_put_off(shard, op->pointer);
        break;
    case PTL_OP_UNMONITOR:
        ptl_monitoring_take_back(shard, op->number);
        break;
    case PTL_OP_TIMER:
        take_timer(shard, op->pointer);
        break;
    case PTL_OP_UNTIMER:
        ptl_timers_cancel(shard, op->number);
        break;
    case PTL_OP_ON_ROOM:
        ptl_waiters_add(shard, op->pointer);
        if (shard->stop_step != PTL_STOP_NOT) {
            ptl_waiters_drop(shard, true); /* those before it have been told already */
        }
        break;
    case PTL_OP_ON_LINK:
        ptl_links_listen(shard, op->pointer);
        break;
    case PTL_OP_FOLLOW:
        take_follower(shard, op->pointer);
        break;
    case PTL_OP_DIRECTORY:
        ptl_directory_take(shard, op);
        break;
    }
}

static void take_inbox(struct ptl_shard *shard)
{
    struct ptl_parcel *list = ptl_inbox_take(&shard->inbox);

    while (list != NULL) {
        struct ptl_parcel *parcel = list;
        struct ptl_op op;
        list = list->next;
        uint64_t weight = ptl_parcel_weight(parcel);
        ptl_op_unpack(parcel->bytes, &op);
        bool embedded = op.kind == PTL_OP_HANDOVER;
        ptl_shard_take(shard, &op);
        if (!embedded) {
            ptl_parcel_free(parcel, shard->allocator);
        }
        atomic_fetch_sub_explicit(&shard->inbox.weight, weight, memory_order_relaxed);
        shard->waiters.news = true;
    }
}

static void take_record(struct ptl_shard *shard, struct ptl_ring *ring, const void *place)
{
    const struct ptl_record *record = place;

    if (ptl_record_is_message(record)) {
        struct ptl_msg msg = ptl_msg_borrow(ptl_span(record + 1, record->body_size), record->count);
        msg.allocator = shard->allocator;
        ptl_port_take_message(shard, record->slot, record->generation, &msg);
        return;
    }
    struct ptl_op op;
    ptl_op_unpack(record, &op);
    ptl_shard_take(shard, &op);
    uint64_t held = ptl_op_done(record);
    if (held != 0) {
        ptl_ring_returned(ring, held);
    }
}

static void take_ring(struct ptl_shard *shard, unsigned from, uint64_t tail)
{
    struct ptl_ring *ring = ptl_shard_ring(&shard->node->shards[from], shard->index);
    unsigned count = 0;
    void *record;

    while ((record = ptl_ring_take(ring, tail)) != NULL) {
        take_record(shard, ring, record);
        if (++count % RELEASE_EVERY == 0 && ptl_ring_release(ring)) {
            ptl_shard_wake(&shard->node->shards[from], shard);
        }
    }
    if (ptl_ring_release(ring)) {
        ptl_shard_wake(&shard->node->shards[from], shard);
        shard->unfinished |= from == shard->index;
    }
}

static void take_all(struct ptl_shard *shard)
{
    uint64_t tails[PTL_SHARDS_MAX];
    unsigned count = shard->node->shard_count;

    for (unsigned i = 0; i < count; i++) {
        tails[i] = ptl_ring_tail(ptl_shard_ring(&shard->node->shards[i], shard->index));
    }
    ptl_callback_stamp(shard);
    take_put_off(shard);
    take_inbox(shard);
    for (unsigned i = 0; i < count; i++) {
        ptl_callback_stamp(shard);
        take_ring(shard, i, tails[i]);
    }
}

/* ---- The turn ------------------------------------------------------------------------------ */

static void publish(struct ptl_shard *shard)
{
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        struct ptl_ring *ring = ptl_shard_ring(shard, i);
        ptl_ring_publish(ring);
        /* Parts of it may have been published during the turn: what counts is that it sleeps. */
        if (i != shard->index && !ptl_ring_drained(ring)) {
            ptl_shard_wake(&shard->node->shards[i], shard);
        }
    }
}

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

/* What others may have told us by a flag, since we last looked. */
static bool has_news(const struct ptl_shard *shard)
{
    const struct ptl_node *node = shard->node;

    return has_input(shard) || ptl_waiters_have_news(shard) ||
           atomic_load(&node->stop_step) != shard->stop_step ||
           (shard->index == 0 && atomic_load(&node->seed_news));
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
    return shard->queued == 0 && ptl_list_empty(&shard->dead) && ptl_list_empty(&shard->estates) &&
           !ptl_monitors_untold(&shard->monitors) && shard->monitors.put_off == NULL &&
           ptl_links_flushed(shard) && ptl_shard_drained(shard);
}

bool ptl_shard_drained(const struct ptl_shard *shard)
{
    if (has_input(shard)) {
        return false;
    }
    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        if (!ptl_ring_drained(ptl_shard_ring(shard, i))) {
            return false;
        }
    }
    return true;
}

void ptl_shard_stamp(struct ptl_shard *shard)
{
    if (shard->waited) {
        shard->waited = false;
        shard->now = ptl_loop_now(shard->loop);
        shard->coarse = ptl_loop_coarse(shard->loop);
    }
}

static void work(struct ptl_shard *shard)
{
    uint64_t again = UINT64_MAX;

    shard->unfinished = false;
    shard->sent_in_turn = 0;
    shard->estate_units = PTL_SLICE;
    bool stamped = !shard->waited; /* by the first hook, before what it brought was read */
    uint64_t stamp = shard->now;
    shard->waited = true;
    ptl_shard_stamp(shard);
    shard->polled_at = stamped ? stamp : shard->now;
    take_all(shard);
    ptl_ports_retry(shard, shard->now);
    ptl_timers_fire(shard, shard->now);
    ptl_waiters_look(shard);
    ptl_callback_stamp(shard);
    shard->unfinished |= ptl_estates_work(shard);
    shard->unfinished |= ptl_falls_work(shard);
    shard->unfinished |= ptl_ports_run(shard);
    if (shard->stop_step < PTL_STOP_TELL) {
        ptl_links_tick(shard, shard->now);
    }
    bool left = ptl_ports_tell(shard);
    left |= ptl_monitors_retry(shard);
    left |= ptl_links_tell(shard);
    left |= ptl_fullness_tell(shard);
    left |= ptl_directory_work(shard);
    if (left) {
        again = shard->now + AGAIN_NS;
    }
    again = ptl_node_stop_work(shard, again);
    again = ptl_log_work(shard, again);
    again = ptl_whereabouts_work(shard, again);
    /* Asked only now: what ran in this turn may wait for a time of its own. */
    shard->due = sooner(again, ptl_ports_due(shard));
    if (shard->stop_step < PTL_STOP_TELL) {
        shard->due = sooner(shard->due, shard->links.tick_at);
    }
    ptl_links_flush(shard);
    publish(shard);
    shard->unfinished |= shard->waiters.news && ptl_waiters_any(&shard->waiters);
    shard->unfinished |= shard->monitors.put_off != NULL && !tells_failures(shard);
}

void ptl_shard_turn(struct ptl_shard *shard, bool may_wait)
{
    struct ptl_shard *interrupted = turning; /* by the simulator only */
    uint64_t until = 0;

    turning = shard;
    if (may_wait) {
        until = ptl_shard_due(shard);
        if (until != 0) {
            /* Whoever sends us something from now on sees that we sleep, or we see it here. */
            atomic_store(&shard->sleeping, true);
            if (has_news(shard)) {
                until = 0;
            }
        }
    }
    shard->waited = true;
    ptl_loop_poll(shard->loop, until);
    atomic_store(&shard->sleeping, false);
    work(shard);
    turning = interrupted;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void on_accepted(void *user, struct ptl_listener *listener, struct ptl_stream *stream,
                        const struct ptl_address *peer)
{
    (void)listener;
    ptl_shard_stamp(user);
    ptl_connection_accepted(user, stream, peer);
}

static void on_resolved(void *user, void *request, int err, const struct ptl_address addresses[],
                        unsigned count)
{
    struct ptl_shard *shard = user;

    ptl_shard_stamp(shard);
    if (!ptl_bind_resolved(shard->node, request, count == 0 ? PTL_ERESOLVE : err, addresses)) {
        ptl_dial_resolved(request, err, addresses, count);
    }
}

static void on_starved(void *user)
{
    ptl_shard_stamp(user);
    ptl_connections_starved(user);
}

static const struct ptl_loop_hooks loop_hooks = {
    .accepted = on_accepted,
    .resolved = on_resolved,
    .starved = on_starved,
};

int ptl_shard_init(struct ptl_shard *shard, struct ptl_node *node, unsigned index)
{
    shard->node = node;
    shard->index = index;
    shard->allocator = node->allocator;
    ptl_list_init(&shard->ready);
    ptl_list_init(&shard->blocked);
    ptl_list_init(&shard->dead);
    ptl_list_init(&shard->estates);
    ptl_list_init(&shard->retry);
    ptl_list_init(&shard->to_tell);
    ptl_waiters_init(&shard->waiters);
    ptl_map_init(&shard->full, node->allocator);
    ptl_monitors_init(&shard->monitors, node->allocator);
    ptl_timers_init(&shard->timers, node->allocator);
    ptl_links_init(&shard->links, node);
    ptl_spawners_init(&shard->spawners, node->allocator);
    int err = ptl_full_board_init(&shard->board, node->allocator);
    if (err == PTL_OK) {
        err = ptl_port_table_init(&shard->ports, node->allocator);
    }
    return err < 0 ? err : ptl_directory_init(shard);
}

/* All loops are of one kind: one of them says it. */
static void say_remark(const struct ptl_shard *shard)
{
    const char *remark = ptl_loop_remark(shard->loop);

    if (remark != NULL) {
        ptl_log(shard->node, PTL_LOG_INFO, "%s", remark);
    }
}

int ptl_shard_open(struct ptl_shard *shard)
{
    const struct ptl_loop_maker *maker = shard->node->options.loops;

    turning = shard;
    int err =
        maker->open(maker->maker, shard->index, shard->allocator, &loop_hooks, shard, &shard->loop);
    if (err == PTL_OK) {
        shard->now = ptl_loop_now(shard->loop);
        if (shard->index == 0) {
            ptl_attachment_next(shard, 0);
            say_remark(shard);
        }
        err = ptl_node_listen(shard->node, shard);
    }
    turning = NULL;
    return err;
}

void ptl_shard_unopen(struct ptl_shard *shard)
{
    if (shard->loop != NULL) {
        ptl_loop_free(shard->loop);
        shard->loop = NULL;
    }
    ptl_node_unlisten(shard->node, shard);
}

static void drop_inbox(struct ptl_shard *shard)
{
    struct ptl_parcel *list = ptl_inbox_take(&shard->inbox);

    while (list != NULL) {
        struct ptl_parcel *parcel = list;
        struct ptl_op op;
        list = list->next;
        ptl_op_unpack(parcel->bytes, &op);
        if (op.kind == PTL_OP_HANDOVER) {
            struct ptl_connection *connection = op.pointer;
            ptl_loop_discard(shard->loop, connection->handle);
            ptl_connection_free(connection);
            continue;
        }
        ptl_op_drop(shard, &op);
        ptl_parcel_free(parcel, shard->allocator);
    }
}

void ptl_op_drop(struct ptl_shard *shard, const struct ptl_op *op)
{
    switch ((enum ptl_op_kind)op->kind) {
    case PTL_OP_ON:
        ptl_on_free(shard, op->pointer);
        break;
    case PTL_OP_MONITOR:
        ptl_monitoring_free(shard, op->pointer);
        break;
    case PTL_OP_TIMER:
        ptl_timing_free(shard, op->pointer);
        break;
    case PTL_OP_ON_ROOM:
        ptl_waiter_free(shard, op->pointer);
        break;
    case PTL_OP_ON_LINK:
        ptl_link_listener_free(shard, op->pointer);
        break;
    case PTL_OP_REGISTER:
        ptl_registration_free(shard, op->pointer);
        break;
    case PTL_OP_FOLLOW:
        ptl_follower_free(shard, op->pointer);
        break;
    default:
        break;
    }
}

static void drop_connections(struct ptl_shard *shard)
{
    while (shard->links.all != NULL) {
        struct ptl_connection *connection = shard->links.all;
        shard->links.all = connection->all_next;
        ptl_connection_free(connection);
    }
}

void ptl_shard_close(struct ptl_shard *shard)
{
    turning = shard;
    ptl_log_end(shard);
    if (shard->stop_step == PTL_STOP_TELL) {
        ptl_losses_at_close(shard);
    }
    shard->directory.closing = true;
    ptl_waiters_drop(shard, false);
    ptl_timers_drop(shard);
    ptl_ports_drop(shard);
    ptl_spawners_drop(&shard->spawners);
    ptl_monitors_drop(shard);
    if (shard->loop != NULL) {
        drop_inbox(shard);
        struct ptl_loop *loop = shard->loop;
        ptl_loop_free(loop);
    }
    drop_connections(shard);
    ptl_dials_drop(shard);
    ptl_links_drop(shard);
    turning = NULL;
}

void ptl_shard_drop(struct ptl_shard *shard)
{
    drop_inbox(shard); /* what shards that closed later have handed over */
    ptl_directory_drop(shard);
    ptl_fullness_drop(shard);
    ptl_port_table_drop(&shard->ports);
}
