#include "engine/shard/timer.h"

#include "engine/link/failure.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/callback.h"
#include "engine/port/send.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* What said PTL_LATER, and a message that found no room, is tried again after this. */
#define RETRY_NS UINT64_C(1000000)

/* Messages without room that are tried in one turn. */
#define JAMS_A_TURN 256

void ptl_timers_init(struct ptl_timers *timers, const struct ptl_allocator *allocator)
{
    *timers = (struct ptl_timers){.allocator = allocator};
    ptl_map_init(&timers->by_id, allocator);
    ptl_jams_init(&timers->jams, allocator);
    ptl_list_init(&timers->accepted);
}

void ptl_timing_free(struct ptl_shard *shard, struct ptl_timing *timing)
{
    ptl_belonging_remove(&timing->belonging);
    if (timing->msg != NULL) {
        ptl_keep_no_more(shard, timing->msg->size);
        ptl_msg_free(timing->msg);
    }
    ptl_release(timing->release, timing->data);
    ptl_free(shard->allocator, timing, sizeof(*timing));
}

static void put(struct ptl_timers *timers, uint32_t place, struct ptl_timing *timing)
{
    timers->heap[place] = timing;
    timing->place = place;
}

/* Those of one moment fire in the order in which they were made. */
static bool is_before(const struct ptl_timing *a, const struct ptl_timing *b)
{
    return a->due < b->due || (a->due == b->due && a->id < b->id);
}

static void sift_up(struct ptl_timers *timers, uint32_t place)
{
    struct ptl_timing *timing = timers->heap[place];

    while (place > 0 && is_before(timing, timers->heap[(place - 1) / 2])) {
        put(timers, place, timers->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(timers, place, timing);
}

static void sift_down(struct ptl_timers *timers, uint32_t place)
{
    struct ptl_timing *timing = timers->heap[place];

    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count && is_before(timers->heap[child + 1], timers->heap[child])) {
            child++;
        }
        if (!is_before(timers->heap[child], timing)) {
            break;
        }
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timing);
}

static void take_off_heap(struct ptl_timers *timers, struct ptl_timing *timing)
{
    uint32_t place = timing->place;
    struct ptl_timing *last = timers->heap[--timers->count];

    timing->place = UINT32_MAX;
    if (last != timing) {
        put(timers, place, last);
        sift_up(timers, place);
        sift_down(timers, last->place);
    }
}

/* Nobody finds it any more. */
static void take_out(struct ptl_timers *timers, struct ptl_timing *timing)
{
    if (timing->jam.stands) {
        ptl_jam_leave(&timers->jams, timing);
    } else {
        take_off_heap(timers, timing);
    }
    ptl_map_remove(&timers->by_id, ptl_map_spread(timing->id), timing);
}

/* Now, or when it has fired. */
static void end(struct ptl_shard *shard, struct ptl_timing *timing)
{
    timing->ended = true;
    if (!timing->firing) {
        take_out(&shard->timers, timing);
        ptl_timing_free(shard, timing);
    }
}

static void end_timing(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    end(shard, ptl_container(belonging, struct ptl_timing, belonging));
}

int ptl_timers_add(struct ptl_shard *shard, struct ptl_timing *timing)
{
    struct ptl_timers *timers = &shard->timers;
    struct ptl_port_more *more = NULL;

    if (timers->count == timers->capacity) {
        uint32_t capacity = timers->capacity == 0 ? 16 : timers->capacity * 2;
        struct ptl_timing **heap =
            ptl_grow(timers->allocator, timers->heap, timers->capacity * sizeof(*heap),
                     capacity * sizeof(*heap));
        if (heap == NULL) {
            return PTL_ENOMEM;
        }
        timers->heap = heap;
        timers->capacity = capacity;
    }
    if (ptl_map_reserve(&timers->by_id) < 0 ||
        (timing->msg != NULL && ptl_jam_reserve(&timers->jams) < 0)) {
        return PTL_ENOMEM;
    }
    if (timing->owner != NULL) {
        more = ptl_port_more(shard, timing->owner);
        if (more == NULL) {
            return PTL_ENOMEM;
        }
        timing->belonging.end = end_timing;
        ptl_belonging_add(&more->belongings, &timing->belonging);
    }
    timing->round = timers->round;
    ptl_map_insert(&timers->by_id, ptl_map_spread(timing->id), timing);
    put(timers, timers->count++, timing);
    sift_up(timers, timing->place);
    return PTL_OK;
}

void ptl_timers_accept(struct ptl_shard *shard, struct ptl_timing *timing)
{
    struct ptl_timers *timers = &shard->timers;

    if (!ptl_list_empty(&timers->accepted) || ptl_timers_add(shard, timing) < 0) {
        ptl_list_append(&timers->accepted, &timing->accepted);
        timers->retry_at = shard->now + RETRY_NS;
    }
}

void ptl_timing_take(struct ptl_shard *shard, struct ptl_timing *timing)
{
    timing->due += shard->now;
    ptl_timers_accept(shard, timing);
}

static struct ptl_timing *first_accepted(const struct ptl_timers *timers)
{
    return ptl_list_empty(&timers->accepted)
               ? NULL
               : ptl_container(timers->accepted.next, struct ptl_timing, accepted);
}

