/*
 * What goes over a link between nodes of ours: everything that works on one node, in all framings.
 * How links come about and end is in connect_test.c.
 */
#include "tests/common/witness.h"

#ifdef PTL_QUICK
#define MANY 10000
#define LARGEST ((size_t)8 << 20)
#else
#define MANY 100000
#define LARGEST (((size_t)64 << 20) - 64)
#endif

static const char *framings;
static const char *const loopback[] = {"127.0.0.1:0", NULL};
static struct ptl_node *rain, *snow;

static int init(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    on_message(node, msg, data);
    if (!ptl_self(node, &self)) {
        return ptl_fail(node, "no self");
    }
    return ptl_port_on(node, &self, "hello", on_message, "spawned");
}

static struct ptl_node *start(const char *id, const char *its_framings)
{
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    options.framings = its_framings;
    struct ptl_node *node = witness_start(&options);
    assert_int_equal(ptl_register(node, "test::listener", init, "init"), 0);
    return node;
}

static void introduce(struct ptl_node *node, struct ptl_node *other)
{
    assert_int_equal(ptl_node_known(node, ptl_node_id(other), ptl_node_address(other, 0)), 0);
}

static int set_up(void **state)
{
    int err = witness_set_up(state);

    rain = start("rain", framings);
    snow = start("snow", framings);
    introduce(rain, snow);
    introduce(snow, rain);
    return err;
}

static void send_values(struct ptl_node *node, const struct ptl_port *to, const char *json)
{
    struct ptl_msg *msg = witness_values(json);
    int err = ptl_send(node, to, msg);

    ptl_msg_free(msg);
    assert_int_equal(err, 0);
}

/* ---- Messages ------------------------------------------------------------------------------ */

static void message_arrives_as_it_was_sent(void **state)
{
    static const char *const cases[] = {
        "[]",
        "[\"a\"]",
        "[1,-1,0,23,24,255,256,65536,-9007199254740991,18446744073709551615]",
        "[null,true,false,0.5,-1.5e+300]",
        "[\"\\u00e4\\u20ac\",\"\",\"a\\\\b\\\"c\"]",
        "[[],[[1,[2]],{}],{\"a\":{\"b\":[null]}}]",
    };
    struct ptl_port port = witness_listener(snow, "port");
    struct ptl_port named = witness_port(rain, "named", on_message, "named");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char inner[200];
        snprintf(inner, sizeof(inner), "%.*s", (int)strlen(cases[i]) - 2, cases[i] + 1);
        send_values(rain, &port, inner);
        char *there = strdup(witness_next("port"));
        send_values(rain, &named, inner); /* the same, without a link */
        assert_string_equal(there, witness_next("named"));
        free(there);
        send_values(snow, &named, inner);
        witness_next("named");
    }
}

static void message_reaches_names_of_any_letters(void **state)
{
    static const char *const names[] = {"a",          "a#b", "\xc3\xa4 \xe2\x82\xac",
                                        "with space", "R",   "1"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char id[64];
        witness_port(snow, names[i], on_message, "port");
        snprintf(id, sizeof(id), "snow#%s", names[i]);
        struct ptl_port port = witness_parse(rain, id);
        tell(rain, &port, "i", (int64_t)i);
        snprintf(id, sizeof(id), "[%zu]", i);
        assert_next("port", id);
    }
}

static char *filled; /* LARGEST bytes */

static int check_filled(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const char *chars;
    size_t size;

    if (ptl_msg_read(node, msg, "s.", &chars, &size) < 0 || memcmp(chars, filled, size) != 0) {
        return ptl_fail(node, "not what was sent");
    }
    witness_note(data, "%zu", size);
    return 0;
}

static void message_may_be_large(void **state)
{
    static const size_t sizes[] = {1000, 1024, 65535, 65536, 70000, (size_t)1 << 20, LARGEST};
    struct ptl_port port = witness_port(snow, NULL, check_filled, "port");
    char expected[32];

    (void)state;
    filled = malloc(LARGEST);
    for (size_t i = 0; i < LARGEST; i++) {
        filled[i] = (char)('a' + i * 31 % 26);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        tell(rain, &port, "T", filled, sizes[i]);
        snprintf(expected, sizeof(expected), "%zu", sizes[i]);
        assert_next("port", expected);
    }
    free(filled);
}

static _Atomic uint64_t come, wrong;

static int on_number(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    uint64_t number;
    bool right = ptl_msg_read(node, msg, "u", &number) == 0 && number == atomic_load(&come);

    (void)data;
    atomic_fetch_add(&wrong, !right);
    atomic_fetch_add(&come, 1);
    return 0;
}

