/*
 * The database of one node: setting, deleting, registering and asking, with every error that the
 * public header names.  Watching is in db_watch_test.c, several nodes in db_nodes_test.c.
 */
#include "tests/common/db_witness.h"

#define VALUE_MAX 1000
#define ENTRIES_MAX 64

static struct ptl_node *rain;
static struct db_copy copy;

static int set_up(void **state)
{
    int err = witness_set_up(state);

    rain = witness_node("rain");
    return err;
}

/* A string of `size` times the same letter; good until the next one. */
static const char *letters(size_t size)
{
    static char text[PTL_DB_KEY_MAX + 300];

    assert_true(size < sizeof(text));
    memset(text, 'k', size);
    text[size] = 0;
    return text;
}

/* The same as a JSON text, which is encoded with a head of three bytes. */
static const char *quoted(size_t size)
{
    static char text[PTL_DB_KEY_MAX + 303];

    snprintf(text, sizeof(text), "\"%s\"", letters(size));
    return text;
}

/* ---- Setting and asking --------------------------------------------------------------------- */

static void database_of_a_node_is_empty_at_first(void **state)
{
    (void)state;
    assert_string_equal(db_get(rain, "fam", "key"), "PTL_ENOKEY");
    assert_string_equal(db_family(rain, "fam"), "");
    assert_string_equal(db_keys(rain, "fam"), "");
    assert_string_equal(db_values(rain, "fam"), "");
}

static void every_question_finds_what_was_set(void **state)
{
    (void)state;
    db_set(rain, "fam", "b", "2");
    db_set(rain, "fam", "a", "\"one\"");
    db_set(rain, "other", "a", "null");
    assert_string_equal(db_get(rain, "fam", "a"), "\"one\"");
    assert_string_equal(db_get(rain, "fam", "b"), "2");
    assert_string_equal(db_get(rain, "fam", "c"), "PTL_ENOKEY");
    assert_string_equal(db_get(rain, "other", "a"), "null");
    assert_string_equal(db_family(rain, "fam"), "a=\"one\" b=2");
    assert_string_equal(db_keys(rain, "fam"), "\"a\" \"b\"");
    assert_string_equal(db_values(rain, "fam"), "\"one\" 2");
}

static void value_is_kept_as_it_was_set(void **state)
{
    static const char *const values[] = {
        "null",
        "true",
        "-1",
        "18446744073709551615",
        "0.5",
        "\"\"",
        "\"\xc3\xa4\xe2\x82\xac\\\"\\\\\"",
        "[]",
        "{}",
        "[1,[2,[]],{\"a\":{\"b\":[null]}}]",
        "{\"a\":[1,2],\"b\":\"c\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        db_set(rain, "fam", "key", values[i]);
        assert_string_equal(db_get(rain, "fam", "key"), values[i]);
    }
}

static void value_of_no_message_is_null(void **state)
{
    (void)state;
    assert_int_equal(ptl_db_set(rain, "fam", "key", NULL), 0);
    assert_string_equal(db_get(rain, "fam", "key"), "null");
}

static void value_stays_the_callers(void **state)
{
    struct ptl_msg *value = witness_values("[1,2]");

    (void)state;
    assert_int_equal(ptl_db_set(rain, "fam", "a", value), 0);
    assert_int_equal(ptl_db_set(rain, "fam", "b", value), 0);
    ptl_msg_free(value);
    assert_string_equal(db_family(rain, "fam"), "a=[1,2] b=[1,2]");
}

static void set_replaces_and_delete_removes(void **state)
{
    (void)state;
    db_set(rain, "fam", "a", "1");
    db_set(rain, "fam", "b", "2");
    db_set(rain, "fam", "a", "3");
    assert_string_equal(db_family(rain, "fam"), "a=3 b=2");
    db_del(rain, "fam", "a");
    assert_string_equal(db_family(rain, "fam"), "b=2");
    db_del(rain, "fam", "b");
    assert_string_equal(db_family(rain, "fam"), "");
}