/* As far as there is memory, a slice of them.  Returns whether the next may be added, too. */
static bool add_accepted(struct ptl_shard *shard)
{
    struct ptl_timing *timing = NULL;

    for (uint32_t i = 0; i < PTL_SLICE; i++) {
        timing = first_accepted(&shard->timers);
        if (timing == NULL || ptl_timers_add(shard, timing) < 0) {
            return false;
        }
        ptl_list_remove(&timing->accepted);
    }
    return timing != NULL;
}

static struct ptl_timing *find_accepted(const struct ptl_timers *timers, uint64_t id)
{
    for (struct ptl_list *at = timers->accepted.next; at != &timers->accepted; at = at->next) {
        struct ptl_timing *timing = ptl_container(at, struct ptl_timing, accepted);
        if (timing->id == id) {
            return timing;
        }
    }
    return NULL;
}

void ptl_timers_cancel(struct ptl_shard *shard, uint64_t id)
{
    struct ptl_timing *timing =
        ptl_map_find(&shard->timers.by_id, ptl_map_spread(id), NULL, ptl_span(NULL, 0));

    if (timing != NULL) {
        end(shard, timing);
        return;
    }
    timing = find_accepted(&shard->timers, id);
    if (timing != NULL) {
        ptl_list_remove(&timing->accepted);
        ptl_timing_free(shard, timing);
    }
}

/*
 * Its sender has been told that it is accepted: it goes out, or waits here until it can, or the
 * link that it would have taken fails, and tells.
 */
static bool send_now(struct ptl_shard *shard, struct ptl_timing *timing)
{
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .body = ptl_msg_body(timing->msg),
        .count = timing->msg->count,
        .whole = timing->msg,
    };

    if (ptl_node_stopping(shard->node)) {
        return true;
    }
    shard->self = timing->owner;
    int err = ptl_route(shard->node, &timing->to, &op, PTL_WAY_MESSAGE);
    shard->self = NULL;
    struct ptl_link *link =
        err == PTL_ESIZE ? ptl_link_find(shard, ptl_port_node(&timing->to)) : NULL;
    if (link != NULL) {
        ptl_link_fail(shard, link, err); /* it has said only now how little it takes */
    }
    return err != PTL_EFULL && err != PTL_ENOMEM;
}

static bool run(struct ptl_shard *shard, struct ptl_timing *timing)
{
    struct ptl_callback callback;

    if (ptl_slot_died(timing->owner, timing->generation)) {
        return true; /* it is part of what its port has left */
    }
    if (timing->tell == NULL) {
        return send_now(shard, timing);
    }
    ptl_callback_begin(shard, &callback, timing->owner);
    int result = timing->tell(shard->node, timing->data);
    return ptl_callback_done(shard, &callback, "a timer", ptl_span(NULL, 0), result);
}

/* Returns whether it is done with, and freed. */
static bool fire(struct ptl_shard *shard, struct ptl_timing *timing)
{
    timing->firing = true; /* what it calls may add and take back timers, itself included */
    bool done = run(shard, timing);
    timing->firing = false;
    if (done || timing->ended) {
        end(shard, timing);
        return true;
    }
    return false;
}

/* One whose time has come.  It has its next turn already, should this one be in vain. */
static void fire_due(struct ptl_shard *shard, struct ptl_timing *timing, uint64_t now)
{
    struct ptl_timers *timers = &shard->timers;
    bool sends = timing->tell == NULL;

    timing->due = now + RETRY_NS;
    timing->round = timers->round;
    sift_down(timers, timing->place);
    if (sends && ptl_jam_is_for(&timers->jams, timing)) {
        take_off_heap(timers, timing);
        bool stands = ptl_jam_enter(&timers->jams, timing);
        ptl_assert(stands);
        return;
    }
    if (fire(shard, timing) || !sends) {
        return;
    }
    if (ptl_jam_enter(&timers->jams, timing)) {
        take_off_heap(timers, timing);
        timers->retry_at = now + RETRY_NS;
    }
}

static bool nothing_to_retry(const struct ptl_timers *timers)
{
    return ptl_jams_empty(&timers->jams) && ptl_list_empty(&timers->accepted);
}

/* What found no memory; and messages that found no room: some of them, in turn. */
static void retry(struct ptl_shard *shard, uint64_t now)
{
    struct ptl_timers *timers = &shard->timers;
    struct ptl_timing *first;

    if (nothing_to_retry(timers) || timers->retry_at > now) {
        return;
    }
    timers->retry_at = add_accepted(shard) ? now : now + RETRY_NS;
    for (unsigned i = 0; i < JAMS_A_TURN && (first = ptl_jam_next(&timers->jams)) != NULL; i++) {
        if (fire(shard, first)) {
            timers->retry_at = now; /* there is room: the next one soon */
        }
    }
}

static bool next_is_due(const struct ptl_timers *timers, uint64_t now, uint32_t round)
{
    return timers->count != 0 && timers->heap[0]->due <= now && timers->heap[0]->round != round;
}

