#include "tests/hostile/peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *port_of(const struct wire *wire)
{
    static char id[300];

    snprintf(id, sizeof(id), "%s#in", wire->id);
    return id;
}

/* ---- Answers that nobody reads -------------------------------------------------------------- */

/* Ask for much, and take 20 kB/s. */
void attack_slow_asker(struct attack_ground *ground)
{
    struct wire wire;
    uint8_t bytes[1000];

    if (!attack_open(ground, &wire, attack_name(ground, "slow"), WIRE_PLAIN)) {
        return;
    }
    wire.deaf = true;
    int little = 4096;
    setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    while (attack_goes_on(ground) && wire.state == WIRE_UP) {
        if (wire_unsent(&wire) < 100000) {
            for (unsigned i = 0; i < 20; i++) {
                wire_say(&wire, "sszs", "echo", "echo", (size_t)60000, port_of(&wire));
                wire_say(&wire, "sss", "portolan", "links", port_of(&wire));
                wire_say(&wire, "sss", "sink", "count", port_of(&wire));
            }
            wire_say(&wire, "sssszs", "portolan", "db_set", "slow", "key", (size_t)30000,
                     port_of(&wire));
        }
        wire_poll(&wire, 1, 5);
        if (wire.fd >= 0) {
            (void)!recv(wire.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        }
        attack_pause(45);
    }
    wire_close(&wire, false);
}

/* Ask as fast as it goes, and take nothing. */
static void ask_and_stay_away(struct attack_ground *ground, enum wire_style style,
                              void (*ask)(struct wire *wire))
{
    struct wire wire;

    if (!attack_open(ground, &wire, attack_name(ground, "away"), style)) {
        return;
    }
    wire_say(&wire, "ss", "", "");
    wire.deaf = true;
    while (attack_push(ground, &wire)) {
        ask(&wire);
    }
    wire_close(&wire, false);
}

static void ask_time(struct wire *wire)
{
    wire_say(wire, "sssz", "", "time", port_of(wire), (size_t)1 << 20);
}

void attack_time_large(struct attack_ground *ground)
{
    ask_and_stay_away(ground, WIRE_OURS, ask_time);
}

static void ask_services(struct wire *wire)
{
    wire_say(wire, "sszs", "echo", "echo", (size_t)100000, port_of(wire));
    wire_say(wire, "sssz", "", "snd", port_of(wire), (size_t)100000);
    wire_say(wire, "ssss", "", "eval", "1", port_of(wire));
    for (unsigned i = 0; i < 50; i++) {
        wire_say(wire, "ssss", "", "can", "snd", port_of(wire));
        wire_say(wire, "sss", "portolan", "links", port_of(wire));
    }
}

void attack_unread_answers(struct attack_ground *ground)
{
    ask_and_stay_away(ground, WIRE_PLAIN, ask_services);
}

/* The same on thirty links at once, one after the other as each is full. */
void attack_unread_on_many_links(struct attack_ground *ground)
{
    static struct wire wires[30];
    unsigned up = 0;

    while (up < 30 && attack_open(ground, &wires[up], attack_name(ground, "many"), WIRE_OURS)) {
        struct wire *wire = &wires[up++];
        wire_say(wire, "ss", "", "");
        wire->deaf = true;
        for (unsigned i = 0; i < 20; i++) {
            ask_time(wire);
        }
        for (unsigned i = 0; i < 100 && wire_unsent(wire) != 0; i++) {
            wire_poll(wire, 1, 5);
        }
    }
    attack_linger(ground, wires, up, 10000);
    for (unsigned i = 0; i < up; i++) {
        wire_close(&wires[i], false);
    }
}

/* Two hundred links of one who needs one. */
void attack_many_links(struct attack_ground *ground)
{
    static struct wire wires[200];
    unsigned up = 0;

    while (up < 200 && attack_open(ground, &wires[up], attack_name(ground, "links"), WIRE_PLAIN)) {
        up++;
    }
    attack_linger(ground, wires, up, 10000);
    for (unsigned i = 0; i < up; i++) {
        wire_close(&wires[i], false);
    }
}

/* ---- Large messages ------------------------------------------------------------------------- */

/* Twenty connections, each with a message that wants its last byte. */
void attack_many_messages_in_the_making(struct attack_ground *ground)
{
    struct wire wires[20];
    unsigned up = 0;

    for (; up < 20; up++) {
        if (!attack_open(ground, &wires[up], attack_name(ground, "making"), WIRE_PLAIN)) {
            break;
        }
        wire_say(&wires[up], "sz", "sink", (size_t)4000000);
        wires[up].out.size--;
        if (!attack_push(ground, &wires[up])) {
            up++;
            break;
        }
    }
    attack_linger(ground, wires, up, 10000);
    for (unsigned i = 0; i < up; i++) {
        wire_close(&wires[i], false);
    }
}

/* A large message to oneself, as JSON: it is written anew for the way back. */
void attack_large_json(struct attack_ground *ground)
{
    struct wire wire;
    char head[400];

    if (!attack_open(ground, &wire, attack_name(ground, "json"), WIRE_JSON)) {
        return;
    }
    while (attack_goes_on(ground) && wire.state == WIRE_UP) {
        snprintf(head, sizeof(head), "[\"\",\"snd\",\"%s\",\"", port_of(&wire));
        ptl_buffer_append(&wire.out, head, strlen(head));
        uint8_t *room = ptl_buffer_reserve(&wire.out, 3900000);
        ptl_assert(room != NULL);
        memset(room, 'j', 3900000);
        wire.out.size += 3900000;
        ptl_buffer_append(&wire.out, "\"]", 2);
        attack_push(ground, &wire);
        attack_linger(ground, &wire, 1, 200);
    }
    wire_close(&wire, false);
}

/* ---- Nodes that are not there --------------------------------------------------------------- */

/* A socket that lets nobody in: its queue is full, and connecting to it hangs. */
static int open_tarpit(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ptl_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 0) == 0 &&
               getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* The values of `'l`: `nodes` nodes "PREFIX-N" with `addresses` addresses each, at this port. */
static void put_addresses(struct ptl_buffer *out, const char *prefix, unsigned nodes,
                          unsigned addresses, uint16_t port)
{
    char text[300];

    ptl_cbor_put_head(out, PTL_CBOR_MAP, nodes);
    for (unsigned i = 0; i < nodes; i++) {
        snprintf(text, sizeof(text), "%s-%u", prefix, i);
        ptl_cbor_put_string(out, PTL_CBOR_TEXT, ptl_span_text(text));
        ptl_cbor_put_head(out, PTL_CBOR_ARRAY, addresses);
        for (unsigned k = 0; k < addresses; k++) {
            snprintf(text, sizeof(text), "127.0.%u.%u:%u", k / 250 % 250, 1 + k % 250,
                     (unsigned)port);
            ptl_cbor_put_string(out, PTL_CBOR_TEXT, ptl_span_text(text));
        }
    }
}

/* Open, attach, and tell of nodes that are not there.  False: the wire is closed. */
static bool tell_of_nodes(struct attack_ground *ground, struct wire *wire, unsigned nodes,
                          unsigned addresses, uint16_t port)
{
    struct ptl_buffer map;
    const uint8_t empty_map = 0xa0, empty_array = 0x80;

    if (!attack_open(ground, wire, attack_name(ground, "liar"), WIRE_GLOBAL)) {
        return false;
    }
    ptl_buffer_init(&map, ptl_allocator_libc(), SIZE_MAX);
    put_addresses(&map, wire->id, nodes, addresses, port);
    wire_say(wire, "ssm", "", "g_slave", ptl_span(&empty_map, 1));
    wire_say(wire, "sssmm", "", "g_upd", "'l", ptl_buffer_span(&map), ptl_span(&empty_array, 1));
    ptl_buffer_drop(&map);
    if (!attack_push(ground, wire)) {
        wire_close(wire, false); /* its time is over before all has left */
        return false;
    }
    return true;
}

void attack_many_addresses(struct attack_ground *ground)
{
    struct wire wire;
    char to[300];

    if (!tell_of_nodes(ground, &wire, 4, 20000, 9)) {
        return;
    }
    for (unsigned i = 0; attack_push(ground, &wire); i++) {
        snprintf(to, sizeof(to), "%s-%u#x", wire.id, i % 4);
        wire_say(&wire, "ssss", "", "snd", to, "hello");
        attack_linger(ground, &wire, 1, 100);
    }
    wire_close(&wire, false);
}

/* Much for many nodes that answer nothing. */
void attack_unreachable_nodes(struct attack_ground *ground)
{
    struct wire wire;
    uint16_t port;
    char to[300];
    int tarpit = open_tarpit(&port);

    if (tell_of_nodes(ground, &wire, 100, 1, port)) {
        for (unsigned i = 0; attack_push(ground, &wire); i++) {
            snprintf(to, sizeof(to), "%s-%u#x", wire.id, i % 100);
            wire_say(&wire, "sssz", "", "snd", to, (size_t)65536);
        }
        wire_close(&wire, false);
    }
    close(tarpit);
}

void attack_ghost_names(struct attack_ground *ground)
{
    struct wire wire;
    char to[300];

    if (!attack_open(ground, &wire, attack_name(ground, "ghosts"), WIRE_PLAIN)) {
        return;
    }
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(to, sizeof(to), "%s-%u#x", wire.id, i);
        wire_say(&wire, "ssss", "", "snd", to, "boo");
        if (i % 200 == 0 && !attack_push(ground, &wire)) {
            break;
        }
    }
    wire_close(&wire, false);
}