static void delete_of_what_is_not_there_is_no_error(void **state)
{
    (void)state;
    assert_int_equal(ptl_db_del(rain, "fam", "key"), 0);
    db_set(rain, "fam", "key", "1");
    assert_int_equal(ptl_db_del(rain, "fam", "other"), 0);
    db_del(rain, "fam", "key");
    assert_int_equal(ptl_db_del(rain, "fam", "key"), 0);
    assert_string_equal(db_family(rain, "fam"), "");
}

static void what_a_thread_sets_and_asks_keeps_its_order(void **state)
{
    static char labels[200][2][16];
    char json[32];

    (void)state;
    for (int i = 0; i < 200; i++) { /* the answers come on any shard */
        snprintf(labels[i][0], sizeof(labels[i][0]), "set %d", i);
        snprintf(labels[i][1], sizeof(labels[i][1]), "deleted %d", i);
        snprintf(json, sizeof(json), "%d", i);
        db_set(rain, "fam", "key", json);
        assert_int_equal(ptl_db_get(rain, "fam", "key", on_value, labels[i][0]), 0);
        db_del(rain, "fam", "key");
        assert_int_equal(ptl_db_get(rain, "fam", "key", on_value, labels[i][1]), 0);
    }
    for (int i = 0; i < 200; i++) {
        snprintf(json, sizeof(json), "%d", i);
        assert_next(labels[i][0], json);
        assert_next(labels[i][1], "PTL_ENOKEY");
    }
}

static int set_and_ask(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_msg *value;

    (void)msg;
    for (int64_t i = 0; i < 50; i++) {
        int err = ptl_msg_make(node, &value, "i", i);
        if (err == 0) {
            err = ptl_db_set(node, "fam", "key", value);
            ptl_msg_free(value);
        }
        if (err == 0) {
            err = ptl_db_get(node, "fam", "key", on_value, data);
        }
        if (err == 0) {
            err = ptl_db_del(node, "fam", "key");
        }
        if (err == 0) {
            err = ptl_db_get(node, "fam", "key", on_value, data);
        }
        if (err < 0) {
            return ptl_fail(node, "%s", ptl_err_name(err));
        }
    }
    witness_note(data, "asked"); /* nothing is told before its handler has returned */
    return 0;
}

static void what_a_handler_sets_and_asks_keeps_its_order(void **state)
{
    struct ptl_port port = witness_port(rain, NULL, set_and_ask, "handler");
    char json[32];

    (void)state;
    tell(rain, &port, "t", "go");
    assert_next("handler", "asked");
    for (int i = 0; i < 50; i++) {
        snprintf(json, sizeof(json), "%d", i);
        assert_next("handler", json);
        assert_next("handler", "PTL_ENOKEY");
    }
}

static void families_are_apart(void **state)
{
    char family[32], json[32];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(family, sizeof(family), "fam%d", i);
        snprintf(json, sizeof(json), "%d", i);
        db_set(rain, family, "key", json);
    }
    db_del(rain, "fam50", "key");
    for (int i = 0; i < 100; i++) {
        snprintf(family, sizeof(family), "fam%d", i);
        snprintf(json, sizeof(json), "%d", i);
        assert_string_equal(db_get(rain, family, "key"), i == 50 ? "PTL_ENOKEY" : json);
    }
}

static void family_may_be_large(void **state)
{
    char key[32], json[32];
    int64_t sum = 0;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key%04d", i);
        snprintf(json, sizeof(json), "%d", i);
        db_set(rain, "fam", key, json);
    }
    char *text = strdup(db_values(rain, "fam"));
    unsigned count = 0;
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL; count++) {
        sum += strtol(word, NULL, 10);
    }
    free(text);
    assert_int_equal(count, 5000);
    assert_int_equal(sum, 5000 * 4999 / 2);
}

