/*
 * Ports of one node: handlers, names, order, failure, what a port owns.  Its neighbours test what
 * else ports do: monitor_test.c, call_test.c (spawns, calls, timers), room_test.c.
 */
#include "tests/common/witness.h"

#include <pthread.h>
#include <time.h>

#ifdef PTL_QUICK
#define MANY 5000
#else
#define MANY 50000
#endif

/* ---- Handlers ------------------------------------------------------------------------------ */

static void port_gets_what_a_thread_sends_it(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port");

    (void)state;
    tell(node, &port, "ti[tn]{tf}", "hello", INT64_C(-7), "x", "y", 0.5);
    assert_next("port", "[\"hello\",-7,[\"x\",null],{\"y\":0.5}]");
}

static void port_gives_each_tag_to_its_handler(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "rest");

    (void)state;
    assert_int_equal(ptl_port_on(node, &port, "a", on_message, "a"), 0);
    assert_int_equal(ptl_port_on(node, &port, "b", on_message, "b"), 0);
    tell(node, &port, "ti", "a", INT64_C(1));
    tell(node, &port, "yi", "b", (size_t)1, INT64_C(2)); /* bytes are as good as text */
    tell(node, &port, "ti", "ab", INT64_C(3));
    tell(node, &port, "it", INT64_C(4), "a");
    tell(node, &port, "");
    assert_next("a", "[\"a\",1]");
    assert_next("b", "[\"b\",2]");
    assert_next("rest", "[\"ab\",3]");
    assert_next("rest", "[4,\"a\"]");
    assert_next("rest", "[]");
}

static void port_handlers_are_replaced_and_taken_back_in_their_place(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "rest");

    (void)state;
    for (int64_t i = 0; i < 4; i++) {
        ptl_handler_fn *handler = i == 1 || i == 2 ? on_message : NULL;
        assert_int_equal(ptl_port_on(node, &port, "a", handler, i == 1 ? "first" : "second"), 0);
        tell(node, &port, "ti", "a", i);
    }
    assert_int_equal(ptl_port_on(node, &port, NULL, on_message, "other"), 0);
    tell(node, &port, "t", "b");
    assert_next("rest", "[\"a\",0]");
    assert_next("first", "[\"a\",1]");
    assert_next("second", "[\"a\",2]");
    assert_next("rest", "[\"a\",3]");
    assert_next("other", "[\"b\"]");
}

static int change_handlers(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)msg;
    (void)data;
    if (!ptl_self(node, &self)) {
        return ptl_fail(node, "no self");
    }
    int err = ptl_port_on(node, &self, "change", NULL, NULL);
    return err < 0 ? err : ptl_port_on(node, &self, NULL, on_message, "changed");
}

static void port_changes_its_own_handlers_from_within(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "before");

    (void)state;
    assert_int_equal(ptl_port_on(node, &port, "change", change_handlers, NULL), 0);
    tell(node, &port, "t", "x");
    tell(node, &port, "t", "change");
    tell(node, &port, "t", "change");
    assert_next("before", "[\"x\"]");
    assert_next("changed", "[\"change\"]");
}

static void port_of_another_node_takes_no_handlers(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port remote = witness_parse(node, "snow#x"), own = witness_parse(node, "rain#");

    (void)state;
    assert_int_equal(ptl_port_on(node, &remote, "a", on_message, "a"), PTL_EINVAL);
    assert_int_equal(ptl_port_on(node, &own, "a", on_message, "a"), PTL_EINVAL);
    assert_int_equal(ptl_kill(node, &own, NULL), PTL_EINVAL);
}

/* ---- Order --------------------------------------------------------------------------------- */

struct sequence {
    _Atomic uint64_t come;
    _Atomic uint64_t wrong;
};

static int on_number(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct sequence *sequence = data;
    uint64_t number;

    if (ptl_msg_read(node, msg, "u", &number) < 0 ||
        number != atomic_load_explicit(&sequence->come, memory_order_relaxed)) {
        atomic_fetch_add(&sequence->wrong, 1);
    }
    atomic_fetch_add(&sequence->come, 1);
    return 0;
}

static void send_or_wait(struct ptl_node *node, const struct ptl_port *port, uint64_t number)
{
    for (;;) {
        int err = ptl_sendf(node, port, "u", number);
        if (err == 0) {
            return;
        }
        assert_int_equal(err, PTL_EFULL);
        assert_int_equal(ptl_on_room(node, port, on_room, "sender"), 0);
        assert_next("sender", "room");
    }
}

