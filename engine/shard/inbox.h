/*
 * engine/shard/inbox.h - the way into a shard for everybody who is not one: many producers, one
 * consumer.
 *
 * Producers push records onto a stack with one compare-and-swap; the shard takes the whole stack
 * and turns it round, so each producer's records stay in order.  Nobody waits for anybody.
 */
#pragma once

#include "engine/shard/op.h"

#include <stdatomic.h>

struct ptl_inbox {
    _Atomic(struct ptl_parcel *) top;
    _Atomic uint64_t weight; /* bytes under way, as ptl_parcel_weight() counts them */
};

/* Push one record; from now on the shard's.  Thread: any. */
void ptl_inbox_push(struct ptl_inbox *inbox, struct ptl_parcel *record);

/* All records that are there, in the order pushed, as a list.  Thread: the shard's. */
struct ptl_parcel *ptl_inbox_take(struct ptl_inbox *inbox);

/* Whether there is nothing to take. */
bool ptl_inbox_empty(const struct ptl_inbox *inbox);
