/*
 * What one strange peer can make a node's database hold and walk: it speaks on a plain socket.
 */
#include "engine/shard/map.h"
#include "tests/common/db_witness.h"
#include "tests/replay/wire.h"

#ifdef PTL_QUICK
#define SAME_KEYS 50000
#define FAMILIES 5000
#define PORTS 20000
#else
#define SAME_KEYS 1000000 /* a second, or half a day when each is looked for among all others */
#define FAMILIES 200000
#define PORTS 100000
#endif
#define ENTRIES 50000
#define WATCHES 1000
#define FULL_MAX 4096  /* ports of one peer that are taken for full */
#define FULL_BYTES 700 /* for each of them, beside what a shard remembers */
#define FENCES 32

static struct ptl_node *start(struct ptl_node_options options)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};

    options.binds = binds;
    return witness_start(&options);
}

/* Join as node `id`, whose greeting has these keys. */
static void join(struct wire *wire, struct ptl_node *node, const char *id, const char *keys)
{
    const struct ptl_node_options options = witness_options(id);
    char lines[192], secret[64];

    snprintf(lines, sizeof lines, "aemp;1;%s;hmac_sha3_512;cbor;mproto=1;gproto=1%s\nnonce\n", id,
             keys);
    snprintf(secret, sizeof secret, "%.*s", (int)options.secret_size, (const char *)options.secret);
    const struct wire_opening opening = {
        .node_id = id, .secret = secret, .framings = "cbor", .lines = lines};
    wire_open(wire, wire_dial(ptl_node_address(node, 0)), &opening, NULL);
}

/* Read on until so many packets of this request have come; returns how many there were. */
static unsigned read_until(struct wire *wire, const char *request, unsigned count)
{
    unsigned come = 0;

    while (come < count) {
        (void)wire_wait(wire, "");
        for (size_t i = 0; i < wire->got.count; i++) {
            come += packet_requests(&wire->got.at[i], request);
        }
        wire_forget(wire);
    }
    return come;
}

/*
 * Wait until every shard has taken all that was said before: families of so many names are on all
 * of them.  Returns how many packets of the request came meanwhile.
 */
static unsigned fence(struct wire *wire, const char *request)
{
    unsigned answers = 0, come = 0;
    char json[64];

    for (unsigned i = 0; i < FENCES; i++) {
        snprintf(json, sizeof json, "[\"\", \"g_db_keys\", \"fence%u\", \"id\"]", i);
        wire_say(wire, json);
    }
    while (answers < FENCES) {
        (void)wire_wait(wire, "");
        for (size_t i = 0; i < wire->got.count; i++) {
            answers += packet_requests(&wire->got.at[i], "g_reply");
            come += packet_requests(&wire->got.at[i], request);
        }
        wire_forget(wire);
    }
    return come;
}

static void say(struct wire *wire, struct ptl_writer *writer)
{
    struct ptl_msg *msg;

    assert_int_equal(ptl_writer_finish(writer, &msg), 0);
    wire_packet(wire, ptl_span_text(""), msg);
    ptl_msg_free(msg);
}

/* ---- Updates -------------------------------------------------------------------------------- */

static void say_one_key_many_times(struct wire *wire)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "g_upd", 5);
    ptl_put_text(&writer, "fam", 3);
    ptl_put_map(&writer, SAME_KEYS);
    for (int i = 0; i < SAME_KEYS; i++) {
        ptl_put_text(&writer, "k", 1);
        ptl_put_int(&writer, i);
    }
    ptl_put_array(&writer, 1);
    ptl_put_text(&writer, "other", 5);
    say(wire, &writer);
}

static void put_keys(struct ptl_writer *writer, int count, bool valued)
{
    char key[16];

    for (int i = 0; i < count; i++) {
        int size = snprintf(key, sizeof key, "%d", i);
        ptl_put_text(writer, key, (size_t)size);
        if (valued) {
            ptl_put_int(writer, i);
        }
    }
}

