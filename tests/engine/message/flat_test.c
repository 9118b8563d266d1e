/*
 * What is written in one go is what a writer writes value by value; and what cannot be is left to
 * that.
 */
#include "engine/message/flat.h"

#include "engine/message/message.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIZE_MAX_HERE 1024

static void compare(const char *format, const struct ptl_argument arguments[])
{
    uint8_t bytes[SIZE_MAX_HERE + 1];
    struct ptl_writer writer;
    uint32_t count;

    ptl_writer_init(&writer, NULL);
    assert_int_equal(ptl_putv(&writer, format, arguments), 0);
    struct ptl_span expected = ptl_writer_body(&writer);
    memset(bytes, 0xa5, sizeof(bytes));
    uint8_t *end = ptl_flat_write(bytes, bytes + SIZE_MAX_HERE, format, arguments, &count);
    assert_ptr_equal(end, bytes + expected.size);
    assert_int_equal(count, writer.count);
    assert_memory_equal(bytes, expected.bytes, expected.size);
    assert_int_equal(*end, 0xa5);
    ptl_writer_drop(&writer);
}

#define COMPARE(...) compare(PTL_FORMAT(__VA_ARGS__))

static bool is_flat(const char *format, const struct ptl_argument arguments[])
{
    uint8_t bytes[SIZE_MAX_HERE + 1];
    uint32_t count;

    bytes[SIZE_MAX_HERE] = 0xa5;
    bool flat = ptl_flat_write(bytes, bytes + SIZE_MAX_HERE, format, arguments, &count) != NULL;
    assert_int_equal(bytes[SIZE_MAX_HERE], 0xa5);
    return flat;
}

#define IS_FLAT(...) is_flat(PTL_FORMAT(__VA_ARGS__))

static void every_letter_is_written_as_by_a_writer(void **state)
{
    struct ptl_port port = {.id = "rain#echo", .id_size = 9};
    struct ptl_msg *values, *none;

    (void)state;
    assert_int_equal(ptl_msg_make(NULL, &values, "ti[n]", "x", 5), 0);
    assert_int_equal(ptl_msg_make(NULL, &none, ""), 0);
    COMPARE("");
    COMPARE("nbb", true, 0);
    COMPARE("fffff", 0.5, 0.1, 3, (double)NAN, (double)INFINITY);
    COMPARE("tTy", "text", "more text", 4, "\xff\xfe", 2);
    COMPARE("TyTy", (char *)NULL, 0, (char *)NULL, 0, "", 0, "", 0);
    COMPARE("p", &port);
    COMPARE("mm", values, none);
    COMPARE("tinbufyTpm", "all", -7, true, 9U, 1.5, "bytes", 5, "text", 4, &port, values);
    ptl_msg_free(values);
    ptl_msg_free(none);
}

static void integers_of_every_size_are_written_as_by_a_writer(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int less = -1; less <= 1; less++) {
            uint64_t number = (UINT64_C(1) << bit) + (uint64_t)less;
            COMPARE("iu", number, number);
            COMPARE("i", (int64_t)number);
            COMPARE("i", -1 - (int64_t)(number & INT64_MAX));
        }
    }
    COMPARE("ii", INT64_MIN, INT64_MAX);
}

static void strings_of_every_size_are_written_as_by_a_writer(void **state)
{
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t size = 0; size < sizeof(text); size++) {
        COMPARE("T", text, size);
        COMPARE("iy", 1, text, size);
    }
}

static void what_is_not_flat_is_left_to_the_writer(void **state)
{
    struct ptl_port port = {.id = "\xff", .id_size = 1};
    char text[SIZE_MAX_HERE] = {0};
    const char *nothing = NULL;

    (void)state;
    assert_false(IS_FLAT("[i]", 1));
    assert_false(IS_FLAT("i{ti}", 1, "key", 2));
    assert_false(IS_FLAT("i"));
    assert_false(IS_FLAT("i", 1, 2)); /* a letter was forgotten */
    assert_false(IS_FLAT("u", -1));
    assert_false(IS_FLAT("i", "1"));
    assert_false(IS_FLAT("t", nothing));
    assert_false(IS_FLAT("?", 1));
    assert_false(IS_FLAT("t", "\xff"));
    assert_false(IS_FLAT("p", &port));
    assert_true(IS_FLAT("y", text, SIZE_MAX_HERE - 3));
    assert_false(IS_FLAT("y", text, SIZE_MAX_HERE - 2));
    assert_false(IS_FLAT("ny", text, SIZE_MAX_HERE - 3));
    assert_false(IS_FLAT("y", text, UINT64_MAX)); /* no sum overflows */
    assert_false(IS_FLAT("yy", text, SIZE_MAX_HERE - 3, text, 1));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_letter_is_written_as_by_a_writer),
        cmocka_unit_test(integers_of_every_size_are_written_as_by_a_writer),
        cmocka_unit_test(strings_of_every_size_are_written_as_by_a_writer),
        cmocka_unit_test(what_is_not_flat_is_left_to_the_writer),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("flat", tests, NULL, NULL);
}
