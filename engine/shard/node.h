/*
 * engine/shard/node.h - a node as every room knows it: who it is, its options, shards and rings.
 *
 * What a room keeps for the whole node besides is its own, behind a pointer that only that room
 * looks behind: engine/port/node_ports.h, engine/link/node_links.h, engine/directory/
 * node_directory.h, engine/node/node_own.h.
 */
#pragma once

#include "engine/message/name.h"
#include "engine/portolan.h"
#include "engine/shard/log.h"
#include "engine/shard/post.h"
#include "engine/shard/ring.h"
#include "engine/shard/shard.h"

#include <stdatomic.h>
#include <stddef.h>

/* How far a node has come with its end; every shard follows. */
enum ptl_stop_step {
    PTL_STOP_NOT,
    PTL_STOP_FLUSH,       /* new sends are refused, what was accepted is delivered */
    PTL_STOP_FLUSH_AGAIN, /* the same, to be sure that nobody was still busy */
    PTL_STOP_TELL,        /* monitors fire with node_stopped, links are closed */
    PTL_STOP_CLOSE,       /* shards close their loops */
};

/* Those of struct ptl_node_limits, which may change at any time: ptl_limit(). */
struct ptl_limits {
    _Atomic unsigned spawned_max;
    _Atomic unsigned monitors_max;
    _Atomic unsigned spawn_rate;
    _Atomic unsigned poll_us;
};

static inline unsigned ptl_limit(const _Atomic unsigned *limit)
{
    return atomic_load_explicit(limit, memory_order_relaxed);
}

struct ptl_node {
    struct ptl_identity self; /* first: ptl_identity_of() */
    const struct ptl_allocator *allocator;
    struct ptl_node_options options; /* defaults filled in; without what rooms keep themselves */
    struct ptl_limits limits;        /* of these what counts now */
    struct ptl_log_budget log;
    unsigned shard_count;
    struct ptl_shard *shards;
    struct ptl_ring *rings; /* from * shard_count + to */

    _Atomic uint64_t last_id;   /* of monitors, timers, followers and spawned ports */
    _Atomic unsigned stop_step; /* enum ptl_stop_step */

    const struct ptl_tower *tower;
    const struct ptl_port_outside *port_outside;
    const struct ptl_link_outside *link_outside;
    struct ptl_node_ports *ports;
    struct ptl_node_links *links;
    struct ptl_node_directory *directory;
    struct ptl_node_own *own;
};

_Static_assert(offsetof(struct ptl_node, self) == 0, "ptl_identity_of()");

/* The ring from one shard to another of the same node. */
static inline struct ptl_ring *ptl_shard_ring(const struct ptl_shard *from, unsigned to)
{
    return &from->rings[to];
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
