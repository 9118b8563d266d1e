#include "engine/link/backlog.h"

#include "tests/common/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct test_memory memory;
static struct ptl_backlog backlog;

static int set_up(void **state)
{
    (void)state;
    test_memory_init(&memory);
    ptl_backlog_init(&backlog, &memory.allocator);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ptl_backlog_drop(&backlog);
    return memory.out_bytes == 0 ? 0 : -1;
}

static void keep(const char *text)
{
    assert_int_equal(ptl_backlog_keep(&backlog, ptl_span_text(text)), PTL_OK);
}

static void expect(const char *text)
{
    assert_true(ptl_span_equal(ptl_backlog_bytes(&backlog), ptl_span_text(text)));
}

static void backlog_gives_what_is_not_understood_in_order(void **state)
{
    (void)state;
    expect("");
    keep("one line\nhalf");
    ptl_backlog_taken(&backlog, 9);
    expect("half");
    keep(" a line\n");
    expect("half a line\n");
    ptl_backlog_taken(&backlog, 12);
    expect("");
    keep("next");
    expect("next");
}

static void backlog_gives_its_memory_back_when_it_is_large_and_empty(void **state)
{
    static uint8_t many[100000];

    (void)state;
    assert_int_equal(ptl_backlog_keep(&backlog, ptl_span(many, sizeof(many))), PTL_OK);
    ptl_backlog_taken(&backlog, sizeof(many));
    ptl_backlog_ease(&backlog);
    assert_int_equal(memory.out_bytes, 0);
    keep("little");
    ptl_backlog_taken(&backlog, 6);
    ptl_backlog_ease(&backlog);
    assert_int_not_equal(memory.out_bytes, 0); /* kept for the next one */
    keep("again");
    expect("again");
}

static void backlog_starts_anew_only_when_all_is_understood(void **state)
{
    (void)state;
    keep("ab");
    ptl_backlog_taken(&backlog, 1);
    for (unsigned i = 0; i < 1000; i++) {
        keep("c");
        ptl_backlog_taken(&backlog, 1);
        expect("c");
    }
    ptl_backlog_taken(&backlog, 1);
    keep("d");
    expect("d");
    assert_int_equal(backlog.at, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(backlog_gives_what_is_not_understood_in_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(backlog_gives_its_memory_back_when_it_is_large_and_empty,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(backlog_starts_anew_only_when_all_is_understood, set_up,
                                        tear_down),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
