#include "tests/hostile/peer.h"

#include <stdio.h>
#include <string.h>

#define AT_ONCE 200 /* packets said before they are pushed */

/* Say `count` packets of one kind, numbered; false: the connection or the time is over. */
static bool say_many(struct attack_ground *ground, struct wire *wire, unsigned count,
                     void (*say)(struct wire *wire, unsigned number))
{
    for (unsigned i = 0; i < count; i++) {
        say(wire, i);
        if (i % AT_ONCE == AT_ONCE - 1 && !attack_push(ground, wire)) {
            return false;
        }
    }
    return attack_push(ground, wire);
}

static const char *numbered(const char *prefix, unsigned number)
{
    static char name[300];

    snprintf(name, sizeof(name), "%s-%u", prefix, number);
    return name;
}

/* ---- Monitors and spawned ports ------------------------------------------------------------- */

static void say_spawn(struct wire *wire, unsigned number)
{
    wire_say(wire, "ssss", "", "AnyEvent::MP::_spawn", numbered(wire->id, number),
             "portolan::echo");
}

static void say_watch(struct wire *wire, unsigned number)
{
    wire_say(wire, "sss", "", "mon1", numbered(wire->id, number));
}

static void say_watch_echo(struct wire *wire, unsigned number)
{
    (void)number;
    wire_say(wire, "sss", "", "mon1", "echo");
}

static void say_watch_nobody(struct wire *wire, unsigned number)
{
    wire_say(wire, "sss", "", "mon1", numbered("nobody", number));
}

/* Watch as much as can be watched, and hang up. */
void attack_watch_and_leave(struct attack_ground *ground)
{
    struct wire wire;

    if (!attack_open(ground, &wire, attack_name(ground, "watcher"), WIRE_PLAIN)) {
        return;
    }
    (void)(say_many(ground, &wire, 20000, say_spawn) && say_many(ground, &wire, 20000, say_watch) &&
           say_many(ground, &wire, 50000, say_watch_nobody) &&
           say_many(ground, &wire, 50000, say_watch_echo));
    wire_close(&wire, true);
}

/* Ports that nobody wants, and that are left behind. */
void attack_many_spawns(struct attack_ground *ground)
{
    while (attack_goes_on(ground)) {
        struct wire wire;
        if (!attack_open(ground, &wire, attack_name(ground, "spawner"), WIRE_PLAIN)) {
            return;
        }
        say_many(ground, &wire, 30000, say_spawn);
        wire_close(&wire, false);
    }
}

/* ---- Names ---------------------------------------------------------------------------------- */

static void say_full(struct wire *wire, unsigned number)
{
    wire_say(wire, "sss", "", "portolan::full", numbered("full", number));
}

static void say_room(struct wire *wire, unsigned number)
{
    (void)number;
    wire_say(wire, "sss", "", "portolan::room", "full-99999");
}

void attack_full_names(struct attack_ground *ground)
{
    struct wire wire;

    if (!attack_open(ground, &wire, attack_name(ground, "full"), WIRE_OURS)) {
        return;
    }
    wire_say(&wire, "ss", "", "");
    (void)(say_many(ground, &wire, 100000, say_full) && say_many(ground, &wire, 1000, say_room));
    attack_linger(ground, &wire, 1, 10000);
    wire_close(&wire, false);
}

__extension__ typedef unsigned __int128 wide;

static void put_base62(char *text, uint64_t number, uint64_t high)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    wide value = (wide)high << 64 | number;

    for (int i = 10; i >= 0; i--) {
        text[i] = digits[value % 62];
        value /= 62;
    }
}

/* The names of the first ports that the node made, in another spelling, with much to wait there. */
void attack_spellings(struct attack_ground *ground)
{
    struct wire wire;
    char name[23] = {0};

    if (!attack_open(ground, &wire, attack_name(ground, "speller"), WIRE_OURS)) {
        return;
    }
    wire_say(&wire, "ss", "", "");
    uint64_t incarnation = ptl_handshake_peer(&wire.handshake)->incarnation;
    put_base62(name, incarnation, 0);
    for (unsigned i = 0; attack_push(ground, &wire); i++) {
        uint64_t slot = i % 16, shard = i / 16 % 2;
        put_base62(name + 11, shard << 56 | slot << 32 | 1, 1 + i % 2);
        wire_say(&wire, "sz", name, (size_t)60000);
    }
    wire_close(&wire, false);
}

/* ---- Messages that make messages ------------------------------------------------------------ */

/* ["", "snd", "snow#", "snd", "rain#", ...]: each node strips a step and passes the rest on. */
static void say_nested(struct wire *wire, size_t size)
{
    struct ptl_buffer steps;
    unsigned count = 0;

    ptl_buffer_init(&steps, ptl_allocator_libc(), SIZE_MAX);
    for (; steps.size < size; count += 2) {
        ptl_cbor_put_string(&steps, PTL_CBOR_TEXT, ptl_span_text("snd"));
        ptl_cbor_put_string(&steps, PTL_CBOR_TEXT,
                            ptl_span_text(count % 4 == 0 ? "snow#" : "rain#"));
    }
    wire_say(wire, "sM", "", ptl_buffer_span(&steps), count);
    ptl_buffer_drop(&steps);
}