/* ---- Identity ------------------------------------------------------------------------------- */

/* Two of one name, each with its own incarnation, that come again and again. */
void attack_twin_id(struct attack_ground *ground)
{
    const char *id = attack_name(ground, "twin");

    while (attack_goes_on(ground)) {
        struct wire twins[2] = {{.state = WIRE_NONE}};
        for (unsigned i = 0; i < 2; i++) {
            if (attack_open(ground, &twins[i], id,
                            sim_random_chance(&ground->random, 500) ? WIRE_OURS : WIRE_PLAIN)) {
                wire_say(&twins[i], "ss", "", "");
                wire_say(&twins[i], "ssss", "echo", "echo", "which", port_of(&twins[i]));
            }
        }
        attack_linger(ground, twins, 2, 20);
        wire_close(&twins[0], false);
        wire_close(&twins[1], false);
    }
}

/* Whoever has the secret may still not be somebody else, while that one is there. */
void attack_twin_of_an_innocent(struct attack_ground *ground)
{
    while (attack_goes_on(ground)) {
        struct wire wire;
        if (attack_open(ground, &wire, attack_innocent(ground, false),
                        sim_random_chance(&ground->random, 500) ? WIRE_OURS : WIRE_PLAIN)) {
            wire_say(&wire, "ss", "", "");
            attack_linger(ground, &wire, 1, 50);
            wire_close(&wire, false);
        }
        attack_pause(50);
    }
}

/* A client that comes and goes, as fast as it can. */
void attack_come_and_go(struct attack_ground *ground)
{
    while (attack_goes_on(ground)) {
        struct wire wire;
        if (attack_open(ground, &wire, attack_name(ground, "comer"), WIRE_PLAIN)) {
            wire_close(&wire, sim_random_chance(&ground->random, 500));
        }
        attack_pause(1);
    }
}
