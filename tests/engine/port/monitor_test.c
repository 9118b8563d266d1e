/*
 * Monitors on one node, in all their forms, set by handlers and by threads of the program; and what
 * keeps its place among the messages to a port (G4, G5).
 */
#include "tests/common/witness.h"

#define LAST_WORDS 1000

static void monitor_or_die(struct ptl_node *node, const struct ptl_port *port, const char *label,
                           struct ptl_monitor *monitor)
{
    assert_int_equal(ptl_monitor(node, port, on_gone, (void *)(uintptr_t)label, monitor), 0);
}

/* A port on the last shard, so that with several shards others are elsewhere. */
static struct ptl_port far_port(struct ptl_node *node, ptl_handler_fn *handler, void *data)
{
    return witness_port_on(node, witness_shards - 1, handler, data);
}

static struct ptl_port near_port(struct ptl_node *node, ptl_handler_fn *handler, void *data)
{
    return witness_port_on(node, 0, handler, data);
}

/* ---- Set by threads ------------------------------------------------------------------------ */

static void monitor_tells_the_reason_given_to_kill(void **state)
{
    static const char *const reasons[] = {"", "\"why\"", "\"a\",[1,null,{\"b\":-2.5}],true"};
    struct ptl_node *node = witness_node("rain");
    char expected[100];

    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct ptl_port port = witness_listener(node, "port");
        monitor_or_die(node, &port, "gone", NULL);
        witness_kill(node, &port, reasons[i]);
        snprintf(expected, sizeof(expected), "[%s]", reasons[i]);
        assert_next("gone", expected);
    }
    struct ptl_port port = witness_listener(node, "port");
    monitor_or_die(node, &port, "gone", NULL);
    assert_int_equal(ptl_kill(node, &port, NULL), 0);
    assert_next("gone", "[]");
}

static void monitor_of_a_port_that_does_not_exist_tells_so(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port nobody = witness_parse(node, "rain#nobody");
    struct ptl_port port = witness_listener(node, "port");
    char expected[PTL_PORT_ID_MAX + 100];

    (void)state;
    monitor_or_die(node, &nobody, "gone", NULL);
    assert_next("gone", "[\"no_such_port\",\"cannot monitor nonexistent port\",\"rain#nobody\"]");
    witness_kill(node, &port, "1");
    monitor_or_die(node, &port, "gone", NULL);
    snprintf(expected, sizeof(expected),
             "[\"no_such_port\",\"cannot monitor nonexistent port\",\"%s\"]", ptl_port_id(&port));
    assert_next("gone", expected);
}

static void monitors_of_one_port_fire_once_each(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port");

    (void)state;
    for (int i = 0; i < 200; i++) {
        monitor_or_die(node, &port, "gone", NULL);
    }
    witness_kill(node, &port, "1");
    witness_kill(node, &port, "2");
    for (int i = 0; i < 200; i++) {
        assert_next("gone", "[1]");
    }
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("gone");
}

static void monitor_that_is_taken_back_does_not_fire(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port");
    struct ptl_monitor first, second, none = {.id = 0};

    (void)state;
    monitor_or_die(node, &port, "first", &first);
    monitor_or_die(node, &port, "second", &second);
    ptl_unmonitor(node, &first);
    ptl_unmonitor(node, &first);
    ptl_unmonitor(node, &none);
    witness_kill(node, &port, "1");
    assert_next("second", "[1]");
    ptl_unmonitor(node, &second);
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("first");
    assert_silent("second");
}

static void monitor_sends_a_message_with_its_prefix(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port"), to = far_port(node, on_message, "to");
    struct ptl_msg *prefix = witness_values("\"gone\",7");

    (void)state;
    assert_int_equal(ptl_monitor_message(node, &port, &to, prefix, NULL), 0);
    assert_int_equal(ptl_monitor_message(node, &port, &to, NULL, NULL), 0);
    ptl_msg_free(prefix);
    witness_kill(node, &port, "\"a\",1");
    const char *first = witness_next("to"), *second = witness_next("to");
    bool swapped = strcmp(first, "[\"a\",1]") == 0;
    assert_string_equal(swapped ? second : first, "[\"gone\",7,\"a\",1]");
    assert_string_equal(swapped ? first : second, "[\"a\",1]");
}

static void monitor_kills_its_victim_with_the_reason(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port first = near_port(node, on_message, "port");
    struct ptl_port second = far_port(node, on_message, "port");
    struct ptl_port third = near_port(node, on_message, "port");

    (void)state;
    assert_int_equal(ptl_monitor_kill(node, &first, &second, NULL), 0);
    assert_int_equal(ptl_monitor_kill(node, &second, &third, NULL), 0);
    monitor_or_die(node, &third, "gone", NULL);
    witness_kill(node, &first, "\"a\",1");
    assert_next("gone", "[\"a\",1]");
}