/* So many keys of family "many" are set, and "k" behind them; so many deleted, and then `last`. */
static void say_update(struct wire *wire, int set_count, int del_count, const char *last)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "g_upd", 5);
    ptl_put_text(&writer, "many", 4);
    ptl_put_map(&writer, (uint32_t)set_count + (set_count > 0));
    put_keys(&writer, set_count, true);
    if (set_count > 0) {
        ptl_put_text(&writer, "k", 1);
        ptl_put_int(&writer, set_count);
    }
    ptl_put_array(&writer, (uint32_t)del_count + 1);
    put_keys(&writer, del_count, false);
    ptl_put_text(&writer, last, strlen(last));
    say(wire, &writer);
}

/* The node answers this to a question about a family, when it is asked under the ID "b". */
static void assert_answer(struct wire *wire, const char *question, const char *family,
                          const char *expected)
{
    char json[64];

    snprintf(json, sizeof json, "[\"\", \"%s\", \"%s\", \"b\"]", question, family);
    wire_say(wire, json);
    const struct packet *packet = wire_wait_request(wire, "g_reply");
    char *heard = ptl_msg_json(packet->msg);
    assert_string_equal(heard, expected);
    free(heard);
    wire_forget(wire);
}

static void assert_family(struct wire *wire, const char *family, const char *expected)
{
    assert_answer(wire, "g_db_family", family, expected);
}

static void update_that_sets_one_key_many_times_and_deletes_another_is_taken_at_once(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire;

    (void)state;
    join(&wire, rain, "peer", "");
    wire_say(&wire, "[\"\", \"g_slave\", {\"fam\": {\"other\": 1}}]");
    say_one_key_many_times(&wire);
    char expected[64];
    snprintf(expected, sizeof expected, "[\"g_reply\",\"b\",{\"k\":%d}]", SAME_KEYS - 1);
    assert_family(&wire, "fam", expected);
    wire_close(&wire);
    assert_int_equal(witness_stop(rain, 5000), 0);
}

static void family_that_is_no_map_leaves_those_behind_it_as_they_are(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire;

    (void)state;
    join(&wire, rain, "peer", "");
    wire_say(&wire, "[\"\", \"g_slave\", {\"fam\": [\"a\", {}], \"good\": {\"key\": 3}}]");
    assert_family(&wire, "good", "[\"g_reply\",\"b\",{\"key\":3}]");
    wire_close(&wire);
    assert_int_equal(witness_stop(rain, 5000), 0);
}

/* However long that takes; one that sets and deletes a key is nobody's, however long it is. */
static void what_comes_behind_a_long_update_finds_it_taken(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire;

    (void)state;
    join(&wire, rain, "peer", "");
    wire_say(&wire, "[\"\", \"g_slave\", {\"many\": {\"other\": 1}}]");
    say_update(&wire, ENTRIES, 0, "other");
    wire_say(&wire, "[\"\", \"g_upd\", \"many\", {\"k\": 2}]");
    say_update(&wire, 0, ENTRIES, "other");
    assert_family(&wire, "many", "[\"g_reply\",\"b\",{\"k\":2}]");
    say_update(&wire, ENTRIES, 0, "k");
    say_update(&wire, ENTRIES, ENTRIES, "other");
    assert_family(&wire, "many", "[\"g_reply\",\"b\",{\"k\":2}]");
    say_update(&wire, ENTRIES, 0, "other");
    wire_close(&wire); /* perhaps in the midst of it */
    assert_int_equal(witness_stop(rain, 5000), 0);
}

/* ---- Whole databases ------------------------------------------------------------------------ */

/* Many entries, and behind them two families of one. */
static void say_database(struct wire *wire)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "g_slave", 7);
    ptl_put_map(&writer, 3);
    ptl_put_text(&writer, "many", 4);
    ptl_put_map(&writer, ENTRIES);
    for (int i = 0; i < ENTRIES; i++) {
        char key[16];
        int size = snprintf(key, sizeof key, "%d", i);
        ptl_put_text(&writer, key, (size_t)size);
        ptl_put_int(&writer, i);
    }
    ptl_put_text(&writer, "fam", 3);
    ptl_put_map(&writer, 1);
    ptl_put_text(&writer, "k", 1);
    ptl_put_int(&writer, 1);
    ptl_put_text(&writer, "last", 4);
    ptl_put_map(&writer, 1);
    ptl_put_text(&writer, "k", 1);
    ptl_put_int(&writer, 3);
    say(wire, &writer);
}

