/*
 * A hundred thousand of something that goes at once: how much of it is done in one turn.  Nodes are
 * stepped by hand, turn by turn, and what a turn did is counted.
 */
#include "engine/directory/database.h"
#include "engine/link/failure.h"
#include "engine/link/link.h"
#include "engine/link/observed_here.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/node/node.h"
#include "engine/port/shard_ports.h"
#include "tests/common/stepped.h"
#include "tests/common/witness.h"

#ifdef PTL_QUICK
#define MANY 12000
#else
#define MANY 100000
#endif

/* A turn may do two slices of 4096 of one work: when it hears of it, and again at its end. */
#define TURN_MAX (2 * 4096)

/* The link to snow fails, as it does within a turn. */
static void lose_snow(struct ptl_node *node)
{
    struct ptl_span snow = ptl_span_text("snow");
    unsigned owner = ptl_shard_of(ptl_name_hash(snow), node->shard_count);
    struct ptl_shard *shard = &node->shards[owner];

    ptl_link_fail(shard, ptl_link_get(shard, snow), PTL_ECLOSED);
    shard->unfinished = true;
}

/* Turn while there is something to do: a counter gets there, and no turn raises it by more. */
static void turn_until(struct ptl_node *node, const uint64_t *counter, uint64_t value,
                       uint64_t turn_max)
{
    uint64_t before;

    do {
        before = *counter;
        if (!stepped_turn(node) && *counter < value) {
            fail_msg("%llu of %llu, and nothing to do", (unsigned long long)*counter,
                     (unsigned long long)value);
        }
        assert_true(*counter - before <= node->shard_count * turn_max);
    } while (*counter < value);
    assert_int_equal(*counter, value);
}

/* ---- Monitors of a node that fails ---------------------------------------------------------- */

static uint64_t told;

static int count_told(struct ptl_node *node, const struct ptl_port *port,
                      const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    (void)data;
    told++;
    return PTL_OK;
}

static struct ptl_port snow_port(struct ptl_node *node, unsigned number)
{
    char id[32];

    snprintf(id, sizeof id, "snow#%u", number);
    return witness_parse(node, id);
}

static void thread_s_monitors_of_a_failed_node_are_told_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(2, false);

    (void)state;
    told = 0;
    for (unsigned i = 0; i < MANY; i++) {
        struct ptl_port port = snow_port(node, i);
        assert_int_equal(ptl_monitor(node, &port, count_told, NULL, NULL), 0);
        if (i % 1000 == 0) {
            stepped_turn(node);
        }
    }
    stepped_settle(node);
    lose_snow(node);
    turn_until(node, &told, MANY, TURN_MAX);
    ptl_node_crash(node);
}

/* Says so, and tells a port of another node, which takes it for as long as it has to. */
static int count_told_and_send(struct ptl_node *node, const struct ptl_port *port,
                               const struct ptl_msg *reason, void *data)
{
    struct ptl_port hail;

    if (ptl_port_parse(node, "hail#x", 6, &hail) < 0) {
        return PTL_EINVAL;
    }
    for (int i = 0; i < 4; i++) {
        int err = ptl_sendf(node, &hail, "n");
        if (err < 0) {
            return err;
        }
    }
    return count_told(node, port, reason, data);
}

static ptl_monitor_fn *how_told = count_told;

static int monitor_one(struct ptl_node *node, unsigned number)
{
    struct ptl_port port = snow_port(node, number);

    return ptl_monitor(node, &port, how_told, NULL, NULL);
}

/* Makes so many more with each message: they are numbered on from *first. */
static int make_some(struct ptl_node *node, int (*make_one)(struct ptl_node *, unsigned),
                     unsigned count, unsigned *first)
{
    for (unsigned i = 0; i < count; i++) {
        int err = make_one(node, *first);
        if (err < 0) {
            return err;
        }
        ++*first;
    }
    return PTL_OK;
}

static int monitor_many(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    return make_some(node, monitor_one, 500, data);
}

/* Have the port make them, until there are as many. */
static void have_made(struct ptl_node *node, const struct ptl_port *port, const unsigned *first,
                      unsigned count)
{
    while (*first < count) {
        tell(node, port, "n");
        stepped_turn(node);
    }
    stepped_settle(node);
}

