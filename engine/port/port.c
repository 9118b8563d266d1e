#include "engine/port/port.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/callback.h"
#include "engine/port/death.h"
#include "engine/port/fire.h"
#include "engine/port/flow.h"
#include "engine/port/handler_set.h"
#include "engine/port/notice.h"
#include "engine/port/observers.h"
#include "engine/port/outside.h"
#include "engine/port/pending.h"
#include "engine/port/reason.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/port/spawn_init.h"
#include "engine/port/tag.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"
#include "engine/shard/stint.h"
#include "engine/shard/take.h"

#include <stdio.h>

/* Messages taken from one port's queue before the next port has its turn. */
#define RUN_BATCH 64

/* A port that said PTL_LATER without naming whom it waits for is tried again after this. */
#define RETRY_NS UINT64_C(1000000)

enum outcome { DONE, LATER };

/* ---- Running one op ------------------------------------------------------------------------ */

static struct ptl_span first_string(const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    if (ptl_next(&cursor, &value) < 0 || (value.type != PTL_TEXT && value.type != PTL_BYTES)) {
        return ptl_span(NULL, 0);
    }
    return ptl_span(value.string.chars, value.string.size);
}

static void die_unhandled(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_msg *msg)
{
    char tag[31];
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;
    struct ptl_span text = first_string(msg);
    bool utf8 = ptl_next(&cursor, &value) == 0 && value.type == PTL_TEXT;
    size_t size = 0;
    char line[96];
    struct ptl_msg *reason;

    for (size_t i = 0; i < text.size && size < sizeof(tag) - 1; i++) {
        uint8_t byte = text.bytes[i];
        if (!utf8 || (byte & 0xc0) != 0x80) { /* one dot a character */
            tag[size++] = byte >= 0x20 && byte <= 0x7e ? (char)byte : '.';
        }
    }
    tag[size] = 0;
    snprintf(line, sizeof(line), "no callback found for message '%s'", tag);
    if (ptl_msg_make(shard->node, &reason, "tt", "unhandled_message", line) < 0) {
        reason = NULL;
    }
    ptl_port_die(shard, slot, reason);
    ptl_msg_free(reason);
}

PTL_APART static enum outcome leave_unhandled(struct ptl_shard *shard, struct ptl_slot *slot,
                                              const struct ptl_msg *msg)
{
    ptl_count(&shard->counts.dropped, 1);
    if (!slot->ignore_unhandled) {
        die_unhandled(shard, slot, msg);
    }
    return DONE;
}

/* Call a handler as this port. */
static PTL_HOT_INLINE int call(struct ptl_shard *shard, struct ptl_slot *slot,
                               ptl_handler_fn *handler, const struct ptl_msg *msg, void *data)
{
    ptl_assert(shard->ports->self == NULL); /* handlers do not run within handlers */
    shard->ports->self = slot;
    shard->ports->fail_text[0] = 0;
    shard->ports->bottleneck.kind = PTL_BOTTLENECK_NONE;
    int result = handler(shard->node, msg, data);
    shard->ports->self = NULL;
    return result;
}

/* The port waits: for the room that it missed, else for a moment. */
static void start_waiting(struct ptl_shard *shard, struct ptl_slot *slot)
{
    struct ptl_port_more *more = slot->more;
    struct ptl_waiter *waiter = NULL;

    ptl_assert(!more->waiting);
    more->waiting = true;
    if (shard->ports->bottleneck.kind != PTL_BOTTLENECK_NONE) {
        waiter = ptl_alloc(shard->allocator, sizeof(*waiter));
    }
    if (waiter == NULL) {
        more->retry_at = shard->now + RETRY_NS;
        ptl_list_append(&shard->ports->retry,
                        &more->retrying); /* time goes on: behind all others */
        return;
    }
    waiter->kind = PTL_WAITER_PORT;
    waiter->at = shard->ports->bottleneck;
    waiter->slot = slot;
    waiter->generation = slot->generation;
    ptl_waiters_add(shard, waiter);
}

static PTL_HOT_INLINE enum outcome run_handler(struct ptl_shard *shard, struct ptl_slot *slot,
                                               ptl_handler_fn *handler, const struct ptl_msg *msg,
                                               void *data)
{
    int result = call(shard, slot, handler, msg, data);

    if (result == PTL_LATER) {
        return LATER;
    }
    if (result != 0) {
        ptl_port_fail(shard, slot, result);
    }
    return DONE;
}

