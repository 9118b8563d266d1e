/*
 * A hostile stranger: whoever can connect, and does not know the secret.
 */
#include "tests/hostile/attack.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARKED 300 /* more than the node bears */

static struct wire wires[PARKED];

static unsigned any_source(struct attack_ground *ground)
{
    return 2 + (unsigned)sim_random_below(&ground->random, 250);
}

static void say_text(struct wire *wire, const char *text)
{
    ptl_buffer_append(&wire->out, text, strlen(text));
}

static void close_all(bool reset)
{
    for (unsigned i = 0; i < PARKED; i++) {
        wire_close(&wires[i], reset);
    }
}

/* The lines that need no secret, under any name. */
static void greet_as(struct wire *wire, const char *id)
{
    char line[512];

    snprintf(line, sizeof(line), "aemp;1;%s;hmac_sha3_512;cbor\nnonce-%p\n", id, (void *)wire);
    say_text(wire, line);
}

/* ---- Names ---------------------------------------------------------------------------------- */

/* Whoever bears these names is on the way, and so may the stranger be. */
static void squat(struct attack_ground *ground, unsigned count, unsigned source)
{
    while (attack_goes_on(ground)) {
        for (unsigned i = 0; i < count; i++) {
            if (wires[i].state == WIRE_NONE || wires[i].state == WIRE_ENDED) {
                wire_close(&wires[i], false);
                wire_dial_raw(&wires[i], ground->port, source != 0 ? source : any_source(ground));
                greet_as(&wires[i], attack_innocent(ground, true));
            }
        }
        wire_poll(wires, count, 20);
        attack_pause(20);
    }
    close_all(false);
}

static void attack_squat_name(struct attack_ground *ground)
{
    squat(ground, 64, 0);
}

/* ---- Half-open connections ------------------------------------------------------------------ */

/* Full to the cap, and renewed: 30 a second that say a name, as many that say nothing. */
static void attack_half_open_parked(struct attack_ground *ground)
{
    unsigned next = 0;

    for (unsigned i = 0; i < PARKED && attack_goes_on(ground); i++) {
        wire_dial_raw(&wires[i], ground->port, 77);
        greet_as(&wires[i], attack_name(ground, "parked"));
        wire_poll(wires, i + 1, 0);
    }
    while (attack_goes_on(ground)) {
        struct wire *wire = &wires[next++ % PARKED];
        wire_close(wire, false);
        wire_dial_raw(wire, ground->port, 77);
        if (next % 2 == 0) {
            greet_as(wire, attack_name(ground, "parked"));
        }
        wire_poll(wires, PARKED, 0);
        attack_pause(16);
    }
    close_all(false);
}

/* A thousand a second that say nothing. */
static void half_open_flood(struct attack_ground *ground, bool many_addresses)
{
    unsigned next = 0;

    while (attack_goes_on(ground)) {
        for (unsigned i = 0; i < 10; i++) {
            struct wire *wire = &wires[next++ % PARKED];
            wire_close(wire, false);
            wire_dial_raw(wire, ground->port, many_addresses ? any_source(ground) : 78);
        }
        attack_pause(10);
    }
    close_all(true);
}

static void attack_half_open_flood(struct attack_ground *ground)
{
    half_open_flood(ground, false);
}

static void attack_half_open_flood_from_everywhere(struct attack_ground *ground)
{
    half_open_flood(ground, true);
}

/* A byte now and then, so that something always goes on. */
static void attack_slow_greeting(struct attack_ground *ground)
{
    static const char line[] = "aemp;1;slow;hmac_sha3_512,cleartext;cbor,json;provider=slow";
    unsigned at = 0;

    for (unsigned i = 0; i < 100; i++) {
        wire_dial_raw(&wires[i], ground->port, any_source(ground));
    }
    while (attack_goes_on(ground)) {
        for (unsigned i = 0; i < 100; i++) {
            ptl_buffer_append(&wires[i].out, &line[at % (sizeof(line) - 1)], 1);
        }
        at++;
        wire_poll(wires, 100, 50);
        attack_pause(100);
    }
    close_all(false);
}

/* ---- What is said --------------------------------------------------------------------------- */

