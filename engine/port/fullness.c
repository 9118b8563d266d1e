#include "engine/port/fullness.h"

#include "engine/message/name.h"
#include "engine/port/outside.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/belonging.h"
#include "engine/shard/node.h"
#include "engine/shard/shard.h"

/*
 * What a shard remembers of what is full, by a text: "rain" is the link to that node, "#x" a port
 * of ours, "rain#x" a port of rain's.  A port's value has the last two in its ID.
 */
struct full_key {
    uint64_t hash;
    struct ptl_list untold; /* what has to be told there, when there is room */
    uint64_t control;       /* bytes of control ops that have gone there all the same */
    uint32_t size;
    char text[PTL_PORT_ID_MAX + 1];
};

static bool same_key(const void *entry, struct ptl_span text)
{
    const struct full_key *key = entry;
    return ptl_span_equal(ptl_span(key->text, key->size), text);
}

static void key_make(struct full_key *key, struct ptl_span node, struct ptl_span name)
{
    ptl_assert(node.size + 1 + name.size < sizeof(key->text));
    if (node.size != 0) {
        memcpy(key->text, node.bytes, node.size);
    }
    key->control = 0;
    key->size = (uint32_t)node.size;
    if (name.size != 0) {
        key->text[key->size] = '#';
        memcpy(key->text + key->size + 1, name.bytes, name.size);
        key->size += (uint32_t)name.size + 1;
    }
    key->hash = ptl_name_hash(ptl_span(key->text, key->size));
}

/* What is kept of a key ends with its text. */
static size_t size_of(const struct full_key *key)
{
    return offsetof(struct full_key, text) + key->size;
}

static struct full_key *key_find(const struct ptl_map *map, const struct full_key *key)
{
    return ptl_map_find(map, key->hash, same_key, ptl_span(key->text, key->size));
}

/* Returns whether it is new.  Without memory nothing is refused: the mark is soft. */
static bool key_add(struct ptl_map *map, const struct full_key *wanted)
{
    if (key_find(map, wanted) != NULL || ptl_map_reserve(map) < 0) {
        return false;
    }
    struct full_key *key = ptl_alloc_raw(map->allocator, size_of(wanted));
    if (key == NULL) {
        return false;
    }
    memcpy(key, wanted, size_of(wanted));
    ptl_list_init(&key->untold);
    ptl_map_insert(map, key->hash, key);
    return true;
}

/* Returns whether it was there. */
static bool key_remove(struct ptl_map *map, const struct full_key *wanted)
{
    struct full_key *key = key_find(map, wanted);

    if (key != NULL) {
        ptl_assert(ptl_list_empty(&key->untold)); /* who waited there has been released */
        ptl_map_remove(map, key->hash, key);
        ptl_free(map->allocator, key, size_of(key));
    }
    return key != NULL;
}

static void keys_drop(struct ptl_map *map)
{
    uint32_t at = 0;
    struct full_key *key;

    while ((key = ptl_map_next(map, &at)) != NULL) {
        ptl_free(map->allocator, key, size_of(key));
    }
    ptl_map_drop(map);
}

/* ---- A shard's keys ------------------------------------------------------------------------ */

/* Names differ at their ends most. */
static uint32_t sieve_of(struct ptl_span text)
{
    size_t size = text.size < sizeof(uint64_t) ? text.size : sizeof(uint64_t);
    uint64_t end = 0;

    ptl_copy((uint8_t *)&end, text.bytes + text.size - size, size);
    return (uint32_t)(end * UINT64_C(0x9E3779B97F4A7C15) >> (64 - PTL_FULL_SIEVE_BITS));
}

/* Only one thread at a time: what is counted is read without a lock, as of a moment ago. */
static void set_full(struct ptl_full_keys *keys, struct ptl_span node, struct ptl_span name,
                     bool full)
{
    struct full_key key;

    key_make(&key, node, name);
    bool changed = full ? key_add(&keys->by_text, &key) : key_remove(&keys->by_text, &key);
    if (changed) {
        _Atomic uint32_t *of_kind =
            name.size == 0 ? &keys->links : &keys->sieve[sieve_of(ptl_span(key.text, key.size))];
        _Atomic uint32_t *counts[] = {&keys->count, of_kind};
        for (unsigned i = 0; i < 2; i++) {
            uint32_t count = atomic_load_explicit(counts[i], memory_order_relaxed);
            ptl_assert(full || count != 0);
            atomic_store_explicit(counts[i], full ? count + 1 : count - 1, memory_order_relaxed);
        }
    }
}

