#include "engine/port/room.h"

#include "engine/message/name.h"
#include "engine/port/callback.h"
#include "engine/port/outside.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"
#include "engine/shard/slice.h"

/* Whether there is room for a message, and some more behind. */
static bool has_ample_room(struct ptl_shard *shard, const struct ptl_port *to)
{
    return !ptl_is_full(shard, to) &&
           (ptl_is_linked_here(shard, to) ||
            ptl_ring_ample(ptl_shard_ring(shard, ptl_place_of(shard->node, to))));
}

/* The port that it asked about; one that names nothing where it waits for a ring. */
static const struct ptl_port *port_of(const struct ptl_waiter *waiter)
{
    static const struct ptl_port none;

    return waiter->at.kind == PTL_BOTTLENECK_PORT ? &waiter->at.port : &none;
}

static void tell(struct ptl_shard *shard, struct ptl_waiter *waiter)
{
    struct ptl_callback callback;

    switch ((enum ptl_waiter_kind)waiter->kind) {
    case PTL_WAITER_PORT:
        if (ptl_slot_lives(waiter->slot, waiter->generation)) {
            ptl_port_resume(shard, waiter->slot);
        }
        break;
    case PTL_WAITER_CALLBACK:
        if (ptl_slot_died(waiter->slot, waiter->generation)) {
            break;
        }
        ptl_callback_begin(shard, &callback, waiter->slot);
        waiter->tell(shard->node, port_of(waiter), waiter->data);
        ptl_callback_end(shard, &callback, "a callback for room", ptl_port_span(port_of(waiter)));
        break;
    case PTL_WAITER_CONNECTION:
        ptl_waiter_be_unknown(waiter); /* it may wait once more, or be closed */
        shard->node->port_outside->resume(waiter->connection);
        break;
    }
}

/* The shard that has what is waited for, or the way to it. */
static unsigned place_of(const struct ptl_node *node, const struct ptl_bottleneck *at)
{
    return at->kind == PTL_BOTTLENECK_RING ? at->shard : ptl_place_of(node, &at->port);
}

static bool is_full(const struct ptl_shard *shard, const struct ptl_bottleneck *at)
{
    return at->kind == PTL_BOTTLENECK_PORT && ptl_is_full(shard, &at->port);
}

static bool has_room(struct ptl_shard *shard, const struct ptl_bottleneck *at)
{
    return at->kind == PTL_BOTTLENECK_RING ? ptl_ring_ample(ptl_shard_ring(shard, at->shard))
                                           : has_ample_room(shard, &at->port);
}

static bool is_remote(const struct ptl_bottleneck *at)
{
    return at->kind == PTL_BOTTLENECK_PORT && at->port.kind == PTL_PORT_REMOTE;
}

/* The same for a thread of the program: what it sends comes here through the inbox. */
static bool may_go_outside(struct ptl_shard *shard, const struct ptl_bottleneck *at)
{
    if (is_remote(at) && atomic_load(&shard->ports->told_outside) == PTL_TELLING_OUTSIDE) {
        return false;
    }
    return at->kind == PTL_BOTTLENECK_RING || !ptl_is_full_outside(shard, &at->port);
}

/* Whether it may go on; else make sure that whoever makes room tells. */
static bool may_go(struct ptl_shard *shard, const struct ptl_waiter *waiter)
{
    unsigned place = place_of(shard->node, &waiter->at);

    /* Half of the inbox free, not just some: those who are told would fill it and wait again. */
    if (waiter->outside &&
        atomic_load(&shard->inbox.weight) > shard->node->options.inbox_room / 2) {
        return false;
    }
    if (waiter->outside) {
        return may_go_outside(shard, &waiter->at);
    }
    if (has_room(shard, &waiter->at)) {
        return true;
    }
    if (is_full(shard, &waiter->at)) {
        return false; /* the ring is not what it waits for: its owner tells */
    }
    shard->ports->waiters.rings |= UINT64_C(1) << place;
    ptl_ring_wait_for_room(ptl_shard_ring(shard, place));
    return has_room(shard, &waiter->at); /* made just before we asked to be told */
}

static bool rings_have_news(struct ptl_shard *shard)
{
    uint64_t rings = shard->ports->waiters.rings;
    bool news = false;

    for (unsigned i = 0; rings != 0; i++, rings >>= 1) {
        if ((rings & 1) != 0 && !ptl_ring_waits(ptl_shard_ring(shard, i))) {
            shard->ports->waiters.rings &= ~(UINT64_C(1) << i);
            news = true;
        }
    }
    return news;
}

bool ptl_waiters_have_news(const struct ptl_shard *shard)
{
    uint64_t rings = shard->ports->waiters.rings;

    for (unsigned i = 0; rings != 0; i++, rings >>= 1) {
        if ((rings & 1) != 0 && !ptl_ring_waits(ptl_shard_ring(shard, i))) {
            return true;
        }
    }
    return false;
}

static struct ptl_waiter *first_of(const struct ptl_list *list)
{
    return ptl_container(list->next, struct ptl_waiter, listed);
}

/* Look at one, which is on no list. */
static void look_at(struct ptl_shard *shard, struct ptl_waiter *waiter)
{
    struct ptl_waiters *waiters = &shard->ports->waiters;

    ptl_assert(!ptl_listed(&waiter->listed) && !waiters->telling);

    if (!waiter->ended && !may_go(shard, waiter)) {
        ptl_list_append(&waiters->looked, &waiter->listed);
        return;
    }
    if (!waiter->ended) {
        waiters->telling = true;
        tell(shard, waiter);
        waiters->telling = false;
    }
    ptl_waiter_free(shard, waiter);
}

