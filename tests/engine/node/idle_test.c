/*
 * Whoever waits for room is told when there is some: a node that can do nothing before that does
 * nothing, however much waits, and then all is told in order.
 */
#include "engine/directory/database.h"
#include "engine/directory/outlet.h"
#include "engine/directory/peer.h"
#include "engine/directory/post.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/post.h"
#include "engine/shard/shard.h"
#include "tests/common/village.h"
#include "tests/common/witness.h"

#ifdef PTL_QUICK
#define MANY 20000
#else
#define MANY 1000000
#endif

#define A_MESSAGE 500 /* monitors are set for each that the maker gets */
#define TURNS_MAX 20000
#define FEW 3 /* of each that waits beside the monitors */

static struct ptl_node *node; /* two shards; stepped by hand, or in the village */

/* ---- What is told -------------------------------------------------------------------------- */

/* Numbers that have to come in this order: from `next` on, by `step`. */
struct series {
    int64_t next, step;
    unsigned come, wrong;
};

static void take_number(struct series *series, int64_t number)
{
    series->wrong += number != series->next;
    series->next += series->step;
    series->come++;
}

/* The first value of a message; `data`: the series. */
static int count_number(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    (void)its_node;
    if (ptl_next(&cursor, &value) < 0) {
        return PTL_EINVAL;
    }
    take_number(data, value.integer);
    return PTL_OK;
}

/* Each change but the end of the first copy; `data`: the series. */
static int count_change(struct ptl_node *its_node, const struct ptl_db_change *change, void *data)
{
    (void)its_node;
    if (change->value != NULL) {
        struct ptl_cursor cursor = ptl_msg_begin(change->value);
        struct ptl_value value;
        take_number(data, ptl_next(&cursor, &value) < 0 ? -1 : value.integer);
    }
    return PTL_OK;
}

static void count_answer(struct ptl_node *its_node, int err, const struct ptl_msg *reply,
                         void *data)
{
    struct series *series = data;

    (void)its_node, (void)reply;
    series->wrong += err != PTL_OK;
    series->come++;
}

static void count_room(struct ptl_node *its_node, const struct ptl_port *to, void *data)
{
    (void)its_node, (void)to;
    ((struct series *)data)->come++;
}

static struct series fired, timed, pumped, told_there, told_here, answered, has_room;

static void begin_series(void)
{
    fired = (struct series){.next = MANY - 1, .step = -1}; /* the last one made is the first */
    timed = pumped = told_there = told_here = (struct series){.next = 1, .step = 1};
    answered = has_room = (struct series){.come = 0};
}

static void assert_in_order(const struct series *series, unsigned count)
{
    assert_int_equal(series->come, count);
    assert_int_equal(series->wrong, 0);
}

/* ---- A node of two shards, stepped by hand -------------------------------------------------- */

static struct ptl_port target, there; /* on the first shard; on the second */
static char family_here[16], family_there[16];

/* Turns of one shard until it waits for others, not for time. */
static void turn_until_idle(unsigned shard)
{
    unsigned turns = 0;

    while (ptl_node_next(node, shard) != UINT64_MAX) {
        assert_true(turns++ < TURNS_MAX);
        ptl_node_turn(node, shard);
    }
}

static void turn_anyway(unsigned shard)
{
    node->shards[shard].unfinished = true; /* something else is to be done */
    ptl_node_turn(node, shard);
}

/* A family that this shard has. */
static void name_family(char name[16], unsigned shard)
{
    for (unsigned i = 0;; i++) {
        snprintf(name, 16, "family%u", i);
        if (ptl_directory_place(&node->shards[0], ptl_span_text(name)) == shard) {
            return;
        }
    }
}

static void make_node(void)
{
    struct ptl_node_options options = witness_options("rain");

    options.shards = 2;
    options.kept_room = (size_t)1 << 30;
    options.log_level = PTL_LOG_ERROR;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    assert_int_equal(ptl_node_open_shard(node, 0), 0);
    assert_int_equal(ptl_node_open_shard(node, 1), 0);
    name_family(family_here, 0);
    name_family(family_there, 1);
    begin_series();
    target = witness_port_on(node, 0, on_message, "target");
    there = witness_port_on(node, 1, count_number, &fired);
}

static void set(const char *family, const char *key, int number)
{
    struct ptl_msg *value;

    assert_int_equal(ptl_msg_make(node, &value, "i", number), 0);
    assert_int_equal(ptl_db_set(node, family, key, value), 0);
    ptl_msg_free(value);
}

static void send_number(const struct ptl_port *to, int number)
{
    assert_int_equal(ptl_sendf(node, to, "i", number), 0);
}

