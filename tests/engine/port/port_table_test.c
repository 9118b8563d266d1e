#include "engine/message/name.h"
#include "engine/port/port.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Sixteen million ports are too many for a test: the table is told that there have been so many. */
static void table_of_which_every_slot_is_taken_refuses_the_next(void **state)
{
    struct ptl_port_options options = {.size = sizeof(options)};
    struct ptl_port_table table;
    uint32_t index, generation;

    (void)state;
    assert_int_equal(ptl_port_table_init(&table, ptl_allocator_libc()), PTL_OK);
    assert_int_equal(ptl_slot_take(&table, &options, ptl_span(NULL, 0), &index, &generation),
                     PTL_OK);
    uint32_t count = table.slot_count;
    table.slot_count = PTL_SLOTS_MAX;
    assert_int_equal(ptl_slot_take(&table, &options, ptl_span(NULL, 0), &index, &generation),
                     PTL_ELIMIT);
    assert_int_equal(ptl_slot_take(&table, &options, ptl_span_text("echo"), &index, &generation),
                     PTL_ELIMIT);
    assert_null(ptl_slot_named(&table, ptl_span_text("echo")));

    /* One that is given back is room for one. */
    ptl_slot_give(&table, ptl_slot_at(&table, 0));
    assert_int_equal(ptl_slot_take(&table, &options, ptl_span_text("echo"), &index, &generation),
                     PTL_OK);
    assert_int_equal(index, 0);
    assert_int_equal(generation, 2);
    assert_int_equal(ptl_slot_take(&table, &options, ptl_span(NULL, 0), &index, &generation),
                     PTL_ELIMIT);
    struct ptl_slot *slot = ptl_slot_named(&table, ptl_span_text("echo"));
    struct ptl_port_more *more = slot->more; /* the port's, which ends it, not the table's */
    ptl_slot_give(&table, slot);
    ptl_free(ptl_allocator_libc(), more->name, more->name_size);
    ptl_free(ptl_allocator_libc(), more, sizeof(*more));
    table.slot_count = count;
    ptl_port_table_drop(&table);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_which_every_slot_is_taken_refuses_the_next),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
