/*
 * What many connections hold together is bounded, though nobody bounds how many there are.
 */
#include "tests/common/listener.h"
#include "tests/common/witness.h"
#include "tests/hostile/wire.h"

#include <sys/socket.h>
#include <unistd.h>

#define PEERS 20
#define MIB ((size_t)1 << 20)
#define SECRET "the secret of this test"

/*
 * What all may hold beside the room they share: a buffer of 64 KiB each way for every link; one
 * message being taken and one being sent whole; and as much as the room again, for a link that has
 * failed gives its bytes back when its socket is closed, not before.
 */
#define BESIDE (4 * MIB + (PEERS + 1) * (MIB / 8) + 2 * MIB)

static struct wire wires[PEERS + 1];
static struct sim_random chance;
static size_t most_bytes;
static const uint8_t bytes[30000];

static struct ptl_node *start(void)
{
    struct ptl_node_options options = witness_options("rain");
    const char *binds[] = {"127.0.0.1:0", NULL};

    options.binds = binds;
    options.secret = SECRET;
    options.secret_size = strlen(SECRET);
    options.shards = 1;
    options.message_bytes_max = MIB;
    options.link_room = MIB;
    options.links_room = 4 * MIB;
    options.making_room = 4 * MIB;
    options.inbox_room = MIB / 4;
    return witness_start(&options);
}

/* Look after all wires, and at what the node holds. */
static void look(void)
{
    wire_poll(wires, PEERS + 1, 5);
    size_t out = witness_bytes();
    most_bytes = out > most_bytes ? out : most_bytes;
}

static void set_receive_buffer(const struct wire *wire, int size)
{
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static void open_wire(struct ptl_node *node, unsigned i, wire_take_fn *take, void *data)
{
    char id[32];
    struct wire_options options = {
        .port = (uint16_t)atoi(strrchr(ptl_node_address(node, 0), ':') + 1),
        .id = id,
        .secret = SECRET,
        .take = take,
        .data = data,
    };

    snprintf(id, sizeof(id), "peer-%u", i);
    assert_true(wire_dial(&wires[i], &options, &chance));
    while (wires[i].state != WIRE_UP) {
        assert_int_not_equal(wires[i].state, WIRE_ENDED);
        look();
    }
}

static void close_all(void)
{
    for (unsigned i = 0; i <= PEERS; i++) {
        wire_close(&wires[i], true);
    }
}

/* Send until there is no room, which is told to this thread a moment later. */
static void fill(struct ptl_node *node, const struct ptl_port *to)
{
    unsigned refused = 0;

    while (refused < 20) {
        int err = ptl_sendf(node, to, "y", bytes, sizeof(bytes));
        assert_true(err == PTL_OK || err == PTL_EFULL);
        refused = err == PTL_OK ? 0 : refused + 1;
        if (err == PTL_EFULL) {
            look();
        }
    }
}

static void links_that_take_nothing_hold_a_bounded_sum(void **state)
{
    struct ptl_node *node = start();
    char id[32];

    (void)state;
    for (unsigned i = 0; i < PEERS; i++) {
        open_wire(node, i, NULL, NULL);
        set_receive_buffer(&wires[i], 4096); /* it is to wait in the node, not in a socket */
        wires[i].deaf = true;
    }
    look();
    size_t before = most_bytes = witness_bytes();
    for (unsigned i = 0; i < PEERS; i++) {
        snprintf(id, sizeof(id), "peer-%u#in", i);
        struct ptl_port to = witness_parse(node, id);
        fill(node, &to);
    }
    /* Each by itself may hold 1 MiB, and all of them 4. */
    assert_in_range(most_bytes - before, 2 * MIB, 4 * MIB + BESIDE);

    /* Whoever takes what it gets is served nevertheless. */
    open_wire(node, PEERS, NULL, NULL);
    struct ptl_port to = witness_parse(node, "peer-20#in");
    for (unsigned sent = 0; wires[PEERS].packets < 100; look()) {
        sent += sent < 100 && ptl_sendf(node, &to, "y", bytes, sizeof(bytes)) == PTL_OK;
    }
    close_all();
}

/* Nor does it help to be many that cannot be reached. */
static void links_that_are_dialled_hold_a_bounded_sum(void **state)
{
    struct ptl_node *node = start();
    char address[32], id[32];
    int listener = listener_open(address); /* and nobody there says a word */

    (void)state;
    size_t before = most_bytes = witness_bytes();
    for (unsigned i = 0; i < PEERS; i++) {
        snprintf(id, sizeof(id), "nowhere-%u", i);
        assert_int_equal(ptl_node_known(node, id, address), 0);
        snprintf(id, sizeof(id), "nowhere-%u#in", i);
        struct ptl_port to = witness_parse(node, id);
        fill(node, &to);
    }
    assert_in_range(most_bytes - before, 2 * MIB, 4 * MIB + BESIDE);
    assert_int_equal(witness_stop(node, 0), PTL_ETIMEOUT);
    close(listener);
}

static void take_echo(struct wire *wire, const struct ptl_packet *packet, void *data)
{
    (void)wire;
    (void)packet;
    *(bool *)data = true;
}

static int echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port reply;

    (void)data;
    int err = ptl_msg_read(node, msg, "*p", &reply);
    return err < 0 ? err : ptl_sendf(node, &reply, "t", "here");
}