static unsigned made; /* monitors, numbered from 0 */

static int make_some(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    (void)msg, (void)data;
    for (unsigned i = 0; i < A_MESSAGE && made < MANY; i++) {
        struct ptl_msg *prefix;
        int err = ptl_msg_make(its_node, &prefix, "i", (int)made);
        if (err == PTL_OK) {
            err = ptl_monitor_message(its_node, &target, &there, prefix, NULL);
            ptl_msg_free(prefix);
        }
        if (err < 0) {
            return err;
        }
        made++;
    }
    return PTL_OK;
}

static void make_monitors(void)
{
    struct ptl_port maker = witness_port_on(node, 0, make_some, NULL);

    for (made = 0; made < MANY;) {
        send_number(&maker, 0);
        turn_until_idle(0);
        turn_until_idle(1);
    }
}

static int watch_there(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    (void)msg, (void)data;
    return ptl_db_watch(its_node, family_there, count_change, &told_here, NULL);
}

static int watch_here(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    (void)msg, (void)data;
    return ptl_db_watch(its_node, family_here, count_change, &told_there, NULL);
}

static int ask_here(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    (void)msg, (void)data;
    return ptl_db_get(its_node, family_here, "key1", count_answer, &answered);
}

/* Passes on what it gets, and waits for the room that it misses. */
static int pump(struct ptl_node *its_node, const struct ptl_msg *msg, void *data)
{
    int err = ptl_send(its_node, data, msg);

    if (err == PTL_EFULL && ptl_on_room(its_node, data, count_room, &has_room) < 0) {
        return PTL_ENOMEM;
    }
    return err == PTL_EFULL ? PTL_LATER : err;
}

/* Nothing fits into the ring to the second shard any more. */
static void fill_ring(void)
{
    struct ptl_op op = {
        .kind = PTL_OP_UNTIMER, .to = PTL_TO_SHARD, .as.timer = UINT64_MAX /* there is none */};

    while (ptl_shard_post(&node->shards[0], 1, &op, true) == PTL_OK) {
    }
}

/* A timer's message, from the first shard. */
static void send_later(const struct ptl_port *to, int number)
{
    struct ptl_msg *msg;

    assert_int_equal(ptl_msg_make(node, &msg, "i", number), 0);
    assert_int_equal(ptl_after_send(node, 0, to, msg, NULL), 0);
    ptl_msg_free(msg);
}

/* All that the first shard has for the second finds a full ring. */
static void have_all_wait(void)
{
    static struct ptl_port pumped_to;
    struct ptl_port timed_to = witness_port_on(node, 1, count_number, &timed);
    struct ptl_port watcher_there = witness_port_on(node, 1, watch_here, NULL);
    struct ptl_port watcher_here = witness_port_on(node, 0, watch_there, NULL);
    struct ptl_port asker = witness_port_on(node, 1, ask_here, NULL);
    struct ptl_port pumping = witness_port_on(node, 0, pump, &pumped_to);

    pumped_to = witness_port_on(node, 1, count_number, &pumped);
    send_number(&watcher_there, 0);
    set(family_there, "key1", 1);
    turn_until_idle(1);
    turn_until_idle(0);
    turn_until_idle(1);
    turn_until_idle(0);
    fill_ring();
    send_number(&asker, 0);
    turn_anyway(1); /* which asks the first shard, and empties the ring */
    fill_ring();
    assert_int_equal(ptl_kill(node, &target, NULL), 0);
    send_number(&watcher_here, 0);
    for (int i = 1; i <= FEW; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key%d", i);
        set(family_here, key, i);
        send_later(&timed_to, i);
        send_number(&pumping, i);
    }
    turn_until_idle(0);
}

static void assert_nothing_has_come(void)
{
    const struct ptl_shard_directory *directory = node->shards[0].directory;

    assert_int_equal(node->shards[0].ports->monitors.untold, MANY);
    assert_int_equal(directory->own_waiting, 1);
    assert_int_equal(fired.come + timed.come + pumped.come + told_there.come + told_here.come +
                         answered.come + has_room.come,
                     0);
}

static void node_with_a_million_monitors_and_a_full_ring_polls_nothing(void **state)
{
    (void)state;
    make_node();
    make_monitors();
    have_all_wait();
    assert_nothing_has_come();
    for (unsigned i = 0; i < 5; i++) {
        assert_true(ptl_node_next(node, 0) == UINT64_MAX);
        turn_anyway(0);
        turn_until_idle(0);
        assert_nothing_has_come();
    }
    for (unsigned turns = 0; fired.come < MANY || told_here.come == 0; turns++) {
        assert_true(turns < TURNS_MAX);
        turn_until_idle(1);
        turn_until_idle(0);
    }
    assert_in_order(&fired, MANY);
    assert_in_order(&timed, FEW);
    assert_in_order(&pumped, FEW);
    assert_in_order(&told_there, FEW);
    assert_in_order(&told_here, 1);
    assert_in_order(&answered, 1);
    assert_true(has_room.come > 0);
    assert_true(ptl_node_next(node, 0) == UINT64_MAX);
    assert_true(ptl_node_next(node, 1) == UINT64_MAX);
    ptl_node_crash(node);
}

