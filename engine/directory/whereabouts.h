/*
 * engine/directory/whereabouts.h - where others reach this node, as 'l says it; looked up again and
 * again.
 *
 *   shard 0, every 5 s --+--> look at the interfaces --changed--> ADDRESSES, to the shard of 'l
 *   a link comes up -----+
 *
 * What a node announces is what the program says, or what it listens on.  Only a node that listens
 * on an address that stands for all (0.0.0.0, ::) has to look, since interfaces come and go.
 *
 * A loopback address leads everybody to themselves.  It is announced where we listen on just that;
 * or while this machine has no other address and no link has led to another machine: then all who
 * may read it are here.
 */
#pragma once

#include "io/buffer.h"
#include "io/loop.h"

#include <pthread.h>
#include <stdatomic.h>

struct ptl_node;
struct ptl_shard;

/* Touched by whereabouts.c only. */
struct ptl_whereabouts {
    _Atomic bool vary;      /* we listen on an address that stands for all */
    uint64_t look_at;       /* ns; shard 0's */
    pthread_mutex_t lock;   /* guards what follows, also while somebody looks */
    struct ptl_buffer said; /* an array, as it stands in 'l; empty: nobody has looked yet */
    struct ptl_buffer seen; /* where the next one is made */
    uint64_t number;        /* of changes of `said` */
    uint64_t looked_at;     /* ns */
    bool met_others;        /* a link has led to another machine */
};

void ptl_whereabouts_init(struct ptl_node *node);
void ptl_whereabouts_drop(struct ptl_node *node);

/* We listen on this address.  Thread: any shard's, before the first turn. */
void ptl_whereabouts_listen(struct ptl_node *node, const struct ptl_address *address);

/*
 * Append our addresses, as they stand in 'l: an array.  Returns the number of their last change, or
 * 0: then `out->err` is set.  Thread: any shard's.
 */
uint64_t ptl_whereabouts_put(struct ptl_shard *shard, struct ptl_buffer *out);

/* A link to whoever is at `peer` is up, and has been told nothing yet.  Thread: its owner's. */
void ptl_whereabouts_link_up(struct ptl_shard *shard, const struct ptl_address *peer);

/* Look when it is time: a step of the turn.  Returns when it is due again. */
uint64_t ptl_whereabouts_work(struct ptl_shard *shard);
