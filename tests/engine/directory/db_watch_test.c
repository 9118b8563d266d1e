/*
 * Watches on one node: a family's content and then every change of it, for threads and for ports
 * that are slow, die, or end the watch from within.
 */
#include "tests/common/db_witness.h"

static struct ptl_node *rain;
static struct db_copy copy;

static int set_up(void **state)
{
    int err = witness_set_up(state);

    rain = witness_node("rain");
    return err;
}

static void watch(const char *family)
{
    assert_int_equal(ptl_db_watch(rain, family, on_change, "watch", NULL), 0);
}

/* ---- What is told --------------------------------------------------------------------------- */

static void watch_tells_the_content_and_then_every_change(void **state)
{
    (void)state;
    db_set(rain, "fam", "a", "1");
    watch("fam");
    assert_next("watch", "added a 1");
    assert_next("watch", "copied ");
    db_set(rain, "fam", "b", "[2]");
    assert_next("watch", "added b [2]");
    db_set(rain, "fam", "a", "null");
    assert_next("watch", "changed a null");
    db_del(rain, "fam", "b");
    assert_next("watch", "deleted b");
    db_set(rain, "fam", "b", "3");
    assert_next("watch", "added b 3");
    assert_silent("watch");
}

static void watch_of_an_empty_family_is_copied_at_once(void **state)
{
    (void)state;
    watch("fam");
    assert_next("watch", "copied ");
    db_set(rain, "fam", "a", "1");
    assert_next("watch", "added a 1");
    db_del(rain, "fam", "a");
    assert_next("watch", "deleted a");
}

static void what_does_not_change_is_not_told(void **state)
{
    (void)state;
    watch("fam");
    assert_next("watch", "copied ");
    db_set(rain, "fam", "a", "1");
    assert_next("watch", "added a 1");
    db_set(rain, "fam", "a", "1");
    db_del(rain, "fam", "b");
    db_set(rain, "other", "a", "1");
    db_set(rain, "fam", "end", "1");
    assert_next("watch", "added end 1");
}

static void watch_of_a_key_tells_nothing_of_others(void **state)
{
    (void)state;
    db_set(rain, "fam", "a", "1");
    db_set(rain, "fam", "ab", "1");
    assert_int_equal(ptl_db_watch_key(rain, "fam", "a", on_change, "a", NULL), 0);
    assert_int_equal(ptl_db_watch_key(rain, "fam", "b", on_change, "b", NULL), 0);
    assert_next("a", "added a 1");
    assert_next("a", "copied ");
    assert_next("b", "copied ");
    db_set(rain, "fam", "ab", "2");
    db_set(rain, "fam", "b", "2");
    assert_next("b", "added b 2");
    db_set(rain, "fam", "a", "2");
    assert_next("a", "changed a 2");
    db_del(rain, "fam", "b");
    db_del(rain, "fam", "a");
    assert_next("b", "deleted b");
    assert_next("a", "deleted a");
    assert_silent("a");
    assert_silent("b");
}

static void watch_of_a_prefix_tells_all_that_begins_with_it(void **state)
{
    (void)state;
    db_set(rain, "fam", "wind", "1");
    db_set(rain, "fam", "w", "1");
    assert_int_equal(ptl_db_watch_prefix(rain, "fam", "wi", on_change, "wi", NULL), 0);
    assert_int_equal(ptl_db_watch_prefix(rain, "fam", "", on_change, "all", NULL), 0);
    assert_next("wi", "added wind 1");
    assert_next("wi", "copied ");
    witness_until("all", "copied"); /* what is set before that may come in any order */
    db_set(rain, "fam", "wall", "2");
    db_set(rain, "fam", "wi", "2");
    assert_next("wi", "added wi 2");
    db_set(rain, "fam", "wi\xc3\xa4", "3");
    assert_next("wi", "added wi\xc3\xa4 3");
    db_del(rain, "fam", "wind");
    assert_next("wi", "deleted wind");
    assert_silent("wi");
    assert_next("all", "added wall 2");
}

static void families_of_the_network_can_be_watched(void **state)
{
    (void)state;
    watch("'g");
    assert_next("watch", "added rain null");
    assert_next("watch", "copied ");
    watch("'l");
    assert_next("watch", "added rain []");
    assert_next("watch", "copied ");
}