/* By its tag, or else by the default handler. */
static enum outcome run_tagged(struct ptl_shard *shard, struct ptl_slot *slot,
                               const struct ptl_msg *msg)
{
    const struct ptl_tag *tag = ptl_tag_find(slot->more->tags, slot->more->tag_count, msg);
    ptl_handler_fn *handler = tag != NULL ? tag->handler : slot->handler;

    if (handler != NULL) {
        return run_handler(shard, slot, handler, msg, tag != NULL ? tag->data : slot->handler_data);
    }
    return leave_unhandled(shard, slot, msg);
}

static PTL_HOT_INLINE enum outcome run_message(struct ptl_shard *shard, struct ptl_slot *slot,
                                               const struct ptl_msg *msg)
{
    if (slot->more != NULL && slot->more->tag_count != 0) {
        return run_tagged(shard, slot, msg);
    }
    if (slot->handler != NULL) {
        return run_handler(shard, slot, slot->handler, msg, slot->handler_data);
    }
    return leave_unhandled(shard, slot, msg);
}

bool ptl_port_find(struct ptl_shard *shard, struct ptl_span name, uint32_t key, uint32_t *index,
                   uint32_t *generation)
{
    const struct ptl_slot *slot = ptl_slot_met(&shard->ports->table, key, name);

    if (slot == NULL) {
        return false;
    }
    *index = slot->index;
    *generation = slot->generation;
    return true;
}

void ptl_port_was_slow(struct ptl_shard *shard, uint32_t index, uint32_t generation, uint32_t count,
                       uint64_t took, const struct ptl_msg *msg)
{
    const struct ptl_slot *slot = ptl_slot_at(&shard->ports->table, index);

    ptl_times_add(&shard->times, index, generation, count, took);
    ptl_callback_log_slow(shard, slot, index, generation, took,
                          count == 1 ? "a handler" : "handlers in a row", first_string(msg));
}

/* A message that has not come by a ring, or that had to wait: timed by itself. */
static enum outcome run_timed(struct ptl_shard *shard, struct ptl_slot *slot,
                              const struct ptl_msg *msg)
{
    uint32_t index = slot->index;
    uint32_t generation = slot->generation;
    uint64_t since = ptl_timed_begin(shard);
    enum outcome outcome = run_message(shard, slot, msg);
    uint64_t before = shard->coarse;

    if (since != 0) {
        ptl_timed_end(shard, since, index, generation, 1);
    }
    ptl_shard_lap(shard);
    if (shard->coarse - before > PTL_CALLBACK_SLOW_NS) {
        ptl_port_was_slow(shard, index, generation, 1, shard->coarse - before, msg);
    }
    return outcome;
}

/* A monitor's message to its own port: the prefix, then the reason, as any other message. */
static enum outcome run_notice_message(struct ptl_shard *shard, struct ptl_slot *slot,
                                       const struct ptl_monitoring *monitoring,
                                       const struct ptl_msg *reason)
{
    struct ptl_msg *msg;
    int err = monitoring->prefix != NULL
                  ? ptl_msg_make(shard->node, &msg, "mm", monitoring->prefix, reason)
                  : ptl_msg_make(shard->node, &msg, "m", reason);

    if (err < 0) {
        ptl_port_fail(shard, slot, err);
        return DONE;
    }
    enum outcome outcome = run_timed(shard, slot, msg);
    ptl_msg_free(msg);
    return outcome;
}

static enum outcome run_notice(struct ptl_shard *shard, struct ptl_slot *slot,
                               struct ptl_monitoring *monitoring, const struct ptl_msg *reason)
{
    ptl_notice_begin(monitoring);
    shard->ports->noticing = true;
    enum outcome outcome = monitoring->kind == PTL_MONITOR_MESSAGE
                               ? run_notice_message(shard, slot, monitoring, reason)
                           : ptl_notice_run(shard, monitoring, reason) ? DONE
                                                                       : LATER;
    shard->ports->noticing = false;
    return ptl_notice_end(shard, monitoring, outcome == LATER) ? LATER : DONE;
}

static void observe(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_op *op)
{
    if (op->kind == PTL_OP_UNOBSERVE) {
        ptl_observer_remove(slot, op);
    } else if (!ptl_observer_add(ptl_port_more(shard, slot), op)) {
        /* The port must not outlive its observer unnoticed. */
        ptl_observer_refuse(shard, op);
        ptl_port_fail(shard, slot, PTL_ENOMEM);
    }
}

