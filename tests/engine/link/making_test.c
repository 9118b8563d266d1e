#include "engine/link/making.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SMALL ((size_t)65536)
#define ROOM ((uint64_t)1000000)

static struct ptl_makings all;
static struct ptl_making first, second, third;

static int set_up(void **state)
{
    (void)state;
    all = (struct ptl_makings){.first = NULL};
    first = second = third = (struct ptl_making){.next = NULL};
    return 0;
}

static void making_counts_nothing_that_fits_two_receive_buffers(void **state)
{
    (void)state;
    ptl_making_count(&all, &first, SMALL);
    assert_int_equal(all.held, 0);
    ptl_making_count(&all, &first, SMALL + 1);
    assert_int_equal(all.held, SMALL + 1);
    ptl_making_count(&all, &first, 10);
    assert_int_equal(all.held, 0);
    assert_null(ptl_makings_victim(&all, 0));
}

static void making_costs_whoever_has_been_at_it_longest_not_whoever_holds_most(void **state)
{
    (void)state;
    ptl_making_count(&all, &first, 100000);
    ptl_making_count(&all, &second, 800000);
    assert_null(ptl_makings_victim(&all, ROOM));
    ptl_making_count(&all, &third, 200000);
    assert_ptr_equal(ptl_makings_victim(&all, ROOM), &first);
    ptl_making_end(&all, &first);
    assert_null(ptl_makings_victim(&all, ROOM));
    ptl_making_count(&all, &first, 300000); /* its next message: it has begun last */
    assert_ptr_equal(ptl_makings_victim(&all, ROOM), &second);
}

static void making_lets_the_only_message_be_as_large_as_it_likes(void **state)
{
    (void)state;
    ptl_making_count(&all, &first, 10 * ROOM);
    assert_null(ptl_makings_victim(&all, ROOM));
    ptl_making_count(&all, &second, SMALL + 1);
    assert_ptr_equal(ptl_makings_victim(&all, ROOM), &first);
}

static void making_bears_that_any_of_them_ends_and_ends_twice(void **state)
{
    (void)state;
    ptl_making_count(&all, &first, 700000);
    ptl_making_count(&all, &second, 700000);
    ptl_making_count(&all, &third, 700000);
    ptl_making_end(&all, &second);
    ptl_making_end(&all, &second);
    assert_int_equal(all.held, 1400000);
    assert_ptr_equal(ptl_makings_victim(&all, ROOM), &first);
    ptl_making_end(&all, &third);
    assert_null(ptl_makings_victim(&all, 0)); /* only one is left */
    ptl_making_end(&all, &first);
    assert_int_equal(all.held, 0);
    assert_null(all.first);
    assert_null(all.last);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(making_counts_nothing_that_fits_two_receive_buffers, set_up),
        cmocka_unit_test_setup(making_costs_whoever_has_been_at_it_longest_not_whoever_holds_most,
                               set_up),
        cmocka_unit_test_setup(making_lets_the_only_message_be_as_large_as_it_likes, set_up),
        cmocka_unit_test_setup(making_bears_that_any_of_them_ends_and_ends_twice, set_up),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
