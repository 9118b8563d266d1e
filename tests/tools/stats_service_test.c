/*
 * The service `stats`: what it tells, to whom, and what those cannot do who ask too much.
 */
#include "tests/common/witness.h"
#include "tools/services.h"
#include "tools/stats/service.h"
#include "tools/stats/tree.h"

#include <poll.h>

static struct ptl_journal journal;
static struct ptl_permit permit;
static struct ptl_node *rain, *snow;
static struct ptl_port here; /* of snow: where answers go */
static json_t *answer;       /* the last one; only its listener's shard writes it */
static _Atomic uint64_t answers, busy, others;
static _Atomic bool goes_on;

static int take(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)data;
    if (ptl_msg_is(msg, "busy")) {
        atomic_fetch_add(&busy, 1);
    } else if (ptl_msg_count(msg) > 1) {
        witness_note("refused", "%s",
                     ptl_msg_is(msg, "not_allowed") ? "not_allowed"
                     : ptl_msg_is(msg, "too_large") ? "too_large"
                                                    : "?");
        atomic_fetch_add(&others, 1);
    } else {
        json_decref(answer);
        answer = ptl_tree_of(msg);
        atomic_fetch_add(&answers, 1);
    }
    return 0;
}

/* rain has services, and snow, which asks, takes messages of that size. */
static void begin(size_t bytes)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    static const char *const services[] = {"echo", "sink", NULL};
    struct ptl_node_options options = witness_options("rain");

    atomic_store(&answers, 0);
    atomic_store(&busy, 0);
    atomic_store(&others, 0);
    atomic_store(&goes_on, false);
    ptl_journal_init(&journal, NULL); /* it keeps the last warning */
    ptl_permit_init(&permit, NULL, false);
    options.binds = binds;
    rain = witness_start(&options);
    assert_int_equal(ptl_services_start(rain, &journal, &permit, services), 0);
    options = witness_options("snow");
    options.ordinary = true;
    options.message_bytes_max = bytes;
    snow = witness_start(&options);
    assert_int_equal(ptl_node_known(snow, "rain", ptl_node_address(rain, 0)), 0);
    here = witness_port(snow, NULL, take, NULL);
}

static void end(void)
{
    witness_stop(snow, 5000);
    witness_stop(rain, 5000);
    json_decref(answer);
    answer = NULL;
    ptl_permit_drop(&permit);
    ptl_journal_close(&journal);
}

static void ask(const char *rows)
{
    struct ptl_port stats = witness_parse(snow, "rain#stats");
    struct ptl_msg *values = witness_values(rows);

    tell(snow, &stats, "tmp", "stats", values, &here);
    ptl_msg_free(values);
}

static json_int_t number(const char *part, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(answer, part), name));
}

static size_t shown(const char *part, const char *rows)
{
    return json_array_size(json_object_get(json_object_get(answer, part), rows));
}

/* ---- What is told --------------------------------------------------------------------------- */

static void answer_has_at_most_what_was_asked_for(void **state)
{
    (void)state;
    begin(0);
    ask("{\"links\":10,\"ports\":10,\"families\":10}");
    witness_reach(&answers, 1);
    assert_int_equal(shown("ports", "ports"), 4); /* echo, sink, portolan, stats */
    assert_int_equal(shown("links", "links"), 1);
    ask("{\"ports\":2,\"links\":0,\"else\":[1,{\"ports\":9}]}");
    witness_reach(&answers, 2);
    assert_int_equal(shown("ports", "ports"), 2);
    assert_int_equal(number("ports", "all"), 4);
    assert_int_equal(shown("links", "links"), 0);
    assert_int_equal(number("links", "all"), 1);
    assert_int_equal(shown("database", "families"), 0);
    ask("{\"ports\":18446744073709551615}");
    witness_reach(&answers, 3);
    end();
}

static void questions_that_make_no_sense_are_dropped(void **state)
{
    static const char *const senseless[] = {"1", "[]", "\"ports\"", "null", "{},{}"};
    struct ptl_port stats;

    (void)state;
    begin(0);
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++) {
        ask(senseless[i]);
    }
    stats = witness_parse(snow, "rain#stats");
    tell(snow, &stats, "t", "stats");
    tell(snow, &stats, "t{}i", "stats", 1);
    tell(snow, &stats, "t{}t", "stats", "no port");
    tell(snow, &stats, "tp", "status", &here);
    ask("{\"ports\":-1,\"links\":\"all\",\"families\":1e300}");
    witness_reach(&answers, 1);
    assert_int_equal(shown("ports", "ports"), 0);
    assert_int_equal(atomic_load(&others) + atomic_load(&busy), 0);
    end();
}

static void answer_that_the_asker_could_not_take_is_told_to_be_too_large(void **state)
{
    (void)state;
    begin(1024);
    ask("{}");
    witness_reach(&others, 1);
    assert_next("refused", "too_large");
    end();
}

/* ---- Who may ask ---------------------------------------------------------------------------- */

static struct ptl_rules *rules_of(const char *text)
{
    struct ptl_rules *rules;

