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

void ptl_watched_free(const struct ptl_allocator *allocator, struct ptl_watched *watched)
{
    ptl_free(allocator, watched->name, watched->name_size + 1);
    ptl_free(allocator, watched->watchers, watched->capacity * sizeof(*watched->watchers));
    ptl_free(allocator, watched, sizeof(*watched));
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
    watched = ptl_alloc(map->allocator, sizeof(*watched));
    char *text = watched == NULL ? NULL : ptl_alloc(map->allocator, name.size + 1);
    if (text == NULL) {
        ptl_free(map->allocator, watched, sizeof(*watched));
        return NULL;
    }
    if (name.size != 0) {
        memcpy(text, name.bytes, name.size);
    }
    watched->hash = hash;
    watched->name = text;
    watched->name_size = (uint32_t)name.size;
    ptl_map_insert(map, hash, watched);
    return watched;
}

void ptl_watched_forget(struct ptl_map *map, struct ptl_watched *watched)
{
    ptl_map_remove(map, watched->hash, watched);
    ptl_watched_free(map->allocator, watched);
}

int ptl_watched_add(const struct ptl_allocator *allocator, struct ptl_watched *watched,
                    struct ptl_watcher watcher)
{
    if (watched->count == watched->capacity) {
        uint32_t capacity = watched->capacity == 0 ? 1 : watched->capacity * 2;
        struct ptl_watcher *watchers =
            ptl_grow(allocator, watched->watchers, watched->capacity * sizeof(*watchers),
                     capacity * sizeof(*watchers));
        if (watchers == NULL) {
            return PTL_ENOMEM;
        }
        watched->watchers = watchers;
        watched->capacity = capacity;
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
