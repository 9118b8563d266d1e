/*
 * engine/port/port.h - the ports of one shard: slots, chosen names, what waits at each, how one
 * dies.
 *
 *   slot table    [ slot | slot | ... ]  64 bytes for an idle port; an index and a generation
 *                    |
 *                  more                  only for ports with a name, tags, a queue, observers
 *
 * A slot is taken by whoever makes the port, on any thread, under the table's lock; all else
 * happens on the shard's own thread.  Messages find a slot without the lock: by its index, or, from
 * the second one on, by the name among those that the shard has met.
 */
#pragma once

#include "engine/message/name.h"
#include "engine/port/fullness.h"
#include "engine/port/queue.h"
#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/list.h"
#include "engine/shard/map.h"
#include "engine/shard/op.h"

#include <pthread.h>
#include <stdatomic.h>

struct ptl_monitoring;
struct ptl_shard;
struct ptl_tag;

/* What only some ports need. */
struct ptl_port_more {
    struct ptl_slot *slot;
    char *name; /* chosen, heap, name_size bytes; NULL: node-made */
    uint64_t name_hash;
    uint32_t name_size;
    uint32_t tag_count, tag_capacity;
    struct ptl_tag *tags;
    struct ptl_belonging *belongings; /* the last one made comes first */
    struct ptl_map observers;         /* as ptl_observer_number() */
    struct ptl_queue queue;
    struct ptl_map pending;      /* notices of failed links, in the queue (pending.h) */
    uint32_t may_pend;           /* so many monitors may come to stand there */
    struct ptl_spawner *spawner; /* the other node that has made it, or NULL */
    bool doomed;                 /* a kill waits in the queue */
    bool waiting;                /* PTL_LATER: the first message is not tried */
    struct ptl_list listed;      /* of the shard's ports: ready, or held up by a failure, or dead */
    uint64_t retry_at;           /* ns; while it waits for time */
    struct ptl_list retrying;    /* of those that wait for time; dead, of the estates */
    ptl_release_fn *release;     /* of a dead one, when nothing else is left (estate.h) */
    void *release_data;
    char made_name[22];           /* of a node-made port: what shards were told is full */
    struct ptl_fullness fullness; /* who has been told that the queue is full */
    struct ptl_untold untold;     /* of a dead one, until all observers are told */
    struct ptl_msg *reason;       /* of death, as long */
};

enum ptl_slot_state { PTL_SLOT_FREE, PTL_SLOT_ALIVE };

/* Only engine/port/port.c and engine/port/port_table.c touch the fields. */
struct ptl_slot {
    uint32_t generation; /* of the port that lives here, or of the next one */
    uint32_t index;      /* its own; next_free while it is free */
    _Atomic uint8_t state;
    bool ignore_unhandled;
    ptl_handler_fn *handler;
    void *handler_data;
    ptl_release_fn *release;
    void *data; /* of `release` */
    struct ptl_port_more *more;
    uint64_t messages; /* that have come for this port */
};

#define PTL_SLOT_SEGMENT 1024 /* slots allocated at a time */

struct ptl_port_table {
    pthread_mutex_t lock; /* guards what makers on other threads touch: free slots and names */
    const struct ptl_allocator *allocator;
    _Atomic(struct ptl_slot *) *segments; /* an array of PTL_SLOTS_MAX / PTL_SLOT_SEGMENT */
    uint32_t slot_count;                  /* ever made */
    uint32_t free_first;                  /* index of a free slot, or UINT32_MAX */
    uint32_t alive;
    struct ptl_map names; /* struct ptl_slot by chosen name */
    struct ptl_map met;   /* of these, whoever the shard has found: its own, and under no lock */
};

/* Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_port_table_init(struct ptl_port_table *table,
                                       const struct ptl_allocator *allocator);

/* Free the table; all ports have been dropped. */
void ptl_port_table_drop(struct ptl_port_table *table);

/*
 * Take a slot and make it a port.  `name` empty: node-made.  Thread: any.
 * Errors: PTL_ENOMEM, PTL_ELIMIT, PTL_EEXIST, PTL_EINVAL (tags).  On success *slot and *generation
 * name it.
 */
PTL_MUST_CHECK int ptl_slot_take(struct ptl_port_table *table,
                                 const struct ptl_port_options *options, struct ptl_span name,
                                 uint32_t *slot, uint32_t *generation);

/* Give a slot back: its generation goes up, its name is free.  Thread: the shard's. */
void ptl_slot_give(struct ptl_port_table *table, struct ptl_slot *slot);

/* How many ports there are.  Thread: any. */
uint32_t ptl_port_table_alive(struct ptl_port_table *table);