/* However long that takes. */
static void what_comes_behind_a_large_database_finds_it_whole(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire;

    (void)state;
    join(&wire, rain, "peer", "");
    say_database(&wire);
    wire_say(&wire, "[\"\", \"g_upd\", \"fam\", {\"k\": 2}]");
    assert_family(&wire, "fam", "[\"g_reply\",\"b\",{\"k\":2}]");
    assert_family(&wire, "last", "[\"g_reply\",\"b\",{\"k\":3}]");
    say_database(&wire);
    assert_family(&wire, "last", "[\"g_reply\",\"b\",{\"k\":3}]");
    assert_family(&wire, "fam", "[\"g_reply\",\"b\",{\"k\":1}]");
    wire_say(&wire, "[\"\", \"g_slave\", {\"fam\": {\"k\": 4}}]");
    assert_family(&wire, "many", "[\"g_reply\",\"b\",{}]");
    assert_family(&wire, "fam", "[\"g_reply\",\"b\",{\"k\":4}]");
    wire_close(&wire);
    assert_int_equal(witness_stop(rain, 5000), 0);
}

/* ---- Names ---------------------------------------------------------------------------------- */

/* Real nodes do not look at the names of families. */
static void families_of_any_name_are_set_watched_and_asked_for(void **state)
{
    static const char *const families[] = {"a.b", "x-y", "1a", "'x", "a b", "\xc3\xa9t\xc3\xa9"};
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire;
    char json[128], expected[128];

    (void)state;
    join(&wire, rain, "peer", "");
    wire_say(&wire, "[\"\", \"g_slave\", {\"l'\\u00e9t\\u00e9\": {\"key\": 0}}]");
    assert_family(&wire, "l'\\u00e9t\\u00e9", "[\"g_reply\",\"b\",{\"key\":0}]");
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        snprintf(json, sizeof json, "[\"\", \"g_mon1\", \"%s\"]", families[i]);
        wire_say(&wire, json);
        (void)wire_wait_request(&wire, "g_chg1");
        wire_forget(&wire);
        snprintf(json, sizeof json, "[\"\", \"g_upd\", \"%s\", {\"key\": 1}]", families[i]);
        wire_say(&wire, json);
        char *heard = ptl_msg_json(wire_wait_request(&wire, "g_chg2")->msg);
        snprintf(expected, sizeof expected, "[\"g_chg2\",\"%s\",{\"key\":1},[]]", families[i]);
        assert_string_equal(heard, expected);
        free(heard);
        wire_forget(&wire);
        assert_family(&wire, families[i], "[\"g_reply\",\"b\",{\"key\":1}]");
        assert_answer(&wire, "g_db_keys", families[i], "[\"g_reply\",\"b\",[\"key\"]]");
        assert_answer(&wire, "g_db_values", families[i], "[\"g_reply\",\"b\",[1]]");
        assert_string_equal(db_family(rain, families[i]), "key=1");
    }
    wire_close(&wire);
}

/* ---- Owners --------------------------------------------------------------------------------- */

static void say_owns(struct wire *wire, const char *owner, const char *number)
{
    char json[128];

    snprintf(json, sizeof json, "[\"\", \"portolan::db_owner\", \"%s\", %s]", owner, number);
    wire_say(wire, json);
    snprintf(json, sizeof json,
             "[\"\", \"portolan::db\", \"%s\", %s, \"fam\", {\"key\": \"stolen\"}, []]", owner,
             number);
    wire_say(wire, json);
}

static struct ptl_node *start_ordinary(const char *id, struct ptl_node *seed)
{
    const char *const seeds[] = {ptl_node_address(seed, 0), NULL};
    struct ptl_node_options options = witness_options(id);

    options.ordinary = true;
    options.seeds = seeds;
    return start(options);
}

static void assert_node_says(struct ptl_node *node, const char *text)
{
    assert_string_equal(db_family(node, "fam"), text);
}

