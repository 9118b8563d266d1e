#include "engine/port/after.h"

#include "engine/port/shard_ports.h"
#include "engine/shard/shard.h"
#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TIMERS 2000
#define WAITING 200000

static uint64_t no_time(struct ptl_loop *loop)
{
    (void)loop;
    return 0;
}

static const struct ptl_loop_ops ops = {.coarse = no_time};
static struct ptl_loop loop = {.ops = &ops};

/* A shard that does nothing but keep timers. */
struct world {
    struct test_memory memory;
    struct ptl_shard shard;
    struct ptl_shard_ports ports;
    uint64_t fired[TIMERS];
    unsigned fired_count;
    uint64_t cancel; /* the next callback takes this one back */
};

struct wish {
    struct world *world;
    uint64_t number;
};

static struct wish wishes[TIMERS];

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    world->shard.allocator = &world->memory.allocator;
    world->shard.loop = &loop;
    world->shard.ports = &world->ports;
    ptl_timers_init(&world->shard.timers, &world->memory.allocator);
    ptl_afters_init(&world->shard.ports->afters, &world->memory.allocator);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    ptl_afters_drop(&world->shard);
    ptl_timers_drop(&world->shard.timers);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static int on_time(struct ptl_node *node, void *data)
{
    const struct wish *wish = data;
    struct world *world = wish->world;

    (void)node;
    world->fired[world->fired_count++] = wish->number;
    if (world->cancel != 0) {
        ptl_after_cancel(&world->shard, world->cancel);
        world->cancel = 0;
    }
    return 0;
}

static int add(struct world *world, uint64_t number, uint64_t due)
{
    struct ptl_after *after = ptl_alloc(&world->memory.allocator, sizeof(*after));

    assert_non_null(after);
    wishes[number] = (struct wish){.world = world, .number = number};
    after->timing.id = number + 1;
    after->timing.due = due;
    after->tell = on_time;
    after->data = &wishes[number];
    int err = ptl_after_add(&world->shard, after);
    if (err < 0) {
        ptl_after_free(&world->shard, after);
    }
    return err;
}

static void timer_fires_when_it_is_due_and_not_before(void **state)
{
    struct world *world = *state;

    assert_true(ptl_timers_due(&world->shard.timers) == UINT64_MAX);
    assert_int_equal(add(world, 0, 100), 0);
    assert_int_equal(ptl_timers_due(&world->shard.timers), 100);
    assert_false(ptl_timers_fire(&world->shard, 99));
    assert_int_equal(world->fired_count, 0);
    assert_false(ptl_timers_fire(&world->shard, 100));
    assert_int_equal(world->fired_count, 1);
    assert_false(ptl_timers_fire(&world->shard, 1000));
    assert_int_equal(world->fired_count, 1);
    assert_true(ptl_timers_due(&world->shard.timers) == UINT64_MAX);
}

static void timers_fire_in_the_order_of_their_time_but_those_taken_back(void **state)
{
    static uint64_t due[TIMERS];
    struct world *world = *state;
    struct sim_random random;
    unsigned left = TIMERS;

    sim_random_seed(&random, 2);
    for (uint64_t i = 0; i < TIMERS; i++) {
        due[i] = 1 + sim_random_below(&random, 500);
        assert_int_equal(add(world, i, due[i]), 0);
    }
    for (uint64_t i = 0; i < TIMERS; i += 1 + sim_random_below(&random, 4)) {
        ptl_after_cancel(&world->shard, i + 1);
        ptl_after_cancel(&world->shard, i + 1);
        due[i] = 0;
        left--;
    }
    for (uint64_t now = 0; now <= 500; now += 5) {
        assert_false(ptl_timers_fire(&world->shard, now));
        assert_true(ptl_timers_due(&world->shard.timers) > now);
    }
    assert_int_equal(world->fired_count, left);
    for (unsigned i = 0; i < left; i++) {
        assert_true(due[world->fired[i]] != 0);
        assert_true(i == 0 || due[world->fired[i - 1]] <= due[world->fired[i]]);
    }
}

static void timer_may_take_back_another_or_itself_while_it_fires(void **state)
{
    struct world *world = *state;

    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(add(world, i, 10 + i), 0);
    }
    world->cancel = 2;
    assert_false(ptl_timers_fire(&world->shard, 10));
    world->cancel = 3; /* the one that fires now: gone already, which is no error */
    assert_false(ptl_timers_fire(&world->shard, 100));
    assert_int_equal(world->fired_count, 2);
    assert_int_equal(world->fired[0], 0);
    assert_int_equal(world->fired[1], 2);
}

static void timers_that_are_dropped_fire_never(void **state)
{
    struct world *world = *state;

    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(add(world, i, i), 0);
    }
    ptl_afters_drop(&world->shard);
    assert_false(ptl_timers_fire(&world->shard, 1000));
    assert_int_equal(world->fired_count, 0);
    ptl_timers_drop(&world->shard.timers);
    assert_int_equal(world->memory.out_bytes, 0);
}

static void timer_without_memory_is_refused(void **state)
{
    struct world *world = *state;

    for (size_t nth = 2; nth <= 3; nth++) { /* the first is the timer's own */
        test_memory_fail(&world->memory, nth);
        assert_int_equal(add(world, 0, 1), PTL_ENOMEM);
    }
    test_memory_fail(&world->memory, 0);
    assert_false(ptl_timers_fire(&world->shard, 1000));
    assert_int_equal(world->fired_count, 0);
}

/* A search among all that wait would take longer than any test may. */
static void timers_of_threads_that_wait_for_memory_are_taken_back_at_once(void **state)
{
    struct world *world = *state;
    struct ptl_afters *afters = &world->ports.afters;
    struct wish wish = {.world = world, .number = 1};

    for (uint64_t id = 1; id <= WAITING; id++) {
        struct ptl_after *after = ptl_alloc(&world->memory.allocator, sizeof(*after));
        after->timing.id = id;
        after->tell = on_time;
        after->data = &wish;
        test_memory_fail(&world->memory, 1);
        ptl_after_take(&world->shard, after);
        test_memory_fail(&world->memory, 0);
    }
    assert_false(ptl_list_empty(&afters->accepted));
    for (uint64_t id = WAITING; id > 2; id--) {
        ptl_after_cancel(&world->shard, id);
    }
    ptl_after_cancel(&world->shard, WAITING); /* not there any more */
    world->shard.now = UINT64_C(1000000000);
    assert_int_equal(ptl_afters_retry(&world->shard), UINT64_MAX); /* there is memory again */
    assert_true(ptl_list_empty(&afters->accepted));
    assert_null(afters->accepted_ids);
    ptl_after_cancel(&world->shard, 2);
    assert_false(ptl_timers_fire(&world->shard, UINT64_C(2000000000)));
    assert_int_equal(world->fired_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(timer_fires_when_it_is_due_and_not_before),
        TEST(timers_fire_in_the_order_of_their_time_but_those_taken_back),
        TEST(timer_may_take_back_another_or_itself_while_it_fires),
        TEST(timers_that_are_dropped_fire_never),
        TEST(timer_without_memory_is_refused),
        TEST(timers_of_threads_that_wait_for_memory_are_taken_back_at_once),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
