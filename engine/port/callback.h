/*
 * engine/port/callback.h - how the program's code is called: as a port or as nobody, and timed.
 *
 *   begin --> the program's function --> end     what it returned: done, later, or its port dies
 *
 * A port's handlers are called by port.c in the same way, written out for speed.
 * Thread: the shard's.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#include <stdbool.h>

struct ptl_shard;
struct ptl_slot;

/* One call under way, on the caller's stack. */
struct ptl_callback {
    struct ptl_slot *slot;  /* the port it is made for, or NULL */
    struct ptl_slot *outer; /* whose code runs around it, or NULL */
    uint32_t index;         /* of `slot`, which may have another, or none, when it has died */
    uint32_t generation;    /* of `slot` */
    uint64_t since;         /* ns, coarse */
};

/* The program's code is about to run as `slot`; NULL: outside of ports. */
void ptl_callback_begin(struct ptl_shard *shard, struct ptl_callback *callback,
                        struct ptl_slot *slot);

/*
 * It has returned, nothing that could be looked at.  `kind` ("a timer") and `about` (may be empty)
 * say in the log what took long.
 */
void ptl_callback_end(struct ptl_shard *shard, const struct ptl_callback *callback,
                      const char *kind, struct ptl_span about);

/*
 * The same for one that says how it fared.  Returns whether it is done: false for PTL_LATER.  When
 * it has failed, its port is dead now; outside of ports a line says so.
 */
PTL_MUST_CHECK bool ptl_callback_done(struct ptl_shard *shard, const struct ptl_callback *callback,
                                      const char *kind, struct ptl_span about, int result);

/*
 * Handlers of `slot`, or the program's code outside of ports (NULL), have taken so many ns since
 * what ran before them ended.  Index and generation are those that `slot` had when they began.
 */
PTL_APART void ptl_callback_log_slow(struct ptl_shard *shard, const struct ptl_slot *slot,
                                     uint32_t index, uint32_t generation, uint64_t took,
                                     const char *kind, struct ptl_span about);
