#include "engine/shard/op.h"

#include "engine/message/message.h"
#include "tests/common/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct test_memory memory;
    uint64_t record[PTL_RECORD_MAX / 8];
    char bytes[4 * PTL_OP_INLINE_MAX];
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    for (size_t i = 0; i < sizeof(world->bytes); i++) {
        world->bytes[i] = (char)(i * 7);
    }
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

static void assert_span(struct ptl_span span, struct ptl_span expected)
{
    assert_int_equal(span.size, expected.size);
    assert_true(ptl_span_equal(span, expected));
}

static struct ptl_op message_op(const struct world *world, size_t body_size)
{
    return (struct ptl_op){
        .kind = PTL_OP_MESSAGE,
        .to = PTL_TO_NODE,
        .count = 17,
        .told = UINT64_C(1) << 40,
        .node = ptl_span_text("snow"),
        .name = ptl_span_text("echo"),
        .body = ptl_span(world->bytes, body_size),
    };
}

static void op_comes_out_of_its_record_as_it_went_in(void **state)
{
    struct world *world = *state;

    for (size_t size = 0; size <= PTL_OP_INLINE_MAX; size += 31) {
        struct ptl_op op = message_op(world, size), seen;
        assert_true(ptl_op_size(&op) <= sizeof(world->record));
        assert_int_equal(ptl_op_size(&op) % 8, 0);
        assert_int_equal(ptl_op_held(&op), 0);
        ptl_op_pack(&op, world->record);
        memset(&seen, 0xa5, sizeof(seen));
        ptl_op_unpack(world->record, &seen);
        assert_int_equal(seen.kind, PTL_OP_MESSAGE);
        assert_int_equal(seen.to, PTL_TO_NODE);
        assert_int_equal(seen.count, 17);
        assert_true(seen.told == op.told);
        assert_null(seen.whole);
        assert_span(seen.node, op.node);
        assert_span(seen.name, op.name);
        assert_span(seen.body, op.body);
        assert_int_equal(ptl_op_done(world->record), 0);
    }
}

static void op_to_a_slot_keeps_slot_and_generation(void **state)
{
    struct world *world = *state;
    struct ptl_op op = {
        .kind = PTL_OP_KILL, .to = PTL_TO_SLOT, .slot = 0xfffffe, .generation = UINT32_MAX};
    struct ptl_op seen;

    ptl_op_pack(&op, world->record);
    ptl_op_unpack(world->record, &seen);
    assert_int_equal(seen.to, PTL_TO_SLOT);
    assert_int_equal(seen.slot, 0xfffffe);
    assert_int_equal(seen.generation, UINT32_MAX);
    assert_int_equal(seen.body.size, 0);
    assert_int_equal(seen.name.size, 0);
}

/* Payloads with no byte that is another's, and none that is 0. */
#define OBSERVER                                                                                   \
    {                                                                                              \
        .observation = UINT64_C(0x8182838485868788), .shard = UINT32_C(0x91929394)                 \
    }
#define HANDED(what)                                                                               \
    {                                                                                              \
        .what = (void *)(uintptr_t)0x51525354, .bytes = UINT32_C(0xa1a2a3a4)                       \
    }

