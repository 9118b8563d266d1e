#include "engine/port/after.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/callback.h"
#include "engine/port/fullness.h"
#include "engine/port/outside.h"
#include "engine/port/port.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* What said PTL_LATER, or lacks memory, is tried again after this. */
#define RETRY_NS UINT64_C(1000000)

static ptl_untold_fn send_first;

void ptl_afters_init(struct ptl_afters *afters, const struct ptl_allocator *allocator)
{
    *afters = (struct ptl_afters){.retry_at = 0};
    ptl_map_init(&afters->by_id, allocator);
    ptl_after_jams_init(&afters->jams, allocator);
    ptl_list_init(&afters->accepted);
}

void ptl_after_free(struct ptl_shard *shard, struct ptl_after *after)
{
    ptl_assert(!after->firing && !after->jam.stands);
    ptl_belonging_remove(&after->belonging);
    if (after->msg != NULL) {
        ptl_keep_no_more(shard, after->msg->size);
        ptl_msg_free(after->msg);
    }
    ptl_release(after->release, after->data);
    ptl_free(shard->allocator, after, sizeof(*after));
}

/* It has become the first of its line: it is tried behind those who wait for that ring. */
static void step_up(struct ptl_shard *shard, struct ptl_after *after)
{
    after->untold.tell = send_first;
    ptl_untold_wait(shard, &after->untold, ptl_place_of(shard->node, &after->to));
}

static void leave_line(struct ptl_shard *shard, struct ptl_after *after)
{
    struct ptl_after *next = ptl_after_jam_leave(&shard->ports->afters.jams, after);

    ptl_untold_cancel(shard, &after->untold);
    if (next != NULL) {
        step_up(shard, next);
    }
}

/* Nobody finds it any more.  It stands in line or in the heap, never in both. */
static void take_out(struct ptl_shard *shard, struct ptl_after *after)
{
    struct ptl_afters *afters = &shard->ports->afters;

    if (after->jam.stands) {
        leave_line(shard, after);
    } else {
        ptl_timers_remove(&shard->timers, &after->timing);
    }
    ptl_map_remove(&afters->by_id, ptl_map_spread(after->timing.id), after);
}

/* Now, or when it has fired. */
static void end(struct ptl_shard *shard, struct ptl_after *after)
{
    after->ended = true;
    if (!after->firing) {
        take_out(shard, after);
        ptl_after_free(shard, after);
    }
}

static void end_belonging(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    end(shard, ptl_container(belonging, struct ptl_after, belonging));
}

/*
 * Its message goes out, or waits here until it can, or the link that it would have taken fails and
 * tells: its sender has been told that it is accepted.  Errors: PTL_EFULL, PTL_ENOMEM.
 */
static int send_now(struct ptl_shard *shard, struct ptl_after *after)
{
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .body = ptl_msg_body(after->msg),
        .count = after->msg->count,
        .whole = after->msg,
    };

    if (ptl_node_stopping(shard->node)) {
        return PTL_OK;
    }
    /* As the port that has made it, so that it keeps its place among what that port sends. */
    shard->ports->self = after->owner;
    int err = ptl_route(shard->node, &after->to, &op, PTL_WAY_MESSAGE);
    shard->ports->self = NULL;
    if (err == PTL_ESIZE) {
        /* The peer has said only now how little it takes. */
        shard->node->port_outside->fail(shard, ptl_port_node(&after->to), err);
    }
    return err == PTL_EFULL || err == PTL_ENOMEM ? err : PTL_OK;
}

/* Errors: as send_now(); PTL_LATER: it said so. */
static int run(struct ptl_shard *shard, struct ptl_after *after)
{
    struct ptl_callback callback;

    if (ptl_slot_died(after->owner, after->generation)) {
        return PTL_OK; /* it is part of what its port has left */
    }
    if (after->tell == NULL) {
        return send_now(shard, after);
    }
    ptl_callback_begin(shard, &callback, after->owner);
    int result = after->tell(shard->node, after->data);
    bool done = ptl_callback_done(shard, &callback, "a timer", ptl_span(NULL, 0), result);
    return done ? PTL_OK : PTL_LATER;
}

