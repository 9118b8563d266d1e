#include "engine/port/queue.h"

#include "engine/message/message.h"
#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOTICES 64
#define QUEUED_MAX 64
#define STEPS 20000

/* What should stand in the queue: numbers of parcels, and of notices beyond NOTICE. */
#define NOTICE 1000000

struct world {
    struct test_memory memory;
    struct ptl_queue queue;
    struct ptl_notice notices[NOTICES];
    unsigned model[QUEUED_MAX + 1];
    unsigned count;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    ptl_queue_init(&world->queue);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    size_t out_bytes = world->memory.out_bytes;

    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static struct ptl_parcel *parcel_of(struct world *world, unsigned number)
{
    struct ptl_op op = {.kind = PTL_OP_MESSAGE, .to = PTL_TO_SLOT, .slot = number};
    struct ptl_parcel *parcel = ptl_parcel_make(&op, &world->memory.allocator);

    assert_non_null(parcel);
    return parcel;
}

static unsigned number_of(const struct world *world, struct ptl_queued queued)
{
    struct ptl_op op;

    if (queued.notice != NULL) {
        assert_null(queued.parcel);
        return NOTICE + (unsigned)(queued.notice - world->notices);
    }
    assert_non_null(queued.parcel);
    ptl_op_unpack(queued.parcel->bytes, &op);
    return op.slot;
}

static void put(struct world *world, unsigned number, bool first)
{
    if (number >= NOTICE) {
        ptl_queue_put_notice(&world->queue, &world->notices[number - NOTICE], first);
    } else {
        ptl_queue_put(&world->queue, parcel_of(world, number), first);
    }
    if (first) {
        memmove(world->model + 1, world->model, world->count * sizeof(*world->model));
        world->model[0] = number;
    } else {
        world->model[world->count] = number;
    }
    world->count++;
}

static unsigned take(struct world *world)
{
    struct ptl_queued first = ptl_queue_first(&world->queue);
    struct ptl_queued taken = ptl_queue_take(&world->queue);
    unsigned number = number_of(world, taken);

    assert_int_equal(number_of(world, first), number);
    assert_int_equal(number, world->model[0]);
    world->count--;
    memmove(world->model, world->model + 1, world->count * sizeof(*world->model));
    ptl_parcel_free(taken.parcel, &world->memory.allocator);
    assert_true(ptl_queue_empty(&world->queue) == (world->count == 0));
    return number;
}

static unsigned any_number(struct world *world, struct sim_random *random, unsigned step)
{
    unsigned notice = (unsigned)sim_random_below(random, NOTICES);

    return sim_random_chance(random, 500) && !ptl_listed(&world->notices[notice].listed)
               ? NOTICE + notice
               : step;
}

/* What could not be run goes back to the front, and more may have come meanwhile. */
static void queue_keeps_parcels_and_notices_in_one_order(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 7);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned what = (unsigned)sim_random_below(&random, 5);
        if (what < 2 && world->count < QUEUED_MAX - 2) {
            put(world, any_number(world, &random, step), false);
        } else if (what < 4 && world->count > 0) {
            take(world);
        } else if (world->count > 0) {
            unsigned number = take(world);
            if (sim_random_chance(&random, 500)) {
                put(world, any_number(world, &random, step + STEPS), false);
            }
            if (number < NOTICE || !ptl_listed(&world->notices[number - NOTICE].listed)) {
                put(world, number, true);
            }
        }
    }
    while (world->count > 0) {
        take(world);
    }
    assert_int_equal(ptl_queue_weight(&world->queue), 0);
}

static void queue_counts_what_a_notice_holds(void **state)
{
    struct world *world = *state;
    static const char reason[500] = {0};
    struct ptl_msg *msg;

    assert_int_equal(
        ptl_msg_from(&world->memory.allocator, ptl_span(reason, sizeof(reason)), 500, &msg), 0);
    world->notices[0].reason = world->notices[1].reason = msg;
    put(world, NOTICE, false);
    put(world, NOTICE + 1, false);
    assert_true(ptl_queue_weight(&world->queue) >= 2 * sizeof(reason));
    take(world);
    take(world);
    assert_int_equal(ptl_queue_weight(&world->queue), 0);
    ptl_msg_free(msg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(queue_keeps_parcels_and_notices_in_one_order),
        TEST(queue_counts_what_a_notice_holds),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
