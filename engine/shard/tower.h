/*
 * engine/shard/tower.h - what the rooms above hand to the shards when a node is put together.
 *
 *   engine/node/tower.c --struct ptl_tower--> shard --calls--> ports, links, database
 *
 * A shard runs the turn, reads rings and inbox and knows whose operation is whose by its kind only.
 * What there is to do with it, what a turn consists of, and what a shard is made of besides, stand
 * in this table: no room calls one above it by name.
 * The table is constant, and one for all shards of a node.  All functions run on the shard's thread
 * unless they say otherwise.
 */
#pragma once

#include "engine/shard/op.h"
#include "io/loop.h"

#include <stdbool.h>

struct ptl_shard;

/* What is done with operations of one kind. */
struct ptl_op_taker {
    /* One has arrived at its shard.  `msg`: its body, which is gone after the call. */
    void (*take)(struct ptl_shard *shard, const struct ptl_op *op, const struct ptl_msg *msg);
    /* It will not be taken: free what it points to; NULL: it owns nothing.  Thread: any. */
    void (*drop)(struct ptl_shard *shard, const struct ptl_op *op);
    bool embedded; /* its record lies in what it points to, and is freed along with that */
};

/*
 * One step of the turn.  Returns when it is due again, in ns: 0 at once, since it has left
 * something undone; UINT64_MAX not by itself.
 */
typedef uint64_t ptl_step_fn(struct ptl_shard *shard);

/* What one room adds to a shard's life; NULL where it adds nothing. */
struct ptl_part {
    /* Thread: the one that makes the node.  What has been made is dropped on an error, too. */
    int (*init)(struct ptl_shard *shard);
    int (*open)(struct ptl_shard *shard);    /* the loop is there */
    void (*unopen)(struct ptl_shard *shard); /* the loop is gone again, before the first turn */
    void (*close)(struct ptl_shard *shard);  /* while the loop is there: free, tell nobody */
    void (*closed)(struct ptl_shard *shard); /* the loop is gone: free what it referred to */
    void (*drop)(struct ptl_shard *shard);   /* undo init.  Thread: any, all others have ended */

    /* All that was accepted has been delivered, as far as this room goes. */
    bool (*quiet)(struct ptl_shard *shard);
    /* Others have told this room something by a flag: the shard must not go to sleep. */
    bool (*news)(const struct ptl_shard *shard);
};

struct ptl_tower {
    struct ptl_op_taker ops[PTL_OP_KINDS];

    /* The short cut for what nearly all operations are: a small message for a port here. */
    void (*message)(struct ptl_shard *shard, uint32_t slot, uint32_t generation,
                    const struct ptl_msg *msg);
    /* Which slot a port has by its name, whose key is that (name.h).  False: there is none. */
    bool (*find)(struct ptl_shard *shard, struct ptl_span name, uint32_t key, uint32_t *slot,
                 uint32_t *generation);
    /* So many of them in a row, all for one port, took so many ns: too long.  `msg`: the last. */
    void (*slow)(struct ptl_shard *shard, uint32_t slot, uint32_t generation, uint32_t count,
                 uint64_t took, const struct ptl_msg *msg);

    /* The turn after the loop has been polled, in this order.  Ends with NULL. */
    ptl_step_fn *const *turn;

    /* Write what there is of everything to the shard's gauges (counts.h). */
    void (*measure)(struct ptl_shard *shard);

    /* The lowest room first: they open in this order and close in the opposite one. */
    const struct ptl_part *const *parts;
    unsigned part_count;

    /* What the loop tells, after the time has been read. */
    void (*accepted)(struct ptl_shard *shard, struct ptl_stream *stream,
                     const struct ptl_address *peer);
    void (*resolved)(struct ptl_shard *shard, void *request, int err,
                     const struct ptl_address addresses[], unsigned count);
    void (*starved)(struct ptl_shard *shard);
};
