/*
 * Requests to the node port as strange peers make them: names in all the ways in which a string can
 * stand on the wire, and messages of all sizes in both framings.
 */
#include "tests/common/witness.h"
#include "tests/peer/values.h"
#include "tests/replay/meaning.h"
#include "tests/replay/wire.h"

#ifdef PTL_QUICK
#define NOBODIES 5000
#else
#define NOBODIES 20000
#endif

/* How a peer writes its strings. */
enum dialect { LATIN1_BYTES, UTF8_TEXT, IN_JSON, DIALECTS };

struct peer {
    struct wire wire;
    enum dialect dialect;
    char id[16];
};

static struct ptl_node *start(const char *id)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options(id);

    options.binds = binds;
    return witness_start(&options);
}

static void open_wire(struct wire *wire, struct ptl_node *node, const char *id,
                      const char *framings)
{
    const struct ptl_node_options options = witness_options(id);
    char lines[128], secret[64];

    snprintf(lines, sizeof lines, "aemp;1;%s;hmac_sha3_512;%s;mproto=1\nnonce\n", id, framings);
    snprintf(secret, sizeof secret, "%.*s", (int)options.secret_size, (const char *)options.secret);
    const struct wire_opening opening = {
        .node_id = id, .secret = secret, .framings = framings, .lines = lines};
    wire_open(wire, wire_dial(ptl_node_address(node, 0)), &opening, NULL);
}

static void join(struct peer *peer, struct ptl_node *node, enum dialect dialect)
{
    peer->dialect = dialect;
    snprintf(peer->id, sizeof peer->id,
             "p\xc3\xa9"
             "er%d",
             (int)dialect);
    open_wire(&peer->wire, node, peer->id, dialect == IN_JSON ? "json" : "cbor");
}

/* A string of characters up to U+00FF, given in UTF-8, in the peer's dialect. */
static void put(struct ptl_writer *writer, enum dialect dialect, const char *text)
{
    char bytes[256];
    size_t size = 0;

    if (dialect != LATIN1_BYTES) {
        ptl_put_text(writer, text, strlen(text));
        return;
    }
    for (const char *at = text; *at != 0; at++) {
        uint8_t first = (uint8_t)*at;
        bytes[size++] = first < 0x80 ? *at : (char)((first & 3) << 6 | (*++at & 0x3f));
    }
    ptl_put_bytes(writer, bytes, size);
}

/* Send a message of strings, the last followed by NULL, to a port; "" is the node port. */
static void say(struct peer *peer, const char *to, ...)
{
    struct ptl_writer writer;
    struct ptl_msg *msg;
    const char *text;
    va_list texts;

    ptl_writer_init(&writer, NULL);
    va_start(texts, to);
    while ((text = va_arg(texts, const char *)) != NULL) {
        put(&writer, peer->dialect, text);
    }
    va_end(texts);
    assert_int_equal(ptl_writer_finish(&writer, &msg), 0);
    wire_packet(&peer->wire, ptl_span_text(to), msg);
    ptl_msg_free(msg);
}

/* The next packet that the node says to `name` means this, its values as JSON. */
static void assert_heard(struct peer *peer, const char *name, const char *json)
{
    const struct packet *packet = wire_wait(&peer->wire, name);
    char *heard = ptl_msg_json(packet->msg);

    assert_string_equal(heard, json);
    free(heard);
    wire_forget(&peer->wire);
}

/* "PEER#name" */
static const char *at(const struct peer *peer, const char *name)
{
    static char id[64];

    snprintf(id, sizeof id, "%s#%s", peer->id, name);
    return id;
}

static int note_self(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)msg;
    if (!ptl_self(node, &self)) {
        return PTL_EINVAL;
    }
    witness_note(data, "%s", ptl_port_id(&self));
    return ptl_port_on(node, &self, NULL, on_message, data);
}

#define NODE                                                                                       \
    "n\xc3\xb6"                                                                                    \
    "de"
#define CAFE "caf\xc3\xa9"
#define GREET "gr\xc3\xbc\xc3\x9f"

