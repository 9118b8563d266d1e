/*
 * What a node counts adds up to what was done; a survey shows what there is.
 */
#include "tests/common/listener.h"
#include "tests/common/sealed.h"
#include "tests/common/witness.h"

#include <time.h>

#define MESSAGES 1000

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static struct ptl_stats stats_of(const struct ptl_node *node, unsigned shard)
{
    struct ptl_stats stats = {.size = sizeof(stats)};

    assert_int_equal(ptl_stats(node, shard, &stats), 0);
    return stats;
}

/* Wait, for a minute at most, until a number of all shards is at least that; and it is no more. */
#define assert_comes_to(node, name, value)                                                         \
    do {                                                                                           \
        const struct timespec moment_ = {.tv_nsec = 1000000};                                      \
        for (unsigned i_ = 0; i_ < 60000 && stats_of(node, PTL_STATS_ALL).name < (value); i_++) {  \
            nanosleep(&moment_, NULL);                                                             \
        }                                                                                          \
        assert_int_equal(stats_of(node, PTL_STATS_ALL).name, value);                               \
    } while (0)

static struct ptl_node *listening(const char *id, const char *const *seeds)
{
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    options.seeds = seeds;
    return witness_start(&options);
}

static int on_number(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return 0;
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static void stats_of_messages_here_add_up(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, "sink", on_number, NULL);
    struct ptl_port nobody = witness_parse(node, "rain#nobody");

    (void)state;
    for (int i = 0; i < MESSAGES; i++) {
        tell(node, &port, "T", "0123456789", 10);
    }
    tell(node, &nobody, "t", "lost");
    assert_comes_to(node, taken, MESSAGES + 1);
    assert_comes_to(node, dropped, 1);
    assert_true(stats_of(node, PTL_STATS_ALL).taken_bytes >= MESSAGES * 11);
    assert_int_equal(stats_of(node, PTL_STATS_ALL).ports, 1);
    assert_int_equal(stats_of(node, PTL_STATS_ALL).sent, 0);
    assert_true(stats_of(node, PTL_STATS_ALL).turns > 0);
}

struct storm {
    struct ptl_port port;
    unsigned left;
};

/* To itself, many at once, so that they come in rows. */
static int on_storm(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct storm *storm = data;
    int err = PTL_OK;

    (void)msg;
    for (unsigned i = 0; i < 2 && storm->left > 0 && err == PTL_OK; i++) {
        err = ptl_sendf(node, &storm->port, "i", 1);
        storm->left -= err == PTL_OK;
    }
    return err == PTL_EFULL ? 0 : err;
}

static void stats_time_some_handlers_and_count_all_of_their_messages(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct storm storm = {.left = 20 * MESSAGES};
    uint64_t timed = 0;

    (void)state;
    storm.port = witness_port(node, "storm", on_storm, &storm);
    tell(node, &storm.port, "i", 1);
    assert_comes_to(node, taken, 20 * MESSAGES + 1);
    struct ptl_stats stats = stats_of(node, PTL_STATS_ALL);
    for (unsigned i = 0; i < PTL_STATS_BUCKETS; i++) {
        timed += stats.handled[i];
    }
    assert_true(timed > 0 && timed < stats.taken);
    assert_true(stats.handled_ns > 0);
}

static int on_later(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    return atomic_load((_Atomic bool *)data) ? 0 : PTL_LATER;
}

static void stats_show_what_waits_and_what_is_refused(void **state)
{
    struct ptl_node *node = witness_node("rain");
    static _Atomic bool open;
    uint64_t accepted = 0;

    (void)state;
    atomic_store(&open, false);
    struct ptl_port port = witness_port(node, "slow", on_later, (void *)&open);
    struct ptl_msg *msg = witness_text(10000);
    int err;
    while ((err = ptl_send(node, &port, msg)) == PTL_OK) {
        accepted++;
    }
    assert_int_equal(err, PTL_EFULL);
    assert_int_equal(stats_of(node, PTL_STATS_ALL).refused, 1);
    assert_comes_to(node, taken, accepted);
    assert_comes_to(node, queued, accepted);
    assert_true(stats_of(node, PTL_STATS_ALL).queued_bytes >= accepted * 10000);
    assert_comes_to(node, full, 1);
    atomic_store(&open, true);
    while (stats_of(node, PTL_STATS_ALL).queued != 0) {
        assert_true(stats_of(node, PTL_STATS_ALL).taken == accepted);
    }
    assert_int_equal(stats_of(node, PTL_STATS_ALL).queued_bytes, 0);
    ptl_msg_free(msg);
}

static void stats_of_a_shard_are_a_part_of_those_of_all(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_stats stats = {.size = sizeof(stats)};
    uint64_t taken = 0;

    (void)state;
    for (unsigned i = 0; i < witness_shards; i++) {
        struct ptl_port port = witness_port_on(node, i, on_number, NULL);
        tell(node, &port, "i", 1);
    }
    assert_comes_to(node, taken, witness_shards);
    for (unsigned i = 0; i < witness_shards; i++) {
        assert_int_equal(stats_of(node, i).taken, 1);
        assert_int_equal(stats_of(node, i).ports, 1);
        taken += stats_of(node, i).taken;
    }
    assert_int_equal(taken, witness_shards);
    assert_int_equal(ptl_stats(node, witness_shards, &stats), PTL_EINVAL);
    stats.size--;
    assert_int_equal(ptl_stats(node, 0, &stats), PTL_EINVAL);
}

