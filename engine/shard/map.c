#include "engine/shard/map.h"

/* Places of the old table that are looked at with each entry that comes in.  It has half as many as
 * the new one, and is empty long before that is full. */
#define MOVE_PLACES 16

/* So far ahead of a walk entries are fetched: their owners look into them, or free them. */
#define AHEAD 8

void ptl_map_init(struct ptl_map *map, const struct ptl_allocator *allocator)
{
    *map = (struct ptl_map){.allocator = allocator};
}

static void drop_table(struct ptl_map *map, struct ptl_map_table *table)
{
    ptl_free(map->allocator, table->places, table->capacity * sizeof(*table->places));
    *table = (struct ptl_map_table){.places = NULL};
}

void ptl_map_drop(struct ptl_map *map)
{
    drop_table(map, &map->table);
    drop_table(map, &map->old);
    map->count = 0;
}

/* ---- One table ----------------------------------------------------------------------------- */

static void *find(const struct ptl_map_table *table, uint64_t hash, ptl_map_same_fn *same,
                  struct ptl_span key)
{
    if (table->end == 0) {
        return NULL;
    }
    uint32_t mask = table->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask; table->places[i].entry != NULL; i = (i + 1) & mask) {
        const struct ptl_map_place *place = &table->places[i];
        if (place->hash == hash && (same == NULL || same(place->entry, key))) {
            return place->entry;
        }
    }
    return NULL;
}

/* Ends at a free place: there are some, as at most three quarters are used. */
static void put(struct ptl_map_table *table, uint64_t hash, void *entry)
{
    ptl_assert(table->capacity > 0 && (table->capacity & (table->capacity - 1)) == 0);
    uint32_t mask = table->capacity - 1;
    uint32_t i = (uint32_t)hash & mask;

    while (table->places[i].entry != NULL) {
        i = (i + 1) & mask;
    }
    table->places[i] = (struct ptl_map_place){.hash = hash, .entry = entry};
    table->end = i < table->end ? table->end : i + 1;
}

/* Move later entries of the same run into the gap, so that probing needs no tombstones. */
static void close_gap(struct ptl_map_table *table, uint32_t gap)
{
    uint32_t mask = table->capacity - 1;

    for (uint32_t i = (gap + 1) & mask; table->places[i].entry != NULL; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)table->places[i].hash & mask;
        /* Its home is at or before the gap: from there a search would stop at the gap and miss
         * it. */
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            table->places[gap] = table->places[i];
            gap = i;
        }
    }
    table->places[gap] = (struct ptl_map_place){.entry = NULL};
}

/* By identity: several entries may have one hash. */
static bool remove_from(struct ptl_map_table *table, uint64_t hash, const void *entry)
{
    if (table->end == 0) {
        return false;
    }
    uint32_t mask = table->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask; table->places[i].entry != NULL; i = (i + 1) & mask) {
        if (table->places[i].entry == entry) {
            close_gap(table, i);
            return true;
        }
    }
    return false;
}

/*
 * Take the last entry, looking at no more than *places of them; its entry is NULL when there is
 * none.  From the end of a run nothing has to move up behind it.
 */
static struct ptl_map_place take_last(struct ptl_map_table *table, uint64_t *places)
{
    struct ptl_map_place last = {.entry = NULL};

    while (table->end > 0 && *places > 0) {
        --*places;
        last = table->places[table->end - 1];
        if (table->end > AHEAD) {
            __builtin_prefetch(table->places[table->end - AHEAD].entry); /* soon its turn */
        }
        if (last.entry != NULL) {
            close_gap(table, table->end - 1);
            return last;
        }
        table->end--;
    }
    return last;
}

/* ---- The map ------------------------------------------------------------------------------- */

/* An entry is in one table only: in the old one until its turn to move has come. */
void *ptl_map_find(const struct ptl_map *map, uint64_t hash, ptl_map_same_fn *same,
                   struct ptl_span key)
{
    if (map->count == 0) {
        return NULL;
    }
    void *entry = find(&map->table, hash, same, key);
    return entry != NULL ? entry : find(&map->old, hash, same, key);
}

/* Let some more of the old table move over. */
static void move_some(struct ptl_map *map, uint64_t places)
{
    struct ptl_map_place last;

    while ((last = take_last(&map->old, &places)).entry != NULL) {
        put(&map->table, last.hash, last.entry);
    }
    if (map->old.end == 0) {
        drop_table(map, &map->old);
    }
}

/* Whether so many are at most three quarters of it. */
static bool suffices(const struct ptl_map_table *table, uint32_t count)
{
    return count * (uint64_t)4 <= table->capacity * (uint64_t)3;
}

int ptl_map_reserve(struct ptl_map *map)
{
    return ptl_map_reserve_all(map, map->count + 1);
}

int ptl_map_reserve_all(struct ptl_map *map, uint32_t count)
{
    if (map->old.capacity != 0) {
        move_some(map, MOVE_PLACES);
    }
    if (suffices(&map->table, count)) {
        return PTL_OK;
    }
    struct ptl_map_table bigger = {
        .capacity = map->table.capacity == 0 ? 8 : map->table.capacity * 2,
    };
    while (!suffices(&bigger, count)) {
        bigger.capacity *= 2;
    }
    bigger.places = ptl_alloc(map->allocator, bigger.capacity * sizeof(*bigger.places));
    if (bigger.places == NULL) {
        return PTL_ENOMEM;
    }
    move_some(map, UINT64_MAX); /* of a growth before this one: there is nothing left */
    ptl_assert(map->old.capacity == 0 && map->old.places == NULL);
    map->old = map->table;
    map->table = bigger;
    move_some(map, MOVE_PLACES);
    return PTL_OK;
}

void ptl_map_insert(struct ptl_map *map, uint64_t hash, void *entry)
{
    ptl_assert(entry != NULL);
    ptl_assert(suffices(&map->table, map->count + 1));
    put(&map->table, hash, entry);
    map->count++;
}

bool ptl_map_remove(struct ptl_map *map, uint64_t hash, const void *entry)
{
    if (map->count == 0 ||
        (!remove_from(&map->table, hash, entry) && !remove_from(&map->old, hash, entry))) {
        return false;
    }
    map->count--;
    return true;
}

void *ptl_map_take(struct ptl_map *map)
{
    uint64_t places = UINT64_MAX;

    if (map->count == 0) {
        return NULL;
    }
    struct ptl_map_place last = take_last(&map->old, &places);
    if (last.entry == NULL) {
        last = take_last(&map->table, &places);
    }
    ptl_assert(last.entry != NULL); /* `count` has said so */
    map->count--;
    return last.entry;
}

/* The place with this number, counting those of the table first. */
static struct ptl_map_place *place_at(const struct ptl_map *map, uint32_t at)
{
    return at < map->table.capacity ? &map->table.places[at]
                                    : &map->old.places[at - map->table.capacity];
}

void *ptl_map_next(const struct ptl_map *map, uint32_t *at)
{
    while (*at < map->table.capacity + map->old.capacity) {
        void *entry = place_at(map, (*at)++)->entry;
        if (entry != NULL) {
            return entry;
        }
    }
    return NULL;
}

void ptl_map_remove_last(struct ptl_map *map, uint32_t *at)
{
    ptl_assert(*at > 0 && place_at(map, *at - 1)->entry != NULL);
    --*at; /* and look at that place again: another may have moved into it */
    if (*at < map->table.capacity) {
        close_gap(&map->table, *at);
    } else {
        close_gap(&map->old, *at - map->table.capacity);
    }
    map->count--;
}