/* What each kind says, and how many bytes that takes; each has a line. */
static const struct sample {
    bool known;
    union ptl_op_payload as;
    uint32_t size;
} samples[PTL_OP_KINDS] = {
    [PTL_OP_MESSAGE] = {.known = true},
    [PTL_OP_KILL] = {.known = true},
    [PTL_OP_HANDLER] = {true, {.handed = HANDED(wish)}, 16},
    [PTL_OP_OBSERVE] = {true, {.observer = OBSERVER}, 16},
    [PTL_OP_SPAWN] = {.known = true},
    [PTL_OP_EVENT] = {true, {.follower = UINT64_C(0x8182838485868788)}, 8},
    [PTL_OP_REGISTER] = {true, {.handed = HANDED(registration)}, 16},
    [PTL_OP_UNOBSERVE] = {true, {.observer = OBSERVER}, 16},
    [PTL_OP_DOWN] = {true,
                     {.down = {UINT64_C(0x8182838485868788), UINT64_C(0x7172737475767778)}},
                     16},
    [PTL_OP_LINK_DOWN] = {true, {.failure = {UINT64_C(0x8182838485868788), 63}}, 16},
    [PTL_OP_FULL] = {.known = true},
    [PTL_OP_ROOM] = {.known = true},
    [PTL_OP_HANDOVER] = {true, {.handed = HANDED(connection)}, 16},
    [PTL_OP_MONITOR] = {true, {.handed = HANDED(monitoring)}, 16},
    [PTL_OP_UNMONITOR] = {true, {.monitor = UINT64_C(0x8182838485868788)}, 8},
    [PTL_OP_TIMER] = {true, {.handed = HANDED(after)}, 16},
    [PTL_OP_UNTIMER] = {true, {.timer = UINT64_C(0x8182838485868788)}, 8},
    [PTL_OP_ON_ROOM] = {true, {.handed = HANDED(waiter)}, 16},
    [PTL_OP_ON_LINK] = {true, {.handed = HANDED(listener)}, 16},
    [PTL_OP_FOLLOW] = {true, {.handed = HANDED(follower)}, 16},
    [PTL_OP_SURVEY] = {true, {.handed = HANDED(survey)}, 16},
    [PTL_OP_DIRECTORY] = {true,
                          {.words = {UINT64_C(0x8182838485868788), 0x91929394, 0xb1b2, 0xc1c2}},
                          16},
};

static struct ptl_op op_of(uint8_t kind)
{
    assert_true(samples[kind].known); /* a new kind needs a line above */
    return (struct ptl_op){.kind = kind, .to = PTL_TO_SHARD, .as = samples[kind].as};
}

static void op_of_each_kind_says_the_same_after_its_record(void **state)
{
    struct world *world = *state;

    for (uint8_t kind = 0; kind < PTL_OP_KINDS; kind++) {
        for (uint64_t told = 0; told < 2; told++) {
            struct ptl_op op = op_of(kind), seen;
            op.told = told;
            op.to = PTL_TO_NODE;
            op.node = ptl_span_text("snow");
            op.name = ptl_span_text("echo");
            op.body = ptl_span(world->bytes, 21);
            ptl_op_pack(&op, world->record);
            memset(&seen, 0xa5, sizeof(seen));
            ptl_op_unpack(world->record, &seen);
            assert_int_equal(seen.kind, kind);
            assert_int_equal(seen.to, PTL_TO_NODE);
            assert_true(seen.told == told);
            assert_memory_equal(&seen.as, &samples[kind].as, samples[kind].size);
            assert_span(seen.node, op.node);
            assert_span(seen.name, op.name);
            assert_span(seen.body, op.body);
        }
    }
}

static void op_of_each_kind_has_the_least_record(void **state)
{
    (void)state;
    for (uint8_t kind = 0; kind < PTL_OP_KINDS; kind++) {
        struct ptl_op op = op_of(kind);
        assert_int_equal(ptl_op_size(&op), 24 + samples[kind].size);
        op.told = 1;
        assert_int_equal(ptl_op_size(&op), 24 + 8 + samples[kind].size);
    }
}

static void op_counts_what_it_hands_over(void **state)
{
    static const uint8_t kinds[] = {PTL_OP_HANDLER, PTL_OP_REGISTER, PTL_OP_HANDOVER,
                                    PTL_OP_MONITOR, PTL_OP_TIMER,    PTL_OP_ON_ROOM,
                                    PTL_OP_ON_LINK, PTL_OP_FOLLOW,   PTL_OP_SURVEY};
    struct world *world = *state;
    unsigned counted = 0;

    for (uint8_t kind = 0; kind < PTL_OP_KINDS; kind++) {
        struct ptl_op op = op_of(kind);
        bool hands_over = memchr(kinds, kind, sizeof(kinds)) != NULL;
        uint32_t bytes = hands_over ? UINT32_C(0xa1a2a3a4) : 0;
        assert_true(ptl_op_handed_bytes(&op) == bytes && ptl_op_held(&op) == bytes);
        ptl_op_pack(&op, world->record);
        assert_true(ptl_op_done(world->record) == bytes);
        counted += hands_over;
    }
    assert_int_equal(counted, sizeof(kinds));
    assert_true(ptl_op_bytes((size_t)UINT32_MAX + 1) == UINT32_MAX);
    assert_true(ptl_op_bytes(17) == 17);
}

