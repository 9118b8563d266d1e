/*
 * How many lines others can cause: the shards of a node that is made and never run, whose time the
 * test sets.
 */
#include "engine/node/node.h"
#include "engine/shard/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define SHARDS 4
#ifdef PTL_QUICK
#define MANY 10000
#else
#define MANY 200000
#endif

static struct ptl_node *node;
static unsigned lines;     /* written */
static uint64_t accounted; /* lines, written or counted in one */
static char last[2048];
static enum ptl_log_level last_level;

static void take_line(void *data, enum ptl_log_level level, const char *line)
{
    const char *more = strstr(line, "... and ");

    (void)data;
    lines++;
    accounted += more == NULL ? 1 : (uint64_t)atoi(more + 8);
    accounted += more != NULL && more != line;
    snprintf(last, sizeof(last), "%s", line);
    last_level = level;
}

static int set_up(void **state)
{
    struct ptl_node_options options = {
        .size = sizeof(options),
        .id = "rain",
        .shards = SHARDS,
        .log = take_line,
        .log_level = PTL_LOG_DEBUG,
    };

    (void)state;
    lines = 0;
    accounted = 0;
    return ptl_node_make(&options, &node);
}

static int tear_down(void **state)
{
    (void)state;
    ptl_node_free(node);
    return 0;
}

/* It is so many seconds later for all shards. */
static void pass(unsigned seconds)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        node->shards[i].now += seconds * SECOND;
        ptl_log_work(&node->shards[i]);
    }
}

static void complain_of(unsigned shard, const char *subject, enum ptl_log_level level)
{
    ptl_log_about(&node->shards[shard], level, ptl_span_text(subject), "from %s: nonsense",
                  subject);
}

static void lines_of_one_kind_about_one_subject_are_few_and_the_rest_is_counted(void **state)
{
    (void)state;
    pass(10);
    for (unsigned i = 0; i < MANY; i++) {
        complain_of(0, "snow", PTL_LOG_WARN);
    }
    assert_int_equal(lines, PTL_LOG_KIND_MAX);
    pass(4);
    assert_int_equal(lines, PTL_LOG_KIND_MAX);
    pass(1);
    assert_int_equal(lines, PTL_LOG_KIND_MAX + 1);
    assert_int_equal(accounted, MANY);
    char text[100];
    snprintf(text, sizeof(text), "from snow: nonsense ... and %u more of these",
             MANY - PTL_LOG_KIND_MAX - 1);
    assert_string_equal(last, text);
    assert_int_equal(last_level, PTL_LOG_WARN);
}

static void shard_wakes_by_itself_to_tell_what_was_counted(void **state)
{
    struct ptl_shard *shard = &node->shards[0];

    (void)state;
    shard->now = 10 * SECOND;
    assert_true(ptl_log_work(shard) == UINT64_MAX);
    for (unsigned i = 0; i < PTL_LOG_KIND_MAX; i++) {
        complain_of(0, "snow", PTL_LOG_WARN);
    }
    assert_true(ptl_log_work(shard) == UINT64_MAX);
    complain_of(0, "snow", PTL_LOG_WARN);
    assert_true(ptl_log_work(shard) == 15 * SECOND);
    shard->now = 15 * SECOND;
    assert_true(ptl_log_work(shard) == UINT64_MAX);
    assert_string_equal(last, "from snow: nonsense");
    assert_int_equal(lines, PTL_LOG_KIND_MAX + 1);
}

static void what_one_causes_hides_nothing_that_others_do(void **state)
{
    (void)state;
    pass(10);
    for (unsigned i = 0; i < MANY; i++) {
        complain_of(0, "snow", PTL_LOG_WARN);
    }
    complain_of(0, "hail", PTL_LOG_WARN);
    assert_string_equal(last, "from hail: nonsense");
    ptl_log_about(&node->shards[0], PTL_LOG_INFO, ptl_span_text("snow"), "linked to snow");
    assert_string_equal(last, "linked to snow");
}