static enum outcome run_op(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_op *op)
{
    struct ptl_msg borrowed = ptl_msg_borrow(op->body, op->count);
    borrowed.allocator = shard->allocator;
    const struct ptl_msg *msg = op->whole != NULL ? op->whole : &borrowed;

    switch ((enum ptl_op_kind)op->kind) {
    case PTL_OP_MESSAGE:
        return run_timed(shard, slot, msg);
    case PTL_OP_KILL:
        ptl_port_die(shard, slot, msg);
        return DONE;
    case PTL_OP_SPAWN:
        return ptl_spawn_init(shard, slot, op) ? DONE : LATER;
    case PTL_OP_EVENT:
        return shard->node->port_outside->follow(shard, op->as.follower, msg) ? DONE : LATER;
    case PTL_OP_REGISTER:
        if (shard->node->port_outside->enter(shard, slot, op->as.handed.registration) < 0) {
            ptl_port_fail(shard, slot, PTL_ENOMEM);
        }
        return DONE;
    case PTL_OP_HANDLER:
        if (ptl_handler_set(shard, slot, op->as.handed.wish) < 0) {
            ptl_port_fail(shard, slot, PTL_ENOMEM); /* it would not be what its maker thinks */
        }
        return DONE;
    default:
        ptl_unreachable("not an op of a port's flow");
    }
}

/* ---- The queue ----------------------------------------------------------------------------- */

bool ptl_port_is_full(struct ptl_shard *shard, const struct ptl_port *port)
{
    const struct ptl_slot *slot =
        port->kind == PTL_PORT_SLOT
            ? ptl_slot_find(&shard->ports->table, port->slot, port->generation)
            : ptl_slot_named(&shard->ports->table, ptl_port_name(port));

    return slot != NULL && slot->more != NULL && slot->more->fullness.full;
}

/* Keep an op for later.  Without memory the port dies, and its monitors tell: no silent hole. */
static void keep(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_op *op,
                 bool first)
{
    struct ptl_port_more *more = ptl_port_more(shard, slot);
    struct ptl_parcel *parcel = more == NULL ? NULL : ptl_parcel_make(op, shard->allocator);

    if (parcel == NULL) {
        ptl_flow_drop_op(shard, op);
        ptl_port_fail(shard, slot, PTL_ENOMEM);
        return;
    }
    more->doomed |= op->kind == PTL_OP_KILL;
    ptl_flow_put(shard, slot, parcel, first);
}

/* ---- Taking -------------------------------------------------------------------------------- */

static void answer_no_such_port(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_port port;

    if (op->to == PTL_TO_SLOT) {
        ptl_port_make(&shard->node->self, shard->index, op->slot, op->generation, &port);
    } else {
        ptl_port_chosen(shard, op->name, &port);
    }
    struct ptl_msg *reason = ptl_port_no_such(shard, &port);
    /* One that is dead from the start: told like any other, now or when there is room. */
    struct ptl_port_more *dead = ptl_port_more_make(shard->allocator);
    if (reason == NULL || !ptl_observer_add(dead, op)) {
        ptl_free(shard->allocator, dead, sizeof(*dead));
        ptl_msg_free(reason);
        ptl_observer_refuse(shard, op);
        return;
    }
    dead->reason = reason;
    ptl_port_bury(shard, dead);
}

static void absent(struct ptl_shard *shard, const struct ptl_op *op)
{
    switch ((enum ptl_op_kind)op->kind) {
    case PTL_OP_MESSAGE:
        ptl_count(&shard->counts.dropped, 1);
        break;
    case PTL_OP_OBSERVE:
        answer_no_such_port(shard, op);
        break;
    default:
        ptl_flow_drop_op(shard, op);
        break;
    }
}

/* It waits behind others. */
static void queue(struct ptl_shard *shard, struct ptl_slot *slot, const struct ptl_op *op)
{
    uint32_t generation = slot->generation;

    if (ptl_flow_is_doomed(slot->more)) {
        ptl_flow_drop_op(shard, op);
        return;
    }
    keep(shard, slot, op, false);
    if (ptl_slot_lives(slot, generation)) {
        ptl_flow_make_ready(shard, slot->more);
    }
}