/* A slice of those who wait; who comes meanwhile is looked at in the next turn. */
static void look_at_some(struct ptl_shard *shard)
{
    struct ptl_waiters *waiters = &shard->ports->waiters;
    struct ptl_list now;
    uint32_t units = PTL_SLICE;

    ptl_list_init(&now);
    ptl_list_append_all(&now, &waiters->waiting);
    while (units-- > 0 && !ptl_list_empty(&now)) {
        struct ptl_waiter *waiter = first_of(&now);
        ptl_list_remove(&waiter->listed);
        look_at(shard, waiter);
    }
    if (ptl_list_empty(&now)) {
        ptl_list_prepend_all(&waiters->waiting, &waiters->looked);
    } else {
        ptl_list_prepend_all(&waiters->waiting, &now);
    }
}

uint64_t ptl_waiters_look(struct ptl_shard *shard)
{
    struct ptl_waiters *waiters = &shard->ports->waiters;

    waiters->news |= shard->inbox_taken;
    shard->inbox_taken = false;
    /* Also with nobody left: a ring that was waited for is news until it has been looked at. */
    bool news = rings_have_news(shard) || waiters->news;
    if (!ptl_list_empty(&waiters->looked)) {
        waiters->news = news; /* for those who have been looked at, when all have been */
        look_at_some(shard);
    } else if (news && !ptl_list_empty(&waiters->waiting)) {
        waiters->news = false;
        look_at_some(shard);
    }
    return UINT64_MAX;
}

bool ptl_waiters_may_go_on(const struct ptl_shard *shard)
{
    const struct ptl_waiters *waiters = &shard->ports->waiters;

    return !ptl_list_empty(&waiters->looked) || (waiters->news && ptl_waiters_any(waiters));
}

void ptl_waiters_drop(struct ptl_shard *shard, bool tell_them)
{
    struct ptl_waiters *waiters = &shard->ports->waiters;

    ptl_list_prepend_all(&waiters->waiting, &waiters->looked);
    while (!ptl_list_empty(&waiters->waiting)) {
        struct ptl_waiter *waiter = first_of(&waiters->waiting);
        ptl_list_remove(&waiter->listed);
        if (tell_them && !waiter->ended && waiter->kind != PTL_WAITER_CONNECTION) {
            tell(shard, waiter);
        }
        ptl_waiter_free(shard, waiter);
    }
}

void ptl_waiters_take(struct ptl_shard *shard, struct ptl_waiter *waiter)
{
    ptl_waiters_add(shard, waiter);
    if (shard->stop_step != PTL_STOP_NOT) {
        ptl_waiters_drop(shard, true); /* those before it have been told already */
    }
}

static void end_waiter(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    struct ptl_waiter *waiter = ptl_container(belonging, struct ptl_waiter, belonging);

    waiter->ended = true; /* freed when the list is next looked through */
    shard->ports->waiters.news = true;
}

/* The waiter of a callback, with what it waits for and its data.  NULL: no memory. */
static struct ptl_waiter *make_callback(struct ptl_node *node, const struct ptl_bottleneck *at,
                                        ptl_room_fn *tell_room, void *data)
{
    struct ptl_waiter *waiter = ptl_alloc(node->allocator, sizeof(*waiter));

    if (waiter != NULL) {
        waiter->kind = PTL_WAITER_CALLBACK;
        waiter->at = *at;
        waiter->tell = tell_room;
        waiter->data = data;
        waiter->belonging.end = end_waiter;
    }
    return waiter;
}

/* Behind all that this thread has sent there: when it is taken, the inbox has drained. */
static int wait_outside(struct ptl_node *node, struct ptl_waiter *waiter)
{
    struct ptl_op op = {
        .kind = PTL_OP_ON_ROOM,
        .to = PTL_TO_SHARD,
        .as.handed = {.waiter = waiter, .bytes = sizeof(*waiter)},
    };

    waiter->outside = true;
    return ptl_submit(node, place_of(node, &waiter->at), &op, PTL_WAY_OWN);
}

/* As the port that runs, if one does. */
static int wait_inside(struct ptl_shard *shard, struct ptl_waiter *waiter)
{
    struct ptl_slot *self = shard->ports->self;

    if (self != NULL) {
        struct ptl_port_more *more = ptl_port_more(shard, self);
        if (more == NULL) {
            return PTL_ENOMEM;
        }
        waiter->slot = self;
        waiter->generation = self->generation;
        ptl_belonging_add(&more->belongings, &waiter->belonging);
    }
    ptl_waiters_add(shard, waiter);
    return PTL_OK;
}

int ptl_on_room_at(struct ptl_node *node, const struct ptl_bottleneck *at, ptl_room_fn *tell_room,
                   void *data, ptl_release_fn *release)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    struct ptl_waiter *waiter = make_callback(node, at, tell_room, data);
    if (waiter == NULL) {
        return PTL_ENOMEM;
    }
    waiter->release = release;
    int err = shard == NULL ? wait_outside(node, waiter) : wait_inside(shard, waiter);
    if (err < 0) {
        ptl_free(node->allocator, waiter, sizeof(*waiter)); /* its data stays the caller's */
    }
    return err;
}

int ptl_on_room(struct ptl_node *node, const struct ptl_port *to, ptl_room_fn *tell_room,
                void *data)
{
    return ptl_on_room_owned(node, to, tell_room, data, NULL);
}

int ptl_on_room_owned(struct ptl_node *node, const struct ptl_port *to, ptl_room_fn *tell_room,
                      void *data, ptl_release_fn *release)
{
    struct ptl_bottleneck at;
    struct ptl_port own;

    to = ptl_port_own_view(&node->self, to, &own);
    if (to == NULL) {
        return PTL_EINVAL;
    }
    ptl_bottleneck_at_port(&at, to);
    return ptl_on_room_at(node, &at, tell_room, data, release);
}