/* PTL_OK: it is done with, and freed.  Errors: as run(). */
static int try(struct ptl_shard *shard, struct ptl_after *after)
{
    after->firing = true; /* what it calls may add and take back others, and itself */
    int err = run(shard, after);
    after->firing = false;
    if (err == PTL_OK || after->ended) {
        end(shard, after);
        return PTL_OK;
    }
    return err;
}

/* The first of a line could not be sent.  Returns as a ptl_untold_fn does. */
static int wait_anew(struct ptl_shard *shard, struct ptl_after *after, int err)
{
    if (err == PTL_EFULL) {
        return ptl_room_missed(shard, &after->to, &after->untold);
    }
    after->untold.to = ptl_place_of(shard->node, &after->to);
    return err;
}

/* As a ptl_untold_fn: the next of its line has stepped up, if it was sent. */
static int send_first(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    struct ptl_after *after = ptl_container(untold, struct ptl_after, untold);
    int err = try(shard, after);

    if (err == PTL_OK) {
        return PTL_OK;
    }
    err = wait_anew(shard, after, err);
    if (err == PTL_LATER) {
        *units = 0;
    }
    return err;
}

/* Its time has come.  It has its next turn already, should this one be in vain. */
static void fire(struct ptl_shard *shard, struct ptl_timing *timing, uint64_t now)
{
    struct ptl_after *after = ptl_container(timing, struct ptl_after, timing);
    struct ptl_after_jams *jams = &shard->ports->afters.jams;
    bool sends = after->tell == NULL;

    ptl_assert(!after->firing && !after->jam.stands);
    ptl_timers_postpone(&shard->timers, timing, now + RETRY_NS);
    if (sends && ptl_after_jam_is_for(jams, after)) {
        ptl_timers_remove(&shard->timers, timing);
        bool stands = ptl_after_jam_enter(jams, after);
        ptl_assert(stands);
        return;
    }
    int err = try(shard, after);
    if (err == PTL_OK || !sends || !ptl_after_jam_enter(jams, after)) {
        return;
    }
    ptl_timers_remove(&shard->timers, timing);
    after->untold.tell = send_first;
    if (wait_anew(shard, after, err) < 0) {
        ptl_untold_wait(shard, &after->untold, after->untold.to);
    }
}

/* Whatever it will need later is reserved now: when its time comes there may be no memory. */
int ptl_after_add(struct ptl_shard *shard, struct ptl_after *after)
{
    struct ptl_afters *afters = &shard->ports->afters;

    if (ptl_timers_reserve(&shard->timers) < 0 || ptl_map_reserve(&afters->by_id) < 0 ||
        (after->msg != NULL && ptl_after_jam_reserve(&afters->jams) < 0)) {
        return PTL_ENOMEM;
    }
    if (after->owner != NULL) {
        struct ptl_port_more *more = ptl_port_more(shard, after->owner);
        if (more == NULL) {
            return PTL_ENOMEM;
        }
        after->belonging.end = end_belonging;
        ptl_belonging_add(&more->belongings, &after->belonging);
    }
    after->timing.fire = fire;
    ptl_map_insert(&afters->by_id, ptl_map_spread(after->timing.id), after);
    ptl_timers_add(&shard->timers, &after->timing);
    return PTL_OK;
}

/* ---- What waits for memory ----------------------------------------------------------------- */

void ptl_after_take(struct ptl_shard *shard, struct ptl_after *after)
{
    struct ptl_afters *afters = &shard->ports->afters;

    /* From the program's threads: they cannot be told of an error any more, so it waits for
     * memory, behind those that wait already. */
    after->timing.due += shard->now;
    if (!ptl_list_empty(&afters->accepted) || ptl_after_add(shard, after) < 0) {
        ptl_list_append(&afters->accepted, &after->accepted);
        after->accepted_id.id = after->timing.id;
        ptl_id_tree_add(&afters->accepted_ids, &after->accepted_id);
        afters->retry_at = shard->now + RETRY_NS;
    }
}

