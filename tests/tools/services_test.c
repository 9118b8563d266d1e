/*
 * The services of `portolan run` and an asker that does not take its answers, on the same node or
 * on another: nobody else waits for it.
 */
#include "tests/common/witness.h"
#include "tools/bench/echo.h"
#include "tools/replies.h"
#include "tools/services.h"

#include <poll.h>

#define BODY 1000 /* bytes */
#define SMALL_ROOM ((size_t)64 << 10)

static struct ptl_journal journal;
static struct ptl_permit permit;
static struct ptl_node *rain, *snow;
static struct ptl_port slow; /* of rain or snow */
static _Atomic bool takes;   /* the slow port does */
static _Atomic uint64_t taken, disorder;
static int64_t last; /* of the slow port's shard */

static int take_when_told(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    int64_t number = 0;

    (void)data;
    if (!atomic_load(&takes)) {
        return PTL_LATER;
    }
    if (ptl_msg_read(node, msg, "i", &number) == 0) {
        atomic_fetch_add(&disorder, number <= last);
        last = number;
    }
    atomic_fetch_add(&taken, 1);
    return 0;
}

/* Others ask all services, and are answered. */
static void ask_for_others(struct ptl_node *node)
{
    struct ptl_port here = witness_listener(node, "answer");
    struct ptl_port echo = witness_parse(node, "rain#echo"),
                    sink = witness_parse(node, "rain#sink");
    struct ptl_port network = witness_parse(node, "rain#portolan");

    tell(node, &echo, "ttp", "say", "hello", &here);
    assert_next("answer", "[\"hello\"]");
    tell(node, &sink, "tp", "count", &here);
    assert_non_null(witness_next("answer"));
    tell(node, &network, "tttip", "db_set", "fam", "key", 1, &here);
    assert_next("answer", "[null]");
    tell(node, &network, "tp", "links", &here);
    assert_non_null(strstr(witness_next("answer"), "true"));
}

/* rain has the services, snow is linked to it, and `slow` is a port of one of them. */
static void begin(bool remote)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    static const char *const services[] = {"echo", "sink", NULL};
    struct ptl_node_options options = witness_options("rain");

    atomic_store(&takes, false);
    atomic_store(&taken, 0);
    atomic_store(&disorder, 0);
    last = -1;
    ptl_journal_init(&journal, NULL); /* it keeps the last warning */
    options.binds = binds;
    options.port_room = SMALL_ROOM;
    rain = witness_start(&options);
    ptl_permit_init(&permit, NULL, false);
    assert_int_equal(ptl_services_start(rain, &journal, &permit, services), 0);
    options = witness_options("snow");
    options.ordinary = true;
    options.port_room = SMALL_ROOM;
    snow = witness_start(&options);
    assert_int_equal(ptl_node_known(snow, "rain", ptl_node_address(rain, 0)), 0);
    ask_for_others(snow); /* only snow knows where the other is */
    slow = witness_port(remote ? snow : rain, "slow", take_when_told, NULL);
}

static void end(void)
{
    atomic_store(&takes, true); /* what waits is taken, and delays the end no longer */
    witness_stop(snow, 5000);
    witness_stop(rain, 5000);
    ptl_journal_close(&journal);
}

/* The slow port asks the service: [TAG, NUMBER, BODY, REPLYPORT], or without number and body. */
static void ask_in_vain(const char *service, const char *tag, unsigned times, bool whole)
{
    static const char body[BODY];
    struct ptl_port to = witness_parse(rain, service);

    for (unsigned i = 0; i < times; i++) {
        if (whole) {
            tell(rain, &to, "tiyp", tag, i, body, sizeof body, &slow);
        } else {
            tell(rain, &to, "tp", tag, &slow);
        }
    }
}

static void asker_that_takes_nothing_delays_nobody_else(bool remote)
{
    begin(remote);
    ask_in_vain("rain#echo", "say", 2000, true);
    ask_for_others(snow);
    ask_in_vain("rain#sink", "count", 20000, false);
    ask_for_others(snow);
    ask_in_vain("rain#portolan", "links", 20000, false);
    ask_for_others(snow);
    ask_for_others(rain);
    end();
}

static void asker_of_the_node_itself_that_takes_nothing_delays_nobody_else(void **state)
{
    (void)state;
    asker_that_takes_nothing_delays_nobody_else(false);
}

static void asker_of_another_node_that_takes_nothing_delays_nobody_else(void **state)
{
    (void)state;
    asker_that_takes_nothing_delays_nobody_else(true);
}

static void answers_that_found_no_room_come_in_order_when_there_is(void **state)
{
    unsigned count = PTL_REPLIES_PORT_MAX / (BODY + 300);

    (void)state;
    begin(true);
    ask_in_vain("rain#echo", "say", count, true);
    ask_for_others(snow);
    atomic_store(&takes, true);
    witness_reach(&taken, count);
    assert_int_equal(atomic_load(&disorder), 0);
    ask_in_vain("rain#echo", "say", 1, true); /* nothing of it is left */
    witness_reach(&taken, count + 1);
    end();
}

