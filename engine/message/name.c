#include "engine/message/name.h"

#include "io/hash.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* How a node-made name packs its second number: 8 bits shard, 24 bits slot, 32 bits generation. */
#define SHARD_SHIFT 56
#define SLOT_SHIFT 32

_Static_assert(PTL_SHARDS_MAX <= 256, "a shard's number fits its bits");
_Static_assert(sizeof(struct ptl_port) == 256, "a port value is four cache lines");
_Static_assert(UINT64_C(1) << (SHARD_SHIFT - SLOT_SHIFT) == PTL_SLOTS_MAX, "so does a slot's");
_Static_assert(PTL_NODE_ID_MAX + 1 + PTL_NAME_MADE_SIZE <= PTL_PORT_ID_MAX,
               "the longest node ID leaves room for every name that we make");
_Static_assert(PTL_NODE_ID_MAX + 1 + PTL_NAME_SPAWNED_SIZE <= PTL_PORT_ID_MAX,
               "for the name of a spawned port, too");

static void put_base62(char *text, uint64_t number)
{
    for (int i = PTL_BASE62_64 - 1; i >= 0; i--) {
        text[i] = digits[number % 62];
        number /= 62;
    }
    ptl_assert(number == 0); /* 62^11 is more than 2^64 */
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'z' ? c - 'a' + 36 : -1;
}

/* Eleven digits say more than 64 bits hold.  What is too large is no number: taken modulo 2^64 it
 * would be a second spelling of a name. */
static bool get_base62(const uint8_t *text, uint64_t *number)
{
    *number = 0;
    for (int i = 0; i < PTL_BASE62_64; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0 || __builtin_mul_overflow(*number, 62, number) ||
            __builtin_add_overflow(*number, (unsigned)digit, number)) {
            return false;
        }
    }
    return true;
}

uint64_t ptl_name_hash(struct ptl_span name)
{
    return ptl_hash(name);
}

/* The upper half of the hash, as a fraction of 2^32, of so many shards: even, and no division. */
unsigned ptl_shard_of(uint64_t hash, unsigned shards)
{
    return (unsigned)(((hash >> 32) * shards) >> 32);
}

bool ptl_node_id_valid(struct ptl_span id)
{
    if (id.size == 0 || id.size > PTL_NODE_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.size; i++) {
        /* What ends a line of the handshake, or a string, or the ID itself. */
        uint8_t c = id.bytes[i];
        if (c == '#' || c == '\r' || c == '\n' || c == 0) {
            return false;
        }
    }
    return true;
}

int ptl_identity_init(struct ptl_identity *self, const char *id, uint64_t incarnation,
                      unsigned shards, const struct ptl_allocator *allocator)
{
    struct ptl_span span = ptl_span_text(id);

    if (!ptl_node_id_valid(span)) {
        return PTL_ENAME;
    }
    *self = (struct ptl_identity){
        .id_size = (uint8_t)span.size,
        .hash = ptl_name_hash(span),
        .incarnation = incarnation,
        .shards = shards,
        .allocator = allocator,
    };
    memcpy(self->id, id, span.size);
    put_base62(self->incarnation_text, incarnation);
    return PTL_OK;
}

/* The ID of the node and the '#'; the name comes behind it. */
static void start_id(struct ptl_port *port, struct ptl_span node_id)
{
    ptl_assert(node_id.size > 0 && node_id.size <= PTL_NODE_ID_MAX);
    memcpy(port->id, node_id.bytes, node_id.size);
    port->id[node_id.size] = '#';
    port->node_size = (uint8_t)node_id.size;
}

void ptl_port_make(const struct ptl_identity *self, unsigned shard, uint32_t slot,
                   uint32_t generation, struct ptl_port *port)
{
    ptl_assert(shard < self->shards && slot < PTL_SLOTS_MAX);
    *port = (struct ptl_port){
        .node_hash = self->hash,
        .slot = slot,
        .generation = generation,
        .shard = (uint16_t)shard,
        .kind = PTL_PORT_SLOT,
        .id_size = (uint8_t)(self->id_size + 1 + PTL_NAME_MADE_SIZE),
    };
    start_id(port, ptl_span(self->id, self->id_size));
    char *name = port->id + self->id_size + 1;
    memcpy(name, self->incarnation_text, PTL_BASE62_64);
    put_base62(name + PTL_BASE62_64,
               ((uint64_t)shard << SHARD_SHIFT) | ((uint64_t)slot << SLOT_SHIFT) | generation);
}

void ptl_name_made(uint64_t incarnation, uint64_t number, char name[PTL_NAME_MADE_SIZE])
{
    put_base62(name, incarnation);
    put_base62(name + PTL_BASE62_64, number);
}

bool ptl_name_made_number(uint64_t incarnation, struct ptl_span name, uint64_t *number)
{
    uint64_t its;

    return name.size == PTL_NAME_MADE_SIZE && get_base62(name.bytes, &its) && its == incarnation &&
           get_base62(name.bytes + PTL_BASE62_64, number);
}

