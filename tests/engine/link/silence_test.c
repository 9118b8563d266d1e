/*
 * Links that are quiet: who is silent is gone in time, who is only quiet or late is not, and who
 * stops says so.  In virtual time, with a look into the links.
 */
#include "engine/link/link.h"
#include "engine/node/stop.h"
#include "engine/shard/node.h"
#include "tests/common/village.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STEP (10 * SIM_MILLISECOND)

enum { SNOW, RAIN };

/* What a node's links have told; by the number of the node. */
static struct told {
    unsigned downs;
    uint64_t down_at;
    char reason[200];
} told[2];

static struct ptl_node *nodes[2];

static void log_nothing(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level, (void)line;
}

static uint64_t now(void)
{
    return ptl_loop_now(nodes[SNOW]->shards[0].loop);
}

static void note(struct ptl_node *node, const char *peer, bool up, const struct ptl_msg *reason,
                 void *data)
{
    struct told *by = data;
    struct ptl_value text;

    (void)node, (void)peer;
    if (up) {
        return;
    }
    by->downs++;
    by->down_at = now();
    struct ptl_cursor cursor = ptl_msg_begin(reason);
    assert_int_equal(ptl_skip(&cursor), 0);
    assert_int_equal(ptl_skip(&cursor), 0);
    assert_int_equal(ptl_next(&cursor, &text), 0);
    snprintf(by->reason, sizeof(by->reason), "%.*s", (int)text.string.size, text.string.chars);
}

static void start(unsigned number, const char *id, unsigned silence_ms, const char *framings)
{
    const char *seeds[] = {village_address(SNOW), NULL};
    struct ptl_node_options options = {.size = sizeof(options),
                                       .id = id,
                                       .log = log_nothing,
                                       .shards = 1,
                                       .framings = framings,
                                       .silence_ms = silence_ms};

    options.seeds = number == SNOW ? NULL : seeds;
    nodes[number] = village_start(&options);
    told[number] = (struct told){.downs = 0};
    assert_int_equal(ptl_on_link(nodes[number], note, &told[number]), 0);
}

static struct ptl_link *link_of(unsigned number)
{
    const char *peer = number == SNOW ? "rain" : "snow";
    struct ptl_link *link = ptl_link_find(&nodes[number]->shards[0], ptl_span_text(peer));

    assert_non_null(link);
    return link;
}

/* Both are linked, and have been so for a while. */
static void begin(unsigned snow_ms, unsigned rain_ms, const char *framings)
{
    village_begin();
    start(SNOW, "snow", snow_ms, framings);
    start(RAIN, "rain", rain_ms, framings);
    village_run(5 * SIM_SECOND);
    assert_int_equal(link_of(SNOW)->state, PTL_LINK_UP);
    assert_int_equal(link_of(RAIN)->state, PTL_LINK_UP);
    assert_int_equal(told[SNOW].downs + told[RAIN].downs, 0);
}

static void still_both(bool still)
{
    village_still(SNOW, still);
    village_still(RAIN, still);
}

/* How long after such a silence it is noticed, at most. */
static uint64_t looks_every(uint64_t silence)
{
    return silence / 8 < 100 * SIM_MILLISECOND ? silence / 8 : 100 * SIM_MILLISECOND;
}

static const unsigned silences_ms[] = {300, 500, 2000};
#define EACH_SILENCE(at) for (unsigned at = 0; at < 3; at++)

/* ---- Death --------------------------------------------------------------------------------- */

static void assert_noticed_after(uint64_t silence)
{
    uint64_t heard = link_of(SNOW)->received_at;

    village_still(RAIN, true);
    for (unsigned i = 0; i < 1000 && told[SNOW].downs == 0; i++) {
        uint64_t before = link_of(SNOW)->received_at;
        village_run(STEP);
        heard = told[SNOW].downs == 0 ? link_of(SNOW)->received_at : before;
    }
    assert_int_equal(told[SNOW].downs, 1);
    assert_in_range(told[SNOW].down_at, heard + silence, heard + silence + looks_every(silence));
    assert_string_equal(told[SNOW].reason, ptl_err_text(PTL_ESILENT));
}

static void peer_that_stands_still_is_gone_after_its_silence(void **state)
{
    (void)state;
    EACH_SILENCE(at)
    {
        begin(silences_ms[at], 2000, NULL);
        assert_noticed_after(silences_ms[at] * SIM_MILLISECOND);
        village_end();
    }
}

/* Over CBOR it is not told how little we bear, so it has the usual time. */
static void peer_that_speaks_no_frames_has_the_usual_silence(void **state)
{
    (void)state;
    begin(300, 2000, "cbor");
    village_run(60 * SIM_SECOND);
    assert_int_equal(told[SNOW].downs, 0);
    assert_noticed_after(2000 * SIM_MILLISECOND);
    village_end();
}