static void port_gets_messages_of_a_thread_in_order(void **state)
{
    struct ptl_node *node = witness_node("rain");
    static struct sequence sequences[8];
    struct ptl_port ports[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        sequences[i] = (struct sequence){.come = 0};
        ports[i] = witness_port(node, NULL, on_number, &sequences[i]);
    }
    for (uint64_t number = 0; number < MANY / 8; number++) {
        for (int i = 0; i < 8; i++) {
            send_or_wait(node, &ports[i], number);
        }
    }
    for (int i = 0; i < 8; i++) {
        witness_reach(&sequences[i].come, MANY / 8);
        assert_int_equal(sequences[i].wrong, 0);
    }
}

struct relay {
    struct ptl_port to;
};

static int pass_on(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct relay *relay = data;
    int err = ptl_send(node, &relay->to, msg);

    return err == PTL_EFULL ? PTL_LATER : err;
}

static void port_gets_messages_in_order_over_many_relays(void **state)
{
    struct ptl_node *node = witness_node("rain");
    static struct sequence sequence;
    static struct relay relays[10];
    struct ptl_port port;

    (void)state;
    sequence = (struct sequence){.come = 0};
    port = witness_port(node, NULL, on_number, &sequence);
    for (int i = 0; i < 10; i++) {
        relays[i].to = port;
        port = witness_port(node, NULL, pass_on, &relays[i]);
    }
    for (uint64_t number = 0; number < MANY; number++) {
        send_or_wait(node, &port, number);
    }
    witness_reach(&sequence.come, MANY);
    assert_int_equal(sequence.wrong, 0);
}

static int send_to_itself(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    static _Thread_local int depth;
    struct ptl_port self;
    int64_t left;

    if (ptl_msg_read(node, msg, "i", &left) < 0 || !ptl_self(node, &self) || depth != 0) {
        return ptl_fail(node, "nested");
    }
    if (left == 0) {
        witness_note(data, "done");
        return 0;
    }
    depth++;
    int err = ptl_sendf(node, &self, "i", left - 1);
    depth--;
    return err;
}

static void handler_never_runs_inside_another(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, send_to_itself, "port");

    (void)state;
    assert_int_equal(ptl_monitor(node, &port, on_gone, "port", NULL), 0);
    tell(node, &port, "i", INT64_C(1000));
    assert_next("port", "done");
}

/* ---- Failure ------------------------------------------------------------------------------- */

static struct ptl_port monitored(struct ptl_node *node, ptl_handler_fn *handler, void *data)
{
    struct ptl_port port = witness_port(node, NULL, handler, data);

    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    return port;
}

#define UNHANDLED(tag) "[\"unhandled_message\",\"no callback found for message '" tag "'\"]"

static void message_that_nothing_handles_kills_the_port(void **state)
{
    struct ptl_node *node = witness_node("rain");

    (void)state;
    struct ptl_port port = monitored(node, NULL, NULL);
    tell(node, &port, "ti", "hello", INT64_C(1));
    assert_next("gone", UNHANDLED("hello"));

    port = monitored(node, NULL, NULL);
    assert_int_equal(ptl_port_on(node, &port, "a", on_message, "a"), 0);
    tell(node, &port, "t", "a");
    tell(node, &port, "T", "a\n\x7f\xc3\xa4", (size_t)5);
    assert_next("a", "[\"a\"]");
    assert_next("gone", UNHANDLED("a..."));

    port = monitored(node, NULL, NULL);
    tell(node, &port, "t", "1234567890123456789012345678901");
    assert_next("gone", UNHANDLED("123456789012345678901234567890"));

    port = monitored(node, NULL, NULL);
    tell(node, &port, "");
    assert_next("gone", UNHANDLED(""));
}

static void message_that_nothing_handles_is_ignored_on_request(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port_options options = {.size = sizeof(options), .ignore_unhandled = true};
    struct ptl_port port;

    (void)state;
    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    assert_int_equal(ptl_port_on(node, &port, "a", on_message, "a"), 0);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    tell(node, &port, "t", "b");
    tell(node, &port, "t", "a");
    assert_next("a", "[\"a\"]");
    assert_silent("gone");
}

static int fail_as_told(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    int64_t err;

    (void)data;
    if (ptl_msg_read(node, msg, "i", &err) == 0) {
        return (int)err;
    }
    return ptl_fail(node, "no %s, %d", "way", 3);
}

static void handler_that_fails_kills_its_port_and_nothing_else(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port other = witness_listener(node, "other");
    char expected[200];

    (void)state;
    struct ptl_port port = monitored(node, fail_as_told, NULL);
    tell(node, &port, "i", INT64_C(0));
    tell(node, &port, "t", "fail");
    tell(node, &port, "t", "into the void");
    assert_next("gone", "[\"die\",\"no way, 3\"]");

    port = monitored(node, fail_as_told, NULL);
    tell(node, &port, "i", (int64_t)PTL_ETYPE);
    snprintf(expected, sizeof(expected), "[\"die\",\"%s\"]", ptl_err_text(PTL_ETYPE));
    assert_next("gone", expected);

    tell(node, &other, "t", "alive");
    assert_next("other", "[\"alive\"]");
}

