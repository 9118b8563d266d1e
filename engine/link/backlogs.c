#include "engine/link/backlogs.h"

#include "engine/link/outbox.h"
#include "engine/shard/belonging.h"

#define NODE_PORT 0

/* Messages of this part of the largest one and below need not wait for one of the largest ... */
#define SMALLER_PART 8

/* ... as long as all of them together are this part of it. */
#define SMALLER_SHARE 4

/* So many parked flows are looked at when something in pieces has left wholly. */
#define UNPARKED_MAX 8

void ptl_backlogs_init(struct ptl_backlogs *all, const struct ptl_allocator *allocator,
                       uint64_t bytes_max)
{
    *all = (struct ptl_backlogs){
        .allocator = allocator,
        .making_max = bytes_max,
        .flow_room = SIZE_MAX,
    };
    ptl_turns_init(&all->turns);
    ptl_list_init(&all->parked);
    ptl_backlog_init(&all->node_port, NODE_PORT);
}

void ptl_backlogs_limit(struct ptl_backlogs *all, size_t flow_room, ptl_backlog_full_fn *tell,
                        void *owner)
{
    all->flow_room = flow_room;
    all->tell = tell;
    all->owner = owner;
}

void ptl_backlogs_drop(struct ptl_backlogs *all)
{
    ptl_backlog_drop(&all->node_port);
    all->size = all->unweighed = 0;
    all->messages = all->making = 0;
}

static struct ptl_backlog *backlog_of(struct ptl_turn *turn)
{
    return ptl_container(turn, struct ptl_backlog, turn);
}

static struct ptl_backlog *backlog_at(struct ptl_list *listed)
{
    return backlog_of(ptl_container(listed, struct ptl_turn, listed));
}

/* ---- What weighs --------------------------------------------------------------------------- */

static size_t unweighed_of(size_t large)
{
    return large > PTL_BACKLOG_LARGE_WEIGHT ? large - PTL_BACKLOG_LARGE_WEIGHT : 0;
}

static void set_full(struct ptl_backlogs *all, struct ptl_backlog *backlog, bool full)
{
    backlog->full = full;
    if (all->tell != NULL) {
        all->tell(all->owner, backlog, full);
    }
}

/* Some has come or left: `size` and `large` were what it held.  The node port is never full: what
 * is for that weighs on the link as a whole. */
static void account(struct ptl_backlogs *all, struct ptl_backlog *backlog, size_t size,
                    size_t large)
{
    all->size += backlog->size - size;
    if (backlog->number == NODE_PORT) {
        return;
    }
    all->unweighed += unweighed_of(backlog->large) - unweighed_of(large);
    if (!backlog->full && backlog->size > all->flow_room) {
        set_full(all, backlog, true);
    } else if (backlog->full && backlog->size <= all->flow_room / 2) {
        set_full(all, backlog, false);
    }
}

/* ---- Coming -------------------------------------------------------------------------------- */

int ptl_backlogs_put(struct ptl_backlogs *all, struct ptl_backlog *backlog,
                     const struct ptl_backlog_frame *frame)
{
    size_t size = backlog->size, large = backlog->large;
    int err = ptl_backlog_put(backlog, all->allocator, frame);

    if (err == PTL_OK) {
        all->messages += frame->is_message;
        account(all, backlog, size, large);
        if (size == 0) {
            ptl_turns_add(&all->turns, &backlog->turn);
        }
    }
    return err;
}

bool ptl_backlogs_message(struct ptl_backlogs *all, struct ptl_backlog *backlog,
                          struct ptl_span head, struct ptl_span body)
{
    size_t size = backlog->size;

    if (size == 0 || !ptl_backlog_message(backlog, head, body)) {
        return false;
    }
    all->messages++;
    account(all, backlog, size, backlog->large);
    return true;
}

/* ---- Leaving ------------------------------------------------------------------------------- */

/*
 * Whether one more message of that size may be in the making at the receiver: one of any size; of
 * several as many as the largest one is, and some smaller ones beside.  The receiver bears twice
 * the largest one of a connection, but also minds what all of them hold.
 */
static bool may_begin(const struct ptl_backlogs *all, uint64_t bytes)
{
    uint64_t most = all->making_max;

    if (bytes <= most / SMALLER_PART) {
        most += most / SMALLER_SHARE;
    }
    return all->making == 0 || (all->making <= most && bytes <= most - all->making);
}

/* Something has left wholly: some of those that were parked may have a turn, and see. */
static void unpark(struct ptl_backlogs *all)
{
    for (unsigned i = 0; i < UNPARKED_MAX && !ptl_list_empty(&all->parked); i++) {
        struct ptl_backlog *backlog = backlog_at(all->parked.next);
        ptl_list_remove(&backlog->turn.listed);
        ptl_turns_add(&all->turns, &backlog->turn);
    }
}

static void park(struct ptl_backlogs *all, struct ptl_backlog *backlog)
{
    ptl_turns_leave(&backlog->turn);
    ptl_list_append(&all->parked, &backlog->turn.listed);
}

/* A few frames of the flow whose turn it is. */
static int take_some(struct ptl_backlogs *all, struct ptl_backlog *backlog,
                     struct ptl_outbox *outbox, uint32_t *current, size_t bytes_max)
{
    size_t size = backlog->size, large = backlog->large;
    size_t begins = ptl_backlog_begins(backlog);
    struct ptl_backlog_step step;
    int err = ptl_backlog_take(backlog, outbox, current, bytes_max, &step);

    if (err < 0) {
        return err;
    }
    ptl_outbox_add_messages(outbox, step.messages);
    all->messages -= step.messages;
    all->making += begins;
    account(all, backlog, size, large);
    ptl_turns_sent(&all->turns, &backlog->turn, step.bytes, backlog->size != 0);
    if (step.whole_size != 0) {
        all->making -= step.whole_size;
        unpark(all);
    }
    return PTL_OK;
}

int ptl_backlogs_take(struct ptl_backlogs *all, struct ptl_outbox *outbox, uint32_t *current,
                      size_t ahead)
{
    struct ptl_turn *turn;
    size_t left;
    int err = PTL_OK;

    while (err == PTL_OK && outbox->size < ahead &&
           (turn = ptl_turns_first(&all->turns, &left)) != NULL) {
        struct ptl_backlog *backlog = backlog_of(turn);
        size_t begins = ptl_backlog_begins(backlog);
        if (begins != 0 && !may_begin(all, begins)) {
            park(all, backlog);
        } else {
            size_t room = ahead - outbox->size;
            err = take_some(all, backlog, outbox, current, left < room ? left : room);
        }
    }
    /* Whoever is parked waits for something that has its turns. */
    ptl_assert(err < 0 || all->size == 0 || outbox->size >= ahead);
    return err;
}