static void port_s_monitors_of_a_failed_node_are_told_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    unsigned first = 0;
    struct ptl_port port = witness_port(node, NULL, monitor_many, &first);

    (void)state;
    told = 0;
    have_made(node, &port, &first, MANY);
    lose_snow(node);
    /* First all notices are queued, then they run: neither in one turn. */
    while (told < first) {
        uint64_t before = told, queued = node->shards[0].ports->queued;
        assert_true(stepped_turn(node));
        assert_true(told - before <= TURN_MAX);
        assert_true(node->shards[0].ports->queued <= queued + TURN_MAX);
    }
    ptl_node_crash(node);
}

/* A notice stands in its monitor, and its place among the failed was made with it. */
static void notices_of_a_failed_node_need_no_memory(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    unsigned first = 0;
    struct ptl_port port = witness_port(node, NULL, monitor_many, &first);

    (void)state;
    told = 0;
    have_made(node, &port, &first, 3000);
    witness_fail_memory(1, true);
    lose_snow(node);
    turn_until(node, &told, first, TURN_MAX);
    witness_fail_memory(0, false);
    tell(node, &port, "n"); /* it has not died of it */
    stepped_settle(node);
    assert_int_equal(first, 3500);
    ptl_node_crash(node);
}

static uint64_t tried;
static bool ready;

static int count_tried(struct ptl_node *node, const struct ptl_port *port,
                       const struct ptl_msg *reason, void *data)
{
    tried++;
    return ready ? count_told(node, port, reason, data) : PTL_LATER;
}

/* How often one turn tries to tell. */
static uint64_t tries_of_a_turn(struct ptl_node *node)
{
    uint64_t before = tried;

    ptl_node_turn(node, 0);
    return tried - before;
}

static void monitors_that_cannot_be_told_yet_are_tried_some_a_turn(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    told = tried = 0;
    ready = false;
    for (unsigned i = 0; i < MANY; i++) {
        struct ptl_port port = snow_port(node, i);
        assert_int_equal(ptl_monitor(node, &port, count_tried, NULL, NULL), 0);
    }
    stepped_settle(node);
    lose_snow(node);
    while (tried < MANY) {
        assert_true(tries_of_a_turn(node) <= TURN_MAX + 256);
    }
    stepped_settle(node);
    for (int i = 0; i < 20; i++) {
        assert_true(tries_of_a_turn(node) <= 256);
    }
    ready = true;
    while (told < MANY) {
        assert_true(tries_of_a_turn(node) <= TURN_MAX);
    }
    ptl_node_crash(node);
}

/* ---- What a failed link leaves behind ------------------------------------------------------- */

/* As if the peer at the other end had asked for it. */
static void peer_observes(struct ptl_node *node, struct ptl_link *link, unsigned number)
{
    char name[32];

    snprintf(name, sizeof name, "port%u", number);
    struct ptl_port port = witness_port(node, name, NULL, NULL);
    assert_int_equal(ptl_link_peer_observes(&node->shards[0], link, &port), 0);
}

static void peer_that_observes_100000_ports_leaves_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    struct ptl_shard *shard = &node->shards[0];
    struct ptl_link *link = ptl_link_get(shard, ptl_span_text("snow"));
    uint64_t gone = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        peer_observes(node, link, i);
        if (i % 500 == 0) {
            stepped_settle(node);
        }
    }
    stepped_settle(node);
    assert_int_equal(link->observed_here.count, MANY);
    lose_snow(node);
    while (gone < MANY) {
        uint64_t before = gone;
        assert_true(stepped_turn(node));
        gone = MANY - link->observed_here.count;
        assert_true(gone - before <= TURN_MAX);
    }
    stepped_settle(node);
    assert_int_equal(link->state, PTL_LINK_DOWN);
    assert_int_equal(shard->ports->monitors.by_id.count, 0);
    ptl_node_crash(node);
}

/* ---- A port with many observers ------------------------------------------------------------- */

/* Looked for one by one from the beginning, they would take longer than any test may. */
static void observers_of_one_port_leave_at_once_however_many_they_are(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    struct ptl_port port = witness_port(node, NULL, NULL, NULL);
    struct ptl_monitor *monitors = calloc(5 * MANY, sizeof *monitors);

    (void)state;
    told = 0;
    assert_non_null(monitors);
    for (unsigned i = 0; i < 5 * MANY; i++) {
        assert_int_equal(ptl_monitor(node, &port, count_told, NULL, &monitors[i]), 0);
    }
    stepped_settle(node);
    for (unsigned i = 0; i < 5 * MANY; i++) {
        ptl_unmonitor(node, &monitors[i]);
    }
    stepped_settle(node);
    assert_int_equal(node->shards[0].ports->monitors.by_id.count, 0);
    assert_int_equal(ptl_kill(node, &port, NULL), 0);
    stepped_settle(node);
    assert_int_equal(told, 0);
    free(monitors);
    ptl_node_crash(node);
}