static void monitor_kills_nobody_at_a_normal_death(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port first = near_port(node, on_message, "port");
    struct ptl_port second = far_port(node, on_message, "second");

    (void)state;
    assert_int_equal(ptl_monitor_kill(node, &first, &second, NULL), 0);
    monitor_or_die(node, &first, "gone", NULL);
    monitor_or_die(node, &second, "second gone", NULL);
    witness_kill(node, &first, "");
    assert_next("gone", "[]");
    tell(node, &second, "t", "alive");
    assert_next("second", "[\"alive\"]");
    assert_silent("second gone");
}

static void monitor_of_a_thread_keeps_its_place_before_a_kill(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct ptl_port port = witness_listener(node, "port");
        assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
        witness_kill(node, &port, "\"why\"");
        assert_next("gone", "[\"why\"]");
    }
}

static void kill_of_a_thread_keeps_its_place(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct ptl_port port = witness_listener(node, "port");
        tell(node, &port, "t", "before");
        monitor_or_die(node, &port, "gone", NULL);
        witness_kill(node, &port, "1");
        tell(node, &port, "t", "after");
        assert_next("gone", "[1]");
        assert_next("port", "[\"before\"]");
        assert_silent("port");
    }
}

/* ---- Set by handlers ----------------------------------------------------------------------- */

/* Does what it is told: ["kill", PORT, V...], ["send", PORT, V...], ["monitor", PORT, LABEL],
 * ["message", PORT], ["unmonitor"], ["die"]; notes all else. */
static int act(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    static _Thread_local struct ptl_monitor last;
    struct ptl_port port, self;
    int err = 0;

    if (ptl_msg_is(msg, "die")) {
        return ptl_fail(node, "told to");
    }
    if (ptl_msg_is(msg, "unmonitor")) {
        ptl_unmonitor(node, &last);
        witness_note(data, "unmonitored");
        return 0;
    }
    if (ptl_msg_read(node, msg, "*p", &port) < 0 || !ptl_self(node, &self)) {
        return on_message(node, msg, data);
    }
    if (ptl_msg_is(msg, "kill")) {
        struct ptl_msg *reason;
        err = ptl_msg_make(node, &reason, "t", "killed");
        if (err == 0) {
            err = ptl_kill(node, &port, reason);
            ptl_msg_free(reason);
        }
    } else if (ptl_msg_is(msg, "send")) {
        err = ptl_sendf(node, &port, "t", "sent");
    } else if (ptl_msg_is(msg, "monitor")) {
        err = ptl_monitor(node, &port, on_gone, data, &last);
    } else if (ptl_msg_is(msg, "message")) {
        err = ptl_monitor_message(node, &port, &self, NULL, &last);
    }
    return err;
}

static void kill_of_a_handler_keeps_its_place(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port actor = near_port(node, act, "actor");

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct ptl_port port = far_port(node, on_message, "port");
        monitor_or_die(node, &port, "gone", NULL);
        tell(node, &actor, "tp", "send", &port);
        tell(node, &actor, "tp", "monitor", &port);
        tell(node, &actor, "tp", "kill", &port);
        tell(node, &actor, "tp", "send", &port);
        assert_next("gone", "[\"killed\"]");
        assert_next("actor", "[\"killed\"]");
        assert_next("port", "[\"sent\"]");
        assert_silent("port");
    }
}

static void handler_may_kill_its_own_port(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port actor = near_port(node, act, "actor");

    (void)state;
    monitor_or_die(node, &actor, "gone", NULL);
    tell(node, &actor, "tp", "kill", &actor);
    assert_next("gone", "[\"killed\"]");
}

static void monitor_of_a_handler_is_told_as_its_port_is(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port actor = near_port(node, act, "actor");

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct ptl_port port =
            i % 2 == 0 ? far_port(node, on_message, "port") : near_port(node, on_message, "port");
        tell(node, &actor, "tp", i < 2 ? "monitor" : "message", &port);
        tell(node, &actor, "tp", "send", &port);
        assert_next("port", "[\"sent\"]"); /* it has come behind the monitor */
        witness_kill(node, &port, "\"why\",1");
        assert_next("actor", "[\"why\",1]");
    }
}

static void monitor_of_a_handler_ends_with_its_port(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port actor = near_port(node, act, "actor");
    struct ptl_port port = far_port(node, on_message, "port");

    (void)state;
    monitor_or_die(node, &actor, "actor gone", NULL);
    tell(node, &actor, "tp", "monitor", &port);
    tell(node, &actor, "tp", "message", &port);
    tell(node, &actor, "t", "die");
    assert_next("actor gone", "[\"die\",\"told to\"]");
    monitor_or_die(node, &port, "gone", NULL);
    witness_kill(node, &port, "1");
    assert_next("gone", "[1]");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("actor");
}

static void monitor_taken_back_on_its_own_shard_never_fires(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port actor = near_port(node, act, "actor");

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct ptl_port port =
            i % 2 == 0 ? far_port(node, on_message, "port") : near_port(node, on_message, "port");
        tell(node, &actor, "tp", i % 4 < 2 ? "monitor" : "message", &port);
        witness_kill(node, &port, "1"); /* races with what follows */
        tell(node, &actor, "t", "unmonitor");
        tell(node, &actor, "t", "mark");
        bool over = false;
        for (int lines = 0; strcmp(witness_next("actor"), "unmonitored") != 0; lines++) {
            assert_int_equal(lines, 0); /* it had fired before, once */
        }
        while (!over) {
            const char *line = witness_next("actor");
            over = strcmp(line, "[\"mark\"]") == 0;
            assert_true(over);
        }
    }
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("actor");
}

