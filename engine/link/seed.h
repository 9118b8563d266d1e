/*
 * engine/link/seed.h - the addresses that a node joins the network by: tried again and again.
 *
 *   WAITING --it is time--> TRYING --a proved connection--> LINKED
 *      ^                      |  '--it is us--> SELF           |
 *      '----- shard 0 ----- LOST <------- the link fails ------'
 *
 * A seed that is the name of a host or a service is resolved for each attempt, and all of its
 * addresses are tried.  It may lead to us among others, or to us alone until others come: it is
 * lost then, not SELF.
 * Who connects to us may turn out to be behind a seed, whatever its state.
 * A seed that the program no longer names keeps its place and its link, and is not tried any more,
 * until it is named again: so whoever refers to a place always means the same seed.
 * Seeds are kept by shard 0; the shard that owns the node behind one says when it is linked, and
 * when that link is lost.  Spec: AEMP protocol 6.
 */
#pragma once

#include "engine/portolan.h"

#include <stdatomic.h>

struct ptl_dial;
struct ptl_node;
struct ptl_shard;

#define PTL_SEEDS_MAX 64 /* in the life of a node: one bit each */

enum ptl_seed_state {
    PTL_SEED_WAITING, /* for its next attempt */
    PTL_SEED_TRYING,
    PTL_SEED_LINKED, /* to the node behind it */
    PTL_SEED_LOST,   /* the last attempt, or the link; shard 0 will find a time for the next */
    PTL_SEED_SELF,   /* the address is this node's: never tried again */
};

struct ptl_seed {
    char *host_port;         /* constant */
    bool is_name;            /* constant: where it leads may change */
    _Atomic bool wanted;     /* the program names it */
    bool was_wanted;         /* when shard 0 looked last */
    _Atomic uint8_t state;   /* enum ptl_seed_state; written by other shards, too */
    _Atomic bool settled;    /* it was reached or not, at least once */
    _Atomic uint64_t led_to; /* the hash of the node that has been proved to be there; 0: none */
    _Atomic int lost_err;    /* why the last attempt failed */
    _Atomic bool is_own;     /* it led to this node alone */
    _Atomic unsigned turn;   /* of its addresses the one to begin with, modulo their number */
    struct ptl_dial *dial;
    int told_err;        /* what the operator knows of that; PTL_OK: nothing, or it is linked */
    bool told_alone;     /* and that no other seed could be joined either */
    uint64_t told_at;    /* ns */
    uint64_t next_at;    /* ns */
    uint64_t backoff_ns; /* until the attempt after the next */
    _Atomic uint64_t
        linked_at; /* ns: since when it is linked, or was; 0: not since the last loss */
};

/*
 * Keep a copy of the node's seeds, at most PTL_SEEDS_MAX (`seeds` ends with NULL, or is NULL), and
 * free it.  Errors: PTL_ENOMEM: what was made is to be freed too.
 */
PTL_MUST_CHECK int ptl_seeds_init(struct ptl_node *node, const char *const *seeds);
void ptl_seeds_drop(struct ptl_node *node);

/*
 * Others are the node's seeds from now on.  Errors: PTL_ELIMIT (there have been more than
 * PTL_SEEDS_MAX of them), PTL_ENOMEM: they are those before, then.  Thread: any.
 */
PTL_MUST_CHECK int ptl_seeds_set(struct ptl_node *node, const char *const *seeds);

/* Say what became of a seed; `hash` is that of the node that was proved to be behind it.  Thread:
 * any shard of the node. */
void ptl_seed_linked(struct ptl_shard *from, int seed, uint64_t hash);
/* What it led to could not be joined, for `err`, or (PTL_OK) its link is lost. */
void ptl_seed_lost(struct ptl_node *node, int seed, int err, struct ptl_shard *from);

/* Whether the node of this hash has been proved to be behind the seed, the last time that one was.
 * Thread: any shard of the node. */
bool ptl_seed_has_led_to(const struct ptl_node *node, int seed, uint64_t hash);

/* Whether some seed has not been tried yet.  Thread: any shard of the node. */
bool ptl_seeds_unsettled(const struct ptl_node *node);

/* Shard 0: start what is due.  Returns when to look again. */
uint64_t ptl_seeds_tick(struct ptl_shard *shard, uint64_t now);