/* First larger than the friend takes, then many that it does take. */
void attack_nested_snd(struct attack_ground *ground)
{
    struct wire wire;

    if (!attack_open(ground, &wire, attack_name(ground, "nester"), WIRE_PLAIN)) {
        return;
    }
    say_nested(&wire, 240000);
    while (attack_push(ground, &wire)) {
        for (unsigned i = 0; i < 20; i++) {
            say_nested(&wire, 60000);
        }
        attack_push(ground, &wire);
        attack_linger(ground, &wire, 1, 1000);
    }
    wire_close(&wire, false);
}

/* The service answers itself, a step shorter each time. */
void attack_echo_to_echo(struct attack_ground *ground)
{
    struct ptl_buffer steps;
    struct wire wire;
    unsigned count = 0;

    if (!attack_open(ground, &wire, attack_name(ground, "echoer"), WIRE_PLAIN)) {
        return;
    }
    ptl_buffer_init(&steps, ptl_allocator_libc(), SIZE_MAX);
    for (; steps.size < 4000000; count++) {
        ptl_cbor_put_string(&steps, PTL_CBOR_TEXT, ptl_span_text("rain#echo"));
    }
    do {
        wire_say(&wire, "sM", "echo", ptl_buffer_span(&steps), count);
        attack_push(ground, &wire);
        attack_linger(ground, &wire, 1, 1000);
    } while (attack_goes_on(ground) && wire.state == WIRE_UP);
    ptl_buffer_drop(&steps);
    wire_close(&wire, false);
}

static void say_sink(struct wire *wire, unsigned number)
{
    wire_say(wire, "su", "sink", (uint64_t)number);
}

/* As many small messages as four links carry. */
void attack_sink_flood(struct attack_ground *ground)
{
    struct wire wires[4];
    unsigned up = 0;

    for (; up < 4; up++) {
        if (!attack_open(ground, &wires[up], attack_name(ground, "flood"), WIRE_PLAIN)) {
            break;
        }
    }
    while (attack_goes_on(ground) && up != 0) {
        for (unsigned i = 0; i < up; i++) {
            for (unsigned n = 0; n < 2000 && wire_unsent(&wires[i]) < 65536; n++) {
                say_sink(&wires[i], n);
            }
        }
        wire_poll(wires, up, 20);
        attack_pause(2);
    }
    for (unsigned i = 0; i < up; i++) {
        wire_close(&wires[i], true);
    }
}

/* ---- Requests ------------------------------------------------------------------------------- */

/* Last words of 64 KiB, for ports of the attacker's own that others watch, and for nobody. */
void attack_big_kill_reason(struct attack_ground *ground)
{
    struct wire wire;

    if (!attack_open(ground, &wire, attack_name(ground, "killer"), WIRE_PLAIN)) {
        return;
    }
    wire.deaf = true;
    for (unsigned i = 0; attack_push(ground, &wire); i++) {
        say_spawn(&wire, i);
        say_watch(&wire, i);
        wire_say(&wire, "sssz", "", "kil1", numbered(wire.id, i), (size_t)65536);
        wire_say(&wire, "sssz", "", "kil1", numbered("nobody", i), (size_t)65536);
        wire_say(&wire, "ssssz", "", "AnyEvent::MP::_spawn", numbered("late", i), "no::function",
                 (size_t)65536);
    }
    wire_close(&wire, false);
}

static void say_malformed(struct wire *wire, unsigned number)
{
    static const char *const requests[] = {
        "mon1",  "mon0",   "kil0",    "kil1",    "snd",          "can",
        "time",  "eval",   "g_upd",   "g_slave", "g_db_family",  "portolan::full",
        "g_set", "g_find", "g_reply", "g_mon1",  "portolan::db", "portolan::db_owner",
        "nope",  "g_chg1",
    };

    if (number % 2 == 0) {
        wire_say(wire, "ss", "", requests[number / 2 % 20]);
    } else {
        wire_say(wire, "ssuuu", "", requests[number / 2 % 20], UINT64_C(1), UINT64_C(2),
                 UINT64_C(3));
    }
}

void attack_malformed_requests(struct attack_ground *ground)
{
    struct wire wire;

    if (attack_open(ground, &wire, attack_name(ground, "malformed"), WIRE_OURS)) {
        wire_say(&wire, "ss", "", "");
        say_many(ground, &wire, 100000, say_malformed);
        wire_close(&wire, false);
    }
}

/* What is no packet, nests too deep, or announces what it is not. */
void attack_garbage_packets(struct attack_ground *ground)
{
    static const uint8_t announced[] = {0x82, 0x41, 'x', 0x5b, 0, 0, 0, 1, 0, 0, 0, 0};

    while (attack_goes_on(ground)) {
        struct wire wire;
        uint8_t noise[4096];
        if (!attack_open(ground, &wire, attack_name(ground, "garbage"), WIRE_PLAIN)) {
            return;
        }
        switch (sim_random_below(&ground->random, 4)) {
        case 0:
            sim_random_bytes(&ground->random, noise, sizeof(noise));
            break;
        case 1:
            memset(noise, 0x81, sizeof(noise)); /* arrays in arrays */
            break;
        case 2:
            memset(noise, 0x9f, sizeof(noise)); /* the same, without an end */
            break;
        default:
            memset(noise, 0x01, sizeof(noise)); /* numbers where packets belong */
            break;
        }
        ptl_buffer_append(&wire.out, noise, sizeof(noise));
        ptl_buffer_append(&wire.out, announced, sizeof(announced));
        attack_push(ground, &wire);
        attack_linger(ground, &wire, 1, 20);
        wire_close(&wire, false);
    }
}
