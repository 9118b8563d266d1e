/*
 * What programs ask for beside messages (kills, spawns, monitors, timers) has room of its own, and
 * not more: it is refused when that is used up, and what was accepted happens (G2, G6).
 */
#include "tests/common/listener.h"
#include "tests/common/witness.h"

#include <unistd.h>

#define LARGE ((size_t)64 << 10) /* bytes of a reason, a prefix, a message */
#ifdef PTL_QUICK
#define ASKED 800 /* how often: 51 MB, if nothing were refused */
#define DEATHS 600
#else
#define ASKED 2000 /* 128 MB */
#define DEATHS 1000
#endif
#define BOUND ((size_t)24 << 20) /* bytes that all of it may cost a node with default rooms */

static struct ptl_node *small_node(void)
{
    struct ptl_node_options options = witness_options("rain");

    options.inbox_room = (size_t)1 << 20;
    options.link_room = (size_t)1 << 20;
    options.kept_room = (size_t)1 << 20;
    return witness_start(&options);
}

static _Atomic bool held;

static int hold(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    witness_note(data, "held");
    while (atomic_load(&held)) {
    }
    return 0;
}

/* Have the last shard stand still until `held` is false. */
static void hold_shard(struct ptl_node *node)
{
    struct ptl_port holder = witness_port_on(node, witness_shards - 1, hold, "holder");

    atomic_store(&held, true);
    tell(node, &holder, "t", "hold");
    assert_next("holder", "held");
}

/* ---- What asks ----------------------------------------------------------------------------- */

/* One way to ask for something; a reason, prefix or message of LARGE bytes goes along. */
typedef int ask_fn(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *msg);

static int ask_kill(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *msg)
{
    return ptl_kill(node, port, msg);
}

static int ask_after(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *msg)
{
    return ptl_after_send(node, 3600000, port, msg, NULL);
}

static int ask_monitor(struct ptl_node *node, const struct ptl_port *port,
                       const struct ptl_msg *msg)
{
    return ptl_monitor_message(node, port, port, msg, NULL);
}

static int ask_on(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;
    static char tag[LARGE + 1];

    if (ptl_next(&cursor, &value) == 0) {
        memcpy(tag, value.string.chars, value.string.size);
    }
    return ptl_port_on(node, port, tag, on_message, NULL);
}

static int ask_spawn(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *msg)
{
    struct ptl_port made;
    char id[PTL_PORT_ID_MAX + 1];

    snprintf(id, sizeof(id), "%s", ptl_port_id(port));
    id[strcspn(id, "#")] = 0;
    return ptl_spawn(node, id, "test::any", msg, &made);
}

/* Ask until refused; each with memory of its own.  Returns the refusal, or 0. */
static int ask_on_and_on(struct ptl_node *node, const struct ptl_port *port, ask_fn *ask)
{
    size_t before = witness_bytes();
    int err = 0;

    for (int i = 0; i < ASKED && err == 0; i++) {
        struct ptl_msg *msg = witness_text(LARGE);
        struct ptl_writer writer;
        struct ptl_msg *counted;
        ptl_writer_init(&writer, node); /* in memory that is counted */
        ptl_put_values(&writer, msg);
        ptl_msg_free(msg);
        if (ptl_writer_finish(&writer, &counted) < 0) {
            return PTL_ENOMEM;
        }
        err = ask(node, port, counted);
        ptl_msg_free(counted);
    }
    size_t after = witness_bytes(); /* less than before, where an earlier link has given up */
    witness_note("grown", "%zu", after > before ? after - before : 0);
    return err;
}

static void assert_bounded(void)
{
    assert_true(strtoull(witness_next("grown"), NULL, 10) < BOUND);
}

struct asking {
    struct ptl_port port;
    ask_fn *ask;
};

static int ask_within(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct asking *asking = data;

    (void)msg;
    int err = ask_on_and_on(node, &asking->port, asking->ask);
    witness_note("refused", "%s", err == 0 ? "never" : ptl_err_name(err));
    return 0;
}