static struct ptl_after *first_accepted(const struct ptl_afters *afters)
{
    return ptl_list_empty(&afters->accepted)
               ? NULL
               : ptl_container(afters->accepted.next, struct ptl_after, accepted);
}

static void leave_accepted(struct ptl_afters *afters, struct ptl_after *after)
{
    ptl_list_remove(&after->accepted);
    ptl_id_tree_remove(&afters->accepted_ids, &after->accepted_id);
}

/* As far as there is memory, a slice of them.  Returns whether the next may be added, too. */
static bool add_accepted(struct ptl_shard *shard)
{
    struct ptl_after *after = NULL;

    for (uint32_t i = 0; i < PTL_SLICE; i++) {
        after = first_accepted(&shard->ports->afters);
        if (after == NULL || ptl_after_add(shard, after) < 0) {
            return false;
        }
        leave_accepted(&shard->ports->afters, after);
    }
    return after != NULL;
}

static struct ptl_after *find_accepted(const struct ptl_afters *afters, uint64_t id)
{
    struct ptl_id_place *place = ptl_id_tree_find(afters->accepted_ids, id);

    return place == NULL ? NULL : ptl_container(place, struct ptl_after, accepted_id);
}

void ptl_after_cancel(struct ptl_shard *shard, uint64_t id)
{
    struct ptl_after *after =
        ptl_map_find(&shard->ports->afters.by_id, ptl_map_spread(id), NULL, ptl_span(NULL, 0));

    if (after != NULL) {
        end(shard, after);
        return;
    }
    after = find_accepted(&shard->ports->afters, id);
    if (after != NULL) {
        leave_accepted(&shard->ports->afters, after);
        ptl_after_free(shard, after);
    }
}

uint64_t ptl_afters_retry(struct ptl_shard *shard)
{
    struct ptl_afters *afters = &shard->ports->afters;

    if (!ptl_list_empty(&afters->accepted) && afters->retry_at <= shard->now) {
        afters->retry_at = shard->now + (add_accepted(shard) ? 0 : RETRY_NS);
    }
    return UINT64_MAX;
}

uint64_t ptl_afters_retry_due(const struct ptl_shard *shard)
{
    const struct ptl_afters *afters = &shard->ports->afters;

    return ptl_list_empty(&afters->accepted) ? UINT64_MAX : afters->retry_at;
}

/* All that stands in the heap was made here. */
static struct ptl_after *first_of_all(const struct ptl_shard *shard)
{
    struct ptl_timing *timing = ptl_timers_first(&shard->timers);

    return timing == NULL ? NULL : ptl_container(timing, struct ptl_after, timing);
}

/* What stands in the heap, what stands in line, what was accepted only: each is in one of these. */
void ptl_afters_drop(struct ptl_shard *shard)
{
    struct ptl_afters *afters = &shard->ports->afters;
    struct ptl_after *after;

    while ((after = first_of_all(shard)) != NULL ||
           (after = ptl_after_jam_first(&afters->jams)) != NULL) {
        take_out(shard, after);
        ptl_after_free(shard, after);
    }
    while ((after = first_accepted(afters)) != NULL) {
        leave_accepted(afters, after);
        ptl_after_free(shard, after);
    }
    ptl_after_jams_drop(&afters->jams);
    ptl_map_drop(&afters->by_id);
}

/* ---- The public functions ------------------------------------------------------------------ */

/* Where a timer that is made here lives. */
static struct ptl_shard *home(struct ptl_node *node)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    return shard == NULL ? &node->shards[0] : shard;
}

