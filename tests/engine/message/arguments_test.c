/*
 * What stands behind a format comes with its type: any integer arrives as it is, and what does not
 * fit is an error instead of a wrong value.
 */
#include "engine/message/format.h"

#include "engine/portolan.h"
#include "tests/engine/message/arguments_in_cc.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_json(const struct ptl_msg *msg, const char *expected)
{
    char *json = ptl_msg_json(msg);

    assert_non_null(json);
    assert_string_equal(json, expected);
    free(json);
}

static void format_takes_integers_of_any_width_as_they_are(void **state)
{
    enum { BLUE = 7 };
    const signed char tiny = -128;
    const unsigned short small = 65535;
    const bool truth = true;
    struct ptl_msg *msg;

    (void)state;
    assert_int_equal(ptl_msg_make(NULL, &msg, "iiiiiiiii", -1, INT_MIN, UINT_MAX, INT64_MIN,
                                  UINT64_MAX, tiny, small, truth, BLUE),
                     0);
    assert_json(msg, "[-1,-2147483648,4294967295,-9223372036854775808,18446744073709551615,-128,"
                     "65535,1,7]");
    ptl_msg_free(msg);
    assert_int_equal(ptl_msg_make(NULL, &msg, "uuuu", 1, 2U, 3L, UINT64_MAX), 0);
    assert_json(msg, "[1,2,3,18446744073709551615]");
    ptl_msg_free(msg);
    assert_int_equal(ptl_msg_make(NULL, &msg, "bbbbff", 0, UINT64_C(1) << 32, -1, truth, 2, 0.5F),
                     0);
    assert_json(msg, "[false,true,true,true,2,0.5]");
    ptl_msg_free(msg);
}

static void format_takes_sizes_of_any_width(void **state)
{
    const uint8_t bytes[] = {'a', 'b', 'c'};
    const void *opaque = bytes;
    struct ptl_msg *msg;

    (void)state;
    assert_int_equal(ptl_msg_make(NULL, &msg, "TTyT", bytes, 1, opaque, 2U, bytes, sizeof(bytes),
                                  (char *)NULL, 0),
                     0);
    assert_json(msg, "[\"a\",\"ab\",\"abc\",\"\"]");
    ptl_msg_free(msg);
}

#define assert_refused(...) assert_int_equal(ptl_msg_make(NULL, &msg, __VA_ARGS__), PTL_EINVAL)

static void format_that_does_not_fit_its_arguments_is_refused(void **state)
{
    struct ptl_port port = {.id = "rain"};
    struct ptl_msg *msg = NULL;
    const char *nothing = NULL;

    (void)state;
    assert_refused("u", -1);
    assert_refused("i", 1.0);
    assert_refused("i", "1");
    assert_refused("t", 1);
    assert_refused("t", &port);
    assert_refused("t", nothing);
    assert_refused("T", "text");
    assert_refused("T", "text", -1);
    assert_refused("p", "rain#echo");
    assert_refused("m", &port);
    assert_refused("b", "true");
    assert_refused("i");
    assert_refused("[i]");
    assert_refused("ti", "one is missing");
    assert_refused("t", "one is too many", 1);
    assert_refused("[t]", "one is too many", 1);
    assert_null(msg);
}

static struct ptl_msg *message(const char *json)
{
    struct ptl_writer writer;
    struct ptl_msg *msg;

    ptl_writer_init(&writer, NULL);
    assert_int_equal(ptl_put_json(&writer, json, strlen(json)), 0);
    assert_int_equal(ptl_writer_finish(&writer, &msg), 0);
    return msg;
}

static void format_reads_into_integers_of_any_width(void **state)
{
    struct ptl_msg *msg = message("-2147483648");
    struct ptl_msg *large = message("4294967296");
    unsigned natural = 5;
    uint64_t wide_natural = 5;
    long long wide = 5;
    int number = 5;

    (void)state;
    assert_int_equal(ptl_msg_read(NULL, msg, "i.", &number), 0);
    assert_int_equal(number, INT_MIN);
    assert_int_equal(ptl_msg_read(NULL, msg, "i.", &wide), 0);
    assert_int_equal(wide, INT_MIN);
    assert_int_equal(ptl_msg_read(NULL, msg, "u.", &natural), PTL_ETYPE);
    assert_int_equal(ptl_msg_read(NULL, large, "i.", &number), PTL_ETYPE);
    assert_int_equal(ptl_msg_read(NULL, large, "u.", &natural), PTL_ETYPE);
    assert_int_equal(natural, 5);
    assert_int_equal(number, INT_MIN);
    assert_int_equal(ptl_msg_read(NULL, large, "u.", &wide_natural), 0);
    assert_int_equal(wide_natural, UINT64_C(1) << 32);
    ptl_msg_free(large);
    ptl_msg_free(msg);
}

static void format_that_does_not_fit_its_places_is_refused(void **state)
{
    struct ptl_msg *msg = message("1");
    struct ptl_port port;
    const char *chars = "kept";
    uint64_t natural;
    double real;
    unsigned half;
    int number;

    (void)state;
    assert_int_equal(ptl_msg_read(NULL, msg, "i", &natural), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "u", &number), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "i", &real), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "i", 1), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "i"), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "b", &number), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "s", &chars), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "s", &chars, &half), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "v", &port), PTL_EINVAL);
    assert_int_equal(ptl_msg_read(NULL, msg, "i", &number, &number), PTL_EINVAL);
    assert_string_equal(chars, "kept");
    ptl_msg_free(msg);
}

static void format_is_the_same_in_cc(void **state)
{
    struct ptl_msg *msg = NULL;

    (void)state;
    assert_int_equal(arguments_in_cc_refuse(&msg), PTL_EINVAL);
    assert_null(msg);
    assert_int_equal(arguments_in_cc_make(&msg), 0);
    assert_json(msg, "[-1,-9223372036854775808,18446744073709551615,-3,0.5,true,\"te\",\"end\",[],"
                     "7]");
    assert_int_equal(arguments_in_cc_read(msg), 0);
    ptl_msg_free(msg);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_takes_integers_of_any_width_as_they_are),
        cmocka_unit_test(format_takes_sizes_of_any_width),
        cmocka_unit_test(format_that_does_not_fit_its_arguments_is_refused),
        cmocka_unit_test(format_reads_into_integers_of_any_width),
        cmocka_unit_test(format_that_does_not_fit_its_places_is_refused),
        cmocka_unit_test(format_is_the_same_in_cc),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
