#include "store/table.h"

#include "io/base.h"

#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ELEMENTS 2000
#define KEPT_BYTES ((PTL_TABLE_KEPT - PTL_TABLE_FIRST) * sizeof(void *))

struct element {
    struct ptl_table_node node;
    uint32_t hash;
    bool in;
};

struct world {
    struct test_memory memory;
    struct ptl_table table;
    struct element elements[ELEMENTS];
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    ptl_table_init(&world->table, &world->memory.allocator);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    ptl_table_drop(&world->table);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static bool finds(const struct ptl_table *table, const struct element *element)
{
    struct ptl_table_node *node = ptl_table_chain(table, element->hash);

    while (node != NULL && node != &element->node) {
        node = node->next;
    }
    return node != NULL;
}

static void toggle(struct world *world, struct element *element)
{
    if (element->in) {
        ptl_table_remove(&world->table, &element->node);
    } else {
        ptl_table_insert(&world->table, &element->node, element->hash);
    }
    element->in = !element->in;
}

static void assert_table_is(struct world *world)
{
    uint32_t count = 0;

    for (int i = 0; i < ELEMENTS; i++) {
        assert_int_equal(finds(&world->table, &world->elements[i]), world->elements[i].in);
        count += world->elements[i].in;
    }
    assert_int_equal(world->table.count, count);
}

static void come_and_go(struct world *world)
{
    struct sim_random random;

    sim_random_seed(&random, 1);
    for (int i = 0; i < ELEMENTS; i++) {
        world->elements[i].hash = (uint32_t)sim_random_next(&random);
        toggle(world, &world->elements[i]);
    }
    assert_table_is(world);
    for (int round = 0; round < 10 * ELEMENTS; round++) {
        toggle(world, &world->elements[sim_random_below(&random, ELEMENTS)]);
        if (round % 1999 == 0) {
            assert_table_is(world);
        }
    }
    for (int i = 0; i < ELEMENTS; i++) {
        if (world->elements[i].in) {
            toggle(world, &world->elements[i]);
        }
        if (i % 199 == 0) {
            assert_table_is(world);
        }
    }
}

static void table_finds_what_is_in_it_and_gives_its_memory_back(void **state)
{
    struct world *world = *state;

    come_and_go(world);
    assert_true(world->memory.most_bytes > 10 * KEPT_BYTES);
    assert_int_equal(world->memory.out_bytes, KEPT_BYTES);
    ptl_table_drop(&world->table);
    assert_int_equal(world->memory.out_bytes, 0);
}

static void table_works_without_any_memory(void **state)
{
    struct world *world = *state;

    test_memory_fail(&world->memory, 1);
    come_and_go(world);
    assert_int_equal(world->memory.most_bytes, 0);
    assert_true(world->memory.calls > 0);
}

static void table_keeps_elements_of_one_hash_in_order_side_by_side(void **state)
{
    struct world *world = *state;
    struct element *elements = world->elements;

    for (uint32_t i = 0; i < 3; i++) {
        elements[i].hash = 7;
    }
    ptl_table_insert(&world->table, &elements[1].node, 7);
    ptl_table_insert_after(&world->table, &elements[1].node, &elements[2].node);
    ptl_table_insert_before(&world->table, &elements[1].node, &elements[0].node);
    for (uint32_t i = 3; i < ELEMENTS; i++) {
        ptl_table_insert(&world->table, &elements[i].node, i * 8 + 7); /* all split from there */
        assert_true(finds(&world->table, &elements[0]));
        assert_ptr_equal(elements[0].node.next, &elements[1].node);
        assert_ptr_equal(elements[1].node.next, &elements[2].node);
    }
    for (uint32_t i = 3; i < ELEMENTS; i++) {
        ptl_table_remove(&world->table, &elements[i].node);
        assert_ptr_equal(elements[0].node.next, &elements[1].node);
        assert_ptr_equal(elements[1].node.next, &elements[2].node);
    }
    ptl_table_replace(&world->table, &elements[1].node, &elements[3].node);
    assert_ptr_equal(elements[0].node.next, &elements[3].node);
    assert_ptr_equal(elements[3].node.next, &elements[2].node);
}

static void table_gives_all_elements_out_at_once(void **state)
{
    struct world *world = *state;
    unsigned count = 0;

    for (uint32_t i = 0; i < ELEMENTS; i++) {
        ptl_table_insert(&world->table, &world->elements[i].node, i * UINT32_C(0x9e3779b1));
    }
    struct ptl_table_node *node = ptl_table_empty(&world->table);
    for (; node != NULL; node = node->next) {
        struct element *element = (struct element *)node;
        assert_false(element->in);
        element->in = true;
        count++;
    }
    assert_int_equal(count, ELEMENTS);
    assert_int_equal(world->table.count, 0);
    assert_int_equal(world->memory.out_bytes, 0);
    assert_null(ptl_table_empty(&world->table));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(table_finds_what_is_in_it_and_gives_its_memory_back),
        TEST(table_works_without_any_memory),
        TEST(table_keeps_elements_of_one_hash_in_order_side_by_side),
        TEST(table_gives_all_elements_out_at_once),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