/* From a handler on the first shard. */
static void assert_refused_within(struct ptl_node *node, const struct ptl_port *port, ask_fn *ask,
                                  const char *err)
{
    static struct asking asking;

    asking = (struct asking){.port = *port, .ask = ask};
    struct ptl_port asker = witness_port_on(node, 0, ask_within, &asking);
    tell(node, &asker, "t", "ask");
    assert_next("refused", err);
    assert_bounded();
}

static void assert_refused_outside(struct ptl_node *node, const struct ptl_port *port, ask_fn *ask,
                                   int err)
{
    assert_int_equal(ask_on_and_on(node, port, ask), err);
    assert_bounded();
}

/* ---- A shard that sleeps ------------------------------------------------------------------- */

static void threads_ask_for(ask_fn *ask)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, witness_shards - 1, on_message, "port");

    hold_shard(node);
    assert_refused_outside(node, &port, ask, PTL_EFULL);
    /* Perhaps by a shard that only was slow, where names are on all: this one takes no more. */
    assert_refused_outside(node, &port, ask_kill, PTL_EFULL);
    assert_int_equal(ptl_on_room(node, &port, on_room, "room"), 0);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), PTL_EFULL);
    assert_int_equal(ptl_port_on(node, &port, "tag", on_message, NULL), PTL_EFULL);
    assert_silent("room");
    atomic_store(&held, false);
    assert_next("room", "room");
    assert_int_equal(ptl_kill(node, &port, NULL), 0);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    witness_next("gone");
    assert_int_equal(witness_stop(node, 5000), 0);
}

static void threads_ask_a_sleeping_shard_for_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    threads_ask_for(ask_kill);
    threads_ask_for(ask_spawn);
}

static void handlers_ask_for(ask_fn *ask)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, witness_shards - 1, on_message, "port");

    hold_shard(node);
    assert_refused_within(node, &port, ask, "PTL_EFULL");
    atomic_store(&held, false);
    assert_int_equal(ptl_kill(node, &port, NULL), 0);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    witness_next("gone");
    assert_int_equal(witness_stop(node, 5000), 0);
}

static void handlers_ask_a_sleeping_shard_for_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    if (witness_shards == 1) {
        return; /* nobody could ask */
    }
    handlers_ask_for(ask_kill);
    handlers_ask_for(ask_spawn);
}

/* ---- A link that waits --------------------------------------------------------------------- */

static void links_that_are_dialled_hold_a_bounded_number_of_bytes(void **state)
{
    static ask_fn *const asks[] = {ask_kill, ask_spawn};
    struct ptl_node *node = small_node();
    char address[32];
    int listener = listener_open(address); /* and nobody there says a word */

    (void)state;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        char id[20];
        snprintf(id, sizeof(id), "nowhere%zu", i);
        assert_int_equal(ptl_node_known(node, id, address), 0);
        snprintf(id, sizeof(id), "nowhere%zu#port", i);
        struct ptl_port port = witness_parse(node, id);
        assert_refused_within(node, &port, asks[i], "PTL_EFULL");
    }
    assert_int_equal(witness_stop(node, 0), PTL_ETIMEOUT);
    close(listener);
}

/* ---- A port that waits --------------------------------------------------------------------- */

static _Atomic bool gate;

static int behind_gate(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return atomic_load(&gate) ? 0 : PTL_LATER;
}