/* A walk over what waits at the port, with each send, would take longer than any test may. */
static void port_with_100000_notices_sends_as_fast_as_any_other(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    unsigned first = 0;
    struct ptl_port port = witness_port(node, NULL, monitor_many, &first);

    (void)state;
    told = 0;
    how_told = count_told_and_send;
    while (first < MANY) {
        tell(node, &port, "n");
        stepped_settle(node);
    }
    how_told = count_told;
    lose_snow(node);
    turn_until(node, &told, first, TURN_MAX);
    ptl_node_crash(node);
}

static void monitors_of_one_port_by_another_are_told_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    struct ptl_port snow = witness_parse(node, "snow#x");

    (void)state;
    told = 0;
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ptl_monitor(node, &snow, count_told, NULL, NULL), 0);
    }
    stepped_settle(node);
    lose_snow(node);
    turn_until(node, &told, MANY, TURN_MAX);
    ptl_node_crash(node);
}

/* ---- A port with many belongings ------------------------------------------------------------ */

static uint64_t released, fired;

static void count_released(void *data)
{
    (void)data;
    released++;
}

static int count_fired(struct ptl_node *node, void *data)
{
    (void)node;
    (void)data;
    fired++;
    return PTL_OK;
}

static void count_reply(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    (void)err;
    (void)reply;
    (void)data;
    fired++;
}

/* One of each kind, but for few calls; all of them release. */
static int own_some(struct ptl_node *node, unsigned number)
{
    struct ptl_port snow = snow_port(node, number);
    struct ptl_port hail = witness_parse(node, "hail#x");
    struct ptl_msg empty = ptl_msg_borrow(ptl_span(NULL, 0), 0);
    int err = ptl_after_owned(node, 600000, count_fired, NULL, count_released, NULL);

    if (err == PTL_OK) {
        err = ptl_monitor_owned(node, &snow, count_told, NULL, count_released, NULL);
    }
    if (err == PTL_OK) {
        err = ptl_port_own(node, count_released, NULL);
    }
    if (err == PTL_OK && number % 10 == 0) {
        err = ptl_call_owned(node, &hail, &empty, 600000, false, count_reply, NULL, count_released);
    }
    return err;
}

static int own_many(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    return make_some(node, own_some, 200, data);
}

/* Its timers, monitors, calls and resources; and none of them is told of anything meanwhile. */
static void port_with_100000_belongings_ends_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    unsigned first = 0;
    struct ptl_port port = witness_port(node, NULL, own_many, &first);

    (void)state;
    told = released = fired = 0;
    have_made(node, &port, &first, MANY / 3);
    uint64_t count = 3 * (uint64_t)first + first / 10;
    assert_int_equal(ptl_monitor(node, &port, count_told, NULL, NULL), 0);
    stepped_settle(node);
    assert_int_equal(ptl_kill(node, &port, NULL), 0);
    lose_snow(node);
    while (released == 0) {
        stepped_turn(node);
    }
    assert_true(released <= 2 * TURN_MAX);
    struct ptl_port heir = witness_port(node, NULL, on_message, "heir"); /* in the same slot */
    turn_until(node, &released, count, 2 * TURN_MAX); /* its end, and telling of the failure */
    stepped_settle(node);
    assert_int_equal(told, 1);
    assert_int_equal(fired, 0);
    tell(node, &heir, "i", 1);
    stepped_settle(node);
    assert_next("heir", "[1]");
    assert_int_equal(node->shards[0].timers.count, 0);
    assert_int_equal(node->shards[0].ports->monitors.by_id.count, 0);
    ptl_node_crash(node);
}

/* ---- Timers that are due at once ------------------------------------------------------------ */

static int fire_in_order(struct ptl_node *node, void *data)
{
    (void)node;
    assert_int_equal(fired, (uintptr_t)data);
    fired++;
    return PTL_OK;
}

static int start_many(struct ptl_node *node, void *data)
{
    (void)data;
    for (uintptr_t i = 0; i < MANY; i++) {
        assert_int_equal(ptl_after(node, 0, fire_in_order, (void *)i, NULL), 0);
    }
    return PTL_OK;
}