static void setter_is_told_of_its_own_changes_and_every_watch_of_all(void **state)
{
    char label[8][8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(label[i], sizeof(label[i]), "w%d", i);
        assert_int_equal(ptl_db_watch(rain, "fam", on_change, label[i], NULL), 0);
        assert_next(label[i], "copied ");
    }
    db_set(rain, "fam", "a", "1");
    for (int i = 0; i < 8; i++) {
        assert_next(label[i], "added a 1");
    }
    db_del(rain, "fam", "a");
    for (int i = 0; i < 8; i++) {
        assert_next(label[i], "deleted a");
    }
    witness_stop(rain, 2000); /* before the labels go */
}

static void copy_of_a_busy_family_ends_right(void **state)
{
    char key[32], json[32];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        if (i == 1000) {
            db_copy_watch(&copy, rain, "fam");
        }
        snprintf(key, sizeof(key), "key%d", i * 7919 % 97);
        snprintf(json, sizeof(json), "%d", i);
        if (i % 5 == 0) {
            db_del(rain, "fam", key);
        } else {
            db_set(rain, "fam", key, json);
        }
    }
    db_copy_until(&copy, db_family(rain, "fam"));
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

#ifdef PTL_QUICK
#define LARGE 1000
#else
#define LARGE 5000
#endif

static void copy_of_a_large_family_is_whole(void **state)
{
    char key[32], json[600];

    (void)state;
    for (int i = 0; i < LARGE; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        snprintf(json, sizeof(json), "\"%0500d\"", i);
        db_set(rain, "fam", key, json);
    }
    db_copy_watch(&copy, rain, "fam");
    db_copy_until_count(&copy, LARGE);
    db_copy_until(&copy, db_family(rain, "fam"));
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

/* ---- Watches of ports ----------------------------------------------------------------------- */

/* Takes "watch", "key", "prefix", "fail"; notes anything else. */
static int watch_within(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    if (ptl_msg_is(msg, "watch")) {
        return ptl_db_watch(node, "fam", on_change, data, NULL);
    }
    if (ptl_msg_is(msg, "key")) {
        return ptl_db_watch_key(node, "fam", "a", on_change, data, NULL);
    }
    if (ptl_msg_is(msg, "prefix")) {
        return ptl_db_watch_prefix(node, "fam", "a", on_change, data, NULL);
    }
    if (ptl_msg_is(msg, "fail")) {
        return ptl_fail(node, "told to");
    }
    return on_message(node, msg, data);
}

static void watch_of_a_port_ends_with_it(void **state)
{
    static const char *const kinds[] = {"watch", "key", "prefix"};

    (void)state;
    db_set(rain, "fam", "a", "1");
    for (size_t i = 0; i < 3; i++) {
        struct ptl_port port = witness_port(rain, NULL, watch_within, "port");
        tell(rain, &port, "t", kinds[i]);
        assert_next("port", "added a 1");
        assert_next("port", "copied ");
        assert_int_equal(ptl_monitor(rain, &port, on_gone, "gone", NULL), 0);
        tell(rain, &port, "t", "fail");
        assert_next("gone", "[\"die\",\"told to\"]");
    }
    watch("fam");
    assert_next("watch", "added a 1");
    db_set(rain, "fam", "a", "2");
    witness_until("watch", "changed a 2");
    assert_silent("port");
    /* And while much is still to be told. */
    char key[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        db_set(rain, "fam", key, "1");
    }
    struct ptl_port port = witness_port(rain, NULL, watch_within, "port");
    tell(rain, &port, "t", "watch");
    tell(rain, &port, "t", "fail");
    db_set(rain, "fam", "a", "3");
    witness_until("watch", "changed a 3");
    size_t told = witness_count("port");
    db_set(rain, "fam", "a", "4");
    witness_until("watch", "changed a 4");
    assert_int_equal(witness_count("port"), told);
}

static void changes_come_one_at_a_time_as_messages_do(void **state)
{
    struct ptl_port port = witness_port(rain, NULL, watch_within, "port");
    struct ptl_port self;

    (void)state;
    tell(rain, &port, "t", "watch");
    assert_next("port", "copied ");
    for (int64_t i = 0; i < 100; i++) {
        char json[32];
        snprintf(json, sizeof(json), "%d", (int)i);
        db_set(rain, "fam", "a", json);
        tell(rain, &port, "i", i);
    }
    witness_until("port", "[99]");
    assert_false(ptl_self(rain, &self));
}

struct ender {
    struct ptl_db_watch watch;
    unsigned after; /* changes */
    const char *label;
};

static int end_within(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    struct ender *ender = data;

    if (--ender->after == 0) {
        ptl_db_unwatch(node, &ender->watch);
    }
    /* Last: the test goes on with it, and begins the next. */
    on_change(node, change, (void *)(uintptr_t)ender->label);
    return 0;
}

static int begin_within(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ender *ender = data;

    if (ptl_msg_is(msg, "end")) {
        ptl_db_unwatch(node, &ender->watch);
        witness_note(ender->label, "ended");
        return 0;
    }
    if (ptl_msg_is(msg, "begin and end")) {
        int err = ptl_db_watch(node, "fam", end_within, ender, &ender->watch);
        ptl_db_unwatch(node, &ender->watch);
        return err;
    }
    return ptl_db_watch(node, "fam", end_within, ender, &ender->watch);
}

static void watch_may_end_itself_from_its_callback(void **state)
{
    static struct ender ender;
    struct ptl_port port = witness_port(rain, NULL, begin_within, &ender);
    char key[32];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "key%02d", i);
        db_set(rain, "fam", key, "1");
    }
    for (unsigned after = 1; after <= 101; after += 50) {
        ender = (struct ender){.after = after, .label = "ender"};
        tell(rain, &port, "t", "begin");
        for (unsigned i = 0; i < after; i++) {
            assert_non_null(strstr(witness_next("ender"), i == 100 ? "copied" : "added"));
        }
        db_set(rain, "fam", "key00", after == 1 ? "2" : "3");
        watch("fam");
        witness_until("watch", "copied");
        assert_silent("ender");
    }
}

