/*
 * engine/link/refusals.h - connections that come to nothing since one of the two refuses the other:
 * which of that the operator is told of.
 *
 *   a seed              by its own line: seed.c
 *   whom we dial        one line a minute and address
 *   who comes to us     one line a minute and source, and few of all sources together: anybody may
 *
 * Who comes and goes, or loses its connection, has refused nothing and was not refused.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

#define PTL_REFUSALS_MAX 256         /* that are remembered; the least recent makes room */
#define PTL_REFUSALS_TOLD_DIALLED 64 /* lines a minute of all whom we dial */
#define PTL_REFUSALS_TOLD_COME 10    /* and of all who come to us, before they are proved */

/* What was refused from one address.  At last_at 0 it is free. */
struct ptl_refusal {
    uint64_t key;
    uint64_t told_at; /* ns; 0: never */
    uint64_t last_at;
    uint64_t untold; /* since it was told of */
};

/* Only refusals.c touches the fields. */
struct ptl_refusals {
    struct ptl_refusal of[PTL_REFUSALS_MAX];
    uint64_t minute_at; /* ns: when the minute began in which `told` were told of */
    unsigned told;
    uint64_t untold; /* of addresses that are not remembered any more */
};

/* How many were not told of since the last line: what a line says beside itself. */
struct ptl_refusals_more {
    uint64_t same;   /* from this address */
    uint64_t others; /* from addresses that are not remembered any more */
};

/* Whether that is an error of what two nodes say to each other before they are linked: it comes
 * back with each attempt, until somebody changes something. */
bool ptl_refusal_is(int err);

/*
 * Count one from whom `key` stands for.  True: the operator is to be told of it, and of `more`,
 * which then is told.  `told_max`: lines a minute, of all addresses together.
 * Thread: one at a time.
 */
bool ptl_refusals_take(struct ptl_refusals *refusals, uint64_t key, unsigned told_max, uint64_t now,
                       struct ptl_refusals_more *more);

/* The same for the address of one that we dial.  Thread: any. */
bool ptl_refusal_is_news(struct ptl_node *node, struct ptl_span address, uint64_t now);

/* The same for the source (ptl_address_source()) of one that came to us.  Thread: any. */
bool ptl_refusal_of_stranger_is_news(struct ptl_node *node, uint64_t source, uint64_t now,
                                     struct ptl_refusals_more *more);
