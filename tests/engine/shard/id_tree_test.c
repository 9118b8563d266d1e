#include "engine/shard/id_tree.h"

#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PLACES 4000

struct place {
    struct ptl_id_place tree;
    bool in;
};

static struct place places[PLACES];

static unsigned depth(const struct ptl_id_place *place)
{
    if (place == NULL) {
        return 0;
    }
    unsigned left = depth(place->sides[0]), right = depth(place->sides[1]);
    return 1 + (left > right ? left : right);
}

static unsigned count(const struct ptl_id_place *place)
{
    return place == NULL ? 0 : 1 + count(place->sides[0]) + count(place->sides[1]);
}

static void check_all(struct ptl_id_place *root, unsigned in)
{
    for (unsigned i = 0; i < PLACES; i++) {
        assert_ptr_equal(ptl_id_tree_find(root, places[i].tree.id),
                         places[i].in ? &places[i].tree : NULL);
    }
    assert_int_equal(count(root), in);
}

static void id_tree_finds_who_is_in_it_and_nobody_else(void **state)
{
    struct sim_random random;
    struct ptl_id_place *root = NULL;
    unsigned in = 0;

    (void)state;
    sim_random_seed(&random, 7);
    for (unsigned i = 0; i < PLACES; i++) {
        places[i] = (struct place){.tree.id = i * UINT64_C(3)};
    }
    for (unsigned i = 0; i < 100000; i++) {
        struct place *place = &places[sim_random_below(&random, PLACES)];
        if (place->in) {
            ptl_id_tree_remove(&root, &place->tree);
        } else {
            ptl_id_tree_add(&root, &place->tree);
        }
        place->in = !place->in;
        in += place->in ? 1 : -1U;
        if (i % 10000 == 0) {
            check_all(root, in);
        }
    }
    check_all(root, in);
}

/* Counted up, as IDs are, in this order or another. */
static void id_tree_is_low_however_ids_come(void **state)
{
    (void)state;
    for (unsigned step = 1; step < 6; step++) {
        struct ptl_id_place *root = NULL;
        for (unsigned i = 0; i < PLACES; i++) {
            places[i].tree.id = 1000000 + (uint64_t)i * step;
            ptl_id_tree_add(&root, &places[i].tree);
        }
        assert_true(depth(root) <= 24); /* at best 12 */
        assert_int_equal(count(root), PLACES);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_tree_finds_who_is_in_it_and_nobody_else),
        cmocka_unit_test(id_tree_is_low_however_ids_come),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