/* ---- A full link ---------------------------------------------------------------------------- */

#define SNOW 0 /* numbers of the village's houses */
#define RAIN 1

#define LINK_ROOM ((size_t)64 << 10)

static void log_nothing(void *data, enum ptl_log_level level, const char *line)
{
    (void)data, (void)level, (void)line;
}

static struct ptl_node *start(const char *id, bool ordinary, const char *const seeds[])
{
    struct ptl_node_options options = {
        .size = sizeof(options),
        .id = id,
        .log = log_nothing,
        .shards = ordinary ? 2 : 1,
        .seeds = seeds,
        .ordinary = ordinary,
        .link_room = LINK_ROOM,
        .silence_ms = 600000,
    };

    return village_start(&options);
}

static struct series flooded;

/* Messages to another node until the link is full; returns how many. */
static unsigned flood(const struct ptl_port *to)
{
    static const char filling[1000];
    unsigned count = 0;
    int err;

    do {
        err = ptl_sendf(node, to, "iy", (int)count + 1, filling, sizeof(filling));
        count += err == PTL_OK;
        village_run(SIM_MILLISECOND);
    } while (err == PTL_OK);
    assert_int_equal(err, PTL_EFULL);
    return count;
}

static const struct ptl_outlet *feed_of(unsigned shard)
{
    struct ptl_peer *peer = ptl_peer_find(&node->shards[shard], ptl_span_text("snow"));

    return peer == NULL ? NULL : peer->feed;
}

/* Each shard has something of its part of the database to tell. */
static void set_in_both(int number)
{
    set(family_here, "key", number);
    set(family_there, "key", number);
}

static void assert_feeds_wait(void)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(feed_of(i));
        assert_int_equal(feed_of(i)->state, PTL_OUTLET_UNTOLD);
    }
}

static void node_whose_link_is_full_polls_nothing(void **state)
{
    const char *const seeds[] = {"10.0.0.1:4040", NULL};

    (void)state;
    begin_series();
    flooded = (struct series){.next = 1, .step = 1};
    village_begin();
    struct ptl_node *snow = start("snow", false, NULL);
    struct ptl_port flooded_there = witness_port(snow, "flooded", count_number, &flooded);
    struct ptl_port timed_there = witness_port(snow, "timed", count_number, &timed);
    node = start("rain", true, seeds);
    name_family(family_here, 0);
    name_family(family_there, 1);
    set_in_both(1);
    village_run(5 * SIM_SECOND);
    flooded_there = witness_parse(node, "snow#flooded");
    timed_there = witness_parse(node, "snow#timed");
    assert_int_equal(feed_of(0)->state, PTL_OUTLET_QUIET);

    village_still(SNOW, true);
    unsigned count = flood(&flooded_there);
    assert_int_equal(ptl_db_get(node, family_here, "key", count_answer, &answered), 0);
    assert_int_equal(ptl_db_get(node, family_there, "key", count_answer, &answered), 0);
    village_run(SIM_MILLISECOND);
    set_in_both(2);
    for (int i = 1; i <= FEW; i++) {
        send_later(&timed_there, i);
    }
    assert_int_equal(ptl_on_room(node, &flooded_there, count_room, &has_room), 0);
    village_run(SIM_SECOND / 2);
    assert_feeds_wait();

    /* A shard looks at its links ten times a second, and that is all. */
    uint64_t before = village_turns(RAIN);
    village_run(10 * SIM_SECOND);
    assert_true(village_turns(RAIN) - before <= 2 * 110);
    assert_feeds_wait();
    assert_int_equal(timed.come + answered.come + has_room.come, 0);

    village_still(SNOW, false);
    village_run(5 * SIM_SECOND);
    assert_in_order(&flooded, count);
    assert_in_order(&timed, FEW);
    assert_in_order(&answered, 2);
    assert_in_order(&has_room, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(feed_of(i)->state, PTL_OUTLET_QUIET);
    }
    village_end();
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(node_with_a_million_monitors_and_a_full_ring_polls_nothing),
        cmocka_unit_test(node_whose_link_is_full_polls_nothing),
    };

    return witness_main(argc, argv, "idle", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
