#include "engine/link/unread.h"

#include "tests/common/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct test_memory memory;
static struct ptl_unread unread;

static int set_up(void **state)
{
    (void)state;
    test_memory_init(&memory);
    ptl_unread_init(&unread, &memory.allocator);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ptl_unread_drop(&unread);
    return memory.out_bytes == 0 ? 0 : -1;
}

static void keep(const char *text)
{
    assert_int_equal(ptl_unread_keep(&unread, ptl_span_text(text)), PTL_OK);
}

static void expect(const char *text)
{
    assert_true(ptl_span_equal(ptl_unread_bytes(&unread), ptl_span_text(text)));
}

static void backlog_gives_what_is_not_understood_in_order(void **state)
{
    (void)state;
    expect("");
    keep("one line\nhalf");
    ptl_unread_taken(&unread, 9);
    expect("half");
    keep(" a line\n");
    expect("half a line\n");
    ptl_unread_taken(&unread, 12);
    expect("");
    keep("next");
    expect("next");
}

static void backlog_gives_its_memory_back_when_it_is_large_and_empty(void **state)
{
    static uint8_t many[100000];

    (void)state;
    assert_int_equal(ptl_unread_keep(&unread, ptl_span(many, sizeof(many))), PTL_OK);
    ptl_unread_taken(&unread, sizeof(many));
    ptl_unread_ease(&unread);
    assert_int_equal(memory.out_bytes, 0);
    keep("little");
    ptl_unread_taken(&unread, 6);
    ptl_unread_ease(&unread);
    assert_int_not_equal(memory.out_bytes, 0); /* kept for the next one */
    keep("again");
    expect("again");
}

static void backlog_starts_anew_only_when_all_is_understood(void **state)
{
    (void)state;
    keep("ab");
    ptl_unread_taken(&unread, 1);
    for (unsigned i = 0; i < 1000; i++) {
        keep("c");
        ptl_unread_taken(&unread, 1);
        expect("c");
    }
    ptl_unread_taken(&unread, 1);
    keep("d");
    expect("d");
    assert_int_equal(unread.at, 0);
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