static void node_that_is_not_global_speaks_for_itself_alone(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct ptl_node *wind = start_ordinary("wind", rain);
    struct wire wire;

    (void)state;
    db_set(wind, "fam", "key", "1");
    db_until(rain, "fam", "key=1");
    join(&wire, rain, "peer", ";portolan=1.3"); /* one of ours, that knows owners */
    wire_say(&wire, "[\"\", \"g_slave\", {}]");
    say_owns(&wire, "wind", "4000000000000000");
    assert_non_null(witness_until("rain", "'portolan::db_owner' without a database"));
    assert_non_null(witness_until("rain", "'portolan::db' without a database"));
    fence(&wire, "");
    assert_node_says(rain, "key=1");
    wire_close(&wire);
}

/* Also a node that does say that it is global, and lies. */
static void node_that_is_attached_here_is_not_replaced_by_hearsay(void **state)
{
    static const char *const numbers[] = {"4000000000000000", "4611686018427387903",
                                          "4611686018427387904", "18446744073709551614",
                                          "18446744073709551615"};
    struct ptl_node *rain = start(witness_options("rain"));
    struct ptl_node *wind = start_ordinary("wind", rain);
    char value[8], text[32] = "key=1 own=2";
    struct wire wire;

    (void)state;
    db_set(wind, "fam", "key", "1");
    db_set(rain, "fam", "own", "2");
    db_until(rain, "fam", text);
    join(&wire, rain, "aaa", ";portolan=1.3");
    wire_say(&wire, "[\"\", \"g_global\"]");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        say_owns(&wire, "wind", numbers[i]);
        say_owns(&wire, "rain", numbers[i]);
        fence(&wire, "");
        assert_node_says(rain, text);
        snprintf(value, sizeof value, "%zu", i + 3);
        snprintf(text, sizeof text, "key=%s own=2", value);
        db_set(wind, "fam", "key", value);
        db_until(rain, "fam", text);
    }
    wire_close(&wire);
}

/* What is attached elsewhere may be lied about, for as long as the liar is there. */
static void node_that_was_lied_about_is_itself_again_when_the_liar_goes(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct ptl_node_options options = witness_options("snow");
    const char *const seeds[] = {ptl_node_address(rain, 0), NULL};
    struct wire wire;

    (void)state;
    options.seeds = seeds;
    struct ptl_node *snow = start(options);
    struct ptl_node *wind = start_ordinary("wind", rain);
    db_set(wind, "fam", "key", "1");
    db_until(snow, "fam", "key=1");
    join(&wire, snow, "aaa", ";portolan=1.3");
    wire_say(&wire, "[\"\", \"g_global\"]");
    say_owns(&wire, "wind", "4611686018427387903");
    db_until(snow, "fam", "key=\"stolen\"");
    assert_node_says(rain, "key=1");
    wire_close(&wire);
    db_until(snow, "fam", "key=1");
    assert_int_equal(witness_stop(wind, 5000), 0);
    db_until(snow, "fam", "");
    wind = start_ordinary("wind", rain); /* no number has locked it out */
    db_set(wind, "fam", "key", "2");
    db_until(snow, "fam", "key=2");
}

/* ---- Watches -------------------------------------------------------------------------------- */

/* ---- What one brings for others ------------------------------------------------------------- */

#define OTHERS 100
#define BROUGHT 1000

/* A global node of ours. */
static void join_as_global(struct wire *wire, struct ptl_node *node, const char *id)
{
    join(wire, node, id, ";portolan=1.3");
    wire_say(wire, "[\"\", \"g_global\"]");
}

/* Speak for nodes of these numbers. */
static void speak_for(struct wire *wire, unsigned first, unsigned behind)
{
    char json[80];

    for (unsigned i = first; i < behind; i++) {
        snprintf(json, sizeof json, "[\"\", \"portolan::db_owner\", \"other%u\", 1]", i);
        wire_say(wire, json);
    }
}