static void messages_arrive_in_order(void **state)
{
    struct ptl_port port = witness_port(snow, NULL, on_number, NULL);

    (void)state;
    atomic_store(&come, 0);
    atomic_store(&wrong, 0);
    for (uint64_t i = 0; i < MANY;) {
        int err = ptl_sendf(rain, &port, "u", i);
        if (err == PTL_EFULL) {
            assert_int_equal(ptl_on_room(rain, &port, on_room, "sender"), 0);
            assert_next("sender", "room");
            continue;
        }
        assert_int_equal(err, 0);
        i++;
    }
    witness_reach(&come, MANY);
    assert_int_equal(wrong, 0);
}

/* Sends all numbers from within, and says later whenever there is no room. */
struct pump {
    struct ptl_port to;
    uint64_t number;
};

static int pump_numbers(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct pump *pump = data;

    (void)msg;
    while (pump->number < MANY) {
        int err = ptl_sendf(node, &pump->to, "u", pump->number);
        if (err < 0) {
            return err == PTL_EFULL ? PTL_LATER : err;
        }
        pump->number++;
    }
    return 0;
}

static void messages_of_a_handler_arrive_in_order(void **state)
{
    static struct pump pump;
    struct ptl_port port = witness_port(snow, NULL, on_number, NULL);

    (void)state;
    atomic_store(&come, 0);
    atomic_store(&wrong, 0);
    pump = (struct pump){.to = port};
    struct ptl_port sender = witness_port(rain, NULL, pump_numbers, &pump);
    tell(rain, &sender, "t", "go");
    witness_reach(&come, MANY);
    assert_int_equal(wrong, 0);
}

static _Atomic bool open_now;

static int behind_gate(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    return atomic_load(&open_now) ? on_number(node, msg, data) : PTL_LATER;
}

static void sender_to_a_port_that_waits_is_told_and_loses_nothing(void **state)
{
    struct ptl_port port = witness_port(snow, NULL, behind_gate, NULL);
    struct ptl_port other = witness_listener(snow, "other");
    static char bytes[4000];
    uint64_t sent = 0;
    int err;

    (void)state;
    atomic_store(&come, 0);
    atomic_store(&wrong, 0);
    atomic_store(&open_now, false);
    tell(rain, &other, "t", "linked");
    assert_next("other", "[\"linked\"]");
    while ((err = ptl_sendf(rain, &port, "uy", sent, bytes, sizeof(bytes))) == 0) {
        sent++;
        assert_true(sent < 100000); /* 400 MB */
    }
    assert_int_equal(err, PTL_EFULL);
    assert_int_equal(ptl_on_room(rain, &port, on_room, "sender"), 0);
    atomic_store(&open_now, true);
    assert_next("sender", "room");
    witness_reach(&come, sent);
    assert_int_equal(wrong, 0);
}

/* ---- Monitors and kills -------------------------------------------------------------------- */

static void monitor_tells_how_a_port_of_another_node_died(void **state)
{
    static const char *const reasons[] = {"", "\"why\"", "\"a\",[1,null,{\"b\":-2.5}]"};
    char expected[100];

    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct ptl_port port = witness_listener(snow, "port");
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
        tell(rain, &port, "t", "set");
        assert_next("port", "[\"set\"]"); /* behind the monitor */
        witness_kill(i == 0 ? rain : snow, &port, reasons[i]);
        snprintf(expected, sizeof(expected), "[%s]", reasons[i]);
        assert_next("gone", expected);
    }
}

static void monitor_of_a_port_that_another_node_has_not_tells_so(void **state)
{
    struct ptl_port nobody = witness_parse(rain, "snow#nobody");

    (void)state;
    assert_int_equal(ptl_monitor(rain, &nobody, on_gone, "gone", NULL), 0);
    const char *reason = witness_next("gone");
    assert_non_null(strstr(reason, "\"no_such_port\""));
    assert_non_null(strstr(reason, "snow#nobody"));
}

