/*
 * engine/link/dial.h - one attempt to reach one HOST:PORT, or of a seed one service: resolve it,
 * try its addresses in turn.
 *
 * Thread: that of its shard.
 */
#pragma once

#include "engine/portolan.h"
#include "io/loop.h"

struct ptl_connection;
struct ptl_link;
struct ptl_shard;

/* Each numeric address gets so long before the next is tried. */
#define PTL_DIAL_STEP_NS UINT64_C(1000000000)

/* Who wants an attempt. */
struct ptl_dial_owner {
    struct ptl_link *link; /* NULL: none, or nobody wants it any more */
    int seed;              /* or -1: a service (io/address.h) is only ever a seed */
    unsigned turn;         /* of its addresses the first to be tried, modulo their number */
    struct ptl_dial **at;  /* where it keeps the attempt: NULL is put there when that is over */
    /* It has led nowhere, for `err`, and is gone: told to the link or the seed. */
    void (*failed)(struct ptl_shard *shard, struct ptl_link *link, int seed, int err);
};

struct ptl_dial {
    struct ptl_dial *next, **link_; /* on the shard's list */
    struct ptl_shard *shard;
    struct ptl_dial_owner owner;
    bool resolving;
    bool abandoned; /* freed when the resolver has answered */
    unsigned count, tried;
    int err; /* why it leads nowhere so far; that it led to ourselves only where that is all */
    uint64_t step_at; /* ns: try the next address */
    struct ptl_address addresses[PTL_RESOLVE_MAX];
    struct ptl_connection *connection; /* the one under way */
    char host_port[PTL_ADDRESS_TEXT_MAX + 200];
};

/*
 * Begin.  The owner is told of failure; a connection that gets through goes its own way.
 * Errors: PTL_ENOMEM, PTL_EADDRESS.
 */
PTL_MUST_CHECK int ptl_dial_start(struct ptl_shard *shard, const char *host_port, size_t size,
                                  const struct ptl_dial_owner *owner);

/* The loop has an answer: a hook. */
void ptl_dial_resolved(struct ptl_dial *dial, int err, const struct ptl_address addresses[],
                       unsigned count);

/* The connection of this attempt has failed, or led to another node. */
void ptl_dial_failed(struct ptl_dial *dial, int err);

/* It has greeted: the attempt is over, the connection lives on. */
void ptl_dial_reached(struct ptl_dial *dial);

/* Nobody is interested any more.  Its connection, if any, is closed. */
void ptl_dial_abandon(struct ptl_dial *dial);

/* Look at the time.  Returns when to look again. */
uint64_t ptl_dials_tick(struct ptl_shard *shard, uint64_t now);

/* Free all that is left, when the loop is gone. */
void ptl_dials_drop(struct ptl_shard *shard);