static void answer_larger_than_a_message_may_be_is_an_error(void **state)
{
    struct ptl_node_options options = witness_options("snow");
    char key[32];

    (void)state;
    options.message_bytes_max = 20000;
    struct ptl_node *snow = witness_start(&options);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        db_set(snow, "fam", key, quoted(1000));
    }
    assert_string_equal(db_family(snow, "fam"), "PTL_ESIZE");
    assert_string_equal(db_values(snow, "fam"), "PTL_ESIZE");
    assert_non_null(strstr(db_keys(snow, "fam"), "\"key49\""));
    assert_string_equal(db_get(snow, "fam", "key7"), quoted(1000));
}

/* ---- What is refused ------------------------------------------------------------------------ */

static int on_never(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    witness_note(data, "%s", change->key);
    return 0;
}

/* Every function that takes a family must refuse this one. */
static void refuse_family(const char *family)
{
    struct ptl_port port = witness_listener(rain, "port");

    assert_int_equal(ptl_db_set(rain, family, "key", NULL), PTL_EINVAL);
    assert_int_equal(ptl_db_del(rain, family, "key"), PTL_EINVAL);
    assert_int_equal(ptl_db_register(rain, family, &port, NULL), PTL_EINVAL);
}

static void refuse_family_to_readers_too(const char *family)
{
    refuse_family(family);
    assert_int_equal(ptl_db_get(rain, family, "key", on_value, "never"), PTL_EINVAL);
    assert_int_equal(ptl_db_family(rain, family, on_answer, "never"), PTL_EINVAL);
    assert_int_equal(ptl_db_keys(rain, family, on_answer, "never"), PTL_EINVAL);
    assert_int_equal(ptl_db_values(rain, family, on_answer, "never"), PTL_EINVAL);
    assert_int_equal(ptl_db_watch(rain, family, on_never, "never", NULL), PTL_EINVAL);
    assert_int_equal(ptl_db_watch_key(rain, family, "key", on_never, "never", NULL), PTL_EINVAL);
    assert_int_equal(ptl_db_watch_prefix(rain, family, "key", on_never, "never", NULL), PTL_EINVAL);
}

static void families_of_other_forms_are_read_only(void **state)
{
    static const char *const families[] = {
        "",  "1a", "_a",  ":a", "a-b",      "a b",       "a.b",
        "'", "'x", "'ll", "l'", "\xc3\xa4", "a\xc3\xa4", " a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        refuse_family(families[i]);
        if (families[i][0] != 0) { /* others may have called one so */
            assert_string_equal(db_family(rain, families[i]), "");
        }
    }
    refuse_family_to_readers_too("");
    refuse_family_to_readers_too("a\xc3");
    refuse_family_to_readers_too(letters(256));
    assert_silent("never");
}

static void families_of_the_form_are_taken(void **state)
{
    static const char *const families[] = {"a", "Z", "a1", "a_b", "a::b", "a:", "A_1:z"};

    (void)state;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        db_set(rain, families[i], "key", "1");
        assert_string_equal(db_family(rain, families[i]), "key=1");
    }
    db_set(rain, letters(255), "key", "1");
    assert_string_equal(db_family(rain, letters(255)), "key=1");
}

static void families_of_the_network_cannot_be_set(void **state)
{
    (void)state;
    refuse_family("'l");
    refuse_family("'g");
    db_until(rain, "'g", "rain=null");
    db_until(rain, "'l", "rain=[]");
    assert_string_equal(db_get(rain, "'l", "rain"), "[]");
}

static void keys_of_other_forms_are_refused(void **state)
{
    static const char *const keys[] = {"", "\xff", "a\xc3", "\xed\xa0\x80"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_int_equal(ptl_db_set(rain, "fam", keys[i], NULL), PTL_EINVAL);
        assert_int_equal(ptl_db_del(rain, "fam", keys[i]), PTL_EINVAL);
        assert_int_equal(ptl_db_get(rain, "fam", keys[i], on_value, "never"), PTL_EINVAL);
        assert_int_equal(ptl_db_watch_key(rain, "fam", keys[i], on_never, "never", NULL),
                         PTL_EINVAL);
    }
    const char *too_long = letters(PTL_DB_KEY_MAX + 1);
    assert_int_equal(ptl_db_set(rain, "fam", too_long, NULL), PTL_ESIZE);
    assert_int_equal(ptl_db_del(rain, "fam", too_long), PTL_ESIZE);
    assert_int_equal(ptl_db_get(rain, "fam", too_long, on_value, "never"), PTL_EINVAL);
    assert_string_equal(db_family(rain, "fam"), "");
    assert_silent("never");
}