static void monitor_forms_work_over_the_link(void **state)
{
    struct ptl_port victim = witness_listener(rain, "victim");
    struct ptl_port listener = witness_listener(snow, "listener");
    struct ptl_msg *prefix = witness_values("\"gone\",1");
    struct ptl_port port = witness_listener(snow, "port");
    struct ptl_monitor monitor;

    (void)state;
    assert_int_equal(ptl_monitor_message(rain, &port, &listener, prefix, NULL), 0);
    ptl_msg_free(prefix);
    assert_int_equal(ptl_monitor_kill(rain, &port, &victim, NULL), 0);
    assert_int_equal(ptl_monitor(rain, &victim, on_gone, "victim gone", NULL), 0);
    assert_int_equal(ptl_monitor(rain, &port, on_gone, "taken back", &monitor), 0);
    ptl_unmonitor(rain, &monitor);
    tell(rain, &port, "t", "set");
    assert_next("port", "[\"set\"]");
    witness_kill(snow, &port, "\"why\"");
    assert_next("listener", "[\"gone\",1,\"why\"]");
    assert_next("victim gone", "[\"why\"]");
    assert_silent("taken back");
}

static void kill_keeps_its_place_over_the_link(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct ptl_port port = witness_listener(snow, "port");
        tell(rain, &port, "t", "before");
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
        witness_kill(rain, &port, "1");
        tell(rain, &port, "t", "after");
        assert_next("gone", "[1]");
        assert_next("port", "[\"before\"]");
        assert_silent("port");
    }
}

static void monitor_set_again_and_again_tells_each_time(void **state)
{
    struct ptl_port port = witness_listener(snow, "port");
    struct ptl_monitor monitor;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", &monitor), 0);
        if (i != 99) {
            ptl_unmonitor(rain, &monitor);
        }
    }
    tell(rain, &port, "t", "set");
    assert_next("port", "[\"set\"]");
    witness_kill(snow, &port, "1");
    assert_next("gone", "[1]");
    assert_silent("gone");
}

static void link_that_goes_fires_all_monitors_on_its_node(void **state)
{
    struct ptl_port node_port = witness_parse(rain, "snow");

    (void)state;
    assert_int_equal(ptl_monitor(rain, &node_port, on_gone, "node gone", NULL), 0);
    for (int i = 0; i < 50; i++) {
        struct ptl_port port = witness_listener(snow, "port");
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
        tell(rain, &port, "t", "set");
        assert_next("port", "[\"set\"]");
    }
    assert_silent("node gone");
    witness_stop(snow, 1000);
    for (int i = 0; i < 50; i++) {
        assert_non_null(strstr(witness_next("gone"), "[\"transport_error\",\"snow\","));
    }
    assert_non_null(strstr(witness_next("node gone"), "[\"transport_error\",\"snow\","));
    assert_silent("gone");
}

/* ---- Last words ---------------------------------------------------------------------------- */

struct talker {
    struct ptl_port to;
    uint64_t said;
};

static int talk(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct talker *talker = data;

    (void)msg;
    while (talker->said < 1000) {
        int err = ptl_sendf(node, &talker->to, "u", talker->said);
        if (err < 0) {
            return err == PTL_EFULL ? PTL_LATER : err;
        }
        talker->said++;
    }
    return ptl_fail(node, "said all");
}

static int count_words(struct ptl_node *node, const struct ptl_port *port,
                       const struct ptl_msg *reason, void *data)
{
    char *json = ptl_msg_json(reason);

    (void)node;
    (void)port;
    witness_note(data, "%llu %s", (unsigned long long)atomic_load(&come), json);
    free(json);
    return 0;
}

static int watch_or_count(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port;

    if (ptl_msg_is(msg, "watch")) {
        int err = ptl_msg_read(node, msg, "*p", &port);
        if (err == 0) {
            err = ptl_monitor(node, &port, count_words, data, NULL);
        }
        return err < 0 ? err : ptl_sendf(node, &port, "t", "go");
    }
    return on_number(node, msg, data);
}

static void last_words_come_before_the_death_notice(void **state)
{
    static struct talker talker;

    (void)state;
    for (int i = 0; i < 10; i++) {
        atomic_store(&come, 0);
        atomic_store(&wrong, 0);
        talker.to = witness_port(rain, NULL, watch_or_count, "hearer");
        talker.said = 0;
        struct ptl_port port = witness_port(snow, NULL, talk, &talker);
        tell(rain, &talker.to, "tp", "watch", &port);
        assert_next("hearer", "1000 [\"die\",\"said all\"]");
        assert_int_equal(wrong, 0);
    }
}

/* ---- Spawns and calls ---------------------------------------------------------------------- */

static void spawn_works_over_the_link(void **state)
{
    struct ptl_msg *msg = witness_values("1,\"a\"");
    struct ptl_port port;

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ptl_spawn(rain, "snow", "test::listener", msg, &port), 0);
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
        tell(rain, &port, "ti", "hello", INT64_C(5));
        assert_next("init", "[1,\"a\"]");
        assert_next("spawned", "[\"hello\",5]");
        witness_kill(rain, &port, "7");
        assert_next("gone", "[7]");
    }
    assert_int_equal(ptl_spawn(rain, "snow", "test::nonsense", msg, &port), 0);
    assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
    assert_non_null(strstr(witness_next("gone"), "\"no_such_port\""));
    ptl_msg_free(msg);
}