static void small_message_for_a_slot_is_twelve_bytes_and_its_values(void **state)
{
    struct world *world = *state;
    struct ptl_op seen;

    for (uint32_t size = 0; size <= PTL_OP_INLINE_MAX; size++) {
        uint32_t count = size * 7 % (PTL_SMALL_COUNT_MAX + 1);
        assert_true(ptl_is_small(size, count));
        assert_int_equal(ptl_small_size(size), (12 + size + 7) / 8 * 8);
        memset(world->record, 0xa5, sizeof(world->record));
        memcpy(ptl_small_begin(world->record, 0xfffffe - size, UINT32_MAX, size, count),
               world->bytes, size);
        assert_int_equal(*((const uint8_t *)world->record + ptl_small_size(size)), 0xa5);
        assert_true(ptl_record_is_small((const void *)world->record));
        memset(&seen, 0xa5, sizeof(seen));
        ptl_op_unpack(world->record, &seen);
        assert_int_equal(seen.kind, PTL_OP_MESSAGE);
        assert_int_equal(seen.to, PTL_TO_SLOT);
        assert_int_equal(seen.slot, 0xfffffe - size);
        assert_int_equal(seen.generation, UINT32_MAX);
        assert_int_equal(seen.count, count);
        assert_int_equal(seen.told, 0);
        assert_int_equal(seen.node.size + seen.name.size, 0);
        assert_null(seen.whole);
        assert_span(seen.body, ptl_span(world->bytes, size));
        assert_int_equal(ptl_op_done(world->record), 0);
    }
    assert_false(ptl_is_small(PTL_OP_INLINE_MAX + 1, 1));
    assert_false(ptl_is_small(1000, PTL_SMALL_COUNT_MAX + 1));
}

static void small_message_to_a_name_has_the_name_before_its_values(void **state)
{
    struct world *world = *state;
    struct ptl_op seen;

    for (uint32_t size = 0; size <= PTL_OP_INLINE_MAX; size += 3) {
        struct ptl_span name = ptl_span(world->bytes + 1000, 1 + size % UINT8_MAX);
        struct ptl_span body = ptl_span(world->bytes, size);
        memset(world->record, 0xa5, sizeof(world->record));
        ptl_small_pack_named(world->record, name, UINT32_MAX - size, body, 255);
        assert_int_equal(*((const uint8_t *)world->record + ptl_small_size(name.size + body.size)),
                         0xa5);
        const struct ptl_record *record = (const void *)world->record;
        assert_true(ptl_record_is_small(record) && ptl_small_is_named(record));
        assert_int_equal(record->generation, UINT32_MAX - size);
        memset(&seen, 0xa5, sizeof(seen));
        ptl_op_unpack(world->record, &seen);
        assert_int_equal(seen.kind, PTL_OP_MESSAGE);
        assert_int_equal(seen.to, PTL_TO_NAME);
        assert_int_equal(seen.count, 255);
        assert_int_equal(seen.node.size, 0);
        assert_null(seen.whole);
        assert_span(seen.name, name);
        assert_span(seen.body, body);
        assert_int_equal(ptl_op_done(world->record), 0);
    }
}

static void small_message_of_one_value_of_16_bytes_is_as_long_as_the_yardsticks(void **state)
{
    (void)state;
    assert_int_equal(ptl_small_size(1 + 16), 32); /* perf/bare_ring.c */
}

static void op_with_the_longest_names_and_body_fits_a_record(void **state)
{
    struct world *world = *state;
    struct ptl_op op = message_op(world, PTL_OP_INLINE_MAX), seen;

    op.node = ptl_span(world->bytes + 100, UINT8_MAX);
    op.name = ptl_span(world->bytes + 500, UINT8_MAX);
    assert_true(ptl_op_size(&op) <= PTL_RECORD_MAX);
    ptl_op_pack(&op, world->record);
    ptl_op_unpack(world->record, &seen);
    assert_span(seen.node, op.node);
    assert_span(seen.name, op.name);
    assert_span(seen.body, op.body);
}