static void keys_of_any_letters_are_taken(void **state)
{
    static const char *const keys[] = {"a",      " ",   "#", "'l", "\xc3\xa4\xe2\x82\xac",
                                       "a b\nc", "\x01"};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        db_set(rain, "fam", keys[i], "1");
        assert_string_equal(db_get(rain, "fam", keys[i]), "1");
        db_del(rain, "fam", keys[i]);
    }
    db_set(rain, "fam", letters(PTL_DB_KEY_MAX), "2");
    assert_string_equal(db_get(rain, "fam", letters(PTL_DB_KEY_MAX)), "2");
}

static void value_is_one_value(void **state)
{
    (void)state;
    assert_int_equal(db_try_set(rain, "fam", "key", ""), PTL_EINVAL);
    assert_int_equal(db_try_set(rain, "fam", "key", "1,2"), PTL_EINVAL);
    assert_string_equal(db_get(rain, "fam", "key"), "PTL_ENOKEY");
}

static void value_is_as_large_as_the_limit_allows(void **state)
{
    struct ptl_node_options options = witness_options("snow");
    struct ptl_msg *too_large = witness_values(quoted(VALUE_MAX - 2));

    (void)state;
    options.db_value_bytes_max = VALUE_MAX;
    struct ptl_node *snow = witness_start(&options);
    struct ptl_port port = witness_listener(snow, "port");
    db_set(snow, "fam", "key", quoted(VALUE_MAX - 3));
    assert_int_equal(ptl_db_set(snow, "fam", "key", too_large), PTL_ESIZE);
    assert_int_equal(ptl_db_register(snow, "fam", &port, too_large), PTL_ESIZE);
    ptl_msg_free(too_large);
    assert_string_equal(db_values(snow, "fam"), quoted(VALUE_MAX - 3));
}

static void entries_beyond_the_limit_are_refused_with_a_log_line(void **state)
{
    struct ptl_node_options options = witness_options("snow");
    char key[32];

    (void)state;
    options.db_entries_max = ENTRIES_MAX;
    struct ptl_node *snow = witness_start(&options);
    for (int i = 0; i < 2 * ENTRIES_MAX; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        db_set(snow, "fam", key, "1");
    }
    const char *line = witness_until("snow", "limit");
    assert_true(strncmp(line, "warning: ", 9) == 0 || strncmp(line, "error: ", 7) == 0);
    db_set(snow, "fam", "key0", "2"); /* not a new one */
    assert_string_equal(db_get(snow, "fam", "key0"), "2");
    char *text = strdup(db_keys(snow, "fam"));
    unsigned count = 0;
    for (char *rest = text; strsep(&rest, " ") != NULL; count++) {
    }
    free(text);
    assert_true(count <= ENTRIES_MAX && count >= ENTRIES_MAX - 2); /* 'l and 'g may count too */
    db_del(snow, "fam", "key0");
    db_set(snow, "fam", "new", "3");
    assert_string_equal(db_get(snow, "fam", "new"), "3");
}

static void bytes_beyond_the_limit_are_refused_with_a_log_line(void **state)
{
    struct ptl_node_options options = witness_options("snow");

    (void)state;
    options.db_bytes_max = 1000;
    struct ptl_node *snow = witness_start(&options);
    db_set(snow, "fam", "large", quoted(600));
    db_set(snow, "fam", "another", quoted(600));
    witness_until("snow", "limit");
    assert_string_equal(db_keys(snow, "fam"), "\"large\"");
    db_set(snow, "fam", "large", quoted(700)); /* in place of the other */
    assert_string_equal(db_get(snow, "fam", "large"), quoted(700));
    db_set(snow, "fam", "large", quoted(1200));
    witness_until("snow", "limit");
    assert_string_equal(db_get(snow, "fam", "large"), quoted(700));
    db_set(snow, "fam", "small", "1");
    assert_string_equal(db_get(snow, "fam", "small"), "1");
}

