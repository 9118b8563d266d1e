/*
 * Links that cannot last are made ever more rarely, whoever wants them: counted in virtual time.
 */
#include "tests/common/village.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE (60 * SIM_SECOND)

static unsigned linked; /* lines of rain's log that say so of snow */

static void count_lines(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level;
    linked += strstr(line, "linked to snow") != NULL;
}

static void log_nothing(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level, (void)line;
}

static struct ptl_node_options options_of(const char *id, ptl_log_fn *log)
{
    struct ptl_node_options options = {
        .size = sizeof(options), .id = id, .log = log, .shards = 1, .framings = "json"};

    linked = 0;
    return options;
}

static struct ptl_node *start_rain(bool ordinary)
{
    const char *seeds[] = {village_address(0), NULL};
    struct ptl_node_options options = options_of("rain", count_lines);

    options.seeds = seeds;
    options.ordinary = ordinary;
    return village_start(&options);
}

/* snow takes one entry of a node that attaches to it, and sends away who brings more. */
static void seed_that_sends_its_node_away_is_tried_ever_more_rarely(void **state)
{
    struct ptl_node_options options = options_of("snow", log_nothing);
    struct ptl_msg *value;

    (void)state;
    village_begin();
    options.db_entries_max = 1;
    (void)village_start(&options);
    struct ptl_node *rain = start_rain(true);
    assert_int_equal(ptl_msg_make(rain, &value, "t", "value"), 0);
    assert_int_equal(ptl_db_set(rain, "fam", "one", value), 0);
    assert_int_equal(ptl_db_set(rain, "fam", "two", value), 0);
    ptl_msg_free(value);
    village_run(MINUTE);
    assert_in_range(linked, 2, 20);
    village_end();
}

/* Let something wait for the link that takes six times its bytes in JSON: nobody can know.  When it
 * is lost, do so again. */
static int let_too_much_wait(struct ptl_node *node, const struct ptl_port *snow,
                             const struct ptl_msg *reason, void *data)
{
    char bytes[40000] = {0};

    (void)reason;
    assert_int_equal(ptl_monitor(node, snow, let_too_much_wait, data, NULL), 0);
    assert_int_equal(ptl_sendf(node, snow, "ty", "devnull", bytes, sizeof(bytes)), 0);
    return 0;
}

static void link_that_fails_as_soon_as_it_is_made_is_made_ever_more_rarely(void **state)
{
    struct ptl_node_options options = options_of("snow", log_nothing);
    struct ptl_port snow;

    (void)state;
    village_begin();
    options.message_bytes_max = 65536;
    (void)village_start(&options);
    struct ptl_node *rain = start_rain(false);
    assert_int_equal(ptl_node_known(rain, "snow", village_address(0)), 0);
    assert_int_equal(ptl_port_parse(rain, "snow", 4, &snow), 0);
    assert_int_equal(let_too_much_wait(rain, &snow, NULL, NULL), 0);
    village_run(MINUTE);
    assert_in_range(linked, 2, 100);
    village_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_that_sends_its_node_away_is_tried_ever_more_rarely),
        cmocka_unit_test(link_that_fails_as_soon_as_it_is_made_is_made_ever_more_rarely),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
