/*
 * What rules deny other nodes is not done, in all framings, and what they allow is: rain has rules,
 * snow and a peer that is no node of ours ask.
 */
#include "tests/common/db_witness.h"
#include "tests/common/raw_peer.h"
#include "tests/replay/wire.h"

#include <pthread.h>

#ifdef PTL_QUICK
#define DENIED 2000
#define CHANGES 500
#else
#define DENIED 20000
#define CHANGES 5000
#endif

static const char *framings;
static const char *const loopback[] = {"127.0.0.1:0", NULL};

static void set_rules(struct ptl_node *node, const char *text)
{
    struct ptl_rules *rules;

    assert_int_equal(ptl_rules_read(text, strlen(text), NULL, NULL, &rules), PTL_OK);
    ptl_node_set_rules(node, rules);
    ptl_rules_free(rules);
}

/* A node that listens, with these rules (NULL: none). */
static struct ptl_node *start(const char *id, const char *rules)
{
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    options.framings = framings;
    struct ptl_node *node = witness_make(&options);
    if (rules != NULL) {
        set_rules(node, rules);
    }
    assert_int_equal(ptl_node_open(node), 0);
    return node;
}

/* A program's node: it knows where the other listens, and attaches to nobody. */
static struct ptl_node *program(const char *id, struct ptl_node *of)
{
    struct ptl_node_options options = witness_options(id);

    options.ordinary = true;
    options.framings = framings;
    struct ptl_node *node = witness_start(&options);
    assert_int_equal(ptl_node_known(node, ptl_node_id(of), ptl_node_address(of, 0)), 0);
    return node;
}

static void send_text(struct ptl_node *node, const char *to, const char *text)
{
    struct ptl_port port = witness_parse(node, to);

    tell(node, &port, "t", text);
}

/* ---- Messages ------------------------------------------------------------------------------ */

static void messages_arrive_at_ports_that_rules_allow(void **state)
{
    struct ptl_node *rain = start("rain", "allow snow send open*\nallow other send *\n");
    struct ptl_node *snow = program("snow", rain), *other = program("other", rain);

    (void)state;
    witness_port(rain, "open", on_message, "open");
    witness_port(rain, "open2", on_message, "open2");
    witness_port(rain, "closed", on_message, "closed");
    send_text(snow, "rain#closed", "1");
    send_text(snow, "rain#open", "2");
    send_text(snow, "rain#open2", "3");
    assert_next("open", "[\"2\"]");
    assert_next("open2", "[\"3\"]");
    witness_until("rain", "snow may not send closed: no rule allows it");
    send_text(other, "rain#closed", "4");
    assert_next("closed", "[\"4\"]");
    assert_int_equal(witness_stop(rain, 5000), 0);
    assert_silent("closed");
}

/* The replies to what rain has asked come to ports whose names it has made. */
static void replies_arrive_at_ports_that_were_made(void **state)
{
    struct ptl_node *rain = start("rain", "allow * send @made\n");
    struct ptl_node *snow = start("snow", NULL);
    struct ptl_msg *question = witness_values("\"say\", 5");

    (void)state;
    assert_int_equal(ptl_node_known(rain, "snow", ptl_node_address(snow, 0)), 0);
    witness_port(snow, "echo", on_echo, NULL);
    struct ptl_port echo = witness_parse(rain, "snow#echo");
    assert_int_equal(ptl_call(rain, &echo, question, 60000, true, on_reply, "reply"), 0);
    assert_next("reply", "[5]");
    ptl_msg_free(question);
}

/* A flow that was open, and what it has remembered, is judged by new rules. */
static void links_that_are_up_are_judged_by_new_rules(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *snow = program("snow", rain);

    (void)state;
    witness_port(rain, "port", on_message, "port");
    send_text(snow, "rain#port", "1");
    send_text(snow, "rain#port", "2");
    assert_next("port", "[\"1\"]");
    assert_next("port", "[\"2\"]");
    set_rules(rain, "deny * send port\n");
    send_text(snow, "rain#port", "3");
    witness_until("rain", "snow may not send port: line 1 of the rules denies it");
    set_rules(rain, "allow * send port\n");
    send_text(snow, "rain#port", "4");
    send_text(snow, "rain#port", "5");
    assert_next("port", "[\"4\"]");
    assert_next("port", "[\"5\"]");
    set_rules(rain, "# nobody\n");
    send_text(snow, "rain#port", "6");
    witness_until("rain", "snow may not send port: no rule allows it");
    ptl_node_set_rules(rain, NULL);
    send_text(snow, "rain#port", "7");
    assert_next("port", "[\"7\"]");
}