/* ---- Links ---------------------------------------------------------------------------------- */

/* Two nodes that are linked; *snow is told where rain is. */
static void link_two(struct ptl_node **rain, struct ptl_node **snow)
{
    const char *seeds[] = {NULL, NULL};

    *rain = listening("rain", NULL);
    seeds[0] = ptl_node_address(*rain, 0);
    assert_int_equal(ptl_on_link(*rain, on_link, (void *)"links"), 0);
    *snow = listening("snow", seeds);
    witness_until("links", "up snow");
}

static void stats_of_two_nodes_agree_on_what_went_between_them(void **state)
{
    struct ptl_node *rain, *snow;

    (void)state;
    link_two(&rain, &snow);
    assert_comes_to(snow, seeds_linked, 1);
    struct ptl_port sink = witness_port(rain, "sink", on_number, NULL);
    struct ptl_port there = witness_parse(snow, ptl_port_id(&sink));
    for (int i = 0; i < MESSAGES; i++) {
        tell(snow, &there, "i", i);
    }
    assert_comes_to(rain, received, MESSAGES);
    assert_comes_to(rain, taken, MESSAGES);
    assert_comes_to(snow, sent, MESSAGES);
    assert_comes_to(rain, links, 1);
    assert_int_equal(stats_of(rain, PTL_STATS_ALL).links_up, 1);
    assert_true(stats_of(rain, PTL_STATS_ALL).link_bytes_in > MESSAGES);
    assert_int_equal(stats_of(snow, PTL_STATS_ALL).seeds, 1);
    witness_stop(snow, 5000);
    assert_comes_to(rain, links_lost, 1);
    assert_int_equal(stats_of(rain, PTL_STATS_ALL).received, MESSAGES);
}

static void stats_say_why_a_handshake_has_failed(void **state)
{
    struct ptl_node *rain = listening("rain", NULL);
    struct ptl_node_options options = witness_options("thief");
    const char *seeds[] = {ptl_node_address(rain, 0), NULL};

    (void)state;
    sealed_skip_secrets();
    options.seeds = seeds;
    options.secret = "another secret of 24 byte";
    options.secret_size = 24;
    witness_start(&options);
    const struct timespec moment = {.tv_nsec = 1000000};
    for (unsigned i = 0; i < 60000; i++) {
        if (stats_of(rain, PTL_STATS_ALL).handshakes_failed[PTL_REASON_secret] != 0) {
            break;
        }
        nanosleep(&moment, NULL);
    }
    assert_true(stats_of(rain, PTL_STATS_ALL).handshakes_failed[PTL_REASON_secret] > 0);
    assert_int_equal(stats_of(rain, PTL_STATS_ALL).links_up, 0);
}

/* ---- Surveys -------------------------------------------------------------------------------- */

static void on_survey(struct ptl_node *node, int err, const struct ptl_survey *survey, void *data)
{
    (void)node;
    if (err < 0) {
        witness_note(data, "%s", ptl_err_name(err));
        return;
    }
    for (unsigned i = 0; i < survey->link_count; i++) {
        const struct ptl_survey_link *link = &survey->links[i];
        witness_note(data, "link %s %s %s in %d", link->node, link->up ? "up" : "down",
                     link->framing, (int)link->messages_in);
    }
    for (unsigned i = 0; i < survey->port_count; i++) {
        witness_note(data, "port %s %d", survey->ports[i].id, (int)survey->ports[i].messages);
    }
    for (unsigned i = 0; i < survey->family_count; i++) {
        witness_note(data, "family %s %d", survey->families[i].name, (int)survey->families[i].keys);
    }
    witness_note(data, "done %d of %d ports", (int)survey->port_count, (int)survey->ports_in_all);
}

static void survey_shows_links_ports_and_families(void **state)
{
    struct ptl_node *rain, *snow;

    (void)state;
    link_two(&rain, &snow);
    struct ptl_port sink = witness_port(rain, "sink", on_number, NULL);
    struct ptl_port there = witness_parse(snow, ptl_port_id(&sink));
    tell(snow, &there, "i", 1);
    assert_comes_to(rain, taken, 1);
    assert_int_equal(ptl_db_set(rain, "charts", "north", NULL), 0);
    assert_int_equal(ptl_db_set(rain, "charts", "south", NULL), 0);
    assert_int_equal(ptl_db_keys(rain, "charts", on_reply, (void *)"keys"), 0);
    witness_until("keys", "north");
    assert_int_equal(ptl_survey(rain, NULL, on_survey, (void *)"survey"), 0);
    assert_next("survey", "link snow up portolan in 1");
    assert_next("survey", "port rain#sink 1");
    witness_until("survey", "family charts 2");
    witness_until("survey", "done 1 of 1 ports");
}