/* A message that comes meanwhile is handled with them, not behind the last. */
static void timers_that_are_due_at_once_fire_slice_by_slice_in_their_order(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    struct ptl_port port = witness_port(node, NULL, on_message, "other");

    (void)state;
    fired = 0;
    assert_int_equal(ptl_after(node, 0, start_many, NULL, NULL), 0);
    while (fired == 0) {
        ptl_node_turn(node, 0);
    }
    assert_true(fired <= TURN_MAX);
    tell(node, &port, "i", 1);
    stepped_turn(node);
    assert_next("other", "[1]");
    assert_true(fired < MANY);
    turn_until(node, &fired, MANY, TURN_MAX);
    ptl_node_crash(node);
}

/* ---- A whole database ----------------------------------------------------------------------- */

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

/* {"0": 0, "1": 1, ...} */
static void put_entries(struct ptl_writer *writer, int count)
{
    ptl_put_map(writer, (uint32_t)count);
    put_keys(writer, count, true);
}

/* As the owner of the link to a peer does. */
static void post_of(struct ptl_node *node, const char *peer, enum ptl_directory_op kind,
                    struct ptl_writer *writer)
{
    struct ptl_dir_words words = {.kind = kind, .by.attachment = 7};
    struct ptl_op op = ptl_dir_say(&words);
    struct ptl_msg *msg;

    assert_int_equal(ptl_writer_finish(writer, &msg), 0);
    op.node = ptl_span_text(peer);
    op.body = ptl_msg_body(msg);
    op.count = msg->count;
    op.whole = msg;
    assert_int_equal(ptl_shard_post(&node->shards[0], 0, &op, true), 0);
    node->shards[0].unfinished = true;
    ptl_msg_free(msg);
}

/* Snow, which is attached, brings {"many": {"0": 0, "1": 1, ...}}. */
static void take_database(struct ptl_node *node, int count)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_put_map(&writer, 1);
    ptl_put_text(&writer, "many", 4);
    put_entries(&writer, count);
    post_of(node, "snow", PTL_DIR_REPLACE, &writer);
}

/* Family, set and del, of so many keys each. */
static void put_update(struct ptl_writer *writer, int set_count, int del_count)
{
    ptl_put_text(writer, "many", 4);
    put_entries(writer, set_count);
    ptl_put_array(writer, (uint32_t)del_count);
    put_keys(writer, del_count, false);
}

static void take_update(struct ptl_node *node, int set_count, int del_count)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    put_update(&writer, set_count, del_count);
    post_of(node, "snow", PTL_DIR_UPDATE, &writer);
}

/* A global node brings snow by this attachment ... */
static void take_owner(struct ptl_node *node, const char *peer, int attachment)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "snow", 4);
    ptl_put_int(&writer, attachment);
    post_of(node, peer, PTL_DIR_OWNER, &writer);
}

/* ... and says what it has. */
static void take_owned(struct ptl_node *node, const char *peer, int attachment, int set_count,
                       int del_count)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    ptl_put_text(&writer, "snow", 4);
    ptl_put_int(&writer, attachment);
    put_update(&writer, set_count, del_count);
    post_of(node, peer, PTL_DIR_OWNED, &writer);
}

static uint32_t entries_of(const struct ptl_node *node, const char *owner)
{
    return ptl_store_owner_count(node->shards[0].directory->store, ptl_span_text(owner));
}

/* Turn until snow has so many entries; no turn makes many more or less of them. */
static void turn_until_snow_has(struct ptl_node *node, uint32_t count)
{
    uint32_t before, now = entries_of(node, "snow");

    do {
        before = now;
        assert_true(stepped_turn(node) || now == count);
        now = entries_of(node, "snow");
        assert_true((now > before ? now - before : before - now) <= TURN_MAX);
    } while (now != count);
}

static void whole_database_comes_and_goes_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    stepped_settle(node);
    take_database(node, MANY);
    turn_until_snow_has(node, MANY);
    stepped_settle(node);
    take_database(node, 10);
    turn_until_snow_has(node, 10);
    stepped_settle(node);
    take_database(node, MANY);
    turn_until_snow_has(node, MANY);
    ptl_node_crash(node); /* while it looks for what is stale */
}