void ptl_port_notify(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                     const struct ptl_msg *reason, uint64_t failure)
{
    struct ptl_slot *slot = monitoring->owner;
    bool later = failure != 0 || ptl_flow_waits(slot);

    ptl_assert(slot->more != NULL && ptl_slot_lives(slot, monitoring->generation));
    ptl_assert(later || shard->ports->self == NULL);
    if (later) {
        ptl_notice_hold(monitoring, reason, failure);
        ptl_flow_put_notice(shard, monitoring, false);
        ptl_flow_make_ready(shard, slot->more);
    } else if (run_notice(shard, slot, monitoring, reason) == LATER) {
        ptl_notice_hold(monitoring, reason, failure);
        ptl_flow_put_notice(shard, monitoring, true);
        start_waiting(shard, slot);
    }
}

void ptl_port_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    ptl_assert(shard->ports->self == NULL);
    struct ptl_slot *slot = op->to == PTL_TO_SLOT
                                ? ptl_slot_find(&shard->ports->table, op->slot, op->generation)
                                : ptl_slot_named(&shard->ports->table, op->name);

    if (op->kind == PTL_OP_MESSAGE) {
        ptl_count(&shard->counts.taken, 1);
        ptl_count(&shard->counts.taken_bytes, op->body.size);
    }
    if (slot == NULL) {
        absent(shard, op);
        return;
    }
    slot->messages += op->kind == PTL_OP_MESSAGE;
    if (op->kind == PTL_OP_OBSERVE || op->kind == PTL_OP_UNOBSERVE) {
        /* Ahead of what waits: whether it dies of that or of what comes later, it is told. */
        observe(shard, slot, op);
        return;
    }
    uint32_t generation = slot->generation;
    if (ptl_flow_waits(slot)) {
        queue(shard, slot, op);
    } else if (run_op(shard, slot, op) == LATER) {
        keep(shard, slot, op, true);
        if (ptl_slot_lives(slot, generation)) {
            start_waiting(shard, slot);
        }
    }
}

/* The long way of a message: it waits behind others, or its handler has said PTL_LATER. */
PTL_APART static void queue_message(struct ptl_shard *shard, struct ptl_slot *slot, uint32_t index,
                                    uint32_t generation, const struct ptl_msg *msg)
{
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .to = PTL_TO_SLOT,
        .slot = index,
        .generation = generation,
        .body = ptl_span(msg->body, msg->size),
        .count = msg->count,
    };

    if (ptl_flow_is_doomed(slot->more)) {
        return;
    }
    bool later = !ptl_flow_waits(slot);
    keep(shard, slot, &op, false);
    if (ptl_slot_lives(slot, generation)) {
        if (later) {
            start_waiting(shard, slot);
        } else {
            ptl_flow_make_ready(shard, slot->more);
        }
    }
}

void ptl_port_take_message(struct ptl_shard *shard, uint32_t index, uint32_t generation,
                           const struct ptl_msg *msg)
{
    struct ptl_slot *slot = ptl_slot_find(&shard->ports->table, index, generation);

    if (slot == NULL) {
        ptl_count(&shard->counts.dropped, 1);
        return;
    }
    slot->messages++;
    if (ptl_flow_waits(slot) || run_message(shard, slot, msg) == LATER) {
        queue_message(shard, slot, index, generation, msg);
    }
}

static enum outcome run_parcel(struct ptl_shard *shard, struct ptl_slot *slot,
                               struct ptl_parcel *parcel)
{
    uint32_t generation = slot->generation;
    struct ptl_op op;

    ptl_op_unpack(parcel->bytes, &op);
    if (run_op(shard, slot, &op) == LATER && ptl_slot_lives(slot, generation)) {
        ptl_flow_put(shard, slot, parcel, true);
        return LATER;
    }
    ptl_parcel_free(parcel, shard->allocator);
    return DONE;
}

static enum outcome run_queued_notice(struct ptl_shard *shard, struct ptl_slot *slot,
                                      struct ptl_monitoring *monitoring)
{
    struct ptl_msg lost = ptl_reason_lost();
    const struct ptl_msg *reason = monitoring->notice.reason;

    /* First: what the port sends from now on is of after the failure that it is being told of. */
    ptl_pending_remove(monitoring);
    if (monitoring->taken_back) {
        ptl_monitoring_free(shard, monitoring);
        return DONE;
    }
    if (run_notice(shard, slot, monitoring, reason != NULL ? reason : &lost) == LATER) {
        ptl_flow_put_notice(shard, monitoring, true);
        return LATER;
    }
    return DONE; /* freed */
}

