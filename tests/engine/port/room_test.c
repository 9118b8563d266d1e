/*
 * Room (G6): PTL_EFULL, ptl_on_room() and PTL_LATER on one node; and what stays bounded meanwhile.
 */
#include "engine/node/node.h"
#include "engine/port/fullness.h"
#include "tests/common/witness.h"

#define SIZE 4000 /* bytes of a message that fills things */
#define PORT_ROOM ((size_t)64 << 10)
#define INBOX_ROOM ((size_t)256 << 10)

/* ---- A port behind a gate ------------------------------------------------------------------ */

/* Its handler says PTL_LATER until the gate is open; then it takes numbered messages. */
struct gate {
    _Atomic bool open;
    _Atomic uint64_t tried; /* messages, again and again */
    _Atomic uint64_t come;
    _Atomic uint64_t wrong; /* not the next number */
};

static struct gate gate;

static int behind_gate(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct gate *its = data;
    uint64_t number;

    atomic_fetch_add(&its->tried, 1);
    if (!atomic_load(&its->open)) {
        return PTL_LATER;
    }
    bool right = ptl_msg_read(node, msg, "u", &number) == 0 && number == atomic_load(&its->come);
    atomic_fetch_add(&its->wrong, !right);
    atomic_fetch_add(&its->come, 1);
    return 0;
}

static struct ptl_node *small_node(void)
{
    struct ptl_node_options options = witness_options("rain");

    options.port_room = PORT_ROOM;
    options.inbox_room = INBOX_ROOM;
    options.ring_bytes = (size_t)32 << 10;
    atomic_store(&gate.open, false);
    atomic_store(&gate.tried, 0);
    atomic_store(&gate.come, 0);
    atomic_store(&gate.wrong, 0);
    return witness_start(&options);
}

/* Send numbered messages until there is no room; returns how many were accepted in all. */
static uint64_t flood(struct ptl_node *node, const struct ptl_port *port, uint64_t number)
{
    static char bytes[SIZE];
    int err;

    while ((err = ptl_sendf(node, port, "uy", number, bytes, sizeof(bytes))) == 0) {
        number++;
        assert_true(number < 10000);
    }
    assert_int_equal(err, PTL_EFULL);
    return number;
}

/* The same until it is the port that is full, and not only the inbox of its shard for a while. */
static uint64_t fill(struct ptl_node *node, const struct ptl_port *port, unsigned shard)
{
    uint64_t number = flood(node, port, 0);

    while (!ptl_is_full_outside(&node->shards[shard % witness_shards], port)) {
        witness_reach(&gate.tried, atomic_load(&gate.tried) + 1); /* it has taken what had come */
        number = flood(node, port, number);
    }
    return number;
}

static void assert_all_came(uint64_t count)
{
    witness_reach(&gate.come, count);
    assert_int_equal(gate.come, count);
    assert_int_equal(gate.wrong, 0);
}

static void message_that_is_for_later_stays_the_first(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);

    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        tell(node, &port, "u", i);
    }
    witness_reach(&gate.tried, 3); /* by time, since the handler has sent nothing */
    assert_int_equal(gate.come, 0);
    atomic_store(&gate.open, true);
    assert_all_came(5);
}

static void kill_waits_behind_a_message_that_is_for_later(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);

    (void)state;
    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
    for (uint64_t i = 0; i < 3; i++) {
        tell(node, &port, "u", i);
    }
    witness_kill(node, &port, "1");
    tell(node, &port, "u", UINT64_C(3));
    witness_reach(&gate.tried, 2);
    assert_silent("gone");
    atomic_store(&gate.open, true);
    assert_next("gone", "[1]");
    assert_all_came(3);
}