/* ---- Life ---------------------------------------------------------------------------------- */

static int take_nothing(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node, (void)msg, (void)data;
    return 0;
}

/* For a minute both say something as often as the other wants to hear it. */
static void assert_heard(unsigned snow_ms, unsigned rain_ms, const struct ptl_port *flood)
{
    uint64_t lesser = (snow_ms < rain_ms ? snow_ms : rain_ms) * SIM_MILLISECOND;
    uint64_t late = looks_every(lesser) + STEP;

    for (unsigned i = 0; i < 6000; i++) {
        if (flood != NULL) {
            assert_int_equal(ptl_sendf(nodes[RAIN], flood, "t", "more"), 0);
        }
        village_run(STEP);
        assert_in_range(now() - link_of(SNOW)->sent_at, 0, rain_ms * SIM_MILLISECOND / 4 + late);
        assert_in_range(now() - link_of(RAIN)->sent_at, 0, snow_ms * SIM_MILLISECOND / 4 + late);
    }
    assert_int_equal(told[SNOW].downs + told[RAIN].downs, 0);
}

static void idle_link_says_that_it_lives_as_often_as_each_wants_to_hear_it(void **state)
{
    (void)state;
    EACH_SILENCE(at)
    {
        EACH_SILENCE(other)
        {
            begin(silences_ms[at], silences_ms[other], NULL);
            assert_heard(silences_ms[at], silences_ms[other], NULL);
            village_end();
        }
    }
}

static void node_that_only_receives_says_that_it_lives(void **state)
{
    struct ptl_port_options options = {
        .size = sizeof(options), .name = "port", .handler = take_nothing};
    struct ptl_port port, flood;

    (void)state;
    begin(2000, 300, NULL);
    assert_int_equal(ptl_port_new(nodes[SNOW], &options, &port), 0);
    assert_int_equal(ptl_port_parse(nodes[RAIN], "snow#port", 9, &flood), 0);
    assert_heard(2000, 300, &flood);
    village_end();
}

/* ---- Lateness ------------------------------------------------------------------------------ */

/* As where a machine stands still: what the peers say next is not read before all are looked at. */
static void shard_that_was_late_accuses_nobody(void **state)
{
    (void)state;
    EACH_SILENCE(at)
    {
        begin(silences_ms[at], silences_ms[at], NULL);
        for (uint64_t gap = STEP; gap < 60 * SIM_SECOND; gap += gap / 2) {
            still_both(true);
            village_run(gap);
            still_both(false);
            village_run(SIM_SECOND);
        }
        assert_int_equal(told[SNOW].downs + told[RAIN].downs, 0);
        village_end();
    }
}

static void shard_that_was_late_finds_out_who_has_died_meanwhile(void **state)
{
    (void)state;
    EACH_SILENCE(at)
    {
        uint64_t silence = silences_ms[at] * SIM_MILLISECOND;
        begin(silences_ms[at], 2000, NULL);
        still_both(true);
        village_run(60 * SIM_SECOND);
        village_still(SNOW, false);
        uint64_t awake = now();
        village_run(10 * SIM_SECOND);
        assert_int_equal(told[SNOW].downs, 1);
        assert_in_range(told[SNOW].down_at, awake + silence / 2, awake + silence + silence / 8);
        village_end();
    }
}

/* ---- Goodbye ------------------------------------------------------------------------------- */

static void assert_stop_is_told_as(const char *framings, const char *reason)
{
    begin(2000, 2000, framings);
    uint64_t stopped = now();
    ptl_node_stop_begin(nodes[RAIN], 5000);
    village_run(5 * SIM_SECOND);
    assert_true(ptl_node_stop_done(nodes[RAIN]));
    assert_int_equal(told[SNOW].downs, 1);
    assert_string_equal(told[SNOW].reason, reason);
    assert_in_range(told[SNOW].down_at - stopped, 0, SIM_SECOND);
    village_end();
}

static void node_that_stops_says_goodbye(void **state)
{
    (void)state;
    assert_stop_is_told_as(NULL, ptl_err_text(PTL_EGOODBYE));
    assert_stop_is_told_as("cbor", "Unexpected end-of-file");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_that_stands_still_is_gone_after_its_silence),
        cmocka_unit_test(peer_that_speaks_no_frames_has_the_usual_silence),
        cmocka_unit_test(idle_link_says_that_it_lives_as_often_as_each_wants_to_hear_it),
        cmocka_unit_test(node_that_only_receives_says_that_it_lives),
        cmocka_unit_test(shard_that_was_late_accuses_nobody),
        cmocka_unit_test(shard_that_was_late_finds_out_who_has_died_meanwhile),
        cmocka_unit_test(node_that_stops_says_goodbye),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("silence", tests, NULL, NULL);
}