/* A port that is told of a failed node has many notices: they are freed one by one. */
static void expect_next(const struct ptl_shard *shard, const struct ptl_port_more *more)
{
    struct ptl_notice *next = ptl_queue_first(&more->queue).notice;

    if (next != NULL) {
        ptl_map_expect(&shard->ports->monitors.by_id,
                       ptl_map_spread(ptl_flow_monitoring(next)->id));
        __builtin_prefetch(next->listed.next);
    }
}

/* Returns false when the port has died of it. */
static bool run_first(struct ptl_shard *shard, struct ptl_slot *slot)
{
    uint32_t generation = slot->generation;
    struct ptl_queued first = ptl_flow_take(shard, slot->more);
    expect_next(shard, slot->more);
    enum outcome outcome = first.notice != NULL
                               ? run_queued_notice(shard, slot, ptl_flow_monitoring(first.notice))
                               : run_parcel(shard, slot, first.parcel);

    if (!ptl_slot_lives(slot, generation)) {
        return false;
    }
    if (outcome == LATER) {
        start_waiting(shard, slot);
    } else {
        ptl_flow_weigh(shard, slot);
    }
    return true;
}

/* Whether a port's next is a notice of a failure that the shard has not adopted yet. */
static bool is_blocked(const struct ptl_shard *shard, const struct ptl_port_more *more)
{
    struct ptl_notice *notice = ptl_queue_first(&more->queue).notice;

    if (notice == NULL || notice->failure == 0) {
        return false;
    }
    const struct ptl_monitoring *monitoring = ptl_flow_monitoring(notice);
    return !monitoring->taken_back &&
           notice->failure > shard->ports->told[ptl_place_of(shard->node, &monitoring->target)];
}

/* Returns how many units it took. */
static uint32_t run_port(struct ptl_shard *shard, struct ptl_slot *slot)
{
    uint32_t run = 0;

    while (run < RUN_BATCH) {
        struct ptl_port_more *more = slot->more;
        if (more->waiting || ptl_queue_empty(&more->queue)) {
            return run + 1;
        }
        if (is_blocked(shard, more)) {
            ptl_list_append(&shard->ports->blocked, &more->listed);
            return run + 1;
        }
        /* Looked up anew each time: what has run may have killed the port, or had it wait. */
        run++;
        if (!run_first(shard, slot)) {
            return run;
        }
    }
    ptl_flow_make_ready(shard, slot->more);
    return run;
}

uint64_t ptl_ports_run(struct ptl_shard *shard)
{
    struct ptl_list now; /* who becomes ready meanwhile has its turn in the next one */
    uint32_t units = 0;

    ptl_list_init(&now);
    ptl_list_append_all(&now, &shard->ports->ready);
    while (!ptl_list_empty(&now) && units < PTL_SLICE) {
        struct ptl_port_more *more = ptl_container(now.next, struct ptl_port_more, listed);
        ptl_list_remove(&more->listed);
        ptl_assert(more->slot != NULL && more->slot->more == more);
        units += run_port(shard, more->slot);
    }
    ptl_list_prepend_all(&shard->ports->ready, &now);
    return UINT64_MAX;
}

void ptl_ports_unblock(struct ptl_shard *shard)
{
    ptl_list_append_all(&shard->ports->ready, &shard->ports->blocked);
}

void ptl_port_resume(struct ptl_shard *shard, struct ptl_slot *slot)
{
    if (slot->more != NULL && slot->more->waiting) {
        slot->more->waiting = false;
        ptl_flow_make_ready(shard, slot->more);
    }
}

static struct ptl_port_more *first_retrying(const struct ptl_shard *shard)
{
    return ptl_list_empty(&shard->ports->retry)
               ? NULL
               : ptl_container(shard->ports->retry.next, struct ptl_port_more, retrying);
}

uint64_t ptl_ports_retry(struct ptl_shard *shard)
{
    struct ptl_port_more *more;

    while ((more = first_retrying(shard)) != NULL && more->retry_at <= shard->now) {
        ptl_list_remove(&more->retrying);
        ptl_port_resume(shard, more->slot);
    }
    return UINT64_MAX;
}

uint64_t ptl_ports_retry_due(const struct ptl_shard *shard)
{
    const struct ptl_port_more *more = first_retrying(shard);

    return more == NULL ? UINT64_MAX : more->retry_at;
}
