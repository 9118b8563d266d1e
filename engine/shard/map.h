/*
 * engine/shard/map.h - a hash map from 64-bit hashes to entries that carry their own keys.
 *
 * The map stores (hash, pointer) pairs with linear probing; whoever uses it knows how to compare
 * keys.  It grows without being walked: what was there moves over a few entries at a time, with
 * those that come in.  Where the hash itself is the key (IDs that were made unique), no comparison
 * is needed.
 * Thread: one at a time.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

struct ptl_map_place {
    uint64_t hash;
    void *entry; /* NULL: free */
};

struct ptl_map_table {
    struct ptl_map_place *places;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t end;      /* all places from here on are free */
};

/* Only engine/shard/map.c touches the fields; `count` may be read. */
struct ptl_map {
    const struct ptl_allocator *allocator;
    struct ptl_map_table table; /* at most three quarters are used, those still in `old` counted */
    struct ptl_map_table old;   /* what the map had before it grew, on its way into `table` */
    uint32_t count;
};

/* Whether `entry` has this key. */
typedef bool ptl_map_same_fn(const void *entry, struct ptl_span key);

/*
 * Of IDs that are counted: spread over the map they make better hashes, each its own.  Four in a
 * row stay side by side, in one line of the processor's caches: what was made together mostly goes
 * together, too.
 */
static inline uint64_t ptl_map_spread(uint64_t id)
{
    return (id & ~UINT64_C(3)) * UINT64_C(0x9E3779B97F4A7C15) | (id & 3);
}

void ptl_map_init(struct ptl_map *map, const struct ptl_allocator *allocator);

/* Free the map's own memory; the entries are their owners' business. */
void ptl_map_drop(struct ptl_map *map);

/* The entry with this hash for which `same` holds (NULL: any), or NULL. */
void *ptl_map_find(const struct ptl_map *map, uint64_t hash, ptl_map_same_fn *same,
                   struct ptl_span key);

/* How many places it has: memory, and what growing once more would cost. */
static inline uint64_t ptl_map_places(const struct ptl_map *map)
{
    return (uint64_t)map->table.capacity + map->old.capacity;
}

/*
 * This hash will soon be looked for: have its place fetched meanwhile.  In a map that is larger
 * than the processor's caches most of a look is waiting for memory.
 */
static inline void ptl_map_expect(const struct ptl_map *map, uint64_t hash)
{
    if (map->table.capacity != 0) {
        __builtin_prefetch(&map->table.places[(uint32_t)hash & (map->table.capacity - 1)]);
    }
}

/* Make sure that one more entry fits; or that `count` fit in all.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_map_reserve(struct ptl_map *map);
PTL_MUST_CHECK int ptl_map_reserve_all(struct ptl_map *map, uint32_t count);

/* Put an entry in; a place must have been reserved. */
void ptl_map_insert(struct ptl_map *map, uint64_t hash, void *entry);

/* Take this very entry out.  Returns whether it was there. */
bool ptl_map_remove(struct ptl_map *map, uint64_t hash, const void *entry);

/*
 * Take any entry out; NULL: the map is empty.  Emptying a map so costs one walk over it, however it
 * is changed meanwhile.
 */
void *ptl_map_take(struct ptl_map *map);

/*
 * Walk: start with *at = 0; returns the next entry or NULL at the end.  During a walk nothing may
 * be put in, and nothing removed but with ptl_map_remove_last().
 */
void *ptl_map_next(const struct ptl_map *map, uint32_t *at);

/*
 * Remove what the walk has shown last.  The walk shows all others still, and perhaps some that it
 * has shown before once more.
 */
void ptl_map_remove_last(struct ptl_map *map, uint32_t *at);
