#include "engine/shard/ring.h"

#include "tests/common/memory.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CAPACITY 4096
#define WIDE (8 * PTL_RING_WINDOW) /* some windows long: the small one is full before its window */

#ifdef PTL_QUICK
#define STRESS_RECORDS 100000
#else
#define STRESS_RECORDS 1000000
#endif

struct world {
    struct test_memory memory;
    struct ptl_ring *ring;
};

static int set_up_with(void **state, uint64_t capacity)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    world->ring = aligned_alloc(PTL_CACHE_LINE, sizeof(*world->ring));
    *state = world;
    return ptl_ring_init(world->ring, &world->memory.allocator, capacity);
}

static int set_up(void **state)
{
    return set_up_with(state, CAPACITY);
}

static int set_up_wide(void **state)
{
    return set_up_with(state, WIDE);
}

static int tear_down(void **state)
{
    struct world *world = *state;

    ptl_ring_drop(world->ring);
    size_t out_bytes = world->memory.out_bytes;
    free(world->ring);
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

/* A record: the ring's own word in the first four bytes, then a number as often as it fits. */
static void fill(void *place, uint32_t size, uint32_t number)
{
    uint32_t *words = place;

    for (uint32_t i = 1; i < size / 4; i++) {
        words[i] = number + i;
    }
}

static bool holds(const void *place, uint32_t size, uint32_t number)
{
    const uint32_t *words = place;
    uint16_t word;

    for (uint32_t i = 1; i < size / 4; i++) {
        if (words[i] != number + i) {
            return false;
        }
    }
    memcpy(&word, place, sizeof(word));
    return word * (uint32_t)PTL_RING_UNIT == size;
}

static bool push(struct ptl_ring *ring, uint32_t size, uint32_t number, bool control)
{
    void *place =
        control ? ptl_ring_reserve(ring, size, 0, true) : ptl_ring_reserve_message(ring, size);

    if (place == NULL) {
        return false;
    }
    fill(place, size, number);
    ptl_ring_commit(ring, size, 0);
    return true;
}

/* How many records of this size go in until there is no room. */
static uint32_t push_all(struct ptl_ring *ring, uint32_t size, uint32_t number, bool control)
{
    uint32_t count = 0;

    while (push(ring, size, number + count, control)) {
        count++;
    }
    return count;
}

static void assert_next(struct ptl_ring *ring, uint32_t size, uint32_t number)
{
    void *place = ptl_ring_take(ring, ptl_ring_tail(ring));

    assert_non_null(place);
    assert_true(holds(place, size, number));
}

static void ring_gives_back_what_was_put_in_and_in_order(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;

    assert_true(ptl_ring_empty(ring));
    for (uint32_t i = 1; i <= 20; i++) {
        assert_true(push(ring, i * 8, i * 100, false));
    }
    assert_true(ptl_ring_publish(ring));
    assert_false(ptl_ring_publish(ring));
    for (uint32_t i = 1; i <= 20; i++) {
        assert_next(ring, i * 8, i * 100);
    }
    assert_null(ptl_ring_take(ring, ptl_ring_tail(ring)));
    assert_true(ptl_ring_empty(ring));
    assert_false(ptl_ring_drained(ring));
    ptl_ring_release(ring);
    assert_true(ptl_ring_drained(ring));
}

static void ring_shows_nothing_before_it_is_published(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;

    void *place = ptl_ring_reserve(ring, 64, 0, false);
    assert_non_null(place);
    assert_true(ptl_ring_empty(ring));
    fill(place, 64, 1);
    ptl_ring_commit(ring, 64, 0);
    assert_true(ptl_ring_empty(ring));
    ptl_ring_publish(ring);
    assert_false(ptl_ring_empty(ring));
}

static void ring_shows_a_window_that_is_full(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;
    const uint32_t count = PTL_RING_WINDOW / 32;

    for (uint32_t i = 0; i < count; i++) {
        assert_true(push(ring, 32, i, false));
    }
    assert_true(ptl_ring_empty(ring));
    assert_true(push(ring, 32, count, false));
    for (uint32_t i = 0; i < count; i++) {
        assert_next(ring, 32, i);
    }
    assert_true(ptl_ring_empty(ring));
    assert_true(ptl_ring_publish(ring)); /* also what was shown: the consumer may sleep */
    assert_next(ring, 32, count);
    assert_true(ptl_ring_empty(ring));
}

static void ring_publishes_what_was_shown_within_the_turn(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;

    assert_true(push(ring, PTL_RING_WINDOW, 0, false));
    assert_non_null(ptl_ring_reserve(ring, 32, 0, false)); /* has the first one shown */
    assert_next(ring, PTL_RING_WINDOW, 0);
    assert_true(ptl_ring_publish(ring));
    assert_false(ptl_ring_publish(ring));
}

static void ring_forgets_a_place_that_is_not_committed(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;

    assert_non_null(ptl_ring_reserve(ring, 128, 0, false));
    assert_true(push(ring, 16, 7, false));
    ptl_ring_publish(ring);
    assert_next(ring, 16, 7);
    assert_true(ptl_ring_empty(ring));
}

static void ring_goes_round_with_records_of_all_sizes(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;
    uint32_t put = 0, taken = 0;

    for (int round = 0; round < 2000; round++) {
        while (push(ring, 8 + put % 64 * 8, put, put % 3 == 0)) {
            put++;
        }
        ptl_ring_publish(ring);
        for (int i = 0; i < 3 + round % 5 && taken < put; i++) {
            assert_next(ring, 8 + taken % 64 * 8, taken);
            taken++;
        }
        ptl_ring_release(ring);
    }
    while (taken < put) {
        assert_next(ring, 8 + taken % 64 * 8, taken);
        taken++;
    }
    assert_true(ptl_ring_empty(ring));
}

static void ring_keeps_a_quarter_for_control_records(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;

    assert_int_equal(push_all(ring, 64, 0, false), CAPACITY / 64 * 3 / 4);
    assert_false(ptl_ring_has_room(ring, 64, 0));
    assert_int_equal(push_all(ring, 64, 100, true), CAPACITY / 64 / 4);
    assert_null(ptl_ring_reserve(ring, 8, 0, true));
    ptl_ring_publish(ring);
    for (uint32_t i = 0; i < CAPACITY / 64 * 3 / 4; i++) {
        assert_next(ring, 64, i);
    }
    assert_next(ring, 64, 100);
}

static void ring_has_room_again_only_when_records_are_released(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;

    push_all(ring, 64, 0, false);
    ptl_ring_publish(ring);
    assert_next(ring, 64, 0);
    assert_next(ring, 64, 1);
    assert_false(ptl_ring_has_room(ring, 64, 0));
    ptl_ring_release(ring);
    assert_true(ptl_ring_has_room(ring, 64, 0));
    assert_int_equal(push_all(ring, 64, 500, false), 2);
}

static void ring_bounds_the_bytes_that_its_records_refer_to(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;
    uint64_t half = PTL_RING_HELD_MAX / 2;

    for (int i = 0; i < 2; i++) {
        assert_true(ptl_ring_has_room(ring, 16, half));
        fill(ptl_ring_reserve(ring, 16, half, false), 16, 0);
        ptl_ring_commit(ring, 16, half);
    }
    assert_false(ptl_ring_has_room(ring, 16, 1));
    assert_null(ptl_ring_reserve(ring, 16, 1, false));
    assert_non_null(ptl_ring_reserve(ring, 16, 0, false)); /* a small message refers to nothing */
    assert_non_null(ptl_ring_reserve(ring, 16, 1, true));  /* and control is not held up */
    ptl_ring_returned(ring, 1);
    assert_true(ptl_ring_has_room(ring, 16, half));
}

static void ring_is_ample_while_at_least_half_of_it_is_free(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;

    for (int i = 0; i < CAPACITY / 64 / 2; i++) {
        assert_true(push(ring, 64, 0, false));
    }
    assert_true(ptl_ring_ample(ring));
    assert_true(push(ring, 64, 0, false));
    assert_false(ptl_ring_ample(ring));
    ptl_ring_publish(ring);
    assert_next(ring, 64, 0);
    ptl_ring_release(ring);
    assert_true(ptl_ring_ample(ring));
    ptl_ring_commit(ring, 0, PTL_RING_HELD_MAX / 2 + 1);
    assert_false(ptl_ring_ample(ring));
}

static void ring_tells_a_waiting_producer_once_when_half_is_free(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;
    uint32_t told = 0, count = push_all(ring, 64, 0, true);

    ptl_ring_publish(ring);
    ptl_ring_wait_for_room(ring);
    assert_true(ptl_ring_waits(ring));
    for (uint32_t i = 0; i < count; i++) {
        assert_next(ring, 64, i);
        if (ptl_ring_release(ring)) {
            assert_int_equal(i, count / 2 - 1);
            told++;
        }
    }
    assert_int_equal(told, 1);
    assert_false(ptl_ring_waits(ring));
}

static void ring_without_memory_is_refused(void **state)
{
    struct world *world = *state;
    struct ptl_ring *other = aligned_alloc(PTL_CACHE_LINE, sizeof(*other));

    test_memory_fail(&world->memory, 1);
    int err = ptl_ring_init(other, &world->memory.allocator, CAPACITY);
    ptl_ring_drop(other);
    free(other);
    assert_int_equal(err, PTL_ENOMEM);
}

/* ---- Two threads --------------------------------------------------------------------------- */

static uint32_t stress_size(uint32_t number)
{
    return 16 + number * 2654435761u % 31 * 16;
}

static uint64_t stress_sum; /* of all numbers put in; written before the thread is joined */

static void *produce(void *argument)
{
    struct ptl_ring *ring = argument;

    for (uint32_t i = 0; i < STRESS_RECORDS;) {
        uint32_t number = i * 40503u;
        if (push(ring, stress_size(i), number, i % 7 == 0)) {
            stress_sum += number;
            i++;
            continue;
        }
        ptl_ring_publish(ring);
        sched_yield();
    }
    ptl_ring_publish(ring);
    return NULL;
}

/* Returns the sum of what came; stops looking, but not taking, at the first record that is bad. */
static uint64_t consume(struct ptl_ring *ring, uint32_t *bad)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < STRESS_RECORDS;) {
        void *place = ptl_ring_take(ring, ptl_ring_tail(ring));
        if (place == NULL) {
            sched_yield();
            continue;
        }
        *bad += !holds(place, stress_size(i), i * 40503u);
        sum += i * 40503u;
        i++;
        ptl_ring_release(ring);
    }
    return sum;
}