static void message_to_a_port_that_does_not_exist_is_dropped(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_listener(node, "port"), nobody = witness_parse(node, "rain#x");

    (void)state;
    tell(node, &nobody, "t", "hello");
    witness_kill(node, &port, "");
    tell(node, &port, "t", "late");
    port = witness_listener(node, "next");
    tell(node, &port, "t", "hello");
    assert_next("next", "[\"hello\"]");
    assert_silent("port");
}

/* ---- Names --------------------------------------------------------------------------------- */

static void port_is_found_by_its_chosen_name(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, "echo", on_message, "echo");
    struct ptl_port parsed = witness_parse(node, "rain#echo");

    (void)state;
    assert_string_equal(ptl_port_id(&port), "rain#echo");
    assert_true(ptl_port_equal(&port, &parsed));
    tell(node, &port, "t", "a");
    tell(node, &parsed, "t", "b");
    assert_next("echo", "[\"a\"]");
    assert_next("echo", "[\"b\"]");
}

static void name_is_free_again_when_its_port_is_gone(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, "echo", on_message, "first"), other;
    struct ptl_port_options options = {.size = sizeof(options), .name = "echo"};

    (void)state;
    assert_int_equal(ptl_port_new(node, &options, &other), PTL_EEXIST);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    witness_kill(node, &port, "");
    assert_next("gone", "[]");
    port = witness_port(node, "echo", on_message, "second");
    tell(node, &port, "t", "a");
    assert_next("second", "[\"a\"]");
    assert_silent("first");
}

static void name_that_is_not_one_is_refused(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port made = witness_listener(node, "made"), port;
    char name[PTL_PORT_ID_MAX + 1];

    (void)state;
    struct ptl_port_options options = {.size = sizeof(options), .name = ""};
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_ENAME);
    options.name = ptl_port_id(&made) + strlen("rain#"); /* one that only nodes make */
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_ENAME);
    memset(name, 'x', PTL_PORT_ID_MAX);
    name[PTL_PORT_ID_MAX - strlen("rain#") + 1] = 0;
    options.name = name;
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_ENAME);
    name[PTL_PORT_ID_MAX - strlen("rain#")] = 0;
    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    options.size--;
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_EINVAL);
}

static void name_of_a_made_port_is_never_used_again(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port first = witness_listener(node, "first");

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct ptl_port port = witness_listener(node, "other");
        assert_false(ptl_port_equal(&port, &first));
        assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
        witness_kill(node, &port, "");
        assert_next("gone", "[]");
    }
}

/* ---- What a port owns, who it is ------------------------------------------------------------ */

static int own_three(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    static const char *const names[] = {"one", "two", "three"};

    (void)msg;
    (void)data;
    for (int i = 0; i < 3; i++) {
        int err = ptl_port_own(node, on_release, (void *)(uintptr_t)names[i]);
        if (err < 0) {
            return err;
        }
    }
    witness_note("owner", "owns");
    return 0;
}

static void note_release(void *data)
{
    witness_note("released", "%s", (const char *)data);
}

static int own_in_order(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    int err = ptl_port_own(node, note_release, "first");

    (void)msg;
    (void)data;
    return err < 0 ? err : ptl_port_own(node, note_release, "second");
}

static void port_releases_what_it_owns_the_last_first(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port_options options = {.size = sizeof(options),
                                       .handler = own_in_order,
                                       .data = "its data",
                                       .release = note_release};
    struct ptl_port port;

    (void)state;
    assert_int_equal(ptl_port_new(node, &options, &port), 0);
    tell(node, &port, "t", "go");
    witness_kill(node, &port, "");
    assert_next("released", "second");
    assert_next("released", "first");
    assert_next("released", "its data");
    assert_int_equal(ptl_port_own(node, note_release, "outside"), PTL_EINVAL);
}

static void node_that_stops_releases_what_its_ports_own(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, NULL, own_three, NULL);

    (void)state;
    tell(node, &port, "t", "go");
    assert_next("owner", "owns");
    assert_int_equal(witness_stop(node, 1000), 0);
    assert_next("one", "released");
    assert_next("two", "released");
    assert_next("three", "released");
}

static int note_self(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)msg;
    witness_note(data, "%s", ptl_self(node, &self) ? ptl_port_id(&self) : "nobody");
    return 0;
}

static void handler_knows_its_own_port(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port made = witness_port(node, NULL, note_self, "made"), self;
    struct ptl_port chosen = witness_port(node, "well-known", note_self, "chosen");

    (void)state;
    tell(node, &made, "t", "who");
    tell(node, &chosen, "t", "who");
    assert_next("made", ptl_port_id(&made));
    assert_next("chosen", "rain#well-known");
    assert_false(ptl_self(node, &self));
}