static void denied_messages_cost_few_lines(void **state)
{
    struct ptl_node *rain = start("rain", "deny * send a\nallow * send open\n");
    struct ptl_node *snow = program("snow", rain);

    (void)state;
    witness_port(rain, "open", on_message, "open");
    for (int i = 0; i < DENIED; i++) {
        send_text(snow, "rain#a", "x");
        send_text(snow, "rain#b", "x");
    }
    send_text(snow, "rain#open", "last");
    assert_next("open", "[\"last\"]");
    witness_until("rain", "snow may not send b: no rule allows it");
    assert_true(witness_count("rain") < DENIED / 20);
}

/* ---- Monitors, kills, spawned ports -------------------------------------------------------- */

static void monitor_that_is_denied_is_told_so(void **state)
{
    struct ptl_node *rain = start("rain", "allow * send,monitor open\n");
    struct ptl_node *snow = program("snow", rain);

    (void)state;
    struct ptl_port open = witness_port(rain, "open", on_message, "open");
    witness_port(rain, "closed", on_message, "closed");
    struct ptl_port seen = witness_parse(snow, "rain#closed");
    assert_int_equal(ptl_monitor(snow, &seen, on_gone, "closed is", NULL), 0);
    assert_non_null(strstr(witness_next("closed is"), "[\"not_allowed\","));
    seen = witness_parse(snow, "rain#open");
    assert_int_equal(ptl_monitor(snow, &seen, on_gone, "open is", NULL), 0);
    send_text(snow, "rain#open", "watched"); /* behind the monitor */
    assert_next("open", "[\"watched\"]");
    witness_kill(rain, &open, "\"bye\"");
    assert_next("open is", "[\"bye\"]");
}

static void kill_that_is_denied_kills_nobody(void **state)
{
    struct ptl_node *rain = start("rain", "allow * send *\nallow * kill open\n");
    struct ptl_node *snow = program("snow", rain);

    (void)state;
    struct ptl_port open = witness_port(rain, "open", on_message, "open");
    witness_port(rain, "closed", on_message, "closed");
    assert_int_equal(ptl_monitor(rain, &open, on_gone, "open is", NULL), 0);
    struct ptl_port victim = witness_parse(snow, "rain#closed");
    witness_kill(snow, &victim, "\"bye\"");
    witness_until("rain", "snow may not kill closed: no rule allows it");
    victim = witness_parse(snow, "rain#open");
    witness_kill(snow, &victim, "\"bye\"");
    assert_next("open is", "[\"bye\"]");
    send_text(snow, "rain#closed", "lives");
    assert_next("closed", "[\"lives\"]");
}

static int on_spawned(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)msg;
    return ptl_self(node, &self) ? ptl_port_on(node, &self, NULL, on_message, data) : PTL_EINVAL;
}

static void spawning_is_denied_by_function_and_told(void **state)
{
    struct ptl_node *rain =
        start("rain", "allow * spawn good::*\nallow * send,monitor,kill @spawned\n");
    struct ptl_node *snow = program("snow", rain);
    struct ptl_port port;

    (void)state;
    assert_int_equal(ptl_register(rain, "good::one", on_spawned, "good"), 0);
    assert_int_equal(ptl_register(rain, "bad::one", on_spawned, "bad"), 0);
    assert_int_equal(ptl_spawn(snow, "rain", "bad::one", NULL, &port), 0);
    assert_int_equal(ptl_monitor(snow, &port, on_gone, "bad is", NULL), 0);
    assert_non_null(witness_next("bad is"));
    witness_until("rain", "snow may not spawn bad::one: no rule allows it");
    assert_int_equal(ptl_spawn(snow, "rain", "good::one", NULL, &port), 0);
    tell(snow, &port, "t", "hello");
    assert_next("good", "[\"hello\"]");
    assert_int_equal(ptl_monitor(snow, &port, on_gone, "good is", NULL), 0);
    witness_kill(snow, &port, "\"bye\"");
    assert_next("good is", "[\"bye\"]");
    assert_silent("bad");
}