static void survey_shows_the_busiest_of_many_ports(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_survey_options options = {.size = sizeof(options), .ports = 2};
    uint64_t sent = 0;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        witness_port(node, NULL, on_number, NULL);
    }
    const char *const names[] = {"third", "first", "second"};
    for (unsigned i = 0; i < 3; i++) {
        struct ptl_port port = witness_port(node, names[i], on_number, NULL);
        for (unsigned k = 0; k < (i == 0 ? 1 : i == 1 ? 9 : 5); k++) {
            tell(node, &port, "i", 1);
            sent++;
        }
    }
    assert_comes_to(node, taken, sent);
    assert_int_equal(ptl_survey(node, &options, on_survey, (void *)"survey"), 0);
    assert_next("survey", "port rain#first 9");
    assert_next("survey", "port rain#second 5");
    witness_until("survey", "done 2 of 5003 ports");
}

/* One of them takes its time; which, the sample tells in the end. */
static int on_slow(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct timespec moment = {.tv_nsec = 2000000};

    (void)node, (void)msg, (void)data;
    nanosleep(&moment, NULL);
    return 0;
}

static bool is_ordered(const struct ptl_survey *survey)
{
    for (unsigned i = 0; i < survey->slowest_count; i++) {
        const struct ptl_survey_port *port = &survey->slowest[i];
        if (port->handled_max_ns < port->handled_mean_ns ||
            (i != 0 && port->handled_mean_ns > port[-1].handled_mean_ns)) {
            return false;
        }
    }
    return true;
}

static void on_slowest(struct ptl_node *node, int err, const struct ptl_survey *survey, void *data)
{
    (void)node;
    if (err < 0 || !is_ordered(survey)) {
        witness_note(data, "wrong");
    } else if (survey->slowest_count == 0) {
        witness_note(data, "none");
    } else {
        witness_note(data, "%s, %s", survey->slowest->id,
                     survey->slowest->handled_mean_ns < 2000000 ? "quick" : "slow");
    }
}

static void survey_shows_the_slowest_of_many_ports(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_survey_options options = {.size = sizeof(options), .ports = 2};
    struct ptl_port slow = witness_port(node, "slow", on_slow, NULL);
    struct ptl_port quick = witness_port(node, "quick", on_number, NULL);
    const char *line;

    (void)state;
    do { /* until the sample has met it; the test's own clock ends it, too */
        tell(node, &slow, "i", 1);
        for (unsigned i = 0; i < 20; i++) {
            tell(node, &quick, "i", 1);
        }
        assert_int_equal(ptl_survey(node, &options, on_slowest, (void *)"slowest"), 0);
        line = witness_next("slowest");
        assert_string_not_equal(line, "wrong");
    } while (strcmp(line, "rain#slow, slow") != 0);
}

static void survey_has_bounds(void **state)
{
    struct ptl_node_options of_node = witness_options("rain");
    struct ptl_node *node = witness_make(&of_node); /* not open yet: none of them ends */
    struct ptl_survey_options options = {.size = sizeof(options), .links = PTL_SURVEY_MAX + 1};

    (void)state;
    assert_int_equal(ptl_survey(node, &options, on_survey, (void *)"none"), PTL_EINVAL);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(ptl_survey(node, NULL, on_survey, (void *)"survey"), 0);
    }
    assert_int_equal(ptl_survey(node, NULL, on_survey, (void *)"none"), PTL_ELIMIT);
    witness_stop(node, 0);
    for (unsigned i = 0; i < 16; i++) {
        assert_next("survey", "PTL_ESTOPPED");
    }
    assert_silent("none");
}

static void survey_without_memory_says_so(void **state)
{
    struct ptl_node *node = witness_node("rain");
    bool done = false;

    (void)state;
    for (size_t nth = 1; !done && nth < 100; nth++) {
        witness_fail_memory(nth, true);
        int err = ptl_survey(node, NULL, on_survey, (void *)"survey");
        const char *line = err < 0 ? ptl_err_name(err) : witness_next("survey");
        witness_fail_memory(0, false);
        done = strncmp(line, "done", 4) == 0;
        assert_true(done || strcmp(line, "PTL_ENOMEM") == 0 || strncmp(line, "family", 6) == 0);
    }
    assert_true(done);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(stats_of_messages_here_add_up),
        WITNESSED(stats_time_some_handlers_and_count_all_of_their_messages),
        WITNESSED(stats_show_what_waits_and_what_is_refused),
        WITNESSED(stats_of_a_shard_are_a_part_of_those_of_all),
        WITNESSED(stats_of_two_nodes_agree_on_what_went_between_them),
        WITNESSED(stats_say_why_a_handshake_has_failed),
        WITNESSED(survey_shows_links_ports_and_families),
        WITNESSED(survey_shows_the_busiest_of_many_ports),
        WITNESSED(survey_shows_the_slowest_of_many_ports),
        WITNESSED(survey_has_bounds),
        WITNESSED(survey_without_memory_says_so),
    };
    const unsigned shards[] = {1, 3, 0};

    return witness_main(argc, argv, "stats", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
