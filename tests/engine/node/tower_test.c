/* The tables that put the rooms together leave no gap: what is missing would be found only by whom
 * it hits. */
#include "engine/node/tower.h"

#include "engine/link/outside.h"
#include "engine/port/outside.h"
#include "engine/shard/node.h"
#include "engine/shard/tower.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct ptl_node node;

static int set_up(void **state)
{
    (void)state;
    ptl_tower_raise(&node);
    return 0;
}

static void every_kind_of_operation_has_a_taker(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < PTL_OP_KINDS; kind++) {
        assert_non_null(node.tower->ops[kind].take);
    }
}

/* Its record is freed along with it, so somebody must. */
static void operation_whose_record_is_embedded_can_be_dropped(void **state)
{
    unsigned embedded = 0;

    (void)state;
    for (unsigned kind = 0; kind < PTL_OP_KINDS; kind++) {
        if (node.tower->ops[kind].embedded) {
            assert_non_null(node.tower->ops[kind].drop);
            embedded++;
        }
    }
    assert_true(embedded > 0);
}

/* Each entry of a table of functions, as far as it consists of functions. */
static void assert_no_gap(const void *table, size_t size)
{
    const unsigned char *bytes = table;

    for (size_t at = 0; at + sizeof(void *) <= size; at += sizeof(void *)) {
        void *entry;
        memcpy(&entry, bytes + at, sizeof(entry));
        assert_non_null(entry);
    }
}

static void tables_of_what_is_asked_of_rooms_above_have_no_gaps(void **state)
{
    (void)state;
    assert_no_gap(node.port_outside, sizeof(*node.port_outside));
    assert_no_gap(node.link_outside, sizeof(*node.link_outside));
}

static void turn_has_each_step_once(void **state)
{
    ptl_step_fn *const *turn = node.tower->turn;

    (void)state;
    assert_non_null(turn[0]);
    for (unsigned i = 0; turn[i] != NULL; i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_true(turn[i] != turn[j]);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_operation_has_a_taker),
        cmocka_unit_test(operation_whose_record_is_embedded_can_be_dropped),
        cmocka_unit_test(tables_of_what_is_asked_of_rooms_above_have_no_gaps),
        cmocka_unit_test(turn_has_each_step_once),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, set_up, NULL);
}
