/*
 * engine/link/watched.h - the ports of another node that shards of ours watch: a map by their
 * names, as the link's owner keeps it.  Thread: the owner's.
 */
#pragma once

#include "engine/port/port.h"
#include "engine/shard/map.h"

/* One of them.  There is a watcher a shard, and for a moment one more. */
struct ptl_watched {
    uint64_t hash;
    char *name;
    uint32_t name_size;
    uint32_t count;
    uint32_t capacity;
    struct ptl_watcher *watchers;
};

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
