/*
 * engine/port/pending.h - the notices of failed links that wait in a port's queue, by their
 * targets.
 *
 *   port's map --hash of target--> notice --same--> notice --same--> ...   in the queue's order
 *
 * What a port issues for a target of which such a notice waits is of before that failure (G2): each
 * send looks, and finds the first of them in one step.  Thread: the shard's.
 */
#pragma once

#include "engine/shard/map.h"

struct ptl_monitoring;
struct ptl_port;
struct ptl_slot;

/*
 * Have memory for its notice, now that it is being set: when its target's link has failed there may
 * be none.  Errors: PTL_ENOMEM.  And it is not set, or about to be freed.
 */
PTL_MUST_CHECK int ptl_pending_reserve(struct ptl_monitoring *monitoring);
void ptl_pending_unreserve(struct ptl_monitoring *monitoring);

/* Its notice waits at its port, behind all others. */
void ptl_pending_add(struct ptl_monitoring *monitoring);

/* It waits no longer, or was taken back; if it waited. */
void ptl_pending_remove(struct ptl_monitoring *monitoring);

/* The first notice of this target that waits, or NULL. */
const struct ptl_monitoring *ptl_pending_find(const struct ptl_map *pending,
                                              const struct ptl_port *target);

/* The failure's number that makes what this port issues for `target` stale, or UINT64_MAX. */
uint64_t ptl_port_pending_failure(const struct ptl_slot *slot, const struct ptl_port *target);
