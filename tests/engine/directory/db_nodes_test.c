/*
 * The database of a few nodes of ours, linked in all framings: what goes over the links, the roles
 * of nodes and how they change, and how nodes find each other.  Deaths are in cluster_test.c.
 */
#include "tests/common/db_witness.h"

#include <poll.h>

#ifdef PTL_QUICK
#define MANY 2000
#else
#define MANY 20000
#endif

static const char *framings;
static const char *const loopback[] = {"127.0.0.1:0", NULL};
static struct db_copy copy, second;

/* Options for a node that listens and has one seed (NULL: none), good until the next call. */
static struct ptl_node_options options_for(const char *id, struct ptl_node *seed)
{
    static const char *seeds[2];
    struct ptl_node_options options = witness_options(id);

    seeds[0] = seed != NULL ? ptl_node_address(seed, 0) : NULL;
    options.binds = loopback;
    options.seeds = seeds;
    options.framings = framings;
    return options;
}

static struct ptl_node *start(const char *id, struct ptl_node *seed)
{
    struct ptl_node_options options = options_for(id, seed);

    return witness_start(&options);
}

static struct ptl_node *start_ordinary(const char *id, struct ptl_node *seed)
{
    struct ptl_node_options options = options_for(id, seed);

    options.ordinary = true;
    return witness_start(&options);
}

static void stop_and_drop(struct ptl_node *node, struct db_copy *its)
{
    assert_int_equal(witness_stop(node, 5000), 0);
    db_copy_drop(its);
}

/* ---- Two global nodes ----------------------------------------------------------------------- */

static void what_one_node_has_set_another_that_joins_is_told(void **state)
{
    struct ptl_node *rain = start("rain", NULL);

    (void)state;
    db_set(rain, "fam", "before", "1");
    db_set(rain, "other", "before", "2");
    struct ptl_node *snow = start("snow", rain);
    db_copy_watch(&copy, snow, "fam");
    db_copy_until(&copy, "before=1");
    db_set(rain, "fam", "after", "3");
    db_copy_until(&copy, "after=3 before=1");
    assert_string_equal(db_family(snow, "fam"), "after=3 before=1");
    assert_string_equal(db_get(snow, "fam", "after"), "3");
    db_copy_watch(&second, rain, "fam");
    db_set(snow, "fam", "snow", "4");
    db_copy_until(&second, "after=3 before=1 snow=4");
    stop_and_drop(snow, &copy);
    db_copy_until(&second, "after=3 before=1");
    stop_and_drop(rain, &second);
}

static void values_keep_their_kind_on_the_way(void **state)
{
    static const char *const values[] = {
        "null",
        "true",
        "false",
        "-1",
        "18446744073709551615",
        "0.5",
        "\"\"",
        "\"\xc3\xa4\xe2\x82\xac\"",
        "[[],{}]",
        "{\"a\":[1,null]}",
    };
    struct ptl_node *rain = start("rain", NULL), *snow = start("snow", rain);

    (void)state;
    assert_int_equal(ptl_db_watch(snow, "fam", on_change, "watch", NULL), 0);
    assert_next("watch", "copied ");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char line[64];
        db_set(rain, "fam", "key", values[i]);
        snprintf(line, sizeof(line), "%s key %s", i == 0 ? "added" : "changed", values[i]);
        assert_next("watch", line);
    }
}

static void keys_of_all_letters_pass(void **state)
{
    static const char *const keys[] = {
        " ", "a#b", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9d\x84\x9e", "\"\\/\n"};
    struct ptl_node *rain = start("rain", NULL), *snow = start("snow", rain);
    char longest[PTL_DB_KEY_MAX + 1];

    (void)state;
    db_copy_watch(&copy, snow, "fam");
    memset(longest, 'k', PTL_DB_KEY_MAX);
    longest[PTL_DB_KEY_MAX] = 0;
    db_set(rain, "fam", longest, "1");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        db_set(rain, "fam", keys[i], "1");
    }
    db_copy_until_count(&copy, 1 + sizeof(keys) / sizeof(keys[0]));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_string_equal(db_get(snow, "fam", keys[i]), "1");
        db_del(rain, "fam", keys[i]);
    }
    db_copy_until_count(&copy, 1);
    db_copy_until_key(&copy, longest, true);
    stop_and_drop(snow, &copy);
}

