/*
 * What `portolan stats` and `top` make of an answer, whatever a node has said.
 */
#include "tools/stats/amount.h"
#include "tools/stats/report.h"
#include "tools/stats/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *report_of(const char *json, const char *before)
{
    json_t *answer = json_loads(json, 0, NULL);
    json_t *earlier = before ? json_loads(before, 0, NULL) : NULL;
    char *text = NULL;
    size_t size;

    assert_non_null(answer);
    FILE *out = open_memstream(&text, &size);
    ptl_report_write(answer, earlier, out);
    assert_int_equal(fclose(out), 0);
    json_decref(answer);
    json_decref(earlier);
    return text;
}

static void report_of_nonsense_drives_no_terminal(void **state)
{
    static const char *const answers[] = {
        "{}",
        "{\"node\":7,\"links\":[],\"ports\":null,\"database\":\"x\"}",
        "{\"node\":{\"node\":\"\\u001b[31m\",\"version\":\"\\u009b2J\",\"addresses\":[1,"
        "\"\\u0007\"],"
        "\"up_seconds\":-1e300,\"counts\":{\"taken\":1e300,\"ports\":-5,\"links\":\"\\u001b\"},"
        "\"handshakes_failed\":{\"\\u001b[2J\":3,\"secret\":2},\"shards\":[{},7,null]},"
        "\"links\":{\"all\":1e300,\"links\":[7,{\"node\":\"a\\nb\",\"up\":true,\"framing\":"
        "\"\\u001b\"}]},"
        "\"ports\":{\"ports\":[{\"port\":\"\\u009b\"}],\"slowest\":[[],{}]},"
        "\"database\":{\"families\":[{\"family\":\"\\u007f\",\"keys\":-1}]}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char *text = report_of(answers[i], answers[i]);
        for (const char *at = text; *at != '\0'; at++) {
            assert_true((unsigned char)*at >= ' ' || *at == '\n');
            assert_int_not_equal(*at, 0x7f);
        }
        assert_null(strstr(text, "\xc2\x9b"));
        free(text);
    }
}

static void report_says_what_was_done_a_second(void **state)
{
    (void)state;
    char *text = report_of("{\"node\":{\"up_seconds\":12,\"counts\":{\"taken\":500,\"lost\":3}}}",
                           "{\"node\":{\"up_seconds\":10,\"counts\":{\"taken\":100,\"lost\":3}}}");
    assert_non_null(strstr(text, "\na second    200 "));
    free(text);
    text = report_of("{\"node\":{\"up_seconds\":1,\"counts\":{\"taken\":5}}}",
                     "{\"node\":{\"up_seconds\":10,\"counts\":{\"taken\":100}}}");
    assert_null(strstr(text, "a second")); /* it has begun anew */
    free(text);
}

static void amounts_are_short(void **state)
{
    (void)state;
    assert_string_equal(ptl_amount_count(0).text, "0");
    assert_string_equal(ptl_amount_count(3.25).text, "3.2");
    assert_string_equal(ptl_amount_count(9999).text, "9999");
    assert_string_equal(ptl_amount_count(12345).text, "12.3k");
    assert_string_equal(ptl_amount_count(4.5e6).text, "4.5M");
    assert_string_equal(ptl_amount_bytes(512).text, "512");
    assert_string_equal(ptl_amount_bytes(1536).text, "1.5K");
    assert_string_equal(ptl_amount_bytes(3e9).text, "2.8G");
    assert_string_equal(ptl_amount_nanoseconds(0).text, "-");
    assert_string_equal(ptl_amount_nanoseconds(850).text, "850ns");
    assert_string_equal(ptl_amount_nanoseconds(1200).text, "1.2us");
    assert_string_equal(ptl_amount_span(59).text, "59s");
    assert_string_equal(ptl_amount_span(7500).text, "2h5min");
    assert_string_equal(ptl_amount_span(90000).text, "1d1h");
    assert_true(strlen(ptl_amount_count(1e18).text) < sizeof(struct ptl_amount));
}

static char *line_of(const struct ptl_table *table, size_t width)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    ptl_table_line(table, 0, width, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void table_leaves_out_columns_that_have_no_room(void **state)
{
    static const char *const titles[] = {"<A", ">LONG", "<C", NULL};
    static const struct {
        size_t width;
        const char *line;
    } lines[] = {{0, "\xc3\xa4     7  x"},
                 {9, "\xc3\xa4     7"},
                 {10, "\xc3\xa4     7  x"},
                 {1, "\xc3\xa4"}};
    struct ptl_table table;

    (void)state;
    ptl_table_begin(&table, titles);
    ptl_table_cell(&table, "\xc3\xa4");
    ptl_table_cell(&table, "%d", 7);
    ptl_table_cell(&table, "x");
    assert_int_equal(ptl_table_rows(&table), 1);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *text = line_of(&table, lines[i].width);
        assert_string_equal(text, lines[i].line);
        free(text);
    }
    ptl_table_end(&table);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_of_nonsense_drives_no_terminal),
        cmocka_unit_test(report_says_what_was_done_a_second),
        cmocka_unit_test(amounts_are_short),
        cmocka_unit_test(table_leaves_out_columns_that_have_no_room),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
