/*
 * engine/port/room.h - those who wait until there is room where they found none.
 *
 * Three kinds wait: a port whose handler said PTL_LATER, a callback of ptl_on_room(), and a
 * connection whose next packet has no room.  First come, first told.
 */
#pragma once

#include "engine/port/waiter.h"

struct ptl_shard;
struct ptl_slot;

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

/* One of a thread has arrived.  Owns: the shard. */
void ptl_waiters_take(struct ptl_shard *shard, struct ptl_waiter *waiter);

/* Whether a ring that somebody waits for has room since. */
bool ptl_waiters_have_news(const struct ptl_shard *shard);

/* A step: look who may go on, a slice of them. */
uint64_t ptl_waiters_look(struct ptl_shard *shard);

/* Whether somebody may, or is still to be looked at. */
bool ptl_waiters_may_go_on(const struct ptl_shard *shard);

/* Tell everybody: the node stops.  And free all. */
void ptl_waiters_drop(struct ptl_shard *shard, bool tell);

/* As ptl_on_room_owned(), for room wherever something found none. */
PTL_MUST_CHECK int ptl_on_room_at(struct ptl_node *node, const struct ptl_bottleneck *at,
                                  ptl_room_fn *tell, void *data, ptl_release_fn *release);