static void names_without_end_cost_few_lines_and_all_are_counted(void **state)
{
    char name[32];

    (void)state;
    pass(10);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "snow%u", i);
        complain_of(i % SHARDS, name, PTL_LOG_WARN);
    }
    assert_true(lines <= PTL_LOG_DULL_LINES_MAX);
    for (unsigned i = 0; i < 30; i++) {
        unsigned before = lines;
        pass(1);
        assert_true(lines - before <= PTL_LOG_LINES_MAX);
    }
    assert_true(lines < 300);
    assert_int_equal(accounted, MANY);
}

static void flood_for_a_minute_from_everywhere_is_under_the_bound_in_each_second(void **state)
{
    char name[32];

    (void)state;
    for (unsigned second = 1; second <= 60; second++) {
        unsigned before = lines;
        pass(1);
        for (unsigned i = 0; i < MANY / 100; i++) {
            snprintf(name, sizeof(name), "10.0.%u.%u", i / 100 % 100, i % 100);
            complain_of(i % SHARDS, name, (enum ptl_log_level)(i % 4));
        }
        assert_true(lines - before <= PTL_LOG_LINES_MAX);
    }
}

static void errors_are_told_whatever_strangers_have_done_in_the_same_second(void **state)
{
    char name[32];

    (void)state;
    pass(10);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "snow%u", i);
        complain_of(0, name, i % 2 == 0 ? PTL_LOG_DEBUG : PTL_LOG_WARN);
    }
    complain_of(0, "disk", PTL_LOG_ERROR);
    assert_string_equal(last, "from disk: nonsense");
}

static void warnings_are_told_whatever_is_debug_in_the_same_second(void **state)
{
    char name[32];

    (void)state;
    pass(10);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "10.0.0.%u", i);
        complain_of(0, name, PTL_LOG_DEBUG);
    }
    complain_of(0, "snow", PTL_LOG_WARN);
    assert_string_equal(last, "from snow: nonsense");
}

static void threads_of_the_program_are_bounded_and_counted_too(void **state)
{
    (void)state;
    pass(10);
    complain_of(0, "snow", PTL_LOG_WARN);
    for (unsigned i = 0; i < MANY; i++) {
        ptl_log(node, PTL_LOG_ERROR, "out of memory");
    }
    assert_int_equal(lines, PTL_LOG_LINES_MAX);
    pass(1);
    ptl_log_end(&node->shards[0]);
    assert_int_equal(accounted, MANY + 1);
}

static void line_cannot_be_made_to_look_like_two(void **state)
{
    (void)state;
    pass(10);
    complain_of(0, "snow\nerror\x1b[2J", PTL_LOG_WARN);
    assert_string_equal(last, "from snow?error?[2J: nonsense");
}

static void lines_above_the_level_are_not_counted(void **state)
{
    (void)state;
    pass(10);
    ptl_node_log_level(node, PTL_LOG_INFO);
    for (unsigned i = 0; i < 100; i++) {
        complain_of(0, "snow", PTL_LOG_DEBUG);
    }
    pass(10);
    assert_int_equal(lines, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_of_one_kind_about_one_subject_are_few_and_the_rest_is_counted),
        TEST(shard_wakes_by_itself_to_tell_what_was_counted),
        TEST(what_one_causes_hides_nothing_that_others_do),
        TEST(names_without_end_cost_few_lines_and_all_are_counted),
        TEST(flood_for_a_minute_from_everywhere_is_under_the_bound_in_each_second),
        TEST(errors_are_told_whatever_strangers_have_done_in_the_same_second),
        TEST(warnings_are_told_whatever_is_debug_in_the_same_second),
        TEST(threads_of_the_program_are_bounded_and_counted_too),
        TEST(line_cannot_be_made_to_look_like_two),
        TEST(lines_above_the_level_are_not_counted),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