    assert_int_equal(ptl_rules_read(text, strlen(text), NULL, NULL, &rules), 0);
    return rules;
}

static void who_may_not_observe_is_told_so_and_logged(void **state)
{
    struct ptl_rules *rules = rules_of("allow snow send\nallow snowy observe\n");
    char line[PTL_JOURNAL_LINE_MAX];

    (void)state;
    begin(0);
    ptl_permit_set(&permit, rules);
    ask("{}");
    witness_reach(&others, 1);
    assert_next("refused", "not_allowed");
    ptl_journal_held(&journal, "", line);
    assert_string_equal(line, "snow may not observe, by the rules (1 refused)");
    ptl_permit_set(&permit, NULL);
    ask("{}");
    witness_reach(&answers, 1);
    end();
    ptl_rules_free(rules);
}

static bool permits(const char *text, const char *anonymous, bool has_certificates,
                    const char *node)
{
    struct ptl_rules *rules = rules_of(text);
    struct ptl_permit one;

    ptl_permit_init(&one, anonymous, has_certificates);
    ptl_permit_set(&one, rules);
    bool may = ptl_permit_observe(&one, node);
    ptl_permit_drop(&one);
    ptl_rules_free(rules);
    return may;
}

static void node_is_permitted_what_each_proof_allows_that_it_may_have_given(void **state)
{
    (void)state;
    assert_true(permits("allow ops* observe", NULL, true, "ops1"));
    assert_false(permits("allow ops* observe", NULL, true, "op"));
    assert_false(permits("deny ops1 *\nallow ops* observe", NULL, true, "ops1"));
    assert_true(permits("allow * by secret observe", NULL, false, "ops1"));
    assert_false(permits("allow * by secret observe", NULL, true, "ops1"));
    assert_true(permits("allow * by secret,certificate observe", NULL, true, "ops1"));
    assert_false(permits("allow * observe", "public-", true, "public-1"));
    assert_true(permits("allow * observe", "public-", true, "ops1"));
    assert_true(
        permits("allow * by anonymous observe\nallow * observe", "public-", true, "public-1"));
}

/* ---- Who asks too much ---------------------------------------------------------------------- */

static void node_that_asks_before_it_is_answered_is_busy(void **state)
{
    (void)state;
    begin(0);
    for (unsigned i = 0; i < 4000; i++) {
        ask("{\"ports\":1024}");
    }
    witness_reach(&answers, 1);
    witness_reach(&busy, 1);
    unsigned before = atomic_load(&answers);
    while (atomic_load(&answers) == before) { /* some may be told that they are busy, still */
        ask("{}");
        poll(NULL, 0, 1);
    }
    end();
}

static int hang(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    witness_note(data, "hangs");
    while (!atomic_load(&goes_on)) {
        poll(NULL, 0, 1);
    }
    return 0;
}

/* Where the service lives, as it says itself. */
static unsigned shard_of_service(void)
{
    json_t *ports, *port;
    size_t index;

    ask("{\"ports\":10}");
    witness_reach(&answers, 1);
    ports = json_object_get(json_object_get(answer, "ports"), "ports");
    json_array_foreach(ports, index, port)
    {
        if (strcmp(json_string_value(json_object_get(port, "port")), "rain#stats") == 0) {
            return (unsigned)json_integer_value(json_object_get(port, "shard"));
        }
    }
    fail();
    return 0;
}

static void shard_that_hangs_leaves_the_numbers_and_takes_what_was_to_be_surveyed(void **state)
{
    (void)state;
    if (witness_shards == 1) {
        return; /* the service itself would hang */
    }
    begin(0);
    unsigned shard = shard_of_service();
    struct ptl_port stuck = witness_port_on(rain, shard + 1, hang, "stuck");
    struct ptl_port local = witness_port_on(rain, shard, take, NULL);
    struct ptl_port stats = witness_parse(rain, "rain#stats");
    tell(rain, &stuck, "");
    assert_next("stuck", "hangs");
    tell(rain, &stats, "t{ti}p", "stats", "ports", 9, &local);
    witness_reach(&answers, 2);
    atomic_store(&goes_on, true);
    assert_int_equal(number("node", "shard_count"), 2);
    assert_true(json_is_false(json_object_get(json_object_get(answer, "ports"), "complete")));
    assert_int_equal(number("ports", "all"), 0);
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(answer_has_at_most_what_was_asked_for),
        WITNESSED(questions_that_make_no_sense_are_dropped),
        WITNESSED(answer_that_the_asker_could_not_take_is_told_to_be_too_large),
        WITNESSED(who_may_not_observe_is_told_so_and_logged),
        cmocka_unit_test(node_is_permitted_what_each_proof_allows_that_it_may_have_given),
        WITNESSED(node_that_asks_before_it_is_answered_is_busy),
        WITNESSED(shard_that_hangs_leaves_the_numbers_and_takes_what_was_to_be_surveyed),
    };
    static const unsigned shards[] = {1, 2, 0};

    return witness_main(argc, argv, "stats_service", tests, sizeof(tests) / sizeof(tests[0]),
                        shards);
}