static unsigned count_ended(void)
{
    unsigned ended = 0;

    for (unsigned i = 0; i < PEERS; i++) {
        ended += wires[i].state == WIRE_ENDED;
    }
    return ended;
}

static void messages_in_the_making_hold_a_bounded_sum(void **state)
{
    struct ptl_node *node = start();
    struct ptl_port_options options = {.size = sizeof(options), .name = "echo", .handler = echo};
    struct ptl_port port;
    bool answered = false;

    (void)state;
    assert_int_equal(ptl_port_new(node, &options, &port), PTL_OK);
    for (unsigned i = 0; i < PEERS; i++) {
        open_wire(node, i, NULL, NULL);
    }
    look();
    size_t before = most_bytes = witness_bytes();
    for (unsigned i = 0; i < PEERS; i++) {
        wire_say(&wires[i], "sz", "echo", (size_t)900000);
        wires[i].out.size--; /* its last byte never comes */
        while (wires[i].state == WIRE_UP && wire_unsent(&wires[i]) != 0) {
            look();
        }
    }
    /* Whoever means well has a whole message through, though all room is taken. */
    open_wire(node, PEERS, take_echo, &answered);
    wire_say(&wires[PEERS], "szs", "echo", (size_t)900000, "peer-20#in");
    while (!answered) {
        assert_int_equal(wires[PEERS].state, WIRE_UP);
        look();
    }
    while (count_ended() < PEERS - 8) {
        look();
    }
    assert_in_range(most_bytes - before, MIB, 4 * MIB + BESIDE);
    assert_int_equal(wires[0].state, WIRE_ENDED); /* the oldest first */
    close_all();
}

static void claim_names(uint16_t port, unsigned count)
{
    static unsigned number;
    char lines[100];

    for (unsigned i = 0; i < count; i++) {
        struct wire *wire = &wires[i % PEERS];
        wire_close(wire, false);
        assert_true(wire_dial_raw(wire, port, 0));
        snprintf(lines, sizeof(lines), "aemp;1;nobody-%u;hmac_sha3_512;cbor\nnonce\n", number++);
        ptl_buffer_append(&wire->out, lines, strlen(lines));
        while (wire_unsent(wire) != 0 && wire->state == WIRE_UP) {
            look();
        }
    }
    close_all();
}

/*
 * A stranger says a name, and a link would be found by it: the name goes with the stranger.  What
 * stays is that tables have grown for as many as were there at once, which is a matter of how
 * often the node has come to run; the names of all who ever came would be six times as much.
 */
static void names_that_strangers_gave_are_forgotten(void **state)
{
    struct ptl_node *node = start();
    uint16_t port = (uint16_t)atoi(strrchr(ptl_node_address(node, 0), ':') + 1);
    size_t before = witness_bytes();

    (void)state;
    claim_names(port, 3000);
    while (witness_bytes() > before + MIB / 4) {
        look();
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(links_that_take_nothing_hold_a_bounded_sum),
        WITNESSED(links_that_are_dialled_hold_a_bounded_sum),
        WITNESSED(messages_in_the_making_hold_a_bounded_sum),
        WITNESSED(names_that_strangers_gave_are_forgotten),
    };

    sim_random_seed(&chance, 1);
    return witness_main(argc, argv, "together", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
