#include "engine/shard/map.h"

#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ENTRIES 1000

struct entry {
    const char *key;
    uint64_t hash;
    bool in;
    unsigned seen;
};

struct world {
    struct test_memory memory;
    struct ptl_map map;
    struct entry entries[ENTRIES];
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    ptl_map_init(&world->map, &world->memory.allocator);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    ptl_map_drop(&world->map);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static bool same(const void *entry, struct ptl_span key)
{
    return ptl_span_equal(ptl_span_text(((const struct entry *)entry)->key), key);
}

static void put(struct ptl_map *map, struct entry *entry)
{
    assert_int_equal(ptl_map_reserve(map), 0);
    ptl_map_insert(map, entry->hash, entry);
    entry->in = true;
}

static void *find(const struct ptl_map *map, uint64_t hash)
{
    return ptl_map_find(map, hash, NULL, ptl_span(NULL, 0));
}

static void map_that_is_empty_finds_and_removes_nothing(void **state)
{
    struct world *world = *state;
    uint32_t at = 0;

    assert_null(find(&world->map, 0));
    assert_false(ptl_map_remove(&world->map, 0, world));
    assert_null(ptl_map_next(&world->map, &at));
    assert_int_equal(world->memory.out_bytes, 0);
}

static void map_tells_entries_with_one_hash_apart_by_their_keys(void **state)
{
    struct world *world = *state;
    struct entry rain = {.key = "rain", .hash = 5}, snow = {.key = "snow", .hash = 5};

    put(&world->map, &rain);
    put(&world->map, &snow);
    assert_ptr_equal(ptl_map_find(&world->map, 5, same, ptl_span_text("rain")), &rain);
    assert_ptr_equal(ptl_map_find(&world->map, 5, same, ptl_span_text("snow")), &snow);
    assert_null(ptl_map_find(&world->map, 5, same, ptl_span_text("hail")));
    assert_true(ptl_map_remove(&world->map, 5, &rain));
    assert_false(ptl_map_remove(&world->map, 5, &rain));
    assert_null(ptl_map_find(&world->map, 5, same, ptl_span_text("rain")));
    assert_ptr_equal(ptl_map_find(&world->map, 5, same, ptl_span_text("snow")), &snow);
}

static void assert_map_is(struct world *world)
{
    uint32_t count = 0;

    for (int i = 0; i < ENTRIES; i++) {
        struct entry *entry = &world->entries[i];
        void *found = find(&world->map, entry->hash);
        assert_true(entry->in ? found == entry : found == NULL);
        count += entry->in;
    }
    assert_int_equal(world->map.count, count);
}

static void map_finds_what_is_in_it_however_it_came_and_went(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 1);
    /* Hashes that crowd a few places: runs that wrap round the end, and gaps to be closed. */
    for (int i = 0; i < ENTRIES; i++) {
        world->entries[i].hash = ((uint64_t)i << 32) | (sim_random_below(&random, 64) * 0x3f);
    }
    for (int round = 0; round < 20 * ENTRIES; round++) {
        struct entry *entry = &world->entries[sim_random_below(&random, ENTRIES)];
        if (entry->in) {
            assert_true(ptl_map_remove(&world->map, entry->hash, entry));
            entry->in = false;
        } else {
            put(&world->map, entry);
        }
        if (round % 997 == 0) {
            assert_map_is(world);
        }
    }
    assert_map_is(world);
}

static void map_walk_shows_every_entry_once(void **state)
{
    struct world *world = *state;
    struct entry *entry;
    uint32_t at = 0;

    for (uint64_t i = 0; i < ENTRIES; i++) {
        world->entries[i].hash = i * UINT64_C(0x9e3779b97f4a7c15);
        put(&world->map, &world->entries[i]);
    }
    while ((entry = ptl_map_next(&world->map, &at)) != NULL) {
        entry->seen++;
    }
    for (int i = 0; i < ENTRIES; i++) {
        assert_int_equal(world->entries[i].seen, 1);
    }
}