static void ports_that_wait_hold_one_kill_and_a_bounded_number_of_wishes(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 0, behind_gate, NULL);

    (void)state;
    atomic_store(&gate, false);
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    tell(node, &port, "t", "wait");
    for (int i = 0; i < 1000; i++) { /* slowly, so that neither inbox nor ring is what is full */
        struct ptl_msg *msg = witness_text(LARGE);
        int err = ask_on(node, &port, msg);
        ptl_msg_free(msg);
        if (err == PTL_EFULL) {
            break;
        }
        assert_int_equal(err, 0);
        assert_int_equal(ptl_after(node, 0, on_time, "time", NULL), 0);
        assert_next("time", "time");
        assert_true(i < 999);
    }
    size_t before = witness_bytes();
    for (int i = 0; i < ASKED / 4; i++) {
        struct ptl_msg *msg = witness_text(LARGE);
        int err = ptl_kill(node, &port, msg);
        ptl_msg_free(msg);
        assert_true(err == 0 || err == PTL_EFULL);
        assert_int_equal(ptl_after(node, 0, on_time, "time", NULL), 0);
        assert_next("time", "time");
    }
    assert_true(witness_bytes() < before + BOUND);
    atomic_store(&gate, true);
    witness_next("gone");
}

static void death_that_cannot_be_told_yet_costs_a_bounded_number_of_bytes(void **state)
{
    struct ptl_node *node = small_node();
    static struct ptl_port ports[DEATHS];
    unsigned whole = 0, cut = 0;

    (void)state;
    if (witness_shards == 1) {
        return; /* whoever watches is where the ports are */
    }
    /* Watched by a handler on the last shard. */
    for (int i = 0; i < DEATHS; i++) {
        ports[i] = witness_port_on(node, 0, on_message, "port");
    }
    struct ptl_port keeper = witness_port_on(node, witness_shards - 1, on_message, "down");
    for (int i = 0; i < DEATHS; i++) {
        assert_int_equal(ptl_monitor_message(node, &ports[i], &keeper, NULL, NULL), 0);
    }
    assert_int_equal(ptl_after(node, 20, on_time, "time", NULL), 0);
    assert_next("time", "time");
    hold_shard(node);
    size_t before = witness_bytes();
    for (int i = 0; i < DEATHS; i++) {
        struct ptl_msg *msg = witness_text(LARGE);
        int err;
        while ((err = ptl_kill(node, &ports[i], msg)) == PTL_EFULL) {
            assert_int_equal(ptl_on_room(node, &ports[i], on_room, "room"), 0);
            assert_next("room", "room");
        }
        ptl_msg_free(msg);
        assert_int_equal(err, 0);
    }
    assert_true(witness_bytes() < before + BOUND);
    atomic_store(&held, false);
    for (int i = 0; i < DEATHS; i++) {
        const char *line = witness_next("down");
        whole += strstr(line, "xxx") != NULL;
        cut += strstr(line, "too large to be told") != NULL;
    }
    assert_int_equal(whole + cut, DEATHS);
    assert_true(whole > 0);
}

/* ---- What is kept for later ---------------------------------------------------------------- */

static void timers_and_monitors_keep_a_bounded_number_of_bytes(void **state)
{
    static ask_fn *const asks[] = {ask_after, ask_monitor};
    struct ptl_port port;

    (void)state;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        struct ptl_node *node = small_node();
        port = witness_port_on(node, 0, on_message, "port");
        assert_refused_outside(node, &port, asks[i], PTL_ELIMIT);
        if (witness_shards > 1) {
            port = witness_port_on(node, 1, on_message, "port");
            assert_refused_within(node, &port, asks[i],
                                  "PTL_ELIMIT"); /* shard 0 keeps what threads ask, too */
        }
        assert_int_equal(witness_stop(node, 1000), 0);
    }
}

static void what_is_not_kept_any_more_makes_room(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 0, on_message, "port");
    struct ptl_msg *msg = witness_text((size_t)1 << 20);
    struct ptl_timer timer;
    struct ptl_monitor monitor;

    (void)state;
    for (int i = 0; i < 20; i++) {
        while (ptl_after_send(node, 3600000, &port, msg, &timer) == PTL_ELIMIT) {
        }
        assert_int_equal(ptl_after_send(node, 1, &port, msg, NULL), PTL_ELIMIT);
        ptl_timer_cancel(node, &timer);
        while (ptl_monitor_message(node, &port, &port, msg, &monitor) == PTL_ELIMIT) {
        }
        ptl_unmonitor(node, &monitor);
        while (ptl_after_send(node, 1, &port, msg, NULL) == PTL_ELIMIT) {
        }
        witness_next("port");
    }
    ptl_msg_free(msg);
}