/* The slot at an index, whatever its state, or NULL: there is none yet.  Thread: the shard's. */
static inline struct ptl_slot *ptl_slot_at(const struct ptl_port_table *table, uint32_t index)
{
    if (index >= PTL_SLOTS_MAX) {
        return NULL;
    }
    /* Segments are never moved or freed while the table lives: who has a slot needs no lock. */
    struct ptl_slot *segment =
        atomic_load_explicit(&table->segments[index / PTL_SLOT_SEGMENT], memory_order_acquire);
    return segment == NULL ? NULL : &segment[index % PTL_SLOT_SEGMENT];
}

/* The living port of this slot and generation, or NULL.  Thread: the shard's. */
static inline struct ptl_slot *ptl_slot_find(struct ptl_port_table *table, uint32_t index,
                                             uint32_t generation)
{
    struct ptl_slot *slot = ptl_slot_at(table, index);

    if (slot == NULL || atomic_load_explicit(&slot->state, memory_order_acquire) == PTL_SLOT_FREE) {
        return NULL;
    }
#ifdef PTL_PLANT_GENERATION
    return slot;
#else
    return slot->generation == generation ? slot : NULL;
#endif
}

/* Whether the port that lived here then lives still.  Thread: the shard's. */
static inline bool ptl_slot_lives(const struct ptl_slot *slot, uint32_t generation)
{
    return slot->generation == generation &&
           atomic_load_explicit(&slot->state, memory_order_relaxed) == PTL_SLOT_ALIVE;
}

/* Whether the port that made something has died since; `maker` NULL: no port has made it. */
static inline bool ptl_slot_died(const struct ptl_slot *maker, uint32_t generation)
{
    return maker != NULL && !ptl_slot_lives(maker, generation);
}

/* The living port of this chosen name, or NULL.  Thread: the shard's. */
struct ptl_slot *ptl_slot_named(struct ptl_port_table *table, struct ptl_span name);

/* The same where the name's key is known: nothing is hashed for a port that was found before. */
struct ptl_slot *ptl_slot_met(struct ptl_port_table *table, uint32_t key, struct ptl_span name);

/*
 * An op of a port's flow has come: run it, or let it wait behind what waits there already.
 * Thread: the shard's, outside of any handler.
 */
void ptl_port_take(struct ptl_shard *shard, const struct ptl_op *op);

/*
 * The same for a message, the short way: most ports have nothing waiting.  Whoever calls it looks
 * at the clock (struct ptl_tower), and tells when messages in a row took too long.
 */
void ptl_port_take_message(struct ptl_shard *shard, uint32_t index, uint32_t generation,
                           const struct ptl_msg *msg);
bool ptl_port_find(struct ptl_shard *shard, struct ptl_span name, uint32_t key, uint32_t *index,
                   uint32_t *generation);
void ptl_port_was_slow(struct ptl_shard *shard, uint32_t index, uint32_t generation, uint32_t count,
                       uint64_t took, const struct ptl_msg *msg);

/* A step: run what waits at ports that have room to go on, a slice of it. */
uint64_t ptl_ports_run(struct ptl_shard *shard);

/*
 * A monitor of this living port has fired: run it, or let it wait behind what waits there already.
 * `failure` not 0: that of a link, by its number; it waits in any case, and runs in a later call
 * when the shard has adopted that.  Needs no memory.  Owns: the port, until it has run.
 */
void ptl_port_notify(struct ptl_shard *shard, struct ptl_monitoring *monitoring,
                     const struct ptl_msg *reason, uint64_t failure);

/* A failure has been adopted: ports whose notice of it waited for that may go on. */
void ptl_ports_unblock(struct ptl_shard *shard);

/* The port may go on: its wait for room or time is over. */
void ptl_port_resume(struct ptl_shard *shard, struct ptl_slot *slot);

/* A step: resume the ports whose wait is over. */
uint64_t ptl_ports_retry(struct ptl_shard *shard);

/* When the next such wait is over, or UINT64_MAX. */
uint64_t ptl_ports_retry_due(const struct ptl_shard *shard);

/* The observation of this op cannot be kept for lack of memory: it is told so. */
void ptl_observer_refuse(struct ptl_shard *shard, const struct ptl_op *op);

/* An empty one, of no port yet.  NULL: no memory.  Thread: any. */
struct ptl_port_more *ptl_port_more_make(const struct ptl_allocator *allocator);

/* The port's `more`, made if need be; NULL when there is no memory. */
struct ptl_port_more *ptl_port_more(struct ptl_shard *shard, struct ptl_slot *slot);

/* Whether this port of the shard's has as much waiting as it may. */
bool ptl_port_is_full(struct ptl_shard *shard, const struct ptl_port *port);