static void ask_for_messages(struct peer *peer)
{
    say(peer, CAFE, GREET, "direct", NULL);
    assert_next("greeted", "[\"" GREET "\",\"direct\"]");
    say(peer, "", "snd", NODE "#" CAFE, GREET, "relayed", NULL);
    assert_next("greeted", "[\"" GREET "\",\"relayed\"]");
    say(peer, CAFE, GREET "e", NULL);
    assert_next("other", "[\"" GREET "e\"]");
    say(peer, "", "snd", at(peer, "r\xc3\xa9"), "back", NULL);
    assert_heard(peer, "r\xc3\xa9", "[\"back\"]");
    say(peer, "", "can", "D\xc3\xa9mo::init", at(peer, "r\xc3\xa9"), NULL);
    assert_heard(peer, "r\xc3\xa9", "[true]");
    say(peer, "", "can", "Demo::init", at(peer, "r\xc3\xa9"), NULL);
    assert_heard(peer, "r\xc3\xa9", "[false]");
}

static int call_back(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self, to;
    const char *text = "";
    size_t size = 0;

    (void)data;
    assert_true(ptl_self(node, &self));
    witness_note("self", "%s", ptl_port_id(&self));
    int err = ptl_msg_read(node, msg, "ps", &to, &text, &size);
    if (err < 0) {
        return ptl_fail(node, "nobody to answer to");
    }
    return ptl_sendf(node, &to, "tp", "called", &self);
}

static void registered_function_is_called_by_its_name(void **state)
{
    struct ptl_node *node = start("rain");

    (void)state;
    assert_int_equal(ptl_register(node, "D\xc3\xa9mo::call", call_back, NULL), 0);
    for (enum dialect dialect = 0; dialect < DIALECTS; dialect++) {
        struct peer peer;
        char json[200];
        join(&peer, node, dialect);
        say(&peer, "", "can", "D\xc3\xa9mo::call", at(&peer, "x"), NULL);
        assert_heard(&peer, "x", "[true]");
        say(&peer, "", "D\xc3\xa9mo::call", at(&peer, "x"), "hello", NULL);
        const char *self = witness_next("self");
        snprintf(json, sizeof json, "[\"called\",\"%s\"]", self);
        assert_heard(&peer, "x", json);
        /* One that fails is logged, and the port it ran as is gone as that of the other. */
        say(&peer, "", "D\xc3\xa9mo::call", NULL);
        (void)witness_next("self");
        say(&peer, "", "mon1", strchr(self, '#') + 1, NULL);
        snprintf(json, sizeof json,
                 "[\"kil0\",\"%s\",\"no_such_port\",\"cannot monitor nonexistent port\",\"%s\"]",
                 strchr(self, '#') + 1, self);
        assert_heard(&peer, "", json);
        wire_close(&peer.wire);
    }
}

/* A request that is relayed to a node port might be to relay again, and so on. */
static void nothing_is_relayed_to_node_ports(void **state)
{
    struct ptl_node *node = start("rain");
    struct peer peer, other;

    (void)state;
    join(&peer, node, LATIN1_BYTES);
    join(&other, node, UTF8_TEXT);
    say(&peer, "", "snd", other.id, "snd", "rain#", "snd", other.id, NULL);
    say(&peer, "", "snd", at(&other, ""), "snd", "rain#", "snd", other.id, NULL);
    say(&peer, "", "time", other.id, "snd", "rain#", "snd", other.id, NULL);
    say(&peer, "", "can", "snd", peer.id, "time", "rain#", "snd", other.id, NULL);
    say(&peer, "", "snd", at(&other, "port"), "relayed", NULL);
    const struct packet *packet = wire_wait(&other.wire, "port");
    assert_ptr_equal(packet, &other.wire.got.at[other.wire.got.count - 1]);
    for (size_t i = 0; i < other.wire.got.count; i++) {
        assert_false(packet_requests(&other.wire.got.at[i], "snd"));
    }
    wire_close(&peer.wire);
    wire_close(&other.wire);
}