/*
 * What is left of the due ones when a slice has fired stays first in the heap: the next turn comes
 * at once, with all the shard's other work between, and what becomes due later fires behind them.
 */
void ptl_timers_fire(struct ptl_shard *shard, uint64_t now)
{
    struct ptl_timers *timers = &shard->timers;
    /* Timers that callbacks make now have their turn with the next: one that begins anew at once
     * must not keep the shard. */
    uint32_t round = ++timers->round;

    retry(shard, now);
    for (uint32_t i = 0; i < PTL_SLICE && next_is_due(timers, now, round); i++) {
        fire_due(shard, timers->heap[0], now);
    }
    shard->unfinished |= next_is_due(timers, now, round);
}

uint64_t ptl_timers_due(const struct ptl_timers *timers)
{
    uint64_t due = timers->count == 0 ? UINT64_MAX : timers->heap[0]->due;

    return nothing_to_retry(timers) || timers->retry_at > due ? due : timers->retry_at;
}

void ptl_timers_drop(struct ptl_shard *shard)
{
    struct ptl_timers *timers = &shard->timers;

    struct ptl_timing *timing;

    while ((timing = timers->count != 0 ? timers->heap[0] : ptl_jam_next(&timers->jams)) != NULL) {
        take_out(timers, timing);
        ptl_timing_free(shard, timing);
    }
    while ((timing = first_accepted(timers)) != NULL) {
        ptl_list_remove(&timing->accepted);
        ptl_timing_free(shard, timing);
    }
    ptl_jams_drop(&timers->jams);
    ptl_free(timers->allocator, timers->heap, timers->capacity * sizeof(*timers->heap));
    timers->heap = NULL;
    timers->capacity = 0;
    ptl_map_drop(&timers->by_id);
}

/* ---- The public functions ------------------------------------------------------------------ */

/* Where a timer that is made here lives. */
static struct ptl_shard *home(struct ptl_node *node)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    return shard == NULL ? &node->shards[0] : shard;
}

/* It is freed on an error. */
static int start(struct ptl_node *node, struct ptl_timing *timing, unsigned delay_ms,
                 struct ptl_timer *timer)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    uint64_t delay = (uint64_t)delay_ms * 1000000;
    struct ptl_timer named = {
        .id = atomic_fetch_add(&node->last_id, 1) + 1,
        .shard = home(node)->index,
    };
    int err;

    timing->id = named.id;
    if (shard != NULL) {
        timing->owner = shard->self;
        timing->generation = shard->self == NULL ? 0 : shard->self->generation;
        timing->due = shard->now + delay;
        err = ptl_timers_add(shard, timing);
    } else {
        struct ptl_op op = {
            .kind = PTL_OP_TIMER,
            .to = PTL_TO_SHARD,
            .pointer = timing,
            .carried = ptl_carried(sizeof(*timing)),
        };
        timing->due = delay; /* the shard adds its own time */
        err = ptl_submit(node, 0, &op, PTL_WAY_CONTROL);
    }
    if (err < 0) {
        timing->release = NULL; /* its data stays the caller's */
        ptl_timing_free(home(node), timing);
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
    struct ptl_timing *timing = ptl_alloc(node->allocator, sizeof(*timing));
    if (timing == NULL) {
        return PTL_ENOMEM;
    }
    timing->tell = tell;
    timing->data = data;
    timing->release = release;
    return start(node, timing, delay_ms, timer);
}

/* A timer that sends `msg`.  Its bytes are counted from here on. */
static int make_sender(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg,
                       struct ptl_timing **made)
{
    struct ptl_shard *shard = home(node);

    if (!ptl_keep(shard, msg->size)) {
        return PTL_ELIMIT;
    }
    struct ptl_timing *timing = ptl_alloc(node->allocator, sizeof(*timing));
    struct ptl_msg *kept = timing == NULL ? NULL : ptl_msg_keep(msg);
    if (kept == NULL) {
        ptl_keep_no_more(shard, msg->size);
        ptl_free(node->allocator, timing, sizeof(*timing));
        return PTL_ENOMEM;
    }
    timing->to = *to;
    timing->msg = kept;
    *made = timing;
    return PTL_OK;
}

int ptl_after_send(struct ptl_node *node, unsigned delay_ms, const struct ptl_port *to,
                   const struct ptl_msg *msg, struct ptl_timer *timer)
{
    struct ptl_timing *timing;
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
    int err = make_sender(node, to, msg, &timing);
    return err < 0 ? err : start(node, timing, delay_ms, timer);
}

void ptl_timer_cancel(struct ptl_node *node, const struct ptl_timer *timer)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    if (timer->id == 0 || timer->shard >= node->shard_count) {
        return;
    }
    if (shard != NULL && shard->index == timer->shard) {
        ptl_timers_cancel(shard, timer->id);
        return;
    }
    struct ptl_op op = {.kind = PTL_OP_UNTIMER, .to = PTL_TO_SHARD, .number = timer->id};
    if (ptl_submit(node, timer->shard, &op, PTL_WAY_OWN) < 0) {
        ptl_log(node, PTL_LOG_ERROR, "out of memory: a timer could not be taken back");
    }
}