static void call_works_over_the_link(void **state)
{
    struct ptl_port port = witness_port(snow, NULL, on_echo, NULL);
    struct ptl_port nobody = witness_parse(rain, "snow#nobody");
    struct ptl_port silent = witness_listener(snow, "silent");
    struct ptl_msg *msg = witness_values("\"echo\",1,\"b\"");

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ptl_call(rain, &port, msg, 0, true, on_reply, "reply"), 0);
        assert_next("reply", "[1,\"b\"]");
    }
    assert_int_equal(ptl_call(rain, &nobody, msg, 0, true, on_reply, "reply"), 0);
    assert_non_null(strstr(witness_next("reply"), "gone [\"no_such_port\""));
    assert_int_equal(ptl_call(rain, &silent, msg, 1, true, on_reply, "reply"), 0);
    assert_next("reply", "PTL_ETIMEOUT");
    assert_int_equal(ptl_call(rain, &silent, msg, 0, true, on_reply, "reply"), 0);
    witness_next("silent");
    witness_next("silent");
    witness_stop(snow, 1000);
    assert_non_null(strstr(witness_next("reply"), "gone [\"transport_error\",\"snow\""));
    ptl_msg_free(msg);
}

/* ---- Nodes --------------------------------------------------------------------------------- */

static void collect(const char *node_id, void *data)
{
    witness_note(data, "%s", node_id);
}

static void links_are_told_and_listed(void **state)
{
    struct ptl_port port = witness_listener(snow, "port");

    (void)state;
    ptl_links(rain, collect, "list");
    assert_silent("list");
    assert_int_equal(ptl_on_link(rain, on_link, "early"), 0);
    tell(rain, &port, "t", "a");
    assert_next("port", "[\"a\"]");
    assert_next("early", "up snow");
    assert_int_equal(ptl_on_link(rain, on_link, "late"), 0);
    assert_next("late", "up snow");
    ptl_links(rain, collect, "list");
    assert_next("list", "snow");
    ptl_links(snow, collect, "list");
    assert_next("list", "rain");
    witness_stop(snow, 1000);
    assert_non_null(strstr(witness_next("early"), "down snow [\"transport_error\",\"snow\","));
    assert_non_null(strstr(witness_next("late"), "down snow [\"transport_error\",\"snow\","));
    ptl_links(rain, collect, "list");
    assert_silent("list");
}

static struct ptl_port next_port[3];

static int pass_round(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    int64_t left;

    if (ptl_msg_read(node, msg, "i", &left) < 0 || left == 0) {
        witness_note("round", "%s", ptl_node_id(node));
        return 0;
    }
    return ptl_sendf(node, &next_port[(intptr_t)data], "i", left - 1);
}

static void message_goes_round_three_nodes(void **state)
{
    struct ptl_node *hail = start("hail", framings), *nodes[] = {rain, snow, hail};

    (void)state;
    for (intptr_t i = 0; i < 3; i++) {
        introduce(nodes[i], nodes[(i + 1) % 3]);
        next_port[(i + 2) % 3] = witness_port(nodes[i], NULL, pass_round, (void *)i);
    }
    tell(rain, &next_port[2], "i", INT64_C(301));
    assert_next("round", "snow");
}

static void nodes_with_different_framings_understand_each_other(void **state)
{
    struct ptl_node *json = start("json", "json"), *both = start("both", "json,cbor");
    struct ptl_port in_json = witness_listener(json, "json's");
    struct ptl_port in_both = witness_listener(both, "both's");

    (void)state;
    introduce(rain, json);
    introduce(rain, both);
    if (strcmp(framings, "json") != 0) {
        struct ptl_port port = witness_parse(rain, "json#x");
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
        assert_non_null(strstr(witness_next("gone"), "transport_error")); /* nothing in common */
    } else {
        tell(rain, &in_json, "ti", "a", INT64_C(1));
        assert_next("json's", "[\"a\",1]");
    }
    introduce(json, both);
    tell(json, &in_both, "ti", "a", INT64_C(1));
    assert_next("both's", "[\"a\",1]");
    tell(both, &in_json, "ti", "b", INT64_C(1));
    assert_next("json's", "[\"b\",1]");
}

