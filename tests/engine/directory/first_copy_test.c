/*
 * The first copy of a family of a hundred thousand keys: how much of it is told in one turn, what
 * else is done in between, and what becomes of changes meanwhile.  The node is stepped by hand.
 */
#include "engine/directory/database.h"
#include "engine/directory/outlet.h"
#include "engine/directory/own.h"
#include "engine/directory/peer.h"
#include "engine/message/message.h"
#include "engine/node/node.h"
#include "engine/shard/belonging.h"
#include "engine/shard/shard.h"
#include "tests/common/stepped.h"
#include "tests/common/witness.h"

#ifdef PTL_QUICK
#define KEYS 12000
#else
#define KEYS 100000
#endif
#define EXTRA 4000 /* keys that are set while the copy goes on */

static void set_key(struct ptl_node *node, unsigned number, const char *value)
{
    struct ptl_msg *msg;
    char key[16];

    snprintf(key, sizeof key, "%u", number);
    assert_int_equal(ptl_msg_make(node, &msg, "t", value), 0);
    assert_int_equal(ptl_db_set(node, "fam", key, msg), 0);
    ptl_msg_free(msg);
}

static void del_key(struct ptl_node *node, unsigned number)
{
    char key[16];

    snprintf(key, sizeof key, "%u", number);
    assert_int_equal(ptl_db_del(node, "fam", key), 0);
}

static void set_keys(struct ptl_node *node, const char *value)
{
    for (unsigned i = 0; i < KEYS; i++) {
        set_key(node, i, value);
        if (i % 1000 == 0) {
            stepped_settle(node);
        }
    }
    stepped_settle(node);
}

/* ---- A watcher of this node ----------------------------------------------------------------- */

static char copy[KEYS + EXTRA]; /* the first letter of the value, or 0 */
static unsigned copied, told, resets;

static int on_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    struct ptl_span value;

    (void)node;
    (void)data;
    if (change->event == PTL_DB_COPIED) {
        copied++;
        return PTL_OK;
    }
    if (change->event == PTL_DB_RESET) {
        resets++;
        return PTL_OK;
    }
    char *mine = &copy[strtoul(change->key, NULL, 10)];
    assert_int_equal(change->event == PTL_DB_ADDED, *mine == 0);
    told++;
    if (change->event == PTL_DB_DELETED) {
        *mine = 0;
        return PTL_OK;
    }
    value = ptl_msg_body(change->value);
    *mine = (char)value.bytes[value.size - 1];
    return PTL_OK;
}

static struct ptl_watch *watch_of_follower(struct ptl_node *node)
{
    uint32_t at = 0;
    const struct ptl_outlet *outlet = ptl_map_next(&node->shards[0].directory->by_follower, &at);

    return outlet == NULL ? NULL : outlet->watch;
}

/* Some keys get another value, one of another size or none, and some are new. */
static void change_some(struct ptl_node *node, unsigned round)
{
    set_key(node, round * 7 % KEYS, "same");
    set_key(node, round * 11 % KEYS, "another x");
    del_key(node, round * 13 % KEYS);
    if (round < EXTRA) {
        set_key(node, KEYS + round, "new");
    }
}

static void check_copy(struct ptl_node *node)
{
    const struct ptl_store *store = node->shards[0].directory->store;
    struct ptl_item item;
    char key[16];

    for (unsigned i = 0; i < KEYS + EXTRA; i++) {
        snprintf(key, sizeof key, "%u", i);
        bool there = ptl_store_get(store, ptl_span_text("fam"), ptl_span_text(key), &item);
        assert_int_equal(copy[i], there ? item.value.bytes[item.value.size - 1] : 0);
    }
}

static void
watcher_of_100000_keys_is_told_slice_by_slice_of_what_is_there_and_what_changes(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    struct ptl_port port = witness_port(node, NULL, on_message, "port");
    unsigned rounds = 0;

    (void)state;
    stepped_settle(node);
    memset(copy, 0, sizeof copy);
    copied = told = resets = 0;
    set_keys(node, "first");
    assert_int_equal(ptl_db_watch(node, "fam", on_change, NULL, NULL), 0);
    while (copied == 0) {
        unsigned before = told;
        change_some(node, rounds++);
        assert_int_equal(ptl_sendf(node, &port, "t", "between"), 0);
        assert_true(stepped_turn(node));
        assert_true(witness_count("port") + 2 >= rounds); /* and not behind the copy */
        assert_true(told - before <= 4096);
        /* The copy, and so many as have changed: no mark for what it has not come to. */
        assert_true(watch_of_follower(node) == NULL ||
                    ptl_watch_pending(watch_of_follower(node)) <= 1 + 4 * rounds);
    }
    assert_true(rounds >= KEYS / 4096);
    stepped_settle(node);
    check_copy(node);
    assert_int_equal(copied, 1);
    assert_int_equal(resets, 0);
    ptl_node_crash(node);
}