/* Whether a name has the form that only we make.  Its number may still be none, or too large. */
static bool is_made_here(const struct ptl_identity *self, struct ptl_span name)
{
    return name.size == PTL_NAME_MADE_SIZE &&
           memcmp(name.bytes, self->incarnation_text, PTL_BASE62_64) == 0;
}

/* Where a port of ours is. A name that only looks as if we had made it is a chosen one. */
static void place_own(const struct ptl_identity *self, struct ptl_span name, struct ptl_port *port)
{
    uint64_t number;

    if (name.size == 0) {
        port->kind = PTL_PORT_NODE;
    } else if (is_made_here(self, name) && get_base62(name.bytes + PTL_BASE62_64, &number) &&
               number >> SHARD_SHIFT < self->shards) {
        port->kind = PTL_PORT_SLOT;
        port->shard = (uint16_t)(number >> SHARD_SHIFT);
        port->slot = (uint32_t)(number >> SLOT_SHIFT) & (PTL_SLOTS_MAX - 1);
        port->generation = (uint32_t)number;
    } else {
        port->kind = PTL_PORT_NAMED;
        port->shard = (uint16_t)ptl_shard_of(ptl_name_hash(name), self->shards);
        port->slot = self->shards; /* of how many: is_of_this_run() */
        port->generation = ptl_name_key(ptl_name_hash(name));
    }
}

int ptl_port_at(const struct ptl_identity *self, struct ptl_span node_id, struct ptl_span name,
                struct ptl_port *port)
{
    *port = (struct ptl_port){.kind = PTL_PORT_NONE};
    if (!ptl_node_id_valid(node_id) || node_id.size + 1 + name.size > PTL_PORT_ID_MAX ||
        (name.size != 0 && memchr(name.bytes, 0, name.size) != NULL)) {
        return PTL_ENAME;
    }
    start_id(port, node_id);
    if (name.size != 0) {
        memcpy(port->id + node_id.size + 1, name.bytes, name.size);
    }
    port->id_size = (uint8_t)(node_id.size + 1 + name.size);
    if (ptl_span_equal(node_id, ptl_span(self->id, self->id_size))) {
        port->node_hash = self->hash;
        place_own(self, name, port);
    } else {
        port->node_hash = ptl_name_hash(node_id);
        port->kind = PTL_PORT_REMOTE;
    }
    return PTL_OK;
}

int ptl_port_read(const struct ptl_identity *self, struct ptl_span id, struct ptl_port *port)
{
    const uint8_t *hash_sign = id.size == 0 ? NULL : memchr(id.bytes, '#', id.size);

    if (hash_sign == NULL) {
        return ptl_port_at(self, id, ptl_span(NULL, 0), port);
    }
    size_t node_size = (size_t)(hash_sign - id.bytes);
    return ptl_port_at(self, ptl_span(id.bytes, node_size), ptl_span_skip(id, node_size + 1), port);
}

int ptl_port_parse(const struct ptl_node *node, const char *id, size_t size, struct ptl_port *port)
{
    return ptl_port_read(ptl_identity_of(node), ptl_span(id, size), port);
}

/* A node that was stopped and started again under its ID has other ports at the same places, and
 * perhaps another number of shards. */
static bool is_of_this_run(const struct ptl_identity *self, const struct ptl_port *port)
{
    ptl_assert(port->kind != PTL_PORT_NONE && port->kind != PTL_PORT_REMOTE);
    if (port->kind == PTL_PORT_SLOT) {
        return memcmp(port->id + port->node_size + 1, self->incarnation_text, PTL_BASE62_64) == 0;
    }
    return port->kind == PTL_PORT_NODE || port->slot == self->shards;
}

const struct ptl_port *ptl_port_own_view(const struct ptl_identity *self,
                                         const struct ptl_port *port, struct ptl_port *own)
{
    bool seen_as_own = port->kind != PTL_PORT_REMOTE;

    if (port->kind == PTL_PORT_NONE) {
        return NULL;
    }
    if (!seen_as_own && port->node_hash != self->hash) {
        return port;
    }
    if (seen_as_own && port->node_hash == self->hash && is_of_this_run(self, port)) {
        return port;
    }
    return ptl_port_read(self, ptl_port_span(port), own) < 0 ? NULL : own;
}

void ptl_name_spawned(const struct ptl_identity *self, unsigned shard, uint64_t counter,
                      char name[PTL_NAME_SPAWNED_SIZE])
{
    ptl_assert(counter < UINT64_C(1) << SHARD_SHIFT); /* 2,000 years of a million a second */
    name[0] = 'R';
    memcpy(name + 1, self->incarnation_text, PTL_BASE62_64);
    put_base62(name + 1 + PTL_BASE62_64, ((uint64_t)shard << SHARD_SHIFT) | counter);
}

struct ptl_span ptl_port_node(const struct ptl_port *port)
{
    return ptl_span(port->id, port->node_size);
}

struct ptl_span ptl_port_span(const struct ptl_port *port)
{
    return ptl_span(port->id, port->id_size);
}

const char *ptl_port_id(const struct ptl_port *port)
{
    return port->id;
}

bool ptl_port_equal(const struct ptl_port *a, const struct ptl_port *b)
{
    return ptl_span_equal(ptl_port_span(a), ptl_port_span(b));
}
