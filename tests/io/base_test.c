#include "io/base.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BYTES 40 /* sizes of each way to compare and to copy, and some beyond */

/* Of each size: alike, or different in one byte, wherever that is. */
static void spans_are_the_same_when_no_byte_differs(void **state)
{
    uint8_t a[BYTES], b[BYTES];

    (void)state;
    for (size_t i = 0; i < BYTES; i++) {
        a[i] = b[i] = (uint8_t)i;
    }
    for (size_t size = 0; size <= BYTES; size++) {
        assert_true(ptl_span_same(ptl_span(a, size), ptl_span(b, size)));
        assert_false(size != 0 && ptl_span_same(ptl_span(a, size), ptl_span(b, size - 1)));
        for (size_t i = 0; i < size; i++) {
            b[i] ^= 1;
            assert_false(ptl_span_same(ptl_span(a, size), ptl_span(b, size)));
            b[i] ^= 1;
        }
    }
}

static void copy_writes_each_byte_and_no_other(void **state)
{
    uint8_t from[BYTES], to[BYTES + 1];

    (void)state;
    for (size_t i = 0; i < BYTES; i++) {
        from[i] = (uint8_t)(i + 1);
    }
    for (size_t size = 0; size <= BYTES; size++) {
        memset(to, 0, sizeof to);
        ptl_copy(to, from, size);
        assert_memory_equal(to, from, size);
        for (size_t i = size; i <= BYTES; i++) {
            assert_int_equal(to[i], 0);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_the_same_when_no_byte_differs),
        cmocka_unit_test(copy_writes_each_byte_and_no_other),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