/* One key of them all: most of what its copy looks at is not for it. */
static void watcher_of_a_prefix_passes_by_100000_keys_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    unsigned turns = 0;

    (void)state;
    stepped_settle(node);
    memset(copy, 0, sizeof copy);
    copied = told = resets = 0;
    set_keys(node, "first");
    assert_int_equal(ptl_db_watch_prefix(node, "fam", "1234", on_change, NULL, NULL), 0);
    for (; copied == 0; turns++) {
        assert_true(stepped_turn(node));
    }
    assert_true(turns >= KEYS / 4096);
    assert_int_equal(copy[1234], 't');
    assert_int_equal(copy[4321], 0);
    ptl_node_crash(node);
}

/* ---- A peer --------------------------------------------------------------------------------- */

static void snow_watches(struct ptl_node *node)
{
    struct ptl_op op = ptl_dir_op(PTL_DIR_PEER_WATCHES);
    struct ptl_writer writer;
    struct ptl_msg *msg;

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "fam", 3);
    assert_int_equal(ptl_writer_finish(&writer, &msg), 0);
    op.node = ptl_span_text("snow");
    op.body = ptl_msg_body(msg);
    op.count = msg->count;
    assert_int_equal(ptl_shard_post(&node->shards[0], 0, &op, true), 0);
    node->shards[0].unfinished = true;
    ptl_msg_free(msg);
}

static struct ptl_watch *watch_of_snow(struct ptl_node *node)
{
    const struct ptl_peer *peer = ptl_peer_find(&node->shards[0], ptl_span_text("snow"));
    uint32_t at = 0;
    const struct ptl_outlet *outlet = peer == NULL ? NULL : ptl_map_next(&peer->watches, &at);

    return outlet == NULL ? NULL : outlet->watch;
}

static void peer_that_watches_100000_keys_is_told_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    char value[201];
    unsigned turns = 0;

    (void)state;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    stepped_settle(node);
    set_keys(node, value);
    snow_watches(node);
    while (watch_of_snow(node) == NULL) {
        assert_true(stepped_turn(node));
    }
    for (; ptl_watch_copies(watch_of_snow(node)); turns++) {
        assert_int_equal(ptl_watch_pending(watch_of_snow(node)), 1);
        assert_true(stepped_turn(node));
    }
    /* A megabyte at first, and then sixteen packets a turn of 16 KiB and an entry. */
    assert_true(turns >= (KEYS * sizeof value - (2 << 20)) / (17 * 16 * 1024));
    ptl_node_crash(node);
}

/* ---- What the node itself watches ----------------------------------------------------------- */

static struct ptl_outlet *outlet_of(struct ptl_node *node, struct ptl_span family)
{
    struct ptl_list *all = &node->shards[0].directory->outlets;

    for (struct ptl_list *at = all->next; at != all; at = at->next) {
        struct ptl_outlet *outlet = ptl_container(at, struct ptl_outlet, all);
        if (ptl_span_equal(ptl_outlet_family(outlet), family)) {
            return outlet;
        }
    }
    fail_msg("no outlet");
    return NULL;
}

/* All that is there, and what has changed since: no turn looks at more than 1024 of either.  No
 * node may be called so, lest there are links to it. */
static void look_at_all(struct ptl_node *node, struct ptl_span family)
{
    struct ptl_outlet *outlet = outlet_of(node, family);
    unsigned turns = 0;
    char key[16];

    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "#%u", i);
        ptl_directory_set(&node->shards[0], family, ptl_span_text(key), ptl_span("\xf6", 1));
    }
    node->shards[0].unfinished = true;
    for (uint32_t before = KEYS; before != 0;) {
        assert_true(stepped_turn(node));
        uint32_t now = ptl_watch_pending(outlet->watch);
        assert_true(before - now <= 1024);
        before = now;
    }
    stepped_settle(node);
    ptl_outlet_reopen(outlet); /* as when there was no memory */
    node->shards[0].unfinished = true;
    for (; ptl_watch_copies(outlet->watch); turns++) {
        assert_true(stepped_turn(node));
    }
    assert_true(turns >= KEYS / 1024);
}

static void who_is_global_is_looked_at_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    stepped_settle(node);
    look_at_all(node, ptl_span_text("'g"));
    ptl_node_crash(node);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(watcher_of_100000_keys_is_told_slice_by_slice_of_what_is_there_and_what_changes),
        WITNESSED(watcher_of_a_prefix_passes_by_100000_keys_slice_by_slice),
        WITNESSED(peer_that_watches_100000_keys_is_told_slice_by_slice),
        WITNESSED(who_is_global_is_looked_at_slice_by_slice),
    };

    stepped_begin();
    return witness_main(argc, argv, "first_copy", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
