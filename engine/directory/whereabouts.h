/*
 * engine/directory/whereabouts.h - where others reach this node, as 'l says it; looked up again and
 * again.
 *
 *   shard 0, every 5 s --+--> look at the interfaces --changed--> ADDRESSES, to the shard of 'l
 *   a link comes up -----+
 *   the program says others, at once --> the same
 *
 * What a node announces is what the program says, or what it listens on.  Only a node that listens
 * on an address that stands for all (0.0.0.0, ::) has to look, since interfaces come and go.
 *
 * A loopback address leads everybody to themselves.  It is announced where we listen on just that;
 * or while this machine has no other address and no link has led to another machine: then all who
 * may read it are here.
 */
#pragma once

#include "engine/portolan.h"
#include "io/address.h"
#include "io/buffer.h"
#include "io/loop.h"

#include <pthread.h>
#include <stdatomic.h>

struct ptl_shard;

/* Only whereabouts.c touches the fields. */
struct ptl_whereabouts {
    struct ptl_address *binds; /* that we listen on; constant once the node is open */
    unsigned bind_count;
    _Atomic unsigned announce_count;
    _Atomic bool any;       /* we listen on an address that stands for all */
    _Atomic bool is_new;    /* the program says others: shard 0 looks at once */
    uint64_t look_at;       /* ns; shard 0's */
    pthread_mutex_t lock;   /* guards what follows, also while somebody looks */
    char **announces;       /* what the program says */
    struct ptl_buffer said; /* an array, as it stands in 'l; empty: nobody has looked yet */
    struct ptl_buffer seen; /* where the next one is made */
    uint64_t number;        /* of changes of `said` */
    uint64_t looked_at;     /* ns */
    bool met_others;        /* a link has led to another machine */
};

/* Errors: PTL_ENOMEM: what was made is to be freed too. */
PTL_MUST_CHECK int ptl_whereabouts_init(struct ptl_node *node,
                                        const struct ptl_node_options *options);
void ptl_whereabouts_drop(struct ptl_node *node);

/*
 * Others are announced from now on (NULL or none: where we listen).  Shard 0 is to be woken.
 * Errors: PTL_ENOMEM: they are as before, then.  Thread: any.
 */
PTL_MUST_CHECK int ptl_whereabouts_announce(struct ptl_node *node, const char *const *announces);

/* We listen on this one of options.binds.  Thread: any shard's, before the first turn. */
void ptl_whereabouts_listen(struct ptl_node *node, unsigned index,
                            const struct ptl_address *address);

/* Whether others are to find this node: it is told to listen somewhere.  Thread: any. */
bool ptl_is_to_be_found(const struct ptl_node *node);

/*
 * Append our addresses, as they stand in 'l: an array.  Returns the number of their last change, or
 * 0: then `out->err` is set.  Thread: any shard's.
 */
uint64_t ptl_whereabouts_put(struct ptl_shard *shard, struct ptl_buffer *out);

/* A link to whoever is at `peer` is up, and has been told nothing yet.  Thread: its owner's. */
void ptl_whereabouts_link_up(struct ptl_shard *shard, const struct ptl_address *peer);

/* Look when it is time: a step of the turn.  Returns when it is due again. */
uint64_t ptl_whereabouts_work(struct ptl_shard *shard);
