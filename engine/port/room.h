/*
 * engine/port/room.h - those who wait until there is room where they found none.
 *
 * Three kinds wait: a port whose handler said PTL_LATER, a callback of ptl_on_room(), and a
 * connection whose next packet has no room.  First come, first told.
 */
#pragma once

#include "engine/port/bottleneck.h"
#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/list.h"

struct ptl_shard;
struct ptl_slot;
struct ptl_connection;

enum ptl_waiter_kind { PTL_WAITER_PORT, PTL_WAITER_CALLBACK, PTL_WAITER_CONNECTION };

struct ptl_waiter {
    struct ptl_belonging belonging;
    struct ptl_list listed;
    uint8_t kind;
    bool outside; /* the callback of a program's thread: it waits for the inbox too */
    bool ended;   /* the port it belonged to is gone: freed at the next look */
    struct ptl_bottleneck at;
    struct ptl_slot *slot;             /* port: the waiting one; callback: its owner or NULL */
    uint32_t generation;               /* of that port */
    struct ptl_connection *connection; /* whose next packet waits */
    struct ptl_waiter **known_at;      /* where whoever waits keeps a pointer to this, or NULL */
    ptl_room_fn *tell;
    void *data;
    ptl_release_fn *release; /* of `data`, or NULL */
};

struct ptl_waiters {
    struct ptl_list waiting; /* the first come first */
    struct ptl_list looked;  /* those before them, looked at since there was news */
    uint64_t rings;          /* a bit a ring that somebody waits for */
    bool news;               /* something has room now: look again */
    bool telling;            /* one of them is being told */
};

void ptl_waiters_init(struct ptl_waiters *waiters);

/* Whether there are any. */
static inline bool ptl_waiters_any(const struct ptl_waiters *waiters)
{
    return !ptl_list_empty(&waiters->waiting) || !ptl_list_empty(&waiters->looked);
}

/*
 * Whether what has just come for this shard has to wait behind others: they wait for the ring to
 * it, and none of them is being told right now.
 */
static inline bool ptl_waiters_first(const struct ptl_waiters *waiters, unsigned shard)
{
    return (waiters->rings >> shard & 1) != 0 && !waiters->telling;
}

/* Wait.  *known_at is set until it is told or freed.  Owns: the shard. */
void ptl_waiters_add(struct ptl_shard *shard, struct ptl_waiter *waiter);

/* One of a thread has arrived.  Owns: the shard. */
void ptl_waiters_take(struct ptl_shard *shard, struct ptl_waiter *waiter);

/* Free one that does not wait (any more), and release its data; *known_at becomes NULL. */
void ptl_waiter_free(struct ptl_shard *shard, struct ptl_waiter *waiter);

/* Whether a ring that somebody waits for has room since. */
bool ptl_waiters_have_news(const struct ptl_shard *shard);

/* Look who may go on. */
void ptl_waiters_look(struct ptl_shard *shard);

/* Tell everybody: the node stops.  And free all. */
void ptl_waiters_drop(struct ptl_shard *shard, bool tell);

/* As ptl_on_room_owned(), for room wherever something found none. */
PTL_MUST_CHECK int ptl_on_room_at(struct ptl_node *node, const struct ptl_bottleneck *at,
                                  ptl_room_fn *tell, void *data, ptl_release_fn *release);

/* Whether a message from this shard to `to` would find room now; `ample`: and some more behind. */
bool ptl_room_for(struct ptl_shard *shard, const struct ptl_port *to, bool ample);
