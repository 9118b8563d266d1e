#include "engine/link/watched.h"

#include "engine/message/name.h"
#include "engine/port/port.h"
#include "engine/shard/op.h"

static bool same_watched(const void *entry, struct ptl_span name)
{
    const struct ptl_watched *watched = entry;
    return ptl_span_equal(ptl_span(watched->name, watched->name_size), name);
}

struct ptl_watched *ptl_watched_find(const struct ptl_map *map, struct ptl_span name)
{
    return ptl_map_find(map, ptl_name_hash(name), same_watched, name);
}

/* Those beyond the few. */
static void free_watchers(const struct ptl_allocator *allocator, struct ptl_watched *watched)
{
    if (watched->watchers != watched->few) {
        ptl_free(allocator, watched->watchers, watched->capacity * sizeof(*watched->watchers));
    }
}

void ptl_watched_free(const struct ptl_allocator *allocator, struct ptl_watched *watched)
{
    free_watchers(allocator, watched);
    ptl_free(allocator, watched, sizeof(*watched) + watched->name_size);
}

struct ptl_watched *ptl_watched_get(struct ptl_map *map, struct ptl_span name)
{
    uint64_t hash = ptl_name_hash(name);
    struct ptl_watched *watched = ptl_map_find(map, hash, same_watched, name);

    if (watched != NULL) {
        return watched;
    }
    if (ptl_map_reserve(map) < 0) {
        return NULL;
    }
    watched = ptl_alloc(map->allocator, sizeof(*watched) + name.size);
    if (watched == NULL) {
        return NULL;
    }
    watched->hash = hash;
    watched->watchers = watched->few;
    watched->capacity = PTL_WATCHED_FEW;
    watched->name_size = (uint32_t)name.size;
    if (name.size != 0) {
        memcpy(watched->name, name.bytes, name.size);
    }
    ptl_map_insert(map, hash, watched);
    return watched;
}

void ptl_watched_forget(struct ptl_map *map, struct ptl_watched *watched)
{
    ptl_map_remove(map, watched->hash, watched);
    ptl_watched_free(map->allocator, watched);
}

/* False: no memory. */
static bool grow(const struct ptl_allocator *allocator, struct ptl_watched *watched)
{
    size_t size = watched->capacity * sizeof(*watched->watchers);
    struct ptl_watcher *watchers = ptl_alloc_raw(allocator, 2 * size);

    if (watchers == NULL) {
        return false;
    }
    memcpy(watchers, watched->watchers, size);
    free_watchers(allocator, watched);
    watched->watchers = watchers;
    watched->capacity *= 2;
    return true;
}

int ptl_watched_add(const struct ptl_allocator *allocator, struct ptl_watched *watched,
                    struct ptl_watcher watcher)
{
    if (watched->count == watched->capacity && !grow(allocator, watched)) {
        return PTL_ENOMEM;
    }
    watched->watchers[watched->count++] = watcher;
    return PTL_OK;
}

void ptl_watched_drop(struct ptl_map *map)
{
    struct ptl_watched *watched;

    while ((watched = ptl_map_take(map)) != NULL) {
        ptl_watched_free(map->allocator, watched);
    }
    ptl_map_drop(map);
}