static void long_updates_are_taken_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    stepped_settle(node);
    take_database(node, 1);
    turn_until_snow_has(node, 1);
    take_update(node, MANY, 0);
    turn_until_snow_has(node, MANY);
    stepped_settle(node);
    take_update(node, 0, MANY);
    turn_until_snow_has(node, 0);
    stepped_settle(node);
    take_update(node, MANY, 0);
    stepped_turn(node);
    ptl_node_crash(node); /* in the midst of it */
}

static void long_updates_of_owners_are_taken_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    stepped_settle(node);
    take_owner(node, "hail", 1);
    take_owned(node, "hail", 1, MANY, 0);
    turn_until_snow_has(node, MANY);
    stepped_settle(node);
    take_owned(node, "hail", 1, 0, MANY);
    turn_until_snow_has(node, 0);
    stepped_settle(node);
    take_owned(node, "hail", 1, MANY, 0);
    while (entries_of(node, "snow") == 0) {
        stepped_turn(node);
    }
    take_owner(node, "rime", 2); /* which counts more, in the midst of it */
    stepped_settle(node);
    assert_int_equal(entries_of(node, "snow"), 0);
    take_owned(node, "rime", 2, 2, 0);
    stepped_settle(node);
    assert_int_equal(entries_of(node, "snow"), 2);
    ptl_node_crash(node);
}

/* It is compared before it is taken, which takes turns, too. */
static void long_update_that_contradicts_itself_is_compared_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, false);

    (void)state;
    stepped_settle(node);
    take_database(node, 1);
    stepped_settle(node);
    take_update(node, MANY, MANY);
    unsigned turns = 0;
    while (stepped_turn(node)) {
        turns++;
    }
    assert_true(turns >= 2 * MANY / TURN_MAX); /* all that is set, twice */
    assert_int_equal(entries_of(node, "snow"), 1);
    take_update(node, MANY, MANY);
    for (unsigned i = 0; i < turns * 3 / 4; i++) {
        stepped_turn(node);
    }
    ptl_node_crash(node); /* while it compares */
}

/* A walk over what the port has, with each family, would take longer than any test may. */
static void port_in_100000_families_enters_and_changes_each_at_once(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    struct ptl_port port = witness_port(node, NULL, on_message, "port");
    char family[16];

    (void)state;
    stepped_settle(node);
    uint32_t before = entries_of(node, "rain");
    for (int value = 0; value < 2; value++) {
        struct ptl_msg *msg;
        assert_int_equal(ptl_msg_make(node, &msg, "i", value), 0);
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(family, sizeof family, "fam%u", i);
            assert_int_equal(ptl_db_register(node, family, &port, msg), 0);
            if (i % 1000 == 0) {
                stepped_settle(node);
            }
        }
        ptl_msg_free(msg);
        stepped_settle(node);
        assert_int_equal(entries_of(node, "rain"), before + MANY);
    }
    assert_int_equal(ptl_kill(node, &port, NULL), 0);
    stepped_settle(node);
    assert_int_equal(entries_of(node, "rain"), before);
    assert_int_equal(node->shards[0].directory->registrations.count, 0);
    ptl_node_crash(node);
}

/* ---- Watchers that take nothing ------------------------------------------------------------- */

static int count_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node;
    (void)data;
    if (change->event != PTL_DB_ADDED) {
        return PTL_OK;
    }
    tried++;
    told += ready;
    return ready ? PTL_OK : PTL_LATER;
}

static void watchers_that_take_nothing_are_tried_some_a_turn(void **state)
{
    struct ptl_node *node = stepped_make(1, false);
    struct ptl_msg *value;

    (void)state;
    told = tried = 0;
    ready = false;
    assert_int_equal(ptl_msg_make(node, &value, "i", (int64_t)1), 0);
    assert_int_equal(ptl_db_set(node, "fam", "key", value), 0);
    ptl_msg_free(value);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ptl_db_watch(node, "fam", count_change, NULL, NULL), 0);
    }
    stepped_settle(node);
    while (node->shards[0].directory->followers.count < MANY || tried < MANY) {
        ptl_node_turn(node, 0);
    }
    for (int i = 0; i < 20; i++) {
        assert_true(tries_of_a_turn(node) <= 256);
    }
    ready = true;
    while (told < MANY) {
        assert_true(tries_of_a_turn(node) <= TURN_MAX);
    }
    ptl_node_crash(node);
}

/* ---- Families of the network that are watched ------------------------------------------------ */

static uint32_t length(const struct ptl_list *list)
{
    uint32_t count = 0;

    for (const struct ptl_list *at = list->next; at != list; at = at->next, count++) {
    }
    return count;
}

