/*
 * engine/node/node.h - a node from the inside: what its shards share, and how tests step it.
 */
#pragma once

#include "engine/directory/whereabouts.h"
#include "engine/link/losses.h"
#include "engine/link/peer_limit.h"
#include "engine/link/seed.h"
#include "engine/message/name.h"
#include "engine/portolan.h"
#include "engine/shard/log.h"
#include "engine/shard/ring.h"
#include "engine/shard/shard.h"
#include "io/loop.h"

#include <pthread.h>
#include <stdatomic.h>

/* An init function that other nodes may spawn. */
struct ptl_function {
    char *name;
    ptl_handler_fn *init;
    void *data;
};

/* Where a node is known to listen. */
struct ptl_known {
    uint64_t hash;
    char *node_id;
    char *addresses; /* HOST:PORT,HOST:PORT */
    bool told;       /* by the program: what we find out ourselves does not replace it */
};

/* An address that we listen on; of shard index % shard_count. */
struct ptl_bind {
    char *wish;   /* HOST:PORT as configured */
    int resolved; /* 1: `address` is what `wish` means; < 0: it means nothing */
    struct ptl_address address;
    struct ptl_listener *listener;
};

/* How far a node has come with its end; every shard follows. */
enum ptl_stop_step {
    PTL_STOP_NOT,
    PTL_STOP_FLUSH,       /* new sends are refused, what was accepted is delivered */
    PTL_STOP_FLUSH_AGAIN, /* the same, to be sure that nobody was still busy */
    PTL_STOP_TELL,        /* monitors fire with node_stopped, links are closed */
    PTL_STOP_CLOSE,       /* shards close their loops */
};

struct ptl_node {
    struct ptl_identity self; /* first: ptl_identity_of() */
    const struct ptl_tower *tower;
    const struct ptl_port_outside *port_outside;
    const struct ptl_link_outside *link_outside;
    struct ptl_node_options options; /* defaults filled in; strings are ours */
    struct ptl_log_budget log;
    struct ptl_log_writer *log_writer; /* when the program gave no log of its own */
    const struct ptl_allocator *allocator;
    unsigned shard_count;
    struct ptl_shard *shards;
    struct ptl_ring *rings; /* from * shard_count + to */
    void *rings_block;      /* the rings lie in it, aligned */
    pthread_t *threads;

    _Atomic uint64_t last_id;     /* of monitors and timers */
    _Atomic unsigned next_shard;  /* for ports made by the program's threads */
    _Atomic unsigned stop_step;   /* enum ptl_stop_step */
    _Atomic uint64_t patience_ns; /* for flushing */
    _Atomic bool cut_short;       /* patience ended before all was flushed */

    _Atomic uint64_t starved_told_at; /* ns: that there are no descriptors; 0: never */

    _Atomic bool global;         /* once true, for good */
    _Atomic bool attaching;      /* ordinary: a seed that can be our master is linked */
    _Atomic uint64_t attachment; /* the number of our last one: ptl_attachment_next() */
    char **announces;
    unsigned announce_count;

    struct ptl_seed *seeds;
    unsigned seed_count;
    _Atomic bool seed_news; /* the state of one has changed: shard 0 looks */
    struct ptl_bind *binds;
    unsigned bind_count;
    struct ptl_whereabouts whereabouts;

    pthread_mutex_t lock;   /* guards what follows: rarely touched, never for long */
    pthread_cond_t changed; /* one of the counts */
    unsigned running;       /* threads that were started, and the one that stops them */
    unsigned opened;        /* shards that have tried to open */
    unsigned finished;      /* of those that run: they wake nobody any more */
    int open_err;           /* the first error of opening */
    uint64_t stopped;       /* a bit a shard that is done with the present step of stopping */
    struct ptl_losses losses;
    struct ptl_map functions; /* struct ptl_function */
    struct ptl_map known;     /* struct ptl_known */
    struct ptl_map linked;    /* char *: IDs of linked nodes, by hash */
    struct ptl_map nonces;    /* char *: of our own unfinished handshakes */
    struct ptl_peer_limits peer_limits;
};

_Static_assert(offsetof(struct ptl_node, self) == 0, "ptl_identity_of()");

/*
 * Instead of ptl_node_open() whoever made the node may step it: open one shard on this thread, its
 * loop and the addresses it listens on ...
 */
PTL_MUST_CHECK int ptl_node_open_shard(struct ptl_node *node, unsigned shard);

/* One turn of one shard, without waiting. */
void ptl_node_turn(struct ptl_node *node, unsigned shard);

/* When the shard next needs a turn: 0 at once, UINT64_MAX only when woken. */
uint64_t ptl_node_next(struct ptl_node *node, unsigned shard);

/* Begin to stop; go on with turns until it is done. */
void ptl_node_stop_begin(struct ptl_node *node, unsigned deadline_ms);
bool ptl_node_stop_done(const struct ptl_node *node);

/* Close every shard on this thread and free the node: it has stopped, or it has crashed. */
void ptl_node_free(struct ptl_node *node);
void ptl_node_crash(struct ptl_node *node);

/* A shard's part in the stop, a step of its turn.  Returns when it is due again. */
uint64_t ptl_node_stop_work(struct ptl_shard *shard);

/* Whether this answer of the resolver was for an address to listen on. */
bool ptl_bind_resolved(struct ptl_node *node, void *request, int err,
                       const struct ptl_address addresses[]);

/* Listen on the addresses that are this shard's. */
PTL_MUST_CHECK int ptl_node_listen(struct ptl_node *node, struct ptl_shard *shard);

/* Forget what listened for this shard: its loop is gone before its first turn. */
void ptl_node_unlisten(struct ptl_node *node, struct ptl_shard *shard);

const struct ptl_identity *ptl_node_identity(const struct ptl_node *node);

/* The init function of that name.  Thread: any.  Returns false if there is none. */
bool ptl_node_function(struct ptl_node *node, struct ptl_span name, struct ptl_function *function);

/* Copy the addresses known for a node; NULL if none.  Owns: the caller frees *size bytes. */
char *ptl_node_known_addresses(struct ptl_node *node, struct ptl_span node_id, uint32_t *size);

/* Remember that `node_id` listens at `addresses` (with commas), unless the program has said where.
 * Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_node_learn(struct ptl_node *node, struct ptl_span node_id,
                                  const char *addresses);

/* Keep the list of linked nodes. */
void ptl_node_linked(struct ptl_node *node, struct ptl_span node_id, bool up);

/* Whether it is linked at this moment.  Thread: any. */
bool ptl_node_is_linked(struct ptl_node *node, struct ptl_span node_id);

/* Keep the list of nonces; and whether one is ours. */
void ptl_node_nonce(struct ptl_node *node, struct ptl_connection *connection, bool used);
bool ptl_node_nonce_is_ours(struct ptl_node *node, struct ptl_span nonce);

/* Whether others are to find it: it listens somewhere. */
static inline bool ptl_node_is_to_be_found(const struct ptl_node *node)
{
    return node->bind_count + node->announce_count != 0;
}

/* A bit for every shard. */
static inline uint64_t ptl_node_all_shards(const struct ptl_node *node)
{
    return node->shard_count == 64 ? UINT64_MAX : (UINT64_C(1) << node->shard_count) - 1;
}

/* Whether new work is refused. */
static inline bool ptl_node_stopping(const struct ptl_node *node)
{
    return atomic_load_explicit(&node->stop_step, memory_order_relaxed) != PTL_STOP_NOT;
}