static void ask_for_ports(struct peer *peer)
{
    say(peer, "", "AnyEvent::MP::_spawn", "sp\xc3\xa4t", "D\xc3\xa9mo::init", NULL);
    assert_next("spawned", NODE "#sp\xc3\xa4t");
    say(peer, "", "mon1", "sp\xc3\xa4t", NULL);
    say(peer, "", "mon0", "sp\xc3\xa4t", NULL);
    say(peer, "", "mon1", "sp\xc3\xa4t", NULL);
    say(peer, "", "kil1", "sp\xc3\xa4t", "zu sp\xc3\xa4t", NULL);
    assert_heard(peer, "", "[\"kil0\",\"sp\xc3\xa4t\",\"zu sp\xc3\xa4t\"]");
    say(peer, "", "mon1", "sp\xc3\xa4t", NULL);
    assert_heard(peer, "",
                 "[\"kil0\",\"sp\xc3\xa4t\",\"no_such_port\",\"cannot monitor nonexistent port\","
                 "\"" NODE "#sp\xc3\xa4t\"]");
}

static void answer_a_monitor(struct peer *peer, struct ptl_node *node)
{
    struct ptl_port theirs = witness_parse(node, at(peer, "h\xc3\xb6rer"));

    assert_int_equal(ptl_monitor(node, &theirs, on_gone, "gone", NULL), 0);
    assert_heard(peer, "", "[\"mon1\",\"h\xc3\xb6rer\"]");
    say(peer, "", "kil0", "h\xc3\xb6rer",
        "m\xc3\xbc"
        "de",
        NULL);
    assert_next("gone", "[\"m\xc3\xbc"
                        "de\"]");
}

static void request_names_mean_characters_however_they_are_written(void **state)
{
    struct ptl_node *node = start(NODE);
    struct ptl_port cafe = witness_port(node, CAFE, on_message, "other");

    (void)state;
    assert_int_equal(ptl_port_on(node, &cafe, GREET, on_message, "greeted"), 0);
    assert_int_equal(ptl_register(node, "D\xc3\xa9mo::init", note_self, "spawned"), 0);
    for (enum dialect dialect = 0; dialect < DIALECTS; dialect++) {
        struct peer peer;
        join(&peer, node, dialect);
        ask_for_messages(&peer);
        ask_for_ports(&peer);
        answer_a_monitor(&peer, node);
        wire_close(&peer.wire);
    }
}

/* Who watches a port that is there is remembered with it; of one that is not there, nothing is. */
static void names_of_nobody_that_a_peer_monitors_are_not_kept(void **state)
{
    struct ptl_node *node = start("rain");
    struct peer peer;
    size_t before = 0;
    char name[24];

    (void)state;
    join(&peer, node, UTF8_TEXT);
    for (unsigned i = 0; i < 100 + NOBODIES; i++) {
        before = i == 100 ? witness_bytes() : before;
        snprintf(name, sizeof name, "nobody%u", i);
        say(&peer, "", "mon1", name, NULL);
        (void)wire_wait_request(&peer.wire, "kil0");
        wire_forget(&peer.wire);
    }
    assert_true(witness_bytes() < before + (size_t)20 * NOBODIES);
    wire_close(&peer.wire);
}

/* Looked up by halving: each is found only where the table is in order. */
static void can_knows_every_request_and_nothing_beside(void **state)
{
    static const char *const words[] = {"",
                                        "AnyEvent::MP::_spawn",
                                        "can",
                                        "devnull",
                                        "eval",
                                        "kil0",
                                        "kil1",
                                        "mon0",
                                        "mon1",
                                        "snd",
                                        "time",
                                        "portolan::full",
                                        "portolan::room",
                                        "g_global",
                                        "g_slave",
                                        "g_set",
                                        "g_upd",
                                        "g_find",
                                        "g_found",
                                        "g_db_family",
                                        "g_db_keys",
                                        "g_db_values",
                                        "g_reply",
                                        "g_mon1",
                                        "g_mon0",
                                        "g_chg1",
                                        "g_chg2",
                                        "portolan::db",
                                        "portolan::db_owner",
                                        "portolan::db_lost",
                                        "portolan::db_again"};
    static const char *const others[] = {"A", "ca", "cann", "g_", "mon", "mon2", "zzz", "\xc3\xa9"};
    struct ptl_node *node = start(NODE);
    struct peer peer;

    (void)state;
    join(&peer, node, UTF8_TEXT);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        say(&peer, "", "can", words[i], at(&peer, "r"), NULL);
        assert_heard(&peer, "r", "[true]");
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        say(&peer, "", "can", others[i], at(&peer, "r"), NULL);
        assert_heard(&peer, "r", "[false]");
    }
    wire_close(&peer.wire);
}

