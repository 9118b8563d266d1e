/*
 * engine/message/name.h - how ports are called, and what a name tells.
 *
 *   rain#4kGq0vX81Zs2Aa0000004x1      node-made: incarnation (11), shard + slot + generation (11)
 *   rain#echo                         chosen: its hash tells the shard
 *   rain#R4kGq0vX81Zs0000000007c      made by a spawner: "R", its incarnation, a counter
 *   rain#                             the node port
 *
 * Numbers are written in base 62 with a fixed width, so that a node finds its own port by index.
 * A port has one name, and a name one spelling: what is kept by name (who is full, who is watched)
 * cannot be evaded with another text for the same port.  ("rain" and "rain#" are the same text as
 * soon as they are read.)
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

#define PTL_BASE62_64 11 /* digits of a 64-bit number */
#define PTL_NAME_MADE_SIZE (2 * PTL_BASE62_64)
#define PTL_NAME_SPAWNED_SIZE (1 + 2 * PTL_BASE62_64)
#define PTL_PORT_NAME_MAX (PTL_PORT_ID_MAX - 2) /* beside a node ID of one byte */
#define PTL_SLOTS_MAX (UINT32_C(1) << 24)       /* ports of a shard at one time */

enum ptl_port_kind {
    PTL_PORT_NONE,   /* a zeroed value */
    PTL_PORT_REMOTE, /* on another node; an empty name is its node port */
    PTL_PORT_SLOT,   /* ours, node-made: shard, slot, generation are known */
    PTL_PORT_NAMED,  /* ours, by a chosen name: the shard is known */
    PTL_PORT_NODE,   /* our node port */
};

/* What a node needs to know of itself to read and write names.  Constant while it runs. */
struct ptl_identity {
    char id[PTL_NODE_ID_MAX + 1];
    uint8_t id_size;
    uint64_t hash;        /* of the ID */
    uint64_t incarnation; /* random, of this run of the node */
    char incarnation_text[PTL_BASE62_64];
    unsigned shards;
    const struct ptl_allocator *allocator; /* of what is written in the node's name */
};

/* What the message room knows of a node: it begins with its identity. */
static inline const struct ptl_identity *ptl_identity_of(const struct ptl_node *node)
{
    return (const struct ptl_identity *)node;
}

/* Errors: PTL_ENAME. */
PTL_MUST_CHECK int ptl_identity_init(struct ptl_identity *self, const char *id,
                                     uint64_t incarnation, unsigned shards,
                                     const struct ptl_allocator *allocator);

/* Whether a string may be a node ID: 1 to PTL_NODE_ID_MAX bytes without '#', CR, LF and NUL. */
bool ptl_node_id_valid(struct ptl_span id);

/* The hash that decides where things of that name live (io/hash.h): of this process alone. */
uint64_t ptl_name_hash(struct ptl_span name);

/* What a shard finds a port by that it has met by that name; the other half decides the shard. */
static inline uint32_t ptl_name_key(uint64_t hash)
{
    return (uint32_t)hash;
}

/* The shard for a hash, evenly. */
unsigned ptl_shard_of(uint64_t hash, unsigned shards);

/* The value of a node-made port. */
void ptl_port_make(const struct ptl_identity *self, unsigned shard, uint32_t slot,
                   uint32_t generation, struct ptl_port *port);

/*
 * The port `name` at the node `node_id` (ours or another).  Errors: PTL_ENAME (too long).
 */
PTL_MUST_CHECK int ptl_port_at(const struct ptl_identity *self, struct ptl_span node_id,
                               struct ptl_span name, struct ptl_port *port);

/* A fresh name for a port that shall be spawned: counter number `counter` of `shard`. */
void ptl_name_spawned(const struct ptl_identity *self, unsigned shard, uint64_t counter,
                      char name[PTL_NAME_SPAWNED_SIZE]);

/*
 * The name of the port that a node of that incarnation has made under that number (its shard, slot
 * and generation); and the number of such a name.  False: that is not what the name is.
 */
void ptl_name_made(uint64_t incarnation, uint64_t number, char name[PTL_NAME_MADE_SIZE]);
bool ptl_name_made_number(uint64_t incarnation, struct ptl_span name, uint64_t *number);

/* Parse an ID; see ptl_port_parse(). */
PTL_MUST_CHECK int ptl_port_read(const struct ptl_identity *self, struct ptl_span id,
                                 struct ptl_port *port);

/*
 * Whether this is a port that this run of the node has made, as it sees it itself: shard, slot and
 * generation can be used as they are.
 */
static inline bool ptl_port_is_slot_here(const struct ptl_identity *self,
                                         const struct ptl_port *port)
{
    return port->kind == PTL_PORT_SLOT && port->node_hash == self->hash &&
           memcmp(port->id + port->node_size + 1, self->incarnation_text, PTL_BASE62_64) == 0;
}

/* The same for one by a chosen name: its shard, and the key that it is found by there. */
static inline bool ptl_port_is_named_here(const struct ptl_identity *self,
                                          const struct ptl_port *port)
{
    return port->kind == PTL_PORT_NAMED && port->node_hash == self->hash &&
           port->slot == self->shards;
}

static inline uint32_t ptl_port_key(const struct ptl_port *port)
{
    ptl_assert(port->kind == PTL_PORT_NAMED);
    return port->generation;
}

/*
 * The same port as this node sees it: a value that another node of this process parsed is parsed
 * anew.  Returns `port` or `own`; NULL when it names nothing.
 */
const struct ptl_port *ptl_port_own_view(const struct ptl_identity *self,
                                         const struct ptl_port *port, struct ptl_port *own);

struct ptl_span ptl_port_node(const struct ptl_port *port);

static inline struct ptl_span ptl_port_name(const struct ptl_port *port)
{
    ptl_assert(port->id_size > port->node_size); /* a value that names a port has its '#' */
    return ptl_span(port->id + port->node_size + 1, port->id_size - port->node_size - 1u);
}

struct ptl_span ptl_port_span(const struct ptl_port *port);