/* ---- The database -------------------------------------------------------------------------- */

static void database_is_read_and_written_by_family(void **state)
{
    struct ptl_node_options options = witness_options("snow");
    struct ptl_node *rain =
        start("rain", "allow * db-write 'l mine early\nallow * db-read mine open\n"
                      "allow * send @made\n");
    const char *seeds[] = {ptl_node_address(rain, 0), NULL};

    (void)state;
    db_set(rain, "open", "key", "1");
    db_set(rain, "closed", "key", "2");
    options.seeds = seeds;
    options.framings = framings;
    options.ordinary = true;
    struct ptl_node *snow = witness_make(&options);
    db_set(snow, "early", "key", "3");
    db_set(snow, "forbidden", "key", "4"); /* both of them in what it brings when it attaches */
    assert_int_equal(ptl_node_open(snow), 0);
    db_set(snow, "mine", "key", "5");
    db_set(snow, "theirs", "key", "6");
    assert_string_equal(db_get(snow, "open", "key"), "1");
    assert_string_equal(db_get(snow, "mine", "key"), "5"); /* by way of rain */
    assert_int_equal(ptl_db_get(snow, "closed", "key", on_reply, "closed"), 0);
    assert_next("closed", "PTL_EDENIED");
    assert_string_equal(db_get(rain, "early", "key"), "3");
    assert_string_equal(db_get(rain, "mine", "key"), "5");
    assert_string_equal(db_family(rain, "forbidden"), "");
    assert_string_equal(db_family(rain, "theirs"), "");
    witness_until("rain", "snow may not db-write ");
}

static struct ptl_node *start_global(const char *id, struct ptl_node *seed)
{
    struct ptl_node_options options = witness_options(id);
    const char *seeds[] = {ptl_node_address(seed, 0), NULL};

    options.seeds = seeds;
    options.framings = framings;
    return witness_start(&options);
}

static void node_that_may_not_is_no_global_one_here(void **state)
{
    struct ptl_node *rain = start("rain", "allow hail *\nallow * send,db-read,db-write *\n");
    struct ptl_node *snow = start_global("snow", rain), *hail = start_global("hail", rain);
    struct db_copy copy;

    (void)state;
    db_copy_watch(&copy, rain, "fam");
    db_set(snow, "fam", "snow", "1");
    db_set(hail, "fam", "hail", "2");
    witness_until("rain", "snow may not global: no rule allows it");
    db_copy_until(&copy, "hail=2");
    set_rules(rain, "allow * send,db-read,db-write *\n");
    db_set(hail, "fam", "hail", "3"); /* whatever it says next is judged by them */
    witness_until("rain", "lost the link to hail");
    db_copy_until(&copy, ""); /* what it has brought goes with its link */
    assert_int_equal(witness_stop(rain, 5000), 0);
    db_copy_drop(&copy);
}

/* ---- A peer that is no node of ours -------------------------------------------------------- */

static void join(struct wire *wire, struct ptl_node *node)
{
    const struct ptl_node_options options = witness_options("fog");
    char secret[64];

    snprintf(secret, sizeof secret, "%.*s", (int)options.secret_size, (const char *)options.secret);
    const struct wire_opening opening = {
        .node_id = "fog",
        .secret = secret,
        .framings = "json",
        .lines = "aemp;1;fog;hmac_sha3_512;json;mproto=1;gproto=1\nnonce\n"};
    wire_open(wire, wire_dial(ptl_node_address(node, 0)), &opening, NULL);
}

static void say(struct wire *wire, const char *to, const char *values)
{
    struct ptl_msg *msg = witness_values(values);

    wire_packet(wire, ptl_span_text(to), msg);
    ptl_msg_free(msg);
}

/* The next request of that word that the node makes of the peer begins so. */
static void assert_asked(struct wire *wire, const char *word, const char *begin)
{
    char *json = ptl_msg_json(wire_wait_request(wire, word)->msg);

    assert_memory_equal(json, begin, strlen(begin));
    free(json);
    wire_forget(wire);
}