/* Take all out, while every now and then some come in and others leave in other ways. */
static void take_all(struct world *world, struct sim_random *random)
{
    struct entry *entry;

    while ((entry = ptl_map_take(&world->map)) != NULL) {
        assert_true(entry->in);
        entry->in = false;
        entry->seen++;
        struct entry *other = &world->entries[sim_random_below(random, ENTRIES)];
        if (other->in && sim_random_chance(random, 300)) {
            assert_true(ptl_map_remove(&world->map, other->hash, other));
            other->in = false;
            other->seen++;
        } else if (!other->in && other->seen < 2 && sim_random_chance(random, 300)) {
            put(&world->map, other);
        }
    }
}

static void map_gives_each_entry_up_once_however_it_is_changed_meanwhile(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    for (uint64_t seed = 0; seed < 50; seed++) {
        sim_random_seed(&random, seed);
        for (int i = 0; i < ENTRIES; i++) {
            uint64_t place = sim_random_below(&random, seed % 2 == 0 ? 64 : UINT64_MAX);
            world->entries[i] = (struct entry){.hash = ((uint64_t)i << 32) ^ place};
            put(&world->map, &world->entries[i]);
        }
        take_all(world, &random);
        assert_int_equal(world->map.count, 0);
        for (int i = 0; i < ENTRIES; i++) {
            assert_false(world->entries[i].in);
            assert_in_range(world->entries[i].seen, 1, 2);
        }
    }
}

/* A walk that began again after each would look at some 10^11 places. */
static void map_of_a_million_is_emptied_at_once(void **state)
{
    struct world *world = *state;
    static struct entry entry;
    uint32_t count = 0;

    for (uint64_t i = 1; i <= 1000000; i++) {
        assert_int_equal(ptl_map_reserve(&world->map), 0);
        ptl_map_insert(&world->map, ptl_map_spread(i), &entry);
    }
    while (ptl_map_take(&world->map) != NULL) {
        count++;
    }
    assert_int_equal(count, 1000000);
}

static void map_walk_goes_on_after_what_it_has_shown_is_removed(void **state)
{
    struct world *world = *state;
    struct sim_random random;
    struct entry *entry;
    uint32_t at = 0;

    sim_random_seed(&random, 7);
    for (int i = 0; i < ENTRIES; i++) {
        world->entries[i].hash = ((uint64_t)i << 32) | (sim_random_below(&random, 64) * 0x3f);
        put(&world->map, &world->entries[i]);
    }
    while ((entry = ptl_map_next(&world->map, &at)) != NULL) {
        entry->seen++;
        if (sim_random_chance(&random, 500)) {
            ptl_map_remove_last(&world->map, &at);
            entry->in = false;
        }
    }
    for (int i = 0; i < ENTRIES; i++) {
        assert_true(world->entries[i].seen > 0);
    }
    assert_map_is(world);
}

static void map_stays_as_it_was_when_it_cannot_grow(void **state)
{
    struct world *world = *state;
    struct entry first[6];

    for (uint64_t i = 0; i < 6; i++) {
        first[i] = (struct entry){.hash = i};
        put(&world->map, &first[i]);
    }
    test_memory_fail(&world->memory, 1);
    assert_int_equal(ptl_map_reserve(&world->map), PTL_ENOMEM);
    for (uint64_t i = 0; i < 6; i++) {
        assert_ptr_equal(find(&world->map, i), &first[i]);
    }
    test_memory_fail(&world->memory, 0);
    assert_int_equal(ptl_map_reserve(&world->map), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(map_that_is_empty_finds_and_removes_nothing),
        TEST(map_tells_entries_with_one_hash_apart_by_their_keys),
        TEST(map_finds_what_is_in_it_however_it_came_and_went),
        TEST(map_walk_shows_every_entry_once),
        TEST(map_gives_each_entry_up_once_however_it_is_changed_meanwhile),
        TEST(map_of_a_million_is_emptied_at_once),
        TEST(map_walk_goes_on_after_what_it_has_shown_is_removed),
        TEST(map_stays_as_it_was_when_it_cannot_grow),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