static void ring_carries_everything_between_two_threads(void **state)
{
    struct ptl_ring *ring = ((struct world *)*state)->ring;
    pthread_t producer;
    uint32_t bad = 0;

    stress_sum = 0;
    assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
    uint64_t sum = consume(ring, &bad);
    pthread_join(producer, NULL);
    assert_int_equal(bad, 0);
    assert_true(sum == stress_sum);
    assert_true(ptl_ring_drained(ring));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define WIDE_TEST(name)                                                                            \
    {                                                                                              \
#name "_of_some_windows", name, set_up_wide, tear_down, NULL                               \
    }

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(ring_gives_back_what_was_put_in_and_in_order),
        TEST(ring_shows_nothing_before_it_is_published),
        WIDE_TEST(ring_shows_nothing_before_it_is_published),
        WIDE_TEST(ring_shows_a_window_that_is_full),
        WIDE_TEST(ring_publishes_what_was_shown_within_the_turn),
        TEST(ring_forgets_a_place_that_is_not_committed),
        TEST(ring_goes_round_with_records_of_all_sizes),
        WIDE_TEST(ring_goes_round_with_records_of_all_sizes),
        TEST(ring_keeps_a_quarter_for_control_records),
        TEST(ring_has_room_again_only_when_records_are_released),
        TEST(ring_bounds_the_bytes_that_its_records_refer_to),
        TEST(ring_is_ample_while_at_least_half_of_it_is_free),
        TEST(ring_tells_a_waiting_producer_once_when_half_is_free),
        TEST(ring_without_memory_is_refused),
        TEST(ring_carries_everything_between_two_threads),
        WIDE_TEST(ring_carries_everything_between_two_threads),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