/* Two monitors on one port; whichever fires first takes the other back. */
struct pair {
    struct ptl_monitor monitors[2];
    struct ptl_port target;
};

static int take_other_back(struct ptl_node *node, const struct ptl_port *port,
                           const struct ptl_msg *reason, void *data)
{
    struct pair *pair = data;

    (void)port;
    (void)reason;
    ptl_unmonitor(node, &pair->monitors[0]);
    ptl_unmonitor(node, &pair->monitors[1]);
    witness_note("pair", "fired");
    return 0;
}

static int monitor_twice(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct pair *pair = data;

    (void)msg;
    for (int i = 0; i < 2; i++) {
        int err = ptl_monitor(node, &pair->target, take_other_back, pair, &pair->monitors[i]);
        if (err < 0) {
            return err;
        }
    }
    witness_note("pair", "set");
    return 0;
}

static void monitor_may_take_back_another_while_it_fires(void **state)
{
    static struct pair pair;
    struct ptl_node *node = witness_node("rain");

    (void)state;
    pair.target = far_port(node, on_message, "port");
    struct ptl_port port = near_port(node, monitor_twice, &pair);
    tell(node, &port, "t", "go");
    assert_next("pair", "set");
    witness_kill(node, &pair.target, "1");
    assert_next("pair", "fired");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_silent("pair");
}

/* ---- Last words ---------------------------------------------------------------------------- */

struct talker {
    struct ptl_port to;
    uint64_t said;
};

/* Says its words as there is room for them, and dies of the next message. */
static int talk(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct talker *talker = data;

    (void)msg;
    while (talker->said < LAST_WORDS) {
        int err = ptl_sendf(node, &talker->to, "tu", "word", talker->said);
        if (err < 0) {
            return err == PTL_EFULL ? PTL_LATER : err;
        }
        talker->said++;
    }
    return ptl_fail(node, "said all");
}

static _Atomic uint64_t words, words_wrong;

static int hear(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port talker;
    uint64_t number;

    if (ptl_msg_read(node, msg, "*p", &talker) == 0) {
        return ptl_monitor(node, &talker, on_gone, data, NULL);
    }
    if (ptl_msg_is(msg, "word") && ptl_msg_read(node, msg, "*u", &number) == 0) {
        atomic_fetch_add(&words_wrong, number != atomic_load(&words));
        atomic_fetch_add(&words, 1);
        return 0;
    }
    return on_message(node, msg, data);
}

static int note_words(struct ptl_node *node, const struct ptl_port *port,
                      const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    witness_note(data, "%llu words", (unsigned long long)atomic_load(&words));
    return 0;
}

static int hear_and_watch(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port talker;

    if (ptl_msg_is(msg, "watch") && ptl_msg_read(node, msg, "*p", &talker) == 0) {
        int err = ptl_monitor(node, &talker, note_words, data, NULL);
        witness_note(data, "watches");
        return err;
    }
    return hear(node, msg, data);
}

static void last_words_come_before_the_death_notice(void **state)
{
    static struct talker talker;
    struct ptl_node *node = witness_node("rain");

    (void)state;
    for (int i = 0; i < 20; i++) {
        atomic_store(&words, 0);
        atomic_store(&words_wrong, 0);
        talker.to = near_port(node, hear_and_watch, "hearer");
        talker.said = 0;
        struct ptl_port port =
            i % 2 == 0 ? far_port(node, talk, &talker) : near_port(node, talk, &talker);
        tell(node, &talker.to, "tp", "watch", &port);
        assert_next("hearer", "watches");
        tell(node, &port, "t", "go");
        assert_next("hearer", "1000 words");
        assert_int_equal(words_wrong, 0);
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(monitor_tells_the_reason_given_to_kill),
        WITNESSED(monitor_of_a_port_that_does_not_exist_tells_so),
        WITNESSED(monitors_of_one_port_fire_once_each),
        WITNESSED(monitor_that_is_taken_back_does_not_fire),
        WITNESSED(monitor_sends_a_message_with_its_prefix),
        WITNESSED(monitor_kills_its_victim_with_the_reason),
        WITNESSED(monitor_kills_nobody_at_a_normal_death),
        WITNESSED(monitor_of_a_thread_keeps_its_place_before_a_kill),
        WITNESSED(kill_of_a_thread_keeps_its_place),
        WITNESSED(kill_of_a_handler_keeps_its_place),
        WITNESSED(handler_may_kill_its_own_port),
        WITNESSED(monitor_of_a_handler_is_told_as_its_port_is),
        WITNESSED(monitor_of_a_handler_ends_with_its_port),
        WITNESSED(monitor_taken_back_on_its_own_shard_never_fires),
        WITNESSED(monitor_may_take_back_another_while_it_fires),
        WITNESSED(last_words_come_before_the_death_notice),
    };

    return witness_main(argc, argv, "monitors", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
