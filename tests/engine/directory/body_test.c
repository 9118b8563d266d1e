#include "engine/directory/body.h"

#include "tests/common/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct test_memory memory;
    struct ptl_writer writer;
    struct ptl_buffer buffer;
    char key[PTL_DB_KEY_MAX + 1];
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    test_memory_init(&world->memory);
    ptl_writer_begin(&world->writer, &world->memory.allocator);
    ptl_buffer_init(&world->buffer, &world->memory.allocator, SIZE_MAX);
    memset(world->key, 'k', PTL_DB_KEY_MAX);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    ptl_writer_drop(&world->writer);
    ptl_buffer_drop(&world->buffer);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static void assert_text(struct ptl_span span, const char *text)
{
    assert_true(ptl_span_equal(span, ptl_span_text(text)));
}

/* The bytes of one value. */
static void assert_value(struct ptl_span value, const char *bytes, size_t size)
{
    assert_int_equal(value.size, size);
    assert_memory_equal(value.bytes, bytes, size);
}

/* [1, "two"] */
#define LIST "\x82\x01\x63two"

static struct ptl_msg list(void)
{
    return ptl_msg_borrow(ptl_span(LIST, sizeof(LIST) - 1), 1);
}

static void entry_comes_out_as_it_went_in(void **state)
{
    struct world *world = *state;
    struct ptl_msg value = list();

    assert_int_equal(
        ptl_body_put_entry(&world->writer, ptl_span_text("poets"), ptl_span_text("wáng"), &value),
        0);
    assert_int_equal(world->writer.count, 3);
    struct ptl_body_entry entry = ptl_body_entry(ptl_writer_body(&world->writer));
    assert_text(entry.family, "poets");
    assert_text(entry.key, "wáng");
    assert_value(entry.value, LIST, sizeof(LIST) - 1);
}

static void entry_without_a_value_has_null(void **state)
{
    struct world *world = *state;

    ptl_body_put_entry(&world->writer, ptl_span_text("poets"), ptl_span_text(world->key), NULL);
    struct ptl_body_entry entry = ptl_body_entry(ptl_writer_body(&world->writer));
    assert_text(entry.key, world->key);
    assert_value(entry.value, "\xf6", 1);
}

static void question_comes_out_with_who_asks(void **state)
{
    struct world *world = *state;

    for (unsigned what = 0; what < 5; what++) {
        ptl_writer_drop(&world->writer);
        ptl_writer_begin(&world->writer, &world->memory.allocator);
        ptl_body_put_question(&world->writer, what, ptl_span_text("poets"), ptl_span_text("li"));
        assert_int_equal(ptl_put_plain(&world->writer, ptl_span(LIST, sizeof(LIST) - 1), 1), 0);
        assert_int_equal(world->writer.count, 4);
        struct ptl_body_question asked = ptl_body_question(ptl_writer_body(&world->writer));
        assert_int_equal(asked.what, what);
        assert_text(asked.family, "poets");
        assert_text(asked.key, "li");
        assert_value(asked.asker, LIST, sizeof(LIST) - 1);
    }
}

static void question_without_a_key_is_about_the_family(void **state)
{
    struct world *world = *state;

    ptl_body_put_question(&world->writer, 1, ptl_span_text("poets"), ptl_span(NULL, 0));
    ptl_put_null(&world->writer); /* an asker of that name is not taken for a key */
    struct ptl_body_question asked = ptl_body_question(ptl_writer_body(&world->writer));
    assert_text(asked.family, "poets");
    assert_int_equal(asked.key.size, 0);
    assert_value(asked.asker, "\xf6", 1);
}

static void watch_comes_out_as_it_went_in(void **state)
{
    static const char *const filters[] = {"", "li", "'"};
    struct world *world = *state;

    for (unsigned how = 0; how < 3; how++) {
        struct ptl_body_watch watch = {
            .family = ptl_span_text("poets"),
            .how = (uint8_t)how,
            .filter = ptl_span_text(filters[how]),
        };
        ptl_writer_drop(&world->writer);
        ptl_writer_begin(&world->writer, &world->memory.allocator);
        assert_int_equal(ptl_body_put_watch(&world->writer, &watch), 0);
        assert_int_equal(world->writer.count, 3);
        struct ptl_body_watch seen = ptl_body_watch(ptl_writer_body(&world->writer));
        assert_text(seen.family, "poets");
        assert_int_equal(seen.how, how);
        assert_text(seen.filter, filters[how]);
    }
}

static void changes_come_out_one_by_one(void **state)
{
    struct world *world = *state;
    const struct ptl_body_change changes[] = {
        {.event = PTL_DB_ADDED, .key = ptl_span_text("a"), .value = ptl_span("\xf6", 1)},
        {.event = PTL_DB_COPIED},
        {.event = PTL_DB_CHANGED,
         .key = ptl_span_text(world->key),
         .value = ptl_span(LIST, sizeof(LIST) - 1)},
        {.event = PTL_DB_DELETED, .key = ptl_span_text("b")},
        {.event = PTL_DB_RESET},
    };
    size_t count = sizeof(changes) / sizeof(changes[0]);

    for (size_t i = 0; i < count; i++) {
        ptl_body_put_change(&world->buffer, &changes[i]);
    }
    struct ptl_cursor cursor = ptl_cursor_of(ptl_buffer_span(&world->buffer));
    for (size_t i = 0; i < count; i++) {
        struct ptl_body_change seen = ptl_body_next_change(&cursor);
        bool has_value = changes[i].value.size != 0;
        assert_int_equal(seen.event, changes[i].event);
        assert_true(ptl_span_equal(seen.key, changes[i].key));
        assert_true(ptl_span_equal(seen.value, has_value ? changes[i].value : ptl_span("\xf6", 1)));
    }
    assert_ptr_equal(cursor.at, cursor.end);
}

static void a_change_is_as_many_values_as_are_counted(void **state)
{
    struct world *world = *state;
    struct ptl_body_change change = {.event = PTL_DB_COPIED};
    unsigned count = 0;

    ptl_body_put_change(&world->buffer, &change);
    struct ptl_cursor cursor = ptl_cursor_of(ptl_buffer_span(&world->buffer));
    while (ptl_skip(&cursor) == PTL_OK) {
        count++;
    }
    assert_int_equal(count, PTL_BODY_CHANGE_VALUES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(entry_comes_out_as_it_went_in),
        TEST(entry_without_a_value_has_null),
        TEST(question_comes_out_with_who_asks),
        TEST(question_without_a_key_is_about_the_family),
        TEST(watch_comes_out_as_it_went_in),
        TEST(changes_come_out_one_by_one),
        TEST(a_change_is_as_many_values_as_are_counted),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
