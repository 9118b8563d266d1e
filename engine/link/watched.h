/*
 * engine/link/watched.h - the ports of another node that shards of ours watch: a map by their
 * names, as the link's owner keeps it.  Thread: the owner's.
 */
#pragma once

#include "engine/port/port.h"
#include "engine/shard/map.h"

/* So many watchers have their place in the block itself. */
#define PTL_WATCHED_FEW 6

/*
 * One of them, in one block of memory as long as only a few shards watch it: there is a watcher a
 * shard, and for a moment one more.  What is smaller than this the C library puts aside when it is
 * freed, to put all together in one go some time later: with a million that is half a second.
 */
struct ptl_watched {
    uint64_t hash;
    uint32_t count;
    uint32_t capacity;
    struct ptl_watcher *watchers; /* `few`, or memory of their own */
    struct ptl_watcher few[PTL_WATCHED_FEW];
    uint32_t name_size;
    char name[];
};

_Static_assert(sizeof(struct ptl_watched) >= 120, "not what the C library takes for small");

struct ptl_watched *ptl_watched_find(const struct ptl_map *map, struct ptl_span name);

/* The same, made if need be, with nobody who watches it.  NULL: no memory. */
struct ptl_watched *ptl_watched_get(struct ptl_map *map, struct ptl_span name);

/* Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_watched_add(const struct ptl_allocator *allocator,
                                   struct ptl_watched *watched, struct ptl_watcher watcher);

/* Take it out of its map and free it; and free one that is in none. */
void ptl_watched_forget(struct ptl_map *map, struct ptl_watched *watched);
void ptl_watched_free(const struct ptl_allocator *allocator, struct ptl_watched *watched);

/* Free all, and the map. */
void ptl_watched_drop(struct ptl_map *map);