static void asker_that_takes_nothing_costs_bounded_memory_and_is_told_of(void **state)
{
    char line[PTL_JOURNAL_LINE_MAX];

    (void)state;
    begin(false);
    ask_for_others(snow);
    size_t before = witness_bytes();
    ask_in_vain("rain#echo", "say", 20000, true);
    ask_for_others(snow);
    assert_true(witness_bytes() < before + PTL_REPLIES_PORT_MAX + ((size_t)3 << 20));
    ptl_journal_held(&journal, "", line);
    assert_non_null(strstr(line, "echo: "));
    assert_non_null(strstr(line, "answers were dropped: rain#slow does not take them"));
    atomic_store(&takes, true);
    witness_reach(&taken, 100);
    end();
}

static void asker_of_a_spawned_echo_that_takes_nothing_delays_nobody_else(void **state)
{
    struct ptl_port port;

    (void)state;
    begin(false);
    struct ptl_port here = witness_listener(rain, "answer");
    struct ptl_msg *nothing = witness_values("");
    assert_int_equal(ptl_spawn(rain, "rain", "portolan::echo", nothing, &port), 0);
    ptl_msg_free(nothing);
    ask_in_vain(ptl_port_id(&port), "say", 2000, true);
    tell(rain, &port, "ttp", "say", "hello", &here);
    assert_next("answer", "[\"hello\"]");
    end();
}

/* A message that names echo again and again, so that each reply is a request. */
static struct ptl_msg *make_chain(struct ptl_node *node, const char *id, unsigned values)
{
    struct ptl_writer writer;
    struct ptl_msg *chain;

    ptl_writer_init(&writer, node);
    for (unsigned i = 0; i < values; i++) {
        ptl_put_text(&writer, id, strlen(id));
    }
    assert_int_equal(ptl_writer_finish(&writer, &chain), 0);
    return chain;
}

/* A chain through echo itself, and one through two echo ports, neither of which can know that. */
static void chain_of_echoes_ends_soon(void **state)
{
    static const char *const ends[] = {"rain#echo", "snow#mirror"};

    (void)state;
    begin(false);
    struct ptl_port echo = witness_parse(snow, "rain#echo");
    (void)witness_port(snow, "mirror", on_echo, NULL);
    for (int i = 0; i < 2; i++) {
        struct ptl_msg *chain = make_chain(snow, ends[i], 1000000);
        while (ptl_send(snow, &echo, chain) == PTL_EFULL) {
            poll(NULL, 0, 1);
        }
        ptl_msg_free(chain);
        ask_for_others(snow);
    }
    assert_int_equal(witness_stop(rain, 5000), 0); /* nothing goes on */
    atomic_store(&takes, true);
    assert_int_equal(witness_stop(snow, 5000), 0);
    ptl_journal_close(&journal);
}

static int note_reason(struct ptl_node *node, const struct ptl_port *port,
                       const struct ptl_msg *reason, void *label)
{
    (void)node;
    (void)port;
    witness_note(label, "%s", ptl_msg_is(reason, "bench_kill") ? "killed" : "died otherwise");
    return 0;
}

/* Messages until the port has no room for more, and a kill. */
static void fill_and_kill(struct ptl_node *node, const struct ptl_port *port)
{
    struct ptl_msg *reason = witness_values("\"bench_kill\"");
    uint64_t row = 1, number = 0;

    while (number < 1000000 && ptl_sendf(node, port, "uuy", row, number, "", (size_t)0) == 0) {
        number++;
    }
    assert_in_range(number, 100, 1000000 - 1);
    assert_int_equal(ptl_kill(node, port, reason), 0);
    ptl_msg_free(reason);
}

/* Its node stops while it cannot tell what it has: it must not die of the kill behind that. */
static void verifying_echo_that_cannot_tell_does_not_seem_to_have_told(void **state)
{
    struct ptl_port port;

    (void)state;
    begin(true);
    assert_int_equal(ptl_bench_echo_register(rain), 0);
    struct ptl_msg *spawner = witness_values("\"snow#slow\"");
    assert_int_equal(ptl_spawn(snow, "rain", PTL_BENCH_ECHO, spawner, &port), 0);
    ptl_msg_free(spawner);
    assert_int_equal(ptl_monitor(snow, &port, note_reason, "echo", NULL), 0);
    fill_and_kill(snow, &port);
    ask_for_others(snow); /* so that the kill has come, too */
    witness_stop(rain, 1000);
    assert_next("echo", "died otherwise");
    atomic_store(&takes, true);
    assert_int_equal(witness_stop(snow, 5000), 0);
    ptl_journal_close(&journal);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(chain_of_echoes_ends_soon),
        WITNESSED(asker_of_the_node_itself_that_takes_nothing_delays_nobody_else),
        WITNESSED(asker_of_another_node_that_takes_nothing_delays_nobody_else),
        WITNESSED(answers_that_found_no_room_come_in_order_when_there_is),
        WITNESSED(asker_that_takes_nothing_costs_bounded_memory_and_is_told_of),
        WITNESSED(asker_of_a_spawned_echo_that_takes_nothing_delays_nobody_else),
        WITNESSED(verifying_echo_that_cannot_tell_does_not_seem_to_have_told),
    };
    static const unsigned shards[] = {1, 2, 0};

    return witness_main(argc, argv, "services", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