static void watch_taken_back_by_its_port_never_tells_again(void **state)
{
    static struct ender ender;
    struct ptl_port port = witness_port(rain, NULL, begin_within, &ender);

    (void)state;
    ender = (struct ender){.after = UINT32_MAX, .label = "ender"};
    tell(rain, &port, "t", "begin");
    assert_next("ender", "copied ");
    for (int i = 0; i < 100; i++) {
        char json[32];
        snprintf(json, sizeof(json), "%d", i);
        db_set(rain, "fam", "a", json);
    }
    tell(rain, &port, "t", "end");
    witness_until("ender", "ended");
    db_set(rain, "fam", "a", "\"last\"");
    watch("fam");
    assert_next("watch", "added a \"last\"");
    assert_silent("ender");
    tell(rain, &port, "t", "begin and end");
    tell(rain, &port, "t", "end");
    assert_next("ender", "ended");
}

static void watch_taken_back_by_a_thread_ends(void **state)
{
    struct ptl_db_watch watches[20];

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ptl_db_watch(rain, "fam", on_change, "watch", &watches[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        assert_next("watch", "copied ");
    }
    for (int i = 0; i < 20; i += 2) {
        ptl_db_unwatch(rain, &watches[i]);
    }
    /* The watches' shard is done with them when it has told of a change set behind. */
    db_copy_watch(&copy, rain, "fam");
    db_set(rain, "fam", "a", "1");
    db_copy_until(&copy, "a=1");
    for (int i = 0; i < 10; i++) {
        assert_next("watch", "added a 1");
    }
    for (int i = 1; i < 20; i += 2) {
        ptl_db_unwatch(rain, &watches[i]);
        ptl_db_unwatch(rain, &watches[i]); /* once more is no harm */
    }
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

/* ---- Slow watchers -------------------------------------------------------------------------- */

static _Atomic bool open_now;

static int slow_within(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    if (ptl_msg_is(msg, "watch")) {
        return ptl_db_watch(node, "fam", on_change, data, NULL);
    }
    return atomic_load(&open_now) ? on_message(node, msg, data) : PTL_LATER;
}

static void slow_port_is_told_of_the_last_state_of_each_key(void **state)
{
    struct ptl_port port = witness_port(rain, NULL, slow_within, "slow");
    char json[32];

    (void)state;
    atomic_store(&open_now, false);
    db_set(rain, "fam", "gone", "0");
    db_set(rain, "fam", "kept", "0");
    tell(rain, &port, "t", "watch");
    witness_until("slow", "copied");
    tell(rain, &port, "t", "wait");
    db_copy_watch(&copy, rain, "fam");
    for (int i = 1; i <= 1000; i++) {
        snprintf(json, sizeof(json), "%d", i);
        db_set(rain, "fam", "kept", json);
        db_set(rain, "fam", "new", json);
        db_set(rain, "fam", "flash", json);
        db_del(rain, "fam", "flash");
    }
    db_del(rain, "fam", "gone");
    db_copy_until(&copy, "kept=1000 new=1000"); /* who is quick is not delayed */
    size_t told = witness_count("slow");
    atomic_store(&open_now, true);
    witness_until("slow", "[\"wait\"]");
    db_set(rain, "fam", "end", "1");
    witness_until("slow", "added end 1");
    assert_true(witness_count("slow") <= told + 20); /* as many as there are keys, about */
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

struct slow_copy {
    struct db_copy copy;
    unsigned count;
};

static int copy_slowly(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct slow_copy *slow = data;

    if (ptl_msg_is(msg, "watch")) {
        return ptl_db_watch(node, "fam", on_copy_change, &slow->copy, NULL);
    }
    return ++slow->count % 3 == 0 ? 0 : PTL_LATER; /* never quite ready */
}

static void copies_of_slow_ports_end_right(void **state)
{
    static struct slow_copy slow[4];
    struct ptl_port ports[4];
    char key[32], json[32];

    (void)state;
    for (int i = 0; i < 4; i++) {
        slow[i].count = 0;
        db_copy_init(&slow[i].copy);
        ports[i] = witness_port(rain, NULL, copy_slowly, &slow[i]);
        tell(rain, &ports[i], "t", "watch");
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "key%d", i * 7919 % 50);
        snprintf(json, sizeof(json), "%d", i);
        if (i % 7 == 0) {
            db_del(rain, "fam", key);
        } else {
            db_set(rain, "fam", key, json);
        }
        if (i % 10 == 0) {
            tell(rain, &ports[i / 10 % 4], "i", (int64_t)i);
        }
    }
    const char *family = db_family(rain, "fam");
    for (int i = 0; i < 4; i++) {
        db_copy_until(&slow[i].copy, family);
    }
    witness_stop(rain, 2000);
    for (int i = 0; i < 4; i++) {
        db_copy_drop(&slow[i].copy);
    }
}

/* ---- From handlers -------------------------------------------------------------------------- */

/* Sets what it is told of, under another family: changes of changes. */
static int pass_on(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    int err = 0;

    (void)data;
    if (change->event == PTL_DB_DELETED) {
        err = ptl_db_del(node, "second", change->key);
    } else if (change->event != PTL_DB_COPIED) {
        err = ptl_db_set(node, "second", change->key, change->value);
    }
    if (err < 0) {
        witness_note("pass on", "%s", ptl_err_name(err));
    }
    return 0;
}

static void callback_may_set_and_delete(void **state)
{
    char key[32];

    (void)state;
    assert_int_equal(ptl_db_watch(rain, "fam", pass_on, NULL, NULL), 0);
    db_copy_watch(&copy, rain, "second");
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "key%02d", i);
        db_set(rain, "fam", key, "[1]");
    }
    db_copy_until_count(&copy, 100);
    for (int i = 1; i < 100; i++) {
        snprintf(key, sizeof(key), "key%02d", i);
        db_del(rain, "fam", key);
    }
    db_copy_until(&copy, "key00=[1]");
    assert_silent("pass on");
    witness_stop(rain, 2000);
    db_copy_drop(&copy);
}