/* Keys of these numbers, of one owner and family, in one packet. */
static void bring(struct wire *wire, const char *owner, const char *family, unsigned first,
                  unsigned behind)
{
    struct ptl_writer writer;
    char key[16];

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "portolan::db", 12);
    ptl_put_text(&writer, owner, strlen(owner));
    ptl_put_int(&writer, 1);
    ptl_put_text(&writer, family, strlen(family));
    ptl_put_map(&writer, behind - first);
    for (unsigned i = first; i < behind; i++) {
        int size = snprintf(key, sizeof key, "k%u", i);
        ptl_put_text(&writer, key, (size_t)size);
        ptl_put_null(&writer);
    }
    ptl_put_array(&writer, 0);
    say(wire, &writer);
}

/* rain with an ordinary node and a global one, each of which has set something, and so has rain. */
struct network {
    struct ptl_node *rain, *wind, *snow;
};

static struct network start_network(struct ptl_node_options options)
{
    struct network network = {.rain = start(options)};
    const char *const seeds[] = {ptl_node_address(network.rain, 0), NULL};
    struct ptl_node_options global = witness_options("snow");

    global.seeds = seeds;
    network.wind = start_ordinary("wind", network.rain);
    network.snow = start(global);
    db_set(network.wind, "fam", "b", "1");
    db_set(network.snow, "fam", "c", "2");
    db_set(network.rain, "fam", "d", "3");
    db_until(network.rain, "fam", "b=1 c=2 d=3");
    assert_int_equal(ptl_on_link(network.rain, on_link, "links"), 0);
    assert_non_null(witness_next("links")); /* wind and snow are linked */
    assert_non_null(witness_next("links"));
    return network;
}

/* It has lost that link for this, and nothing else: what others have set is there, and goes on. */
static void assert_only_aaa_is_gone(struct network *network, struct wire *wire)
{
    assert_next("links", "up aaa");
    const char *end = witness_next("links");
    assert_memory_equal(end, "down aaa", strlen("down aaa"));
    assert_non_null(strstr(end, "it brings more than one may"));
    assert_non_null(witness_until("rain", "the database of aaa: it brings more than one may"));
    wire_close(wire);
    db_until(network->rain, "'g", "rain=null snow=null");
    db_until(network->rain, "fam", "b=1 c=2 d=3");
    db_set(network->wind, "fam", "b", "4");
    db_set(network->snow, "fam", "c", "5");
    db_until(network->rain, "fam", "b=4 c=5 d=3");
    db_until(network->snow, "fam", "b=4 c=5 d=3");
    assert_silent("links");
}

static void global_node_speaks_for_so_many_others_and_no_more(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct wire wire, good;

    (void)state;
    options.db_owners_max = OTHERS;
    struct network network = start_network(options);
    join_as_global(&wire, network.rain, "aaa");
    speak_for(&wire, 0, OTHERS);
    bring(&wire, "other0", "fam", 0, 1);
    fence(&wire, "");
    assert_string_equal(db_family(network.rain, "fam"), "b=1 c=2 d=3 k0=null");
    speak_for(&wire, OTHERS, OTHERS + 1);
    assert_only_aaa_is_gone(&network, &wire);
    join_as_global(&good, network.rain, "bbb"); /* as many as that have all room again */
    speak_for(&good, 0, OTHERS);
    bring(&good, "other99", "fam", 0, 1);
    db_until(network.rain, "fam", "b=4 c=5 d=3 k0=null");
    fence(&good, "");
    wire_close(&good);
}

static void bring_so_many_and_no_more(const struct ptl_node_options *options)
{
    struct network network = start_network(*options);
    struct wire wire;

    for (unsigned is_long = 0; is_long < 2; is_long++) {
        unsigned beyond = is_long ? ENTRIES : 1; /* taken slice by slice, or at once */
        join_as_global(&wire, network.rain, "aaa");
        speak_for(&wire, 0, 2);
        bring(&wire, "other0", "many", 0, BROUGHT / 2);
        bring(&wire, "other1", "many", BROUGHT / 2, BROUGHT);
        bring(&wire, "other1", "many", BROUGHT / 2, BROUGHT); /* which it has */
        fence(&wire, "");
        bring(&wire, "other1", "many", BROUGHT, BROUGHT + beyond);
        assert_only_aaa_is_gone(&network, &wire);
        db_until(network.rain, "many", "");
        db_set(network.wind, "fam", "b", "1");
        db_set(network.snow, "fam", "c", "2");
        db_until(network.rain, "fam", "b=1 c=2 d=3");
    }
}