/* What a port is found by, among the ports that are full. */
static struct ptl_span text_of(const struct ptl_port *port)
{
    struct ptl_span id = ptl_port_span(port);

    return port->kind == PTL_PORT_REMOTE ? id : ptl_span_skip(id, port->node_size);
}

/* Whether it is worth while to look for a port, or the link to it. */
static inline bool may_have(const struct ptl_full_keys *keys, const struct ptl_port *port)
{
    return ptl_full_any(keys) &&
           (atomic_load_explicit(&keys->links, memory_order_relaxed) != 0 ||
            atomic_load_explicit(&keys->sieve[sieve_of(text_of(port))], memory_order_relaxed) != 0);
}

int ptl_full_board_init(struct ptl_full_board *board, const struct ptl_allocator *allocator)
{
    ptl_map_init(&board->keys.by_text, allocator);
    return -pthread_mutex_init(&board->lock, NULL);
}

/*
 * To the program's threads, which no ring tells: they look at the board, under its lock. Its count
 * spares them the lock where nothing is full.
 */
static void show(struct ptl_shard *shard, struct ptl_fullness *fullness)
{
    struct ptl_full_board *board = &shard->ports->board;

    pthread_mutex_lock(&board->lock);
    set_full(&board->keys, fullness->node, fullness->name, fullness->full);
    pthread_mutex_unlock(&board->lock);
    fullness->on_board = fullness->full;
}

int ptl_fullness_tell(struct ptl_shard *shard, struct ptl_fullness *fullness,
                      struct ptl_untold *untold)
{
    int err = PTL_OK;

    for (unsigned i = 0; i < shard->node->shard_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (((fullness->told & bit) != 0) == fullness->full) {
            continue;
        }
        struct ptl_op op = {
            .kind = fullness->full ? PTL_OP_FULL : PTL_OP_ROOM,
            .to = PTL_TO_SHARD,
            .node = fullness->node,
            .name = fullness->name,
        };
        int posted = ptl_untold_post(shard, untold, i, &op);
        if (posted < 0) {
            err = posted; /* others may have room */
        } else {
            fullness->told ^= bit;
        }
    }
    return err;
}

static int tell_untold(struct ptl_shard *shard, struct ptl_untold *untold, uint64_t *units)
{
    (void)units;
    return ptl_fullness_tell(shard, ptl_container(untold, struct ptl_fullness, untold), untold);
}

void ptl_fullness_set(struct ptl_shard *shard, struct ptl_fullness *fullness, bool full)
{
    fullness->full = full;
    show(shard, fullness);
    if (!full) {
        shard->ports->waiters.news = true;
    }
    if (!ptl_untold_waits(&fullness->untold)) {
        fullness->untold.tell = tell_untold;
        ptl_untold_tell(shard, &fullness->untold);
    }
}

void ptl_fullness_end(struct ptl_shard *shard, struct ptl_fullness *fullness)
{
    ptl_assert(!fullness->full);
    ptl_untold_cancel(shard, &fullness->untold);
}

bool ptl_fullness_any(const struct ptl_shard *shard)
{
    return ptl_full_any(&shard->ports->board.keys);
}

static void release_untold(struct ptl_shard *shard, struct ptl_span node, struct ptl_span name)
{
    struct full_key wanted;

    key_make(&wanted, node, name);
    struct full_key *key = key_find(&shard->ports->full.by_text, &wanted);
    if (key != NULL) {
        ptl_untold_wait_all(shard, &key->untold);
    }
}

void ptl_fullness_told(struct ptl_shard *shard, struct ptl_span node, struct ptl_span name,
                       bool full)
{
    if (!full) { /* first those who wait for it: the key that they stand at is freed */
        release_untold(shard, node, name);
    }
    set_full(&shard->ports->full, node, name, full);
    if (!full) {
        shard->ports->waiters.news = true;
        if (node.size == 0) {
            shard->node->port_outside->has_room(shard, name);
        }
    }
}

static struct full_key *key_of_text(const struct ptl_map *map, struct ptl_span text)
{
    return ptl_map_find(map, ptl_name_hash(text), same_key, text);
}

