/*
 * engine/port/after.h - what the program wants to happen later: a call of its own, or a message.
 *
 *   ptl_after() --> heap --its time--> called; PTL_LATER: once more in a millisecond
 *   ptl_after_send() --> heap --its time--> sent; no room: waits in line (engine/port/after_jam.h)
 *
 * What a port has made ends with it.  Thread: the shard's, unless it says otherwise.
 */
#pragma once

#include "engine/port/after_jam.h"
#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/id_tree.h"
#include "engine/shard/map.h"
#include "engine/shard/timer.h"
#include "engine/shard/untold.h"

struct ptl_shard;
struct ptl_slot;

/* One of them.  Owned by the shard, once it has been added. */
struct ptl_after {
    struct ptl_timing timing; /* `due` is at first the delay, until a shard knows its time */
    struct ptl_belonging belonging;
    struct ptl_slot *owner; /* NULL: made outside of ports */
    uint32_t generation;    /* of its owner */
    ptl_timer_fn *tell;     /* or, when NULL, a message: */
    void *data;
    ptl_release_fn *release;         /* of `data`, or NULL */
    bool firing;                     /* it stays where it is until that is over */
    bool ended;                      /* meanwhile: taken back, or its port is gone */
    struct ptl_list accepted;        /* among those that could not be added yet ... */
    struct ptl_id_place accepted_id; /* ... where it is found by its ID */
    struct ptl_after_jam_place jam;  /* of a message for which there is no room */
    struct ptl_untold untold;        /* of the first in line for its target: waits for room */
    struct ptl_port to;
    struct ptl_msg *msg; /* counted by ptl_keep() at the shard it was added to */
};

struct ptl_afters {
    struct ptl_map by_id;              /* all that stand in the heap or in line */
    struct ptl_after_jams jams;        /* messages whose time has come, without room */
    struct ptl_list accepted;          /* those for which there is no memory yet, in order ... */
    struct ptl_id_place *accepted_ids; /* ... and by ID */
    uint64_t retry_at;                 /* ns: when these are tried again */
};

void ptl_afters_init(struct ptl_afters *afters, const struct ptl_allocator *allocator);

/* Add one whose `due` is set.  Errors: PTL_ENOMEM (it stays the caller's). */
PTL_MUST_CHECK int ptl_after_add(struct ptl_shard *shard, struct ptl_after *after);

/*
 * One of a thread has arrived; its `due` is the delay still.  The thread has been told that it is
 * accepted: without memory it is added later.
 */
void ptl_after_take(struct ptl_shard *shard, struct ptl_after *after);

/* Take one back by its ID, if it is there. */
void ptl_after_cancel(struct ptl_shard *shard, uint64_t id);

/* A step: what a thread has made and found no memory, a slice of it when it is time. */
uint64_t ptl_afters_retry(struct ptl_shard *shard);

/* When that is, or UINT64_MAX. */
uint64_t ptl_afters_retry_due(const struct ptl_shard *shard);

/* Free all, firing none. */
void ptl_afters_drop(struct ptl_shard *shard);

/* Free one that was never added, or is not any more, and release its data.  Thread: any. */
void ptl_after_free(struct ptl_shard *shard, struct ptl_after *after);
