#include "engine/map.h"

void ptl_map_init(struct ptl_map *map, const struct ptl_allocator *allocator)
{
    *map = (struct ptl_map){.allocator = allocator};
}

void ptl_map_drop(struct ptl_map *map)
{
    ptl_free(map->allocator, map->places, map->capacity * sizeof(*map->places));
    ptl_map_init(map, map->allocator);
}

void *ptl_map_find(const struct ptl_map *map, uint64_t hash, ptl_map_same_fn *same,
                   struct ptl_span key)
{
    if (map->count == 0) {
        return NULL;
    }
    uint32_t mask = map->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask; map->places[i].entry != NULL; i = (i + 1) & mask) {
        const struct ptl_map_place *place = &map->places[i];
        if (place->hash == hash && (same == NULL || same(place->entry, key))) {
            return place->entry;
        }
    }
    return NULL;
}

static void put(struct ptl_map *map, uint64_t hash, void *entry)
{
    uint32_t mask = map->capacity - 1;
    uint32_t i = (uint32_t)hash & mask;

    while (map->places[i].entry != NULL) {
        i = (i + 1) & mask;
    }
    map->places[i] = (struct ptl_map_place){.hash = hash, .entry = entry};
    map->end = i < map->end ? map->end : i + 1;
}

int ptl_map_reserve(struct ptl_map *map)
{
    if ((map->count + 1) * 4 <= map->capacity * 3) {
        return PTL_OK;
    }
    struct ptl_map bigger = {
        .allocator = map->allocator,
        .capacity = map->capacity == 0 ? 8 : map->capacity * 2,
        .count = map->count,
    };
    bigger.places = ptl_alloc(map->allocator, bigger.capacity * sizeof(*bigger.places));
    if (bigger.places == NULL) {
        return PTL_ENOMEM;
    }
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->places[i].entry != NULL) {
            put(&bigger, map->places[i].hash, map->places[i].entry);
        }
    }
    ptl_map_drop(map);
    *map = bigger;
    return PTL_OK;
}

void ptl_map_insert(struct ptl_map *map, uint64_t hash, void *entry)
{
    ptl_assert(entry != NULL);
    ptl_assert((map->count + 1) * 4 <= map->capacity * 3);
    put(map, hash, entry);
    map->count++;
}

/* Move later entries of the same run into the gap, so that probing needs no tombstones. */
static void close_gap(struct ptl_map *map, uint32_t gap)
{
    uint32_t mask = map->capacity - 1;

    for (uint32_t i = (gap + 1) & mask; map->places[i].entry != NULL; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)map->places[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            map->places[gap] = map->places[i];
            gap = i;
        }
    }
    map->places[gap] = (struct ptl_map_place){.entry = NULL};
}

static void remove_at(struct ptl_map *map, uint32_t i)
{
    close_gap(map, i);
    map->count--;
}

bool ptl_map_remove(struct ptl_map *map, uint64_t hash, const void *entry)
{
    if (map->count == 0) {
        return false;
    }
    uint32_t mask = map->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask; map->places[i].entry != NULL; i = (i + 1) & mask) {
        if (map->places[i].entry == entry) {
            remove_at(map, i);
            return true;
        }
    }
    return false;
}

void *ptl_map_take(struct ptl_map *map)
{
    if (map->count == 0) {
        return NULL;
    }
    /* From the end of a run: nothing has to move up behind it. */
    while (map->places[map->end - 1].entry == NULL) {
        map->end--;
    }
    void *entry = map->places[map->end - 1].entry;
    remove_at(map, map->end - 1);
    return entry;
}

void *ptl_map_next(const struct ptl_map *map, uint32_t *at)
{
    while (*at < map->capacity) {
        void *entry = map->places[(*at)++].entry;
        if (entry != NULL) {
            return entry;
        }
    }
    return NULL;
}

void ptl_map_remove_last(struct ptl_map *map, uint32_t *at)
{
    ptl_assert(*at > 0 && map->places[*at - 1].entry != NULL);
    remove_at(map, --*at); /* and look at that place again: another may have moved into it */
}