static void op_with_a_large_body_holds_the_message(void **state)
{
    struct world *world = *state;
    struct ptl_op op = message_op(world, PTL_OP_INLINE_MAX + 1), seen;
    struct ptl_msg *msg, *made;

    assert_int_equal(ptl_msg_from(&world->memory.allocator, op.body, op.count, &msg), 0);
    op.whole = msg;
    assert_int_equal(ptl_op_prepare(&op, &world->memory.allocator, &made), 0);
    assert_ptr_equal(made, msg); /* shared, not copied */
    assert_int_equal(ptl_op_held(&op), PTL_OP_INLINE_MAX + 1);
    ptl_op_pack(&op, world->record);
    ptl_msg_free(made);
    ptl_msg_free(msg);
    assert_true(world->memory.out_bytes > PTL_OP_INLINE_MAX);
    ptl_op_unpack(world->record, &seen);
    assert_ptr_equal(seen.whole, msg);
    assert_int_equal(seen.whole->count, op.count);
    assert_span(seen.body, ptl_span(world->bytes, PTL_OP_INLINE_MAX + 1));
    assert_int_equal(ptl_op_done(world->record), PTL_OP_INLINE_MAX + 1);
    assert_int_equal(world->memory.out_bytes, 0);
}

static void op_with_a_large_body_of_nobodys_makes_a_message(void **state)
{
    struct world *world = *state;
    struct ptl_op op = message_op(world, sizeof(world->bytes)), seen;
    struct ptl_msg *made;

    assert_int_equal(ptl_op_prepare(&op, &world->memory.allocator, &made), 0);
    assert_non_null(made);
    ptl_op_pack(&op, world->record);
    ptl_msg_free(made);
    ptl_op_unpack(world->record, &seen);
    assert_span(seen.body, ptl_span(world->bytes, sizeof(world->bytes)));
    ptl_op_done(world->record);
}

static void op_whose_message_has_no_memory_is_refused(void **state)
{
    struct world *world = *state;
    struct ptl_op op = message_op(world, sizeof(world->bytes));
    struct ptl_msg *made;

    test_memory_fail(&world->memory, 1);
    assert_int_equal(ptl_op_prepare(&op, &world->memory.allocator, &made), PTL_ENOMEM);
    assert_null(made);
}

static void parcel_keeps_all_that_its_op_pointed_to(void **state)
{
    struct world *world = *state;

    for (size_t size = 1; size <= sizeof(world->bytes); size *= 2) {
        char *body = malloc(size);
        memcpy(body, world->bytes, size);
        struct ptl_op op = message_op(world, size), seen;
        op.body = ptl_span(body, size);
        struct ptl_parcel *parcel = ptl_parcel_make(&op, &world->memory.allocator);
        free(body);
        assert_non_null(parcel);
        assert_true(ptl_parcel_weight(parcel) >= size + op.node.size + op.name.size);
        ptl_op_unpack(parcel->bytes, &seen);
        assert_span(seen.body, ptl_span(world->bytes, size));
        ptl_parcel_free(parcel, &world->memory.allocator);
        assert_int_equal(world->memory.out_bytes, 0);
    }
    ptl_parcel_free(NULL, &world->memory.allocator);
}

static void parcel_without_memory_leaves_nothing_behind(void **state)
{
    struct world *world = *state;
    struct ptl_op op = message_op(world, sizeof(world->bytes));

    for (size_t nth = 1; nth <= 2; nth++) {
        test_memory_fail(&world->memory, nth);
        assert_null(ptl_parcel_make(&op, &world->memory.allocator));
        assert_int_equal(world->memory.out_bytes, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(op_comes_out_of_its_record_as_it_went_in),
        TEST(op_to_a_slot_keeps_slot_and_generation),
        TEST(op_of_each_kind_says_the_same_after_its_record),
        TEST(op_of_each_kind_has_the_least_record),
        TEST(op_counts_what_it_hands_over),
        TEST(small_message_for_a_slot_is_twelve_bytes_and_its_values),
        TEST(small_message_to_a_name_has_the_name_before_its_values),
        TEST(small_message_of_one_value_of_16_bytes_is_as_long_as_the_yardsticks),
        TEST(op_with_the_longest_names_and_body_fits_a_record),
        TEST(op_with_a_large_body_holds_the_message),
        TEST(op_with_a_large_body_of_nobodys_makes_a_message),
        TEST(op_whose_message_has_no_memory_is_refused),
        TEST(parcel_keeps_all_that_its_op_pointed_to),
        TEST(parcel_without_memory_leaves_nothing_behind),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