static void requests_of_global_nodes_are_ignored(void **state)
{
    struct ptl_port node_port = witness_parse(rain, "snow#"), port = witness_listener(snow, "port");

    (void)state;
    send_values(rain, &node_port, "\"g_global\"");
    send_values(rain, &node_port, "\"g_slave\",{\"'l\":{\"rain\":[\"127.0.0.1:1\"]}}");
    send_values(rain, &node_port, "\"g_set\",{\"a\":{\"b\":null}}");
    send_values(rain, &node_port, "\"g_find\",\"hail\"");
    send_values(rain, &node_port, "\"g_nonsense\",1");
    send_values(rain, &node_port, "\"nonsense\",1");
    send_values(rain, &node_port, "");
    send_values(rain, &node_port, "1,2");
    tell(rain, &port, "t", "a");
    assert_next("port", "[\"a\"]");
    ptl_links(rain, collect, "list");
    assert_next("list", "snow");
}

/* ---- The limit, in the framing that nodes of ours choose ----------------------------------- */

static struct ptl_node *start_limited(const char *id, const char *seed)
{
    const char *seeds[] = {seed, NULL};
    struct ptl_node_options options = witness_options(id);

    options.message_bytes_max = 2000;
    options.binds = loopback;
    options.seeds = seed == NULL ? NULL : seeds;
    return witness_start(&options);
}

static void message_of_just_the_limit_passes_a_link(void **state)
{
    static char bytes[2000 - 3]; /* its head has three bytes */

    (void)state;
    rain = start_limited("rain", NULL);
    snow = start_limited("snow", ptl_node_address(rain, 0));
    struct ptl_port port = witness_port(rain, "port", on_message, "port");
    struct ptl_port remote = witness_parse(snow, ptl_port_id(&port));
    assert_int_equal(ptl_monitor(snow, &remote, on_gone, "gone", NULL), 0);
    tell(snow, &remote, "y", bytes, sizeof(bytes));
    tell(snow, &remote, "t", "behind");
    witness_next("port");
    assert_next("port", "[\"behind\"]");
    assert_silent("gone");
}

static void reason_over_the_limit_is_refused_and_costs_no_link(void **state)
{
    static char bytes[3000];
    struct ptl_msg *large;

    (void)state;
    rain = start_limited("rain", NULL);
    struct ptl_port remote = witness_parse(rain, "snow#port");
    assert_int_equal(ptl_msg_make(rain, &large, "y", bytes, sizeof(bytes)), 0);
    assert_int_equal(ptl_kill(rain, &remote, large), PTL_ESIZE);
    assert_int_equal(ptl_spawn(rain, "snow", "f", large, &remote), PTL_ESIZE);
    ptl_msg_free(large);
}

#define LINKED(name) cmocka_unit_test_setup_teardown(name, set_up, witness_tear_down)

int main(int argc, char **argv)
{
    static const unsigned for_cbor[] = {1, 2, 4, 0}, for_json[] = {1, 4, 0};
    const struct CMUnitTest tests[] = {
        LINKED(message_arrives_as_it_was_sent),
        LINKED(message_reaches_names_of_any_letters),
        LINKED(message_may_be_large),
        LINKED(messages_arrive_in_order),
        LINKED(messages_of_a_handler_arrive_in_order),
        LINKED(sender_to_a_port_that_waits_is_told_and_loses_nothing),
        LINKED(monitor_tells_how_a_port_of_another_node_died),
        LINKED(monitor_of_a_port_that_another_node_has_not_tells_so),
        LINKED(monitor_forms_work_over_the_link),
        LINKED(kill_keeps_its_place_over_the_link),
        LINKED(monitor_set_again_and_again_tells_each_time),
        LINKED(link_that_goes_fires_all_monitors_on_its_node),
        LINKED(last_words_come_before_the_death_notice),
        LINKED(spawn_works_over_the_link),
        LINKED(call_works_over_the_link),
        LINKED(links_are_told_and_listed),
        LINKED(message_goes_round_three_nodes),
        LINKED(nodes_with_different_framings_understand_each_other),
        LINKED(requests_of_global_nodes_are_ignored),
        WITNESSED(message_of_just_the_limit_passes_a_link),
        WITNESSED(reason_over_the_limit_is_refused_and_costs_no_link),
    };
    size_t count = sizeof(tests) / sizeof(tests[0]);

    framings = "cbor";
    int failed = witness_main(argc, argv, "links in CBOR", tests, count, for_cbor);
    framings = "json";
    failed += witness_main(argc, argv, "links in JSON", tests, count, for_json);
    framings = "portolan";
    return failed + witness_main(argc, argv, "links in frames", tests, count, for_cbor);
}
