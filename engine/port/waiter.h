/*
 * engine/port/waiter.h - whoever waits for room, in a list; how they are told is in
 * engine/port/room.h.
 */
#pragma once

#include "engine/port/bottleneck.h"
#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/list.h"

struct ptl_connection;
struct ptl_shard;
struct ptl_slot;

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

/* Wait.  *known_at is set until it is told or freed.  Owns: the shard. */
void ptl_waiters_add(struct ptl_shard *shard, struct ptl_waiter *waiter);

/* Free one that does not wait (any more), and release its data; *known_at becomes NULL. */
void ptl_waiter_free(struct ptl_shard *shard, struct ptl_waiter *waiter);

/* Whoever keeps a pointer to it has none any more. */
void ptl_waiter_be_unknown(struct ptl_waiter *waiter);