static void thread_is_told_when_a_full_port_has_room_again(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);
    struct ptl_port other = witness_listener(node, "other");

    (void)state;
    uint64_t count = fill(node, &port, 1);
    assert_int_equal(ptl_on_room(node, &port, on_room, "sender"), 0);
    tell(node, &other, "t", "alive"); /* others are not held up */
    assert_next("other", "[\"alive\"]");
    assert_int_equal(ptl_sendf(node, &port, "u", count), PTL_EFULL);
    assert_silent("sender");
    atomic_store(&gate.open, true);
    assert_next("sender", "room");
    assert_int_equal(ptl_sendf(node, &port, "u", count), 0);
    assert_all_came(count + 1);
    assert_silent("sender");
}

static void full_port_takes_no_more_than_its_room(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);
    size_t before = witness_bytes(), rings = witness_shards * ((size_t)32 << 10);

    (void)state;
    uint64_t count = 0;
    for (int i = 0; i < 200; i++) {
        count = flood(node, &port, count);
        witness_reach(&gate.tried, (uint64_t)i); /* time for the shard to take what came */
    }
    size_t taken = witness_bytes() - before;
    assert_true(count * SIZE >= PORT_ROOM / 2);
    assert_true(taken <= PORT_ROOM + INBOX_ROOM + rings + 16 * SIZE);
    atomic_store(&gate.open, true);
    assert_all_came(count);
}

/* Adds 2^64 to the number that a made port's name ends with, in base 62. */
static void spell_otherwise(char *id)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char more[] = "LygHa16AHYG";
    char *number = id + strlen(id) - strlen(more);
    long carry = 0;

    for (size_t i = strlen(more); i-- > 0;) {
        carry += strchr(digits, number[i]) - digits + (strchr(digits, more[i]) - digits);
        number[i] = digits[carry % 62];
        carry /= 62;
    }
    assert_int_equal(carry, 0);
}

/* What is kept by name, that it is full among it, cannot be evaded. */
static void other_spelling_of_a_full_port_names_nobody(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);
    char id[PTL_PORT_ID_MAX + 1];

    (void)state;
    snprintf(id, sizeof(id), "%s", ptl_port_id(&port));
    spell_otherwise(id);
    struct ptl_port other = witness_parse(node, id);
    uint64_t count = flood(node, &port, 0);
    for (uint64_t i = 0; i < 100; i++) {
        int err = ptl_sendf(node, &other, "u", UINT64_MAX);
        assert_true(err == 0 || err == PTL_EFULL);
    }
    witness_reach(&gate.tried, 1);
    atomic_store(&gate.open, true);
    assert_all_came(count);
    assert_int_equal(ptl_monitor(node, &other, on_gone, "other", NULL), 0);
    assert_non_null(strstr(witness_next("other"), "no_such_port"));
    assert_int_equal(atomic_load(&gate.come), count);
}

/* ---- Senders that are ports ---------------------------------------------------------------- */

struct pump {
    struct ptl_port to;
    uint64_t number; /* of the next message */
    uint64_t end;
    _Atomic uint64_t refused;
};

static struct pump pump;

static void pump_on(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    static char bytes[SIZE];
    struct pump *its = data;

    (void)to;
    while (its->number < its->end) {
        int err = ptl_sendf(node, &its->to, "uy", its->number, bytes, sizeof(bytes));
        if (err == PTL_EFULL) {
            atomic_fetch_add(&its->refused, 1);
            err = ptl_on_room(node, &its->to, pump_on, its);
            if (err == 0) {
                return;
            }
        }
        if (err < 0) {
            witness_note("pump", "%s", ptl_err_name(err));
            return;
        }
        its->number++;
    }
}

static int pump_all(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct pump *its = data;

    if (ptl_msg_is(msg, "die")) {
        return PTL_EHANDLER;
    }
    pump_on(node, &its->to, its);
    return 0;
}

static struct ptl_port start_pump(struct ptl_node *node, const struct ptl_port *to, uint64_t end)
{
    pump.to = *to;
    pump.number = 0;
    pump.end = end;
    atomic_store(&pump.refused, 0);
    struct ptl_port port = witness_port_on(node, 0, pump_all, &pump);
    tell(node, &port, "t", "go");
    return port;
}