static void large_families_and_values_pass(void **state)
{
    struct ptl_node *rain = start("rain", NULL);
    size_t largest = ((size_t)1 << 20) - 5; /* with its head the default limit */
    char *text = malloc(largest), key[32];
    struct ptl_msg *value;

    (void)state;
    memset(text, 'x', largest);
    assert_int_equal(ptl_msg_make(rain, &value, "T", text, largest), 0);
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "large%d", i);
        assert_int_equal(ptl_db_set(rain, "fam", key, value), 0);
        assert_string_equal(db_get(rain, "fam", "none"), "PTL_ENOKEY"); /* behind it: room again */
    }
    ptl_msg_free(value);
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        db_set(rain, i % 2 == 0 ? "small" : "fam", key, "1");
    }
    struct ptl_node *snow = start("snow", rain);
    struct ptl_node *hail = start_ordinary("hail", snow);
    db_copy_watch(&copy, hail, "fam");
    db_copy_until_count(&copy, MANY / 2 + 8);
    db_copy_watch(&second, snow, "small");
    db_copy_until_count(&second, MANY / 2);
    assert_int_equal(strlen(db_get(hail, "fam", "large7")), largest + 2);
    free(text);
    stop_and_drop(hail, &copy);
    stop_and_drop(snow, &second);
}

/* Entries come from their owners directly: who has all is linked to all. */
static void until_meshed(struct ptl_node *node)
{
    db_until(node, "fam", "n0=0 n1=1 n2=2 n3=3 n4=4");
    db_until(node, "'g", "n0=null n1=null n2=null n3=null n4=null");
}

static void nodes_that_join_one_after_the_other_form_a_mesh(void **state)
{
    static const char *const ids[] = {"n0", "n1", "n2", "n3", "n4"};
    struct ptl_node *nodes[5];
    char json[16];

    (void)state;
    for (int i = 0; i < 5; i++) { /* a chain: each knows the one before only */
        nodes[i] = start(ids[i], i == 0 ? NULL : nodes[i - 1]);
        snprintf(json, sizeof(json), "%d", i);
        db_set(nodes[i], "fam", ids[i], json);
    }
    for (int i = 0; i < 5; i++) { /* one after the other begins anew, elsewhere */
        for (int j = 0; j < 5; j++) {
            until_meshed(nodes[j]);
        }
        witness_stop(nodes[i], 5000);
        nodes[i] = start(ids[i], nodes[(i + 2) % 5]);
        snprintf(json, sizeof(json), "%d", i);
        db_set(nodes[i], "fam", ids[i], json);
    }
    for (int j = 0; j < 5; j++) {
        until_meshed(nodes[j]);
    }
}

/* ---- Ordinary nodes ------------------------------------------------------------------------- */

static void ordinary_node_sets_asks_and_watches_at_its_master(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *hail = start_ordinary("hail", rain);
    char text[128];

    (void)state;
    db_copy_watch(&copy, rain, "fam");
    db_set(rain, "fam", "rain", "1");
    db_set(hail, "fam", "hail", "2");
    db_copy_until(&copy, "hail=2 rain=1");
    assert_string_equal(db_get(hail, "fam", "hail"), "2");
    assert_string_equal(db_get(hail, "fam", "rain"), "1");
    assert_string_equal(db_get(hail, "fam", "none"), "PTL_ENOKEY");
    assert_string_equal(db_family(hail, "fam"), "hail=2 rain=1");
    assert_string_equal(db_keys(hail, "fam"), "\"hail\" \"rain\"");
    assert_string_equal(db_values(hail, "fam"), "1 2");
    assert_string_equal(db_family(hail, "none"), "");
    assert_string_equal(db_keys(hail, "none"), "");
    assert_string_equal(db_family(hail, "'g"), "rain=null");
    snprintf(text, sizeof(text), "hail=[\"%s\"] rain=[\"%s\"]", ptl_node_address(hail, 0),
             ptl_node_address(rain, 0));
    assert_string_equal(db_family(hail, "'l"), text);
    assert_false(ptl_node_is_global(hail));
    stop_and_drop(rain, &copy);
}