/* ---- Registered ports ----------------------------------------------------------------------- */

static void port_is_registered_as_long_as_it_lives(void **state)
{
    struct ptl_port port = witness_listener(rain, "port"), other = witness_listener(rain, "other");

    (void)state;
    db_copy_watch(&copy, rain, "fam");
    db_register(rain, "fam", &port, "4");
    db_copy_until_key(&copy, ptl_port_id(&port), true);
    assert_string_equal(db_get(rain, "fam", ptl_port_id(&port)), "4");
    assert_int_equal(ptl_db_register(rain, "fam", &other, NULL), 0);
    db_copy_until_key(&copy, ptl_port_id(&other), true);
    assert_string_equal(db_get(rain, "fam", ptl_port_id(&other)), "null");
    witness_kill(rain, &port, "");
    db_copy_until_key(&copy, ptl_port_id(&port), false);
    db_copy_until_key(&copy, ptl_port_id(&other), true);
    witness_kill(rain, &other, "\"why\"");
    db_copy_until(&copy, "");
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

static void port_of_a_chosen_name_is_registered_too(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* one after the other, of the same name */
        struct ptl_port port = witness_port(rain, "worker", on_message, "port");
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
        db_register(rain, "fam", &port, i == 0 ? "[0]" : i == 1 ? "[1]" : "[2]");
        db_until(rain, "fam",
                 i == 0   ? "rain#worker=[0]"
                 : i == 1 ? "rain#worker=[1]"
                          : "rain#worker=[2]");
        witness_kill(rain, &port, "");
        assert_next("gone", "[]");
    }
    db_until(rain, "fam", "");
}

static void port_registers_again_with_another_value(void **state)
{
    struct ptl_port port = witness_port(rain, "worker", on_message, "port");

    (void)state;
    db_register(rain, "fam", &port, "1");
    db_register(rain, "fam", &port, "2");
    db_until(rain, "fam", "rain#worker=2");
    db_register(rain, "other", &port, "3");
    db_until(rain, "other", "rain#worker=3");
    db_register(rain, "fam", &port, "4");
    db_until(rain, "fam", "rain#worker=4");
    witness_kill(rain, &port, "");
    db_until(rain, "fam", "");
    db_until(rain, "other", "");
}

static void port_that_is_dead_is_not_entered(void **state)
{
    struct ptl_port port = witness_listener(rain, "port"), last = witness_listener(rain, "last");
    struct ptl_port never = witness_parse(rain, "rain#never");

    (void)state;
    assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
    witness_kill(rain, &port, "");
    assert_next("gone", "[]");
    assert_int_equal(ptl_db_register(rain, "fam", &port, NULL), 0);
    assert_int_equal(ptl_db_register(rain, "fam", &never, NULL), 0);
    assert_int_equal(ptl_monitor(rain, &never, on_gone, "gone", NULL), 0);
    witness_until("gone", "no_such_port"); /* so its shard has seen the registration too */
    db_register(rain, "fam", &last, "1");
    db_copy_watch(&copy, rain, "fam");
    db_copy_until_key(&copy, ptl_port_id(&last), true);
    db_copy_until_count(&copy, 1);
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

static void ports_of_others_and_node_ports_cannot_be_registered(void **state)
{
    struct ptl_port far = witness_parse(rain, "snow#port"), own = witness_parse(rain, "rain#");

    (void)state;
    assert_int_equal(ptl_db_register(rain, "fam", &far, NULL), PTL_EINVAL);
    assert_int_equal(ptl_db_register(rain, "fam", &own, NULL), PTL_EINVAL);
    assert_string_equal(db_family(rain, "fam"), "");
}

static int register_self(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)data;
    if (ptl_msg_is(msg, "end")) {
        return ptl_fail(node, "told to");
    }
    return ptl_self(node, &self) ? ptl_db_register(node, "fam", &self, NULL) : PTL_EHANDLER;
}