static void handler_is_told_when_a_full_port_has_room_again(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);

    (void)state;
    start_pump(node, &port, 2000);
    witness_reach(&pump.refused, 1);
    atomic_store(&gate.open, true);
    assert_all_came(2000);
    assert_silent("pump");
}

static void handler_that_has_died_is_not_told_of_room(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);

    (void)state;
    struct ptl_port sender = start_pump(node, &port, 2000);
    witness_reach(&pump.refused, 1);
    assert_int_equal(ptl_monitor(node, &sender, on_gone, "gone", NULL), 0);
    tell(node, &sender, "t", "die");
    witness_next("gone");
    uint64_t sent = pump.number, refused = pump.refused;
    atomic_store(&gate.open, true);
    assert_all_came(sent);
    assert_int_equal(pump.refused, refused);
}

static int relay(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    int err = ptl_send(node, data, msg);

    return err == PTL_EFULL ? PTL_LATER : err;
}

static void port_that_says_later_goes_on_when_its_target_has_room(void **state)
{
    static struct ptl_port targets[3];
    struct ptl_node *node = small_node();

    (void)state;
    targets[0] = witness_port_on(node, 1, behind_gate, &gate);
    targets[1] = witness_port_on(node, 2, relay, &targets[0]);
    targets[2] = witness_port_on(node, 3, relay, &targets[1]);
    start_pump(node, &targets[2], 2000);
    witness_reach(&pump.refused, 1); /* it has backed up over both */
    atomic_store(&gate.open, true);
    assert_all_came(2000);
}

static void port_that_said_later_may_die_or_its_target_may(void **state)
{
    static struct ptl_port targets[2];
    struct ptl_node *node = small_node();

    (void)state;
    targets[0] = witness_port_on(node, 1, behind_gate, &gate);
    targets[1] = witness_port_on(node, 2, relay, &targets[0]);
    start_pump(node, &targets[1], 2000);
    witness_reach(&pump.refused, 1);
    assert_int_equal(ptl_monitor(node, &targets[0], on_gone, "gone", NULL), 0);
    witness_kill(node, &targets[0], "1");
    atomic_store(&gate.open, true); /* a kill has its place behind what waits */
    assert_next("gone", "[1]");
    assert_int_equal(ptl_monitor(node, &targets[1], on_gone, "relay gone", NULL), 0);
    witness_kill(node, &targets[1], "2");
    assert_next("relay gone", "[2]");
    assert_int_equal(witness_stop(node, 2000), 0);
}

/* ---- A shard that does not keep up --------------------------------------------------------- */

static _Atomic bool held;

static int hold_the_shard(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    witness_note(data, "held");
    while (atomic_load(&held)) {
    }
    return 0;
}

static void thread_is_told_when_a_busy_shard_has_room_again(void **state)
{
    struct ptl_node *node = small_node();
    struct ptl_port holder = witness_port_on(node, 1, hold_the_shard, "holder");
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);

    (void)state;
    atomic_store(&gate.open, true);
    atomic_store(&held, true);
    tell(node, &holder, "t", "hold");
    assert_next("holder", "held");
    size_t before = witness_bytes();
    uint64_t count = flood(node, &port, 0);
    assert_true(witness_bytes() - before <= INBOX_ROOM + 2 * SIZE);
    assert_int_equal(ptl_on_room(node, &port, on_room, "sender"), 0);
    atomic_store(&held, false);
    assert_next("sender", "room");
    assert_all_came(count);
}

static void handler_is_told_when_a_busy_shard_has_room_again(void **state)
{
    struct ptl_node *node = small_node();

    (void)state;
    if (witness_shards < 2) {
        return;
    }
    struct ptl_port holder = witness_port_on(node, 1, hold_the_shard, "holder");
    struct ptl_port port = witness_port_on(node, 1, behind_gate, &gate);
    atomic_store(&gate.open, true);
    atomic_store(&held, true);
    tell(node, &holder, "t", "hold");
    assert_next("holder", "held");
    start_pump(node, &port, 2000);
    witness_reach(&pump.refused, 1);
    atomic_store(&held, false);
    assert_all_came(2000);
}