static void ordinary_nodes_watches_are_told_of_every_change(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *hail = start_ordinary("hail", rain);
    struct ptl_db_watch watch;

    (void)state;
    db_set(rain, "fam", "a", "1");
    assert_string_equal(db_get(rain, "fam", "a"), "1");
    assert_int_equal(ptl_db_watch(hail, "fam", on_change, "watch", &watch), 0);
    assert_next("watch", "added a 1");
    assert_next("watch", "copied ");
    assert_int_equal(ptl_db_watch_key(hail, "fam", "b", on_change, "b", NULL), 0);
    assert_next("b", "copied ");
    db_set(hail, "fam", "b", "2");
    assert_next("watch", "added b 2");
    assert_next("b", "added b 2");
    db_until(rain, "fam", "a=1 b=2"); /* so what it tells next it tells behind that */
    db_set(rain, "fam", "a", "3");
    assert_next("watch", "changed a 3");
    db_del(hail, "fam", "b");
    assert_next("watch", "deleted b");
    assert_next("b", "deleted b");
    ptl_db_unwatch(hail, &watch);
    db_set(rain, "fam", "b", "4");
    assert_next("b", "added b 4");
    assert_int_equal(ptl_db_watch(hail, "fam", on_change, "watch again", NULL), 0);
    for (int i = 0; i < 3; i++) { /* in any order, but for the last */
        const char *line = witness_next("watch again");
        assert_true(i < 2 ? strncmp(line, "added ", 6) == 0 : strcmp(line, "copied ") == 0);
    }
    assert_silent("watch");
}

static void what_a_node_sets_before_it_is_attached_is_not_lost(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *hail = start_ordinary("hail", rain);
    char key[32];

    (void)state;
    for (int i = 0; i < MANY; i++) { /* some of it before, some while, some after */
        snprintf(key, sizeof(key), "key%d", i);
        db_set(hail, "fam", key, "1");
        if (i % 3 == 0) {
            db_del(hail, "fam", key);
        }
    }
    db_copy_watch(&copy, rain, "fam");
    db_copy_until_count(&copy, MANY - (MANY + 2) / 3);
    stop_and_drop(rain, &copy);
}

static void many_questions_of_an_ordinary_node_are_all_answered(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *hail = start_ordinary("hail", rain);
    unsigned answered = 0;

    (void)state;
    db_set(rain, "fam", "key", "1");
    assert_string_equal(db_get(rain, "fam", "key"), "1");
    for (int i = 0; i < 2000; i++) {
        int err = ptl_db_get(hail, "fam", "key", on_value, "answers");
        if (err == PTL_EFULL) {
            break;
        }
        assert_int_equal(err, 0);
        answered++;
    }
    for (unsigned i = 0; i < answered; i++) {
        const char *answer = witness_next("answers");
        assert_true(strcmp(answer, "1") == 0 || strcmp(answer, "PTL_ELIMIT") == 0);
    }
    assert_string_equal(db_get(hail, "fam", "key"), "1");
    assert_silent("answers");
}