static void many_ports_register_themselves_and_go(void **state)
{
    struct ptl_port ports[200];

    (void)state;
    db_copy_watch(&copy, rain, "fam");
    for (int i = 0; i < 200; i++) {
        ports[i] = witness_port(rain, NULL, register_self, NULL);
        tell(rain, &ports[i], "t", "go");
    }
    db_copy_until_count(&copy, 200);
    for (int i = 0; i < 200; i++) {
        tell(rain, &ports[i], "t", "end");
    }
    db_copy_until(&copy, "");
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

/* ---- Room ----------------------------------------------------------------------------------- */

static int hold_up(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    _Atomic bool *open = data;

    (void)node;
    (void)msg;
    witness_note("held up", "now");
    while (!atomic_load(open)) {
    }
    return 0;
}

static void set_without_room_is_refused_and_room_is_told(void **state)
{
    struct ptl_node_options options = witness_options("snow");
    static _Atomic bool open;
    uint64_t accepted = 0;
    int err;

    (void)state;
    options.inbox_room = (size_t)64 << 10;
    struct ptl_node *snow = witness_start(&options);
    atomic_store(&open, false);
    for (unsigned shard = 0; shard < witness_shards; shard++) {
        struct ptl_port_options on_shard = {.size = sizeof(on_shard),
                                            .handler = hold_up,
                                            .data = (void *)&open,
                                            .shard_plus_one = shard + 1};
        struct ptl_port port;
        assert_int_equal(ptl_port_new(snow, &on_shard, &port), 0);
        tell(snow, &port, "t", "hold");
        assert_next("held up", "now");
    }
    while ((err = db_try_set(snow, "fam", "key", quoted(1000))) == 0) {
        accepted++;
        assert_true(accepted < 10000);
    }
    assert_int_equal(err, PTL_EFULL);
    assert_int_equal(ptl_db_on_room(snow, "fam", on_room, "room"), 0);
    assert_silent("room");
    atomic_store(&open, true);
    assert_next("room", "room");
    db_set(snow, "fam", "key", "1");
    assert_string_equal(db_get(snow, "fam", "key"), "1");
}

/* ---- The end -------------------------------------------------------------------------------- */

static void nothing_is_left_of_a_full_database(void **state)
{
    struct ptl_port port = witness_listener(rain, "port");
    char family[32], key[32];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(family, sizeof(family), "fam%d", i % 10);
        snprintf(key, sizeof(key), "key%d", i);
        db_set(rain, family, key, "[1,2,3]");
    }
    for (int i = 0; i < 10; i++) {
        snprintf(family, sizeof(family), "fam%d", i);
        db_register(rain, family, &port, "1");
        assert_int_equal(ptl_db_watch(rain, family, on_change, "watch", NULL), 0);
        assert_int_equal(ptl_db_family(rain, family, on_answer, "answer"), 0);
    }
    assert_int_equal(witness_stop(rain, 2000), 0);
    witness_nothing_left();
    assert_int_equal(witness_count("answer"), 10); /* exactly once each */
}

static void question_without_a_seed_ends_with_its_node(void **state)
{
    struct ptl_node_options options = witness_options("snow");

    (void)state;
    options.ordinary = true;
    struct ptl_node *snow = witness_start(&options);
    assert_false(ptl_node_is_global(snow));
    assert_true(ptl_node_is_global(rain));
    db_set(snow, "fam", "key", "1");
    assert_int_equal(ptl_db_get(snow, "fam", "key", on_value, "answer"), 0);
    assert_int_equal(ptl_db_family(snow, "fam", on_answer, "answer"), 0);
    assert_int_equal(ptl_db_watch(snow, "fam", on_change, "watch", NULL), 0);
    struct ptl_port port = witness_listener(snow, "port");
    tell(snow, &port, "t", "alive");
    assert_next("port", "[\"alive\"]");
    assert_silent("answer");
    assert_int_equal(witness_stop(snow, 2000), 0);
    assert_next("answer", "PTL_ESTOPPED");
    assert_next("answer", "PTL_ESTOPPED");
    assert_silent("answer");
}