static void global_node_brings_so_many_entries_and_no_more(void **state)
{
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    options.db_brought_max = BROUGHT;
    bring_so_many_and_no_more(&options);
}

/* Of keys k0, k1 ... and null, a byte each. */
static void global_node_brings_so_many_bytes_and_no_more(void **state)
{
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    for (unsigned i = 0; i < BROUGHT; i++) {
        options.db_brought_bytes_max += (size_t)snprintf(NULL, 0, "k%u", i) + 1;
    }
    bring_so_many_and_no_more(&options);
}

static void global_node_names_so_many_global_nodes_and_no_more(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct wire wire;

    (void)state;
    options.globals_max = OTHERS;
    struct network network = start_network(options);
    join_as_global(&wire, network.rain, "aaa");
    wire_say(&wire, "[\"\", \"portolan::db_owner\", \"aaa\", 1]");
    bring(&wire, "aaa", "'g", 0, OTHERS);
    bring(&wire, "aaa", "'g", 0, OTHERS); /* which it has */
    fence(&wire, "");
    assert_non_null(strstr(db_family(network.rain, "'g"), "k99=null"));
    bring(&wire, "aaa", "'g", OTHERS, OTHERS + 1);
    assert_only_aaa_is_gone(&network, &wire);
}

/* Nobody is linked for its sake: neither for an ordinary node nor for one that is spoken for. */
static void node_that_is_not_global_names_no_global_nodes(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire, global;

    (void)state;
    join(&wire, rain, "peer", "");
    wire_say(&wire, "[\"\", \"g_slave\", {\"'g\": {\"ghost\": null}, \"fam\": {\"a\": 1}}]");
    wire_say(&wire, "[\"\", \"g_upd\", \"'g\", {\"ghost\": null}, []]");
    wire_say(&wire, "[\"\", \"g_upd\", \"fam\", {\"b\": 2}, []]");
    fence(&wire, "");
    join_as_global(&global, rain, "aaa");
    speak_for(&global, 0, 1);
    bring(&global, "other0", "'g", 0, 1);
    bring(&global, "other0", "'g", 0, ENTRIES);
    bring(&global, "other0", "fam", 0, 1);
    fence(&global, "");
    assert_string_equal(db_family(rain, "'g"), "aaa=null rain=null");
    assert_string_equal(db_family(rain, "fam"), "a=1 b=2 k0=null");
    wire_close(&wire);
    wire_close(&global);
}

/* ---- Watches -------------------------------------------------------------------------------- */

static void say_of_family(struct wire *wire, const char *request, unsigned number)
{
    char json[64];

    snprintf(json, sizeof json, "[\"\", \"%s\", \"fam%u\"]", request, number);
    wire_say(wire, json);
}

static void peer_watches_so_many_families_on_each_shard_and_no_more(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct wire wire;

    (void)state;
    options.db_watches_max = WATCHES;
    struct ptl_node *rain = start(options);
    unsigned most = WATCHES * ptl_node_shards(rain);
    join(&wire, rain, "peer", "");
    for (unsigned i = 0; i < FAMILIES; i++) {
        say_of_family(&wire, "g_mon1", i);
    }
    assert_int_equal(read_until(&wire, "g_chg1", most) + fence(&wire, "g_chg1"), most);
    assert_non_null(witness_until("rain", "watches too many families"));
    for (unsigned i = 0; i < FAMILIES; i++) {
        say_of_family(&wire, "g_mon0", i);
    }
    for (unsigned i = 0; i < WATCHES; i++) { /* whoever watches no longer may begin anew */
        say_of_family(&wire, "g_mon1", FAMILIES + i);
    }
    assert_int_equal(read_until(&wire, "g_chg1", WATCHES), WATCHES);
    wire_close(&wire);
    assert_int_equal(witness_stop(rain, 5000), 0);
}