static void ordinary_node_becomes_global_as_somebodys_seed(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *hail = start_ordinary("hail", rain);

    (void)state;
    db_set(rain, "fam", "rain", "1");
    db_set(hail, "fam", "hail", "2");
    db_copy_watch(&copy, hail, "fam");
    db_copy_until(&copy, "hail=2 rain=1");
    assert_false(ptl_node_is_global(hail));
    struct ptl_node *mist = start_ordinary("mist", hail);
    db_copy_watch(&second, mist, "fam");
    db_set(mist, "fam", "mist", "3");
    db_copy_until(&second, "hail=2 mist=3 rain=1");
    db_copy_until(&copy, "hail=2 mist=3 rain=1");
    /* Another shard may pass the entries on before the first knows that it shall be global. */
    db_until(hail, "'g", "hail=null rain=null");
    assert_true(ptl_node_is_global(hail));
    assert_false(ptl_node_is_global(mist));
    db_until(hail, "fam", "hail=2 mist=3 rain=1");
    db_set(rain, "fam", "rain", "4");
    db_copy_until(&second, "hail=2 mist=3 rain=4");
    stop_and_drop(mist, &second);
    db_copy_until(&copy, "hail=2 rain=4");
    stop_and_drop(hail, &copy);
}

static void node_that_comes_back_shows_only_what_it_sets_now(void **state)
{
    struct ptl_node *rain = start("rain", NULL);

    (void)state;
    db_copy_watch(&copy, rain, "fam");
    for (int i = 0; i < 6; i++) {
        struct ptl_node *hail = i % 2 == 0 ? start_ordinary("hail", rain) : start("hail", rain);
        char key[16], text[32];
        snprintf(key, sizeof(key), "key%d", i);
        snprintf(text, sizeof(text), "key%d=1", i);
        db_set(hail, "fam", key, "1");
        db_copy_until(&copy, text);
        witness_stop(hail, 5000);
    }
    db_copy_until(&copy, "");
    stop_and_drop(rain, &copy);
}

/* ---- Finding each other --------------------------------------------------------------------- */

static void ordinary_nodes_find_each_other(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *snow = start("snow", rain);
    struct ptl_node *hail = start_ordinary("hail", rain), *mist = start_ordinary("mist", snow);
    struct ptl_port in_mist = witness_port(mist, "in", on_message, "mist's");
    struct ptl_port in_hail = witness_port(hail, "in", on_message, "hail's");

    (void)state;
    db_copy_watch(&copy, rain, "'l");
    db_copy_until_count(&copy, 4);
    db_copy_watch(&second, snow, "'l");
    db_copy_until_count(&second, 4);
    tell(hail, &in_mist, "ti", "a", INT64_C(1));
    assert_next("mist's", "[\"a\",1]");
    tell(mist, &in_hail, "ti", "b", INT64_C(2));
    assert_next("hail's", "[\"b\",2]");
    tell(rain, &in_mist, "ti", "c", INT64_C(3)); /* a global node need not ask */
    assert_next("mist's", "[\"c\",3]");
    stop_and_drop(rain, &copy);
    stop_and_drop(snow, &second);
}

static void node_that_nobody_knows_is_told_as_such(void **state)
{
    struct ptl_node *rain = start("rain", NULL), *hail = start_ordinary("hail", rain);

    (void)state;
    assert_string_equal(db_get(hail, "fam", "key"), "PTL_ENOKEY"); /* it is attached */
    for (int i = 0; i < 2; i++) {
        struct ptl_node *node = i == 0 ? rain : hail;
        struct ptl_port nobody = witness_parse(node, "nobody#port");
        assert_int_equal(ptl_monitor(node, &nobody, on_gone, "gone", NULL), 0);
        tell(node, &nobody, "t", "lost");
        assert_next("gone", "[\"transport_error\",\"nobody\",\"no known address\"]");
    }
}

/* ---- Limits --------------------------------------------------------------------------------- */