/* ---- Who does not wait any more ------------------------------------------------------------ */

static void never_told(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    (void)node;
    (void)to;
    witness_note(data, "room");
}

/* Its data is the port that it floods and then waits for. */
static int flood_and_wait(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    flood(node, data, 0);
    return ptl_on_room(node, data, never_told, "sender");
}

/* As often as it wants to, within reason; returns whether it still does. */
static bool turn(struct ptl_node *node, unsigned shard)
{
    for (unsigned i = 0; i < 100 && ptl_node_next(node, shard) == 0; i++) {
        ptl_node_turn(node, shard);
    }
    return ptl_node_next(node, shard) == 0;
}

/* Stepped by hand: two shards of which one is busy while the other's port waits and dies. */
static void shard_sleeps_when_whoever_waited_for_room_has_died(void **state)
{
    struct ptl_node_options options = witness_options("rain");
    struct ptl_node *node;

    (void)state;
    if (witness_shards != 2) {
        return;
    }
    options.ring_bytes = (size_t)32 << 10;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    assert_int_equal(ptl_node_open_shard(node, 0), 0);
    assert_int_equal(ptl_node_open_shard(node, 1), 0);
    atomic_store(&gate.open, true);
    atomic_store(&gate.come, 0);
    atomic_store(&gate.wrong, 0);
    struct ptl_port target = witness_port_on(node, 1, behind_gate, &gate);
    struct ptl_port sender = witness_port_on(node, 0, flood_and_wait, &target);
    tell(node, &sender, "t", "go");
    assert_false(turn(node, 0));
    assert_int_equal(ptl_kill(node, &sender, NULL), 0);
    assert_false(turn(node, 0));
    assert_false(turn(node, 1)); /* makes the room that nobody wants any more */
    assert_true(atomic_load(&gate.come) > 0);
    bool spins = turn(node, 0);
    ptl_node_crash(node);
    assert_false(spins);
    assert_silent("sender");
}

/* ---- The end ------------------------------------------------------------------------------- */

static struct ptl_port full_port;

static void send_when_stopping(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    witness_note(data, "%s", ptl_err_name(ptl_sendf(node, to, "n")));
}

static void node_that_stops_tells_those_who_wait_for_room(void **state)
{
    struct ptl_node *node = small_node();

    (void)state;
    full_port = witness_port_on(node, 1, behind_gate, &gate);
    fill(node, &full_port, 1);
    assert_int_equal(ptl_on_room(node, &full_port, send_when_stopping, "sender"), 0);
    assert_int_equal(witness_stop(node, 50), PTL_ETIMEOUT);
    assert_next("sender", "PTL_ESTOPPED");
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(message_that_is_for_later_stays_the_first),
        WITNESSED(kill_waits_behind_a_message_that_is_for_later),
        WITNESSED(thread_is_told_when_a_full_port_has_room_again),
        WITNESSED(full_port_takes_no_more_than_its_room),
        WITNESSED(other_spelling_of_a_full_port_names_nobody),
        WITNESSED(handler_is_told_when_a_full_port_has_room_again),
        WITNESSED(handler_that_has_died_is_not_told_of_room),
        WITNESSED(port_that_says_later_goes_on_when_its_target_has_room),
        WITNESSED(port_that_said_later_may_die_or_its_target_may),
        WITNESSED(thread_is_told_when_a_busy_shard_has_room_again),
        WITNESSED(handler_is_told_when_a_busy_shard_has_room_again),
        WITNESSED(shard_sleeps_when_whoever_waited_for_room_has_died),
        WITNESSED(node_that_stops_tells_those_who_wait_for_room),
    };

    return witness_main(argc, argv, "room", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