static void put_garbage(struct attack_ground *ground, struct wire *wire)
{
    static const char *const lines[] = {
        "aemp;1;x;hmac_sha3_512;cbor\n\n\n",
        "aemp;2;x;hmac_sha3_512;cbor\nn\n",
        "aemp;1;;hmac_sha3_512;cbor\nn\n",
        "aemp;1;x;md5_leet;cbor\nn\nmd5_leet;0;cbor\n",
        "aemp;1;x;cleartext;json\nn\ncleartext;00;json\n[\"echo\",1]",
        "GET / HTTP/1.1\r\nHost: rain\r\n\r\n",
        "aemp;1;rain;hmac_sha3_512;cbor\nn\nhmac_sha3_512;00;cbor\n",
        "aemp;1;a#b;hmac_sha3_512;cbor\nn\n",
        "aemp;1;x%00y;hmac_sha3_512;cbor;portolan=0.0\nn\n",
        "aemp;1;x;hmac_sha3_512;cbor;portolan=ffffffffffffffff.3\nn\nhmac_sha3_512;;cbor;session="
        "9\n",
    };
    uint8_t noise[6000];
    uint64_t kind = sim_random_below(&ground->random, 16);

    if (kind < 10) {
        say_text(wire, lines[kind]);
        return;
    }
    if (kind < 12) { /* a line without an end */
        say_text(wire, "aemp;1;");
    }
    if (kind < 14) {
        memset(noise, 'a', sizeof(noise));
    } else {
        sim_random_bytes(&ground->random, noise, sizeof(noise));
    }
    ptl_buffer_append(&wire->out, noise, sizeof(noise));
}

static void attack_greeting_garbage(struct attack_ground *ground)
{
    unsigned next = 0;

    while (attack_goes_on(ground)) {
        struct wire *wire = &wires[next++ % 100];
        wire_close(wire, next % 3 == 0);
        wire_dial_raw(wire, ground->port, any_source(ground));
        put_garbage(ground, wire);
        wire_poll(wires, 100, 0);
        attack_pause(2);
    }
    close_all(false);
}

/* As much behind the lines as is taken, without a proof. */
static void attack_backlog(struct attack_ground *ground)
{
    static uint8_t noise[262144];

    for (unsigned i = 0; i < 200 && attack_goes_on(ground); i++) {
        wire_dial_raw(&wires[i], ground->port, any_source(ground));
        greet_as(&wires[i], attack_name(ground, "backlog"));
        ptl_buffer_append(&wires[i].out, noise, sizeof(noise));
        wire_poll(wires, i + 1, 1);
    }
    while (attack_goes_on(ground)) {
        wire_poll(wires, 200, 20);
        attack_pause(20);
    }
    close_all(true);
}

/* Guess, with all lines at once. */
static void attack_wrong_secret(struct attack_ground *ground)
{
    const char *secret = ground->secret;

    ground->secret = "a guess, and a wrong one";
    while (attack_goes_on(ground)) {
        struct wire wire;
        if (attack_open(ground, &wire, attack_innocent(ground, true), WIRE_OURS)) {
            wire_close(&wire, false);
        }
        attack_pause(2);
    }
    ground->secret = secret;
}

/* ---- The log -------------------------------------------------------------------------------- */

/* What each health check does, two thousand times a second. */
static void attack_log_flood(struct attack_ground *ground)
{
    while (attack_goes_on(ground)) {
        for (unsigned i = 0; i < 10; i++) {
            struct wire wire;
            wire_dial_raw(&wire, ground->port, any_source(ground));
            if (i % 2 == 0) {
                say_text(&wire, "x\n");
                wire_poll(&wire, 1, 1);
            }
            wire_close(&wire, i % 3 == 0);
        }
        attack_pause(5);
    }
}

/* ---- A seed --------------------------------------------------------------------------------- */

static int listen_at(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* At the address of a seed that is dead sits somebody who says that he is an innocent. */
static void attack_false_seed(struct attack_ground *ground)
{
    int listener = ground->lair == 0 ? -1 : listen_at(ground->lair);

    while (listener >= 0 && attack_goes_on(ground)) {
        struct pollfd poll_one = {.fd = listener, .events = POLLIN};
        char line[256];
        if (poll(&poll_one, 1, 50) != 1) {
            continue;
        }
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        int size =
            snprintf(line, sizeof(line),
                     "aemp;1;%s;hmac_sha3_512;cbor;mproto=1;gproto=1\n"
                     "nonce\n",
                     sim_random_chance(&ground->random, 500) ? ATTACK_FRIEND
                                                             : attack_innocent(ground, true));
        (void)!send(fd, line, (size_t)size, MSG_NOSIGNAL);
        attack_pause(200);
        close(fd);
    }
    if (listener >= 0) {
        close(listener);
    }
}

static const struct attack attacks[] = {
    {"squat_name", attack_squat_name},
    {"half_open_parked", attack_half_open_parked},
    {"half_open_flood", attack_half_open_flood},
    {"half_open_flood_from_everywhere", attack_half_open_flood_from_everywhere},
    {"slow_greeting", attack_slow_greeting},
    {"greeting_garbage", attack_greeting_garbage},
    {"backlog", attack_backlog},
    {"wrong_secret", attack_wrong_secret},
    {"log_flood", attack_log_flood},
    {"false_seed", attack_false_seed},
};

int main(int argc, char *argv[])
{
    return attack_main(argc, argv, attacks, sizeof(attacks) / sizeof(attacks[0]));
}