static void value_larger_than_the_master_takes_is_left_out_there(void **state)
{
    struct ptl_node_options options = options_for("rain", NULL);
    char json[3000];

    (void)state;
    options.db_value_bytes_max = 1000;
    struct ptl_node *rain = witness_start(&options), *snow = start("snow", rain);
    struct ptl_node *hail = start_ordinary("hail", rain);
    db_copy_watch(&copy, snow, "fam");
    db_set(hail, "fam", "a", "1");
    db_copy_until(&copy, "a=1");
    memset(json, 'x', sizeof(json));
    json[0] = json[sizeof(json) - 2] = '"';
    json[sizeof(json) - 1] = 0;
    db_set(hail, "fam", "b", json);
    const char *line = witness_until("rain", "warning");
    assert_non_null(strstr(line, "hail"));
    db_set(hail, "fam", "c", "3");
    db_copy_until(&copy, "a=1 c=3");
    assert_string_equal(db_family(rain, "fam"), "a=1 c=3");
    /* Global nodes of ours agree, whatever each may set itself. */
    db_set(snow, "fam", "large", json);
    db_copy_until_key(&copy, "large", true);
    while (strcmp(db_get(rain, "fam", "large"), json) != 0) {
        poll(NULL, 0, 1);
    }
    stop_and_drop(snow, &copy);
}

/* A node that others are attached to, with those options, sends one away that sets 1,000 keys. */
static void send_away(const struct ptl_node_options *options)
{
    struct ptl_node *rain = witness_start(options);
    char key[32];

    struct ptl_node *snow = start("snow", rain), *hail = start_ordinary("hail", rain);
    db_copy_watch(&copy, snow, "fam");
    db_set(rain, "fam", "rain", "1");
    db_set(hail, "fam", "hail", "1");
    db_copy_until(&copy, "hail=1 rain=1");
    assert_int_equal(ptl_on_link(rain, on_link, "links"), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        db_set(hail, "fam", key, "1");
    }
    witness_until("links", "down hail");
    assert_int_equal(witness_stop(hail, 5000), 0);
    db_copy_until(&copy, "rain=1");
    stop_and_drop(snow, &copy);
}

static void attached_node_with_too_many_entries_is_sent_away(void **state)
{
    struct ptl_node_options options = options_for("rain", NULL);

    (void)state;
    options.db_entries_max = 500;
    send_away(&options);
}

static void attached_node_with_too_many_bytes_is_sent_away(void **state)
{
    struct ptl_node_options options = options_for("rain", NULL);

    (void)state;
    options.db_bytes_max = 4000;
    send_away(&options);
}

int main(int argc, char **argv)
{
    static const unsigned for_cbor[] = {1, 2, 4, 0}, for_json[] = {1, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(what_one_node_has_set_another_that_joins_is_told),
        WITNESSED(values_keep_their_kind_on_the_way),
        WITNESSED(keys_of_all_letters_pass),
        WITNESSED(large_families_and_values_pass),
        WITNESSED(nodes_that_join_one_after_the_other_form_a_mesh),
        WITNESSED(ordinary_node_sets_asks_and_watches_at_its_master),
        WITNESSED(ordinary_nodes_watches_are_told_of_every_change),
        WITNESSED(what_a_node_sets_before_it_is_attached_is_not_lost),
        WITNESSED(many_questions_of_an_ordinary_node_are_all_answered),
        WITNESSED(ordinary_node_becomes_global_as_somebodys_seed),
        WITNESSED(node_that_comes_back_shows_only_what_it_sets_now),
        WITNESSED(ordinary_nodes_find_each_other),
        WITNESSED(node_that_nobody_knows_is_told_as_such),
        WITNESSED(value_larger_than_the_master_takes_is_left_out_there),
        WITNESSED(attached_node_with_too_many_entries_is_sent_away),
        WITNESSED(attached_node_with_too_many_bytes_is_sent_away),
    };
    size_t count = sizeof(tests) / sizeof(tests[0]);

    framings = "cbor";
    int failed = witness_main(argc, argv, "databases in CBOR", tests, count, for_cbor);
    framings = "json";
    failed += witness_main(argc, argv, "databases in JSON", tests, count, for_json);
    framings = "portolan";
    return failed + witness_main(argc, argv, "databases in frames", tests, count, for_cbor);
}