static void unhandled_message_is_told_with_one_dot_a_character(void **state)
{
    struct ptl_node *node = start("rain");
    char tag[60] = "";

    (void)state;
    for (int i = 0; i < 20; i++) {
        memcpy(tag + 2 * i, "\xc3\xa9", 2);
    }
    memcpy(tag + 40, "1\n345678901", 12);
    for (enum dialect dialect = 0; dialect < DIALECTS; dialect++) {
        struct peer peer;
        (void)witness_port(node, "strict", NULL, NULL);
        join(&peer, node, dialect);
        say(&peer, "", "mon1", "strict", NULL);
        say(&peer, "strict", tag, NULL);
        assert_heard(&peer, "",
                     "[\"kil0\",\"strict\",\"unhandled_message\",\"no callback found for message "
                     "'....................1.34567890'\"]");
        wire_close(&peer.wire);
    }
}

/* ---- Sizes --------------------------------------------------------------------------------- */

/* Sends all but the tag back to the port given as the last value. */
static int echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port to;
    struct ptl_msg *part;

    (void)data;
    int err = peer_port_at(node, msg, ptl_msg_count(msg) - 1, &to);
    if (err == PTL_OK) {
        err = peer_part_of(node, NULL, msg, 1, 1, &part);
    }
    if (err < 0) {
        return err;
    }
    err = ptl_send(node, &to, part);
    ptl_msg_free(part);
    return err == PTL_EFULL ? PTL_LATER : err;
}

static void echo_sizes(struct wire *wire, const char *reply)
{
    static const size_t sizes[] = {0,    1,     23,    24,    25,    254,   255,    256,
                                   4095, 16383, 16384, 65534, 65535, 65536, 200000, 1 << 20};
    char *text = malloc(1 << 20);

    assert_non_null(text);
    for (size_t i = 0; i < 1 << 20; i += 2) {
        memcpy(text + i, i % 64 == 0 ? "\xc3\xa9" : "ab", 2);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ptl_msg *sent, *back;
        size_t whole = sizes[i] % 64 == 1 ? sizes[i] + 1 : sizes[i]; /* no half character */
        assert_int_equal(ptl_msg_make(NULL, &back, "[T{ti}]fyT", text, whole, "n", (int64_t)i, 0.1,
                                      "\0\xff", (size_t)2, text, whole),
                         0);
        assert_int_equal(ptl_msg_make(NULL, &sent, "tmt", "echo", back, reply), 0);
        wire_packet(wire, ptl_span_text("echo"), sent);
        assert_true(meaning_same_values(wire_wait(wire, "r")->msg, back));
        wire_forget(wire);
        ptl_msg_free(sent);
        ptl_msg_free(back);
    }
    free(text);
}

static void messages_of_all_sizes_come_back_in_either_framing_each_way(void **state)
{
    /* What the node offers decides what the peer sends, and the other way round. */
    static const char *const offers[] = {"cbor,json", "json,cbor"};
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    struct sim_random cuts;

    (void)state;
    sim_random_seed(&cuts, witness_shards);
    for (int i = 0; i < 8; i++) {
        struct ptl_node_options options = witness_options("rain");
        struct wire wire;
        options.binds = binds;
        options.framings = offers[i & 1];
        struct ptl_node *node = witness_start(&options);
        (void)witness_port(node, "echo", echo, NULL);
        open_wire(&wire, node, "peer", offers[i >> 1 & 1]);
        wire.cuts = i < 4 ? NULL : &cuts;
        assert_int_equal(wire.framing, ptl_framing_find(ptl_span(offers[i & 1], 4)));
        echo_sizes(&wire, "peer#r");
        wire_part(&wire);
        assert_int_equal(witness_stop(node, 5000), 0);
        wire_close(&wire);
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(registered_function_is_called_by_its_name),
        WITNESSED(nothing_is_relayed_to_node_ports),
        WITNESSED(request_names_mean_characters_however_they_are_written),
        WITNESSED(names_of_nobody_that_a_peer_monitors_are_not_kept),
        WITNESSED(can_knows_every_request_and_nothing_beside),
        WITNESSED(unhandled_message_is_told_with_one_dot_a_character),
        WITNESSED(messages_of_all_sizes_come_back_in_either_framing_each_way),
    };

    return witness_main(argc, argv, "requests", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
