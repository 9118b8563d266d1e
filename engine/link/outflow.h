/*
 * engine/link/outflow.h - the flows that we have opened on a connection: which port has which
 * number.
 *
 *   name --find--> flow --its number--> frames        none: take a number, add, OPEN
 *
 * At most as many as the peer allows.  Which of them are idle is found by a hand that goes round
 * all numbers: a flow that was not used since it came by last time, and of which nothing waits, may
 * be closed.
 *
 * Thread: that of its connection.  Spec: docs/wire.md, "Flows".
 */
#pragma once

#include "engine/link/backlog.h"
#include "engine/shard/map.h"
#include "io/base.h"
#include "io/err.h"

/* What one node opens at most, however many the other allows. */
#define PTL_OUTFLOWS_MAX 4096

struct ptl_outflow {
    uint64_t hash;
    struct ptl_backlog backlog; /* what waits for its turn */
    uint32_t number;
    bool opened; /* the peer knows it */
    bool used;   /* since the hand came by */
    uint8_t name_size;
    char name[];
};

struct ptl_outflow_place {
    struct ptl_outflow *flow; /* NULL: the number is free */
    uint32_t next_free;
};

/* Only outflow.c touches the fields. */
struct ptl_outflows {
    const struct ptl_allocator *allocator;
    struct ptl_map by_name;
    struct ptl_outflow_place *places; /* by number; 0 is the node port's, and stands for none */
    uint32_t capacity;
    uint32_t number_max; /* numbers are below it */
    uint32_t top;        /* no number from here on was ever in use */
    uint32_t free_first; /* of the numbers below it */
    uint32_t count;
    uint32_t hand;
    struct ptl_outflow *last; /* the one that was asked for last */
};

void ptl_outflows_init(struct ptl_outflows *flows, const struct ptl_allocator *allocator,
                       uint64_t number_max);

/* As ptl_outflow_find(), of one that was not the last to be asked for. */
struct ptl_outflow *ptl_outflow_look_up(struct ptl_outflows *flows, struct ptl_span name);

/* The flow to this port, which counts as used; NULL: there is none. */
static inline struct ptl_outflow *ptl_outflow_find(struct ptl_outflows *flows, struct ptl_span name)
{
    struct ptl_outflow *flow = flows->last;

    /* Most messages go where the one before went. */
    if (flow == NULL || !ptl_span_same(ptl_span(flow->name, flow->name_size), name)) {
        return ptl_outflow_look_up(flows, name);
    }
    flow->used = true;
    return flow;
}

/* Whether all numbers are in use. */
bool ptl_outflows_are_all_used(const struct ptl_outflows *flows);

/* One more; there is a number left.  NULL: no memory. */
struct ptl_outflow *ptl_outflow_add(struct ptl_outflows *flows, struct ptl_span name);

/* The flow whose backlog that is, which is not the node port's. */
static inline struct ptl_outflow *ptl_outflow_of(struct ptl_backlog *backlog)
{
    return (struct ptl_outflow *)((char *)backlog - offsetof(struct ptl_outflow, backlog));
}

/*
 * Move the hand over up to `steps` numbers, to the next flow that is idle; NULL: it has met none,
 * or has come round.
 */
struct ptl_outflow *ptl_outflows_idle(struct ptl_outflows *flows, uint32_t steps);

/* Whether the hand is where its round begins. */
static inline bool ptl_outflows_round_begins(const struct ptl_outflows *flows)
{
    return flows->hand == 0;
}

/* It is closed: its number is free. */
void ptl_outflow_remove(struct ptl_outflows *flows, struct ptl_outflow *flow);

/* Forget all. */
void ptl_outflows_drop(struct ptl_outflows *flows);