static int ask_and_die(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    for (int i = 0; i < 10; i++) {
        int err = ptl_db_get(node, "fam", "key", on_value, data);
        if (err < 0) {
            return ptl_fail(node, "%s", ptl_err_name(err));
        }
    }
    return ptl_fail(node, "asked");
}

static void question_of_a_port_ends_with_it(void **state)
{
    struct ptl_port port = witness_port(rain, NULL, ask_and_die, "answer");

    (void)state;
    db_set(rain, "fam", "key", "1");
    assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
    tell(rain, &port, "t", "go");
    assert_next("gone", "[\"die\",\"asked\"]");
    assert_string_equal(db_get(rain, "fam", "key"), "1");
    assert_silent("answer");
}

static void node_announces_its_addresses(void **state)
{
    static const char *const binds[] = {"127.0.0.1:0", "127.0.0.1:0", NULL};
    static const char *const announces[] = {"example.net:4040", "[::1]:4041", NULL};
    struct ptl_node_options options = witness_options("snow");
    char expected[128];

    (void)state;
    options.binds = binds;
    struct ptl_node *snow = witness_start(&options);
    snprintf(expected, sizeof(expected), "snow=[\"%s\",\"%s\"]", ptl_node_address(snow, 0),
             ptl_node_address(snow, 1));
    db_until(snow, "'l", expected);
    options.id = "hail";
    options.announces = announces;
    struct ptl_node *hail = witness_start(&options);
    db_until(hail, "'l", "hail=[\"example.net:4040\",\"[::1]:4041\"]");
}

#define ALONE(name) cmocka_unit_test_setup_teardown(name, set_up, witness_tear_down)

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        ALONE(database_of_a_node_is_empty_at_first),
        ALONE(every_question_finds_what_was_set),
        ALONE(value_is_kept_as_it_was_set),
        ALONE(value_of_no_message_is_null),
        ALONE(value_stays_the_callers),
        ALONE(set_replaces_and_delete_removes),
        ALONE(delete_of_what_is_not_there_is_no_error),
        ALONE(what_a_thread_sets_and_asks_keeps_its_order),
        ALONE(what_a_handler_sets_and_asks_keeps_its_order),
        ALONE(families_are_apart),
        ALONE(family_may_be_large),
        ALONE(answer_larger_than_a_message_may_be_is_an_error),
        ALONE(families_of_other_forms_are_read_only),
        ALONE(families_of_the_form_are_taken),
        ALONE(families_of_the_network_cannot_be_set),
        ALONE(keys_of_other_forms_are_refused),
        ALONE(keys_of_any_letters_are_taken),
        ALONE(value_is_one_value),
        ALONE(value_is_as_large_as_the_limit_allows),
        ALONE(entries_beyond_the_limit_are_refused_with_a_log_line),
        ALONE(bytes_beyond_the_limit_are_refused_with_a_log_line),
        ALONE(port_is_registered_as_long_as_it_lives),
        ALONE(port_of_a_chosen_name_is_registered_too),
        ALONE(port_registers_again_with_another_value),
        ALONE(port_that_is_dead_is_not_entered),
        ALONE(ports_of_others_and_node_ports_cannot_be_registered),
        ALONE(many_ports_register_themselves_and_go),
        ALONE(set_without_room_is_refused_and_room_is_told),
        ALONE(nothing_is_left_of_a_full_database),
        ALONE(question_without_a_seed_ends_with_its_node),
        ALONE(question_of_a_port_ends_with_it),
        ALONE(node_announces_its_addresses),
    };

    return witness_main(argc, argv, "a database", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