/* ---- Timers' messages ---------------------------------------------------------------------- */

static void message_for_later_is_refused_now_when_it_could_not_be_sent_then(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_port port, none = {.id = ""};

    (void)state;
    options.message_bytes_max = LARGE;
    struct ptl_node *node = witness_start(&options);
    port = witness_port_on(node, 0, on_message, "port");
    struct ptl_msg *small = witness_text(10), *msg = witness_text(LARGE);
    assert_int_equal(ptl_after_send(node, 1, &port, msg, NULL), PTL_ESIZE);
    assert_int_equal(ptl_monitor_message(node, &port, &port, msg, NULL), PTL_ESIZE);
    assert_int_equal(ptl_after_send(node, 1, &none, small, NULL), PTL_EINVAL);
    assert_int_equal(ptl_after_send(node, 1, &port, small, NULL), 0);
    assert_next("port", "[\"xxxxxxxxxx\"]");
    ptl_msg_free(small);
    ptl_msg_free(msg);
}

/* Takes numbers in order, once the gate is open. */
static int behind_gate_in_order(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    static uint64_t next;
    uint64_t number;

    if (!atomic_load(&gate)) {
        return PTL_LATER;
    }
    if (ptl_msg_read(node, msg, "u", &number) < 0) {
        next = 0; /* what has filled it */
    } else if (number != next++) {
        witness_note(data, "not %lu", (unsigned long)number);
    } else if (next == ASKED) {
        witness_note(data, "all");
    }
    return 0;
}

static void messages_of_timers_wait_in_order_for_a_port_without_room(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate_in_order, "port");
    struct ptl_msg *msg = witness_text(LARGE);

    (void)state;
    atomic_store(&gate, false);
    for (int full = 0; full < 2;) { /* full, and that has been told */
        full = ptl_send(node, &port, msg) == PTL_EFULL ? full + 1 : 0;
        assert_int_equal(ptl_after(node, 1, on_time, "time", NULL), 0);
        assert_next("time", "time");
    }
    ptl_msg_free(msg);
    for (uint64_t i = 0; i < ASKED; i++) {
        assert_int_equal(ptl_msg_make(node, &msg, "u", i), 0);
        int err;
        while ((err = ptl_after_send(node, (unsigned)(i / 200), &port, msg, NULL)) == PTL_EFULL) {
        }
        assert_int_equal(err, 0);
        ptl_msg_free(msg);
    }
    assert_int_equal(ptl_after(node, 20, on_time, "time", NULL), 0);
    assert_next("time", "time");
    atomic_store(&gate, true);
    assert_next("port", "all");
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 3, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(threads_ask_a_sleeping_shard_for_a_bounded_number_of_bytes),
        WITNESSED(handlers_ask_a_sleeping_shard_for_a_bounded_number_of_bytes),
        WITNESSED(links_that_are_dialled_hold_a_bounded_number_of_bytes),
        WITNESSED(ports_that_wait_hold_one_kill_and_a_bounded_number_of_wishes),
        WITNESSED(death_that_cannot_be_told_yet_costs_a_bounded_number_of_bytes),
        WITNESSED(timers_and_monitors_keep_a_bounded_number_of_bytes),
        WITNESSED(what_is_not_kept_any_more_makes_room),
        WITNESSED(messages_of_timers_wait_in_order_for_a_port_without_room),
        WITNESSED(message_for_later_is_refused_now_when_it_could_not_be_sent_then),
    };

    return witness_main(argc, argv, "control", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