static void answer_comes_behind_the_changes_that_were_told_before(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire;
    char json[64];

    (void)state;
    join(&wire, rain, "peer", "");
    for (unsigned i = 0; i < 100; i++) {
        snprintf(json, sizeof json, "[\"\", \"g_mon1\", \"fam%u\"]", i);
        wire_say(&wire, json);
        snprintf(json, sizeof json, "[\"\", \"g_db_family\", \"fam%u\", \"%u\"]", i, i);
        wire_say(&wire, json);
    }
    bool copied[100] = {false};
    unsigned answers = 0;
    while (answers < 100) {
        (void)wire_wait(&wire, "");
        for (size_t i = 0; i < wire.got.count; i++) {
            const struct packet *packet = &wire.got.at[i];
            const char *name = (const char *)packet_string(packet, 1).bytes;
            if (packet_requests(packet, "g_chg1")) {
                copied[atoi(name + strlen("fam"))] = true;
            } else if (packet_requests(packet, "g_reply")) {
                assert_true(copied[atoi(name)]);
                answers++;
            }
        }
        wire_forget(&wire);
    }
    wire_close(&wire);
}

/* ---- Ports that are full -------------------------------------------------------------------- */

static void say_of_port(struct wire *wire, const char *request, unsigned number)
{
    char json[64];

    snprintf(json, sizeof json, "[\"\", \"%s\", \"port%u\"]", request, number);
    wire_say(wire, json);
}

static void peer_may_call_so_many_of_its_ports_full_and_no_more(void **state)
{
    struct ptl_node *rain = start(witness_options("rain"));
    struct wire wire;
    struct ptl_port port;

    (void)state;
    join(&wire, rain, "peer", ";portolan=1.1"); /* one of ours, that understands room */
    fence(&wire, "");
    size_t before = witness_bytes();
    for (unsigned i = 0; i < PORTS; i++) {
        say_of_port(&wire, "portolan::full", i);
    }
    fence(&wire, "");
    size_t each = FULL_BYTES + 200 * ptl_node_shards(rain);
    assert_true(witness_bytes() < before + FULL_MAX * each);
    port = witness_parse(rain, "peer#port0");
    assert_int_equal(ptl_sendf(rain, &port, "i", 1), PTL_EFULL);
    for (unsigned i = 0; i < PORTS; i++) {
        say_of_port(&wire, "portolan::room", i);
    }
    fence(&wire, "");
    while (ptl_sendf(rain, &port, "i", 1) == PTL_EFULL) {
        fence(&wire, "");
    }
    size_t places = sizeof(struct ptl_map_place) * 2 * FULL_MAX * (2 + ptl_node_shards(rain));
    while (witness_bytes() > before + places) { /* nothing but empty maps is kept of them */
        fence(&wire, "");
    }
    wire_close(&wire);
    assert_int_equal(witness_stop(rain, 5000), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(update_that_sets_one_key_many_times_and_deletes_another_is_taken_at_once),
        WITNESSED(what_comes_behind_a_long_update_finds_it_taken),
        WITNESSED(what_comes_behind_a_large_database_finds_it_whole),
        WITNESSED(family_that_is_no_map_leaves_those_behind_it_as_they_are),
        WITNESSED(families_of_any_name_are_set_watched_and_asked_for),
        WITNESSED(node_that_is_not_global_speaks_for_itself_alone),
        WITNESSED(node_that_is_attached_here_is_not_replaced_by_hearsay),
        WITNESSED(node_that_was_lied_about_is_itself_again_when_the_liar_goes),
        WITNESSED(global_node_speaks_for_so_many_others_and_no_more),
        WITNESSED(global_node_brings_so_many_entries_and_no_more),
        WITNESSED(global_node_brings_so_many_bytes_and_no_more),
        WITNESSED(global_node_names_so_many_global_nodes_and_no_more),
        WITNESSED(node_that_is_not_global_names_no_global_nodes),
        WITNESSED(peer_watches_so_many_families_on_each_shard_and_no_more),
        WITNESSED(answer_comes_behind_the_changes_that_were_told_before),
        WITNESSED(peer_may_call_so_many_of_its_ports_full_and_no_more),
    };

    return witness_main(argc, argv, "db_peer", tests, sizeof(tests) / sizeof(tests[0]),
                        (const unsigned[]){1, 2, 0});
}
