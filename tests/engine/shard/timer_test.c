#include "engine/shard/timer.h"

#include "engine/shard/shard.h"
#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TIMINGS 3000

/* A shard that has nothing but a heap. */
struct world {
    struct test_memory memory;
    struct ptl_shard shard;
    struct ptl_timing timings[TIMINGS];
    uint64_t fired[TIMINGS]; /* IDs */
    unsigned fired_count;
    bool again; /* what fires is postponed instead, by 10 */
};

static struct world *world;

static int set_up(void **state)
{
    (void)state;
    world = calloc(1, sizeof(*world));
    test_memory_init(&world->memory);
    ptl_timers_init(&world->shard.timers, &world->memory.allocator);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ptl_timers_drop(&world->shard.timers);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static void fire(struct ptl_shard *shard, struct ptl_timing *timing, uint64_t now)
{
    world->fired[world->fired_count++] = timing->id;
    if (world->again) {
        ptl_timers_postpone(&shard->timers, timing, now + 10);
    } else {
        ptl_timers_remove(&shard->timers, timing);
    }
}

static void add(uint64_t id, uint64_t due)
{
    struct ptl_timing *timing = &world->timings[id];

    *timing = (struct ptl_timing){.due = due, .id = id, .fire = fire};
    assert_int_equal(ptl_timers_reserve(&world->shard.timers), 0);
    ptl_timers_add(&world->shard.timers, timing);
}

static void timings_of_one_moment_fire_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    for (uint64_t i = 100; i-- > 0;) {
        add(i, 50 + i / 10);
    }
    assert_int_equal(ptl_timers_due(&world->shard.timers), 50);
    assert_false(ptl_timers_fire(&world->shard, 49));
    assert_int_equal(world->fired_count, 0);
    assert_false(ptl_timers_fire(&world->shard, 60));
    assert_int_equal(world->fired_count, 100);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(world->fired[i], i);
    }
    assert_true(ptl_timers_due(&world->shard.timers) == UINT64_MAX);
    assert_null(ptl_timers_first(&world->shard.timers));
}

static void timing_that_is_removed_leaves_the_order_of_the_others(void **state)
{
    struct sim_random random;
    uint64_t left = 0;

    (void)state;
    sim_random_seed(&random, 5);
    for (uint64_t i = 0; i < TIMINGS; i++) {
        add(i, 1 + sim_random_below(&random, 700));
    }
    for (uint64_t i = 0; i < TIMINGS; i++) {
        if (sim_random_below(&random, 2) == 0) {
            ptl_timers_remove(&world->shard.timers, &world->timings[i]);
        } else {
            left++;
        }
    }
    assert_false(ptl_timers_fire(&world->shard, 1000));
    assert_int_equal(world->fired_count, left);
    for (uint64_t i = 1; i < left; i++) {
        const struct ptl_timing *before = &world->timings[world->fired[i - 1]];
        const struct ptl_timing *after = &world->timings[world->fired[i]];
        assert_true(before->due < after->due ||
                    (before->due == after->due && before->id < after->id));
    }
}

static void timing_that_is_postponed_fires_once_a_turn(void **state)
{
    (void)state;
    world->again = true;
    add(0, 5);
    assert_false(ptl_timers_fire(&world->shard, 100)); /* it is due at 110, not before */
    assert_int_equal(world->fired_count, 1);
    assert_int_equal(ptl_timers_due(&world->shard.timers), 110);
    assert_false(ptl_timers_fire(&world->shard, 109));
    assert_int_equal(world->fired_count, 1);
    assert_false(ptl_timers_fire(&world->shard, 110));
    assert_int_equal(world->fired_count, 2);
}

/* Without memory it says so before anything is put in. */
static void heap_without_memory_takes_no_more(void **state)
{
    (void)state;
    test_memory_fail(&world->memory, 1);
    assert_int_equal(ptl_timers_reserve(&world->shard.timers), PTL_ENOMEM);
    test_memory_fail(&world->memory, 0);
    add(0, 1);
    assert_false(ptl_timers_fire(&world->shard, 1));
    assert_int_equal(world->fired_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(timings_of_one_moment_fire_in_the_order_of_their_numbers),
        TEST(timing_that_is_removed_leaves_the_order_of_the_others),
        TEST(timing_that_is_postponed_fires_once_a_turn),
        TEST(heap_without_memory_takes_no_more),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