static void port_lives_on_the_shard_asked_for(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port;

    (void)state;
    assert_int_equal(ptl_node_shards(node), witness_shards);
    for (uint32_t shard = 0; shard < witness_shards; shard++) {
        struct ptl_port_options options = {
            .size = sizeof(options), .handler = note_self, .data = "port"};
        options.shard_plus_one = 1 + shard;
        assert_int_equal(ptl_port_new(node, &options, &port), 0);
        assert_int_equal(port.shard, shard);
        tell(node, &port, "t", "who");
        assert_next("port", ptl_port_id(&port));
    }
    struct ptl_port_options options = {.size = sizeof(options)};
    options.shard_plus_one = 1 + witness_shards;
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_EINVAL);
}

static void port_value_outlives_its_node_and_names_no_port_of_the_next(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node = witness_start(&options);
    struct ptl_port old = witness_listener(node, "old");
    struct ptl_port echo = witness_port(node, "echo", on_message, "old");

    (void)state;
    assert_int_equal(witness_stop(node, 1000), 0);
    options.shards = witness_shards + 1; /* a chosen name lives on another shard then, perhaps */
    node = witness_start(&options);
    for (unsigned i = 0; i < 2 * options.shards; i++) {
        witness_listener(node, "new"); /* at the very same place as the old one */
    }
    witness_port(node, "echo", on_message, "echo");
    tell(node, &old, "t", "for a port that is gone");
    tell(node, &echo, "t", "for whoever has that name");
    assert_next("echo", "[\"for whoever has that name\"]");
    assert_int_equal(ptl_monitor(node, &old, on_gone, "gone", NULL), 0);
    witness_until("gone", "no_such_port");
    assert_silent("new");
}

/* ---- Limits -------------------------------------------------------------------------------- */

static void message_over_the_limit_is_refused(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    static char bytes[3000];
    struct ptl_port port;

    (void)state;
    options.message_bytes_max = 2000;
    struct ptl_node *node = witness_start(&options);
    port = witness_port(node, NULL, on_message, "port");
    assert_int_equal(ptl_sendf(node, &port, "y", bytes, (size_t)1998), PTL_ESIZE);
    assert_int_equal(ptl_sendf(node, &port, "y", bytes, (size_t)1997), 0);
    assert_int_equal(strlen(witness_next("port")), strlen("[\"\"]") + 1997 * strlen("\\u0000"));
}

static int stay_long(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct timespec start, now;

    (void)node;
    (void)msg;
    (void)data;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 150);
    return 0;
}

static void handler_that_takes_long_is_logged_with_port_and_tag(void **state)
{
    struct ptl_node *node = witness_node("rain");
    struct ptl_port port = witness_port(node, "sluggish", stay_long, NULL);

    (void)state;
    tell(node, &port, "t", "work");
    const char *line = witness_until("rain", "took");
    assert_non_null(strstr(line, "warning: "));
    assert_non_null(strstr(line, "sluggish"));
    assert_non_null(strstr(line, "'work'"));
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(port_gets_what_a_thread_sends_it),
        WITNESSED(port_gives_each_tag_to_its_handler),
        WITNESSED(port_handlers_are_replaced_and_taken_back_in_their_place),
        WITNESSED(port_changes_its_own_handlers_from_within),
        WITNESSED(port_of_another_node_takes_no_handlers),
        WITNESSED(port_gets_messages_of_a_thread_in_order),
        WITNESSED(port_gets_messages_in_order_over_many_relays),
        WITNESSED(handler_never_runs_inside_another),
        WITNESSED(message_that_nothing_handles_kills_the_port),
        WITNESSED(message_that_nothing_handles_is_ignored_on_request),
        WITNESSED(handler_that_fails_kills_its_port_and_nothing_else),
        WITNESSED(message_to_a_port_that_does_not_exist_is_dropped),
        WITNESSED(port_is_found_by_its_chosen_name),
        WITNESSED(name_is_free_again_when_its_port_is_gone),
        WITNESSED(name_that_is_not_one_is_refused),
        WITNESSED(name_of_a_made_port_is_never_used_again),
        WITNESSED(port_releases_what_it_owns_the_last_first),
        WITNESSED(node_that_stops_releases_what_its_ports_own),
        WITNESSED(handler_knows_its_own_port),
        WITNESSED(port_lives_on_the_shard_asked_for),
        WITNESSED(port_value_outlives_its_node_and_names_no_port_of_the_next),
        WITNESSED(message_over_the_limit_is_refused),
        WITNESSED(handler_that_takes_long_is_logged_with_port_and_tag),
    };

    return witness_main(argc, argv, "ports", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