static void nothing_is_told_after_the_nodes_end(void **state)
{
    char key[32];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        db_set(rain, "fam", key, "1");
    }
    for (int i = 0; i < 50; i++) {
        watch("fam");
    }
    assert_int_equal(witness_stop(rain, 2000), 0);
    size_t told = witness_count("watch");
    witness_nothing_left();
    assert_int_equal(witness_count("watch"), told);
}

#define ALONE(name) cmocka_unit_test_setup_teardown(name, set_up, witness_tear_down)

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        ALONE(watch_tells_the_content_and_then_every_change),
        ALONE(watch_of_an_empty_family_is_copied_at_once),
        ALONE(what_does_not_change_is_not_told),
        ALONE(watch_of_a_key_tells_nothing_of_others),
        ALONE(watch_of_a_prefix_tells_all_that_begins_with_it),
        ALONE(families_of_the_network_can_be_watched),
        ALONE(setter_is_told_of_its_own_changes_and_every_watch_of_all),
        ALONE(copy_of_a_busy_family_ends_right),
        ALONE(copy_of_a_large_family_is_whole),
        ALONE(watch_of_a_port_ends_with_it),
        ALONE(changes_come_one_at_a_time_as_messages_do),
        ALONE(watch_may_end_itself_from_its_callback),
        ALONE(watch_taken_back_by_its_port_never_tells_again),
        ALONE(watch_taken_back_by_a_thread_ends),
        ALONE(slow_port_is_told_of_the_last_state_of_each_key),
        ALONE(copies_of_slow_ports_end_right),
        ALONE(callback_may_set_and_delete),
        ALONE(nothing_is_told_after_the_nodes_end),
    };

    return witness_main(argc, argv, "watches", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