static void real_node_is_judged_and_told(void **state)
{
    struct ptl_node *rain =
        start("rain", "allow fog send open\nallow * relay snow\nallow * db-write 'l mine\n");
    struct ptl_node *snow = start("snow", NULL);
    struct wire wire;

    (void)state;
    assert_int_equal(ptl_node_known(rain, "snow", ptl_node_address(snow, 0)), 0);
    witness_port(rain, "open", on_message, "open");
    witness_port(rain, "closed", on_message, "closed");
    witness_port(snow, "there", on_message, "there");
    join(&wire, rain);
    say(&wire, "closed", "1");
    say(&wire, "", "\"snd\", \"rain#closed\", 2");
    say(&wire, "", "\"snd\", \"elsewhere#there\", 3");
    say(&wire, "", "\"mon1\", \"closed\"");
    assert_asked(&wire, "kil0", "[\"kil0\",\"closed\",\"not_allowed\",");
    say(&wire, "", "\"g_db_family\", \"fam\", \"tag\"");
    assert_asked(&wire, "g_reply", "[\"g_reply\",\"tag\",null]");
    say(&wire, "", "\"g_find\", \"snow\", \"tag\"");
    assert_asked(&wire, "g_found", "[\"g_found\",\"snow\",null]");
    say(&wire, "open", "4");
    say(&wire, "", "\"snd\", \"rain#open\", 5");
    say(&wire, "", "\"snd\", \"snow#there\", 6");
    assert_next("open", "[4]");
    assert_next("open", "[5]");
    assert_next("there", "[6]");
    witness_until("rain", "fog may not relay elsewhere");
    say(&wire, "", "\"g_slave\", {\"forbidden\":{\"k\":1},\"mine\":{\"k\":2},\"'l\":{\"fog\":[]}}");
    db_until(rain, "mine", "k=2");
    assert_string_equal(db_family(rain, "forbidden"), "");
    witness_until("rain", "fog may not db-write forbidden");
    assert_silent("closed");
    wire_close(&wire);
}

/* ---- From any thread ----------------------------------------------------------------------- */

static void *change_rules(void *data)
{
    for (int i = 0; i < CHANGES; i++) {
        struct ptl_rules *rules;
        const char *text = i % 2 == 0 ? "allow * send open\n" : "deny * kill *\nallow * send *\n";
        if (ptl_rules_read(text, strlen(text), NULL, NULL, &rules) == PTL_OK) {
            ptl_node_set_rules(data, i % 3 == 0 ? NULL : rules);
            ptl_rules_free(rules);
        }
    }
    return NULL;
}

static _Atomic uint64_t arrived;

static int on_open(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node, (void)msg, (void)data;
    atomic_fetch_add(&arrived, 1);
    return 0;
}

static void rules_change_while_messages_come(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *snow = program("snow", rain);
    struct ptl_port open;
    pthread_t thread;

    (void)state;
    atomic_store(&arrived, 0);
    witness_port(rain, "open", on_open, NULL);
    open = witness_parse(snow, "rain#open");
    assert_int_equal(pthread_create(&thread, NULL, change_rules, rain), 0);
    for (int i = 0; i < DENIED; i++) {
        tell(snow, &open, "i", i);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    witness_reach(&arrived, DENIED);
}

static int run(int argc, char **argv, const char *name)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(messages_arrive_at_ports_that_rules_allow),
        WITNESSED(replies_arrive_at_ports_that_were_made),
        WITNESSED(links_that_are_up_are_judged_by_new_rules),
        WITNESSED(denied_messages_cost_few_lines),
        WITNESSED(monitor_that_is_denied_is_told_so),
        WITNESSED(kill_that_is_denied_kills_nobody),
        WITNESSED(spawning_is_denied_by_function_and_told),
        WITNESSED(database_is_read_and_written_by_family),
        WITNESSED(node_that_may_not_is_no_global_one_here),
        WITNESSED(real_node_is_judged_and_told),
        WITNESSED(rules_change_while_messages_come),
    };
    static const unsigned shards[] = {2, 0};

    return witness_main(argc, argv, name, tests, sizeof(tests) / sizeof(tests[0]), shards);
}

int main(int argc, char **argv)
{
    framings = "portolan,cbor,json";
    int failed = run(argc, argv, "permission, portolan");
    framings = "cbor,json";
    return failed + run(argc, argv, "permission, cbor");
}