/* It is freed on an error. */
static int start(struct ptl_node *node, struct ptl_after *after, unsigned delay_ms,
                 struct ptl_timer *timer)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    uint64_t delay = (uint64_t)delay_ms * 1000000;
    struct ptl_timer named = {
        .id = atomic_fetch_add(&node->last_id, 1) + 1,
        .shard = home(node)->index,
    };
    int err;

    after->timing.id = named.id;
    if (shard != NULL) {
        after->owner = shard->ports->self;
        after->generation = shard->ports->self == NULL ? 0 : shard->ports->self->generation;
        after->timing.due = shard->now + delay;
        err = ptl_after_add(shard, after);
    } else {
        struct ptl_op op = {
            .kind = PTL_OP_TIMER,
            .to = PTL_TO_SHARD,
            .as.handed = {.after = after, .bytes = ptl_op_bytes(sizeof(*after))},
        };
        after->timing.due = delay; /* the shard adds its own time */
        err = ptl_submit(node, 0, &op, PTL_WAY_CONTROL);
    }
    if (err < 0) {
        after->release = NULL; /* its data stays the caller's */
        ptl_after_free(home(node), after);
    } else if (timer != NULL) {
        *timer = named;
    }
    return err;
}

int ptl_after(struct ptl_node *node, unsigned delay_ms, ptl_timer_fn *tell, void *data,
              struct ptl_timer *timer)
{
    return ptl_after_owned(node, delay_ms, tell, data, NULL, timer);
}

int ptl_after_owned(struct ptl_node *node, unsigned delay_ms, ptl_timer_fn *tell, void *data,
                    ptl_release_fn *release, struct ptl_timer *timer)
{
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    struct ptl_after *after = ptl_alloc(node->allocator, sizeof(*after));
    if (after == NULL) {
        return PTL_ENOMEM;
    }
    after->tell = tell;
    after->data = data;
    after->release = release;
    return start(node, after, delay_ms, timer);
}

/* A timer that sends `msg`.  Its bytes are counted from here on. */
static int make_sender(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg,
                       struct ptl_after **made)
{
    struct ptl_shard *shard = home(node);

    if (!ptl_keep(shard, msg->size)) {
        return PTL_ELIMIT;
    }
    struct ptl_after *after = ptl_alloc(node->allocator, sizeof(*after));
    struct ptl_msg *kept = after == NULL ? NULL : ptl_msg_keep(msg);
    if (kept == NULL) {
        ptl_keep_no_more(shard, msg->size);
        ptl_free(node->allocator, after, sizeof(*after));
        return PTL_ENOMEM;
    }
    after->to = *to;
    after->msg = kept;
    *made = after;
    return PTL_OK;
}

int ptl_after_send(struct ptl_node *node, unsigned delay_ms, const struct ptl_port *to,
                   const struct ptl_msg *msg, struct ptl_timer *timer)
{
    struct ptl_after *after;
    struct ptl_port own;

    /* All that ptl_send() would say of it at its time is said now: then nobody would hear it. */
    to = ptl_port_own_view(&node->self, to, &own);
    if (to == NULL) {
        return PTL_EINVAL;
    }
    if (ptl_is_too_large(node, to, msg->size)) {
        return PTL_ESIZE;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    int err = make_sender(node, to, msg, &after);
    return err < 0 ? err : start(node, after, delay_ms, timer);
}

void ptl_timer_cancel(struct ptl_node *node, const struct ptl_timer *timer)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    if (timer->id == 0 || timer->shard >= node->shard_count) {
        return;
    }
    if (shard != NULL && shard->index == timer->shard) {
        ptl_after_cancel(shard, timer->id);
        return;
    }
    struct ptl_op op = {.kind = PTL_OP_UNTIMER, .to = PTL_TO_SHARD, .as.timer = timer->id};
    if (ptl_submit(node, timer->shard, &op, PTL_WAY_OWN) < 0) {
        ptl_log(node, PTL_LOG_ERROR, "out of memory: a timer could not be taken back");
    }
}