/* A list gets to this length, and no turn changes it by more than two slices. */
static void turn_until_long(struct ptl_node *node, const struct ptl_list *list, uint32_t count)
{
    uint32_t before, now = length(list);

    do {
        before = now;
        ptl_node_turn(node, 0); /* or it waits for room in its ring */
        now = length(list);
        assert_true((now > before ? now - before : before - now) <= TURN_MAX);
    } while (now != count);
}

static void take_role(struct ptl_node *node, enum ptl_directory_op kind, const char *master,
                      uint64_t number)
{
    struct ptl_dir_words words = {.kind = kind, .attachment = {.number = number}};
    struct ptl_op op = ptl_dir_say(&words);

    op.node = ptl_span_text(master);
    assert_int_equal(ptl_shard_post(&node->shards[0], 0, &op, true), 0);
    node->shards[0].unfinished = true;
}

/* They are asked for at each master anew, and end when this node is global. */
static void families_of_100000_watches_change_masters_slice_by_slice(void **state)
{
    struct ptl_node *node = stepped_make(1, true);
    struct ptl_shard_directory *directory = node->shards[0].directory;
    char family[16];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(family, sizeof family, "fam%u", i);
        assert_int_equal(ptl_db_watch(node, family, count_change, NULL, NULL), 0);
    }
    while (length(&directory->unasked) < MANY) {
        assert_true(stepped_turn(node));
    }
    take_role(node, PTL_DIR_MASTER, "snow", 1000000);
    turn_until_long(node, &directory->asked, MANY);
    take_role(node, PTL_DIR_MASTER, "hail", 1000001);
    while (length(&directory->asked) == MANY) {
        stepped_turn(node); /* in one step, all are to be asked for once more */
    }
    assert_true(length(&directory->asked) <= TURN_MAX);
    turn_until_long(node, &directory->asked, MANY);
    take_role(node, PTL_DIR_GLOBAL, "", 0);
    while (length(&directory->asked) != 0) {
        stepped_turn(node);
    }
    assert_true(length(&directory->ended) >= MANY - TURN_MAX);
    turn_until_long(node, &directory->ended, 0);
    ptl_node_crash(node);
}

/* ---- The end -------------------------------------------------------------------------------- */

/* A walk that began again for each of them would take longer than any test may. */
static void node_with_half_a_million_monitors_stops_at_once(void **state)
{
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    options.inbox_room = options.link_room = (size_t)1 << 30;
    options.log_level = PTL_LOG_ERROR;
    struct ptl_node *node = witness_start(&options);
    struct ptl_port port = witness_port(node, NULL, NULL, NULL);
    for (unsigned i = 0; i < 5 * MANY; i++) {
        assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    }
    (void)witness_stop(node, 500);
    assert_silent("gone"); /* ports of this node end with it, and tell nobody */
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(thread_s_monitors_of_a_failed_node_are_told_slice_by_slice),
        WITNESSED(monitors_that_cannot_be_told_yet_are_tried_some_a_turn),
        WITNESSED(port_s_monitors_of_a_failed_node_are_told_slice_by_slice),
        WITNESSED(notices_of_a_failed_node_need_no_memory),
        WITNESSED(port_with_100000_notices_sends_as_fast_as_any_other),
        WITNESSED(monitors_of_one_port_by_another_are_told_slice_by_slice),
        WITNESSED(peer_that_observes_100000_ports_leaves_slice_by_slice),
        WITNESSED(observers_of_one_port_leave_at_once_however_many_they_are),
        WITNESSED(port_with_100000_belongings_ends_slice_by_slice),
        WITNESSED(timers_that_are_due_at_once_fire_slice_by_slice_in_their_order),
        WITNESSED(whole_database_comes_and_goes_slice_by_slice),
        WITNESSED(long_updates_are_taken_slice_by_slice),
        WITNESSED(port_in_100000_families_enters_and_changes_each_at_once),
        WITNESSED(watchers_that_take_nothing_are_tried_some_a_turn),
        WITNESSED(families_of_100000_watches_change_masters_slice_by_slice),
        WITNESSED(long_updates_of_owners_are_taken_slice_by_slice),
        WITNESSED(long_update_that_contradicts_itself_is_compared_slice_by_slice),
        WITNESSED(node_with_half_a_million_monitors_stops_at_once),
    };

    stepped_begin();
    return witness_main(argc, argv, "scale", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