/* What is full on the way to a port, its link first; NULL: nothing. */
static struct full_key *key_of(const struct ptl_map *map, const struct ptl_port *port)
{
    if (port->kind == PTL_PORT_REMOTE) {
        struct full_key *key = key_of_text(map, ptl_port_node(port));
        return key != NULL ? key : key_of_text(map, ptl_port_span(port));
    }
    return key_of_text(map, ptl_span_skip(ptl_port_span(port), port->node_size));
}

static bool has_key(const struct ptl_map *map, const struct ptl_port *port)
{
    return key_of(map, port) != NULL;
}

bool ptl_is_full(const struct ptl_shard *shard, const struct ptl_port *port)
{
    const struct ptl_full_keys *keys = &shard->ports->full;

    return may_have(keys, port) && has_key(&keys->by_text, port);
}

bool ptl_is_full_outside(struct ptl_shard *shard, const struct ptl_port *port)
{
    if (!may_have(&shard->ports->board.keys, port)) {
        return false;
    }
    pthread_mutex_lock(&shard->ports->board.lock);
    bool full = has_key(&shard->ports->board.keys.by_text, port);
    pthread_mutex_unlock(&shard->ports->board.lock);
    return full;
}

void ptl_full_wait(struct ptl_shard *shard, const struct ptl_port *port, struct ptl_untold *untold)
{
    struct full_key *key = key_of(&shard->ports->full.by_text, port);

    ptl_assert(key != NULL && !ptl_untold_waits(untold));
    untold->to = ptl_place_of(shard->node, port);
    ptl_list_append(&key->untold, &untold->listed);
}

bool ptl_room_for(struct ptl_shard *shard, const struct ptl_port *to)
{
    unsigned place = ptl_place_of(shard->node, to);

    if (ptl_is_full(shard, to)) {
        return false;
    }
    return ptl_is_linked_here(shard, to) ||
           (!ptl_untold_wait_for(shard, place) &&
            ptl_ring_has_room(ptl_shard_ring(shard, place), PTL_RECORD_MAX, 1));
}

int ptl_room_missed(struct ptl_shard *shard, const struct ptl_port *to, struct ptl_untold *untold)
{
    if (ptl_is_full(shard, to)) {
        ptl_full_wait(shard, to, untold);
        return PTL_OK;
    }
    untold->to = ptl_place_of(shard->node, to);
    return ptl_room_for(shard, to) ? PTL_LATER : PTL_EFULL;
}

/* The peer minds what its own ports hold; here the link counts. */
static struct full_key *control_key(const struct ptl_map *map, const struct ptl_port *port)
{
    struct ptl_span text = port->kind == PTL_PORT_REMOTE
                               ? ptl_port_node(port)
                               : ptl_span_skip(ptl_port_span(port), port->node_size);

    return key_of_text(map, text);
}

/* Shards have one half of the share, in equal parts, and threads the other; one op may exceed. */
static bool lets_control(const struct ptl_map *map, const struct ptl_node *node,
                         const struct ptl_port *port, uint64_t size, unsigned parts)
{
    struct full_key *key = control_key(map, port);
    size_t mark = port->kind == PTL_PORT_REMOTE ? node->options.link_room : node->options.port_room;

    if (key == NULL) {
        return true;
    }
    if (key->control >= PTL_CONTROL_SHARE(mark) / 2 / parts) {
        return false;
    }
    /* Counted until there is room: then the key goes, and the count with it. */
    key->control += size;
    return true;
}

bool ptl_full_lets_control(struct ptl_shard *shard, const struct ptl_port *port, uint64_t size)
{
    return !ptl_full_any(&shard->ports->full) ||
           lets_control(&shard->ports->full.by_text, shard->node, port, size,
                        shard->node->shard_count);
}

bool ptl_full_lets_control_outside(struct ptl_shard *shard, const struct ptl_port *port,
                                   uint64_t size)
{
    if (!ptl_full_any(&shard->ports->board.keys)) {
        return true;
    }
    pthread_mutex_lock(&shard->ports->board.lock);
    bool lets = lets_control(&shard->ports->board.keys.by_text, shard->node, port, size, 1);
    pthread_mutex_unlock(&shard->ports->board.lock);
    return lets;
}

void ptl_fullness_drop(struct ptl_shard *shard)
{
    keys_drop(&shard->ports->full.by_text);
    keys_drop(&shard->ports->board.keys.by_text);
    pthread_mutex_destroy(&shard->ports->board.lock);
}
