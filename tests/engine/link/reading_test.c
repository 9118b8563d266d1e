/*
 * A node of our kind is read on, however full the ports are that it sends to: they are on the other
 * shard, and so is the ring between.
 */
#include "engine/message/name.h"
#include "engine/port/send.h"
#include "tests/common/witness.h"
#include "tests/replay/wire.h"

#include <poll.h>
#include <sys/socket.h>

#define SHARDS 2
#define PORT_ROOM ((size_t)64 << 10)
#define KILL_BYTES ((size_t)256 << 10) /* more than the ring takes, less than sockets do */
#ifdef PTL_QUICK
#define FLOOD_BYTES ((size_t)1 << 20)
#else
#define FLOOD_BYTES ((size_t)8 << 20) /* many times the ring and its share */
#endif

static struct ptl_node *rain;
static struct ptl_port slow;
static struct wire peer;
static struct ptl_buffer flood;

static _Atomic bool takes; /* the slow port does */
static _Atomic bool runs;  /* its shard */
static unsigned slow_shard;

static int take_when_told(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node, (void)msg, (void)data;
    return atomic_load(&takes) ? PTL_OK : PTL_LATER;
}

/* Join as a node of our kind whose link another shard owns than the slow port's. */
static void join(void)
{
    const struct ptl_node_options options = witness_options("peer");
    char id[16], lines[128], secret[64];

    for (unsigned i = 0, shard = slow_shard; shard == slow_shard; i++) {
        snprintf(id, sizeof id, "p%u", i);
        shard = ptl_shard_of(ptl_name_hash(ptl_span_text(id)), SHARDS);
    }
    snprintf(lines, sizeof lines, "aemp;1;%s;hmac_sha3_512;cbor;portolan=abc.1\nnonce\n", id);
    snprintf(secret, sizeof secret, "%.*s", (int)options.secret_size, (const char *)options.secret);
    const struct wire_opening opening = {
        .node_id = id, .secret = secret, .framings = "cbor", .lines = lines};
    int fd = wire_dial(ptl_node_address(rain, 0));
    struct timeval patience = {.tv_sec = WIRE_WAIT_MS / 1000};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    wire_open(&peer, fd, &opening, NULL);
}

/* Its shard stands still meanwhile. */
static int stand_still(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node, (void)msg, (void)data;
    while (!atomic_load(&runs)) {
        poll(NULL, 0, 1);
    }
    return PTL_OK;
}

/* Sends to the port that stands still until the ring to it is full; then that goes on. */
static int fill_ring(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    if (ptl_send(node, data, msg) == PTL_EFULL) {
        atomic_store(&runs, true);
    }
    return PTL_OK;
}

/* A port of the slow one's shard, or of the other. */
static struct ptl_port make_port(bool beside, ptl_handler_fn *handler, void *data)
{
    const struct ptl_port_options options = {
        .size = sizeof options,
        .handler = handler,
        .data = data,
        .shard_plus_one = 1 + (beside ? slow_shard : SHARDS - 1 - slow_shard),
    };
    struct ptl_port port;

    assert_int_equal(ptl_port_new(rain, &options, &port), 0);
    return port;
}

static void begin(void)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options("rain");

    atomic_store(&takes, false);
    atomic_store(&runs, false);
    options.binds = binds;
    options.port_room = PORT_ROOM;
    rain = witness_start(&options);
    slow = witness_port(rain, "slow", take_when_told, NULL);
    slow_shard = ptl_place_of(rain, &slow);
    ptl_buffer_init(&flood, ptl_allocator_libc(), SIZE_MAX);
    join();
}

static void gather(const char *name, const char *json)
{
    struct ptl_msg *msg = witness_values(json);

    assert_int_equal(ptl_packet_encode(PTL_FRAMING_CBOR, &flood, ptl_span_text(name),
                                       ptl_msg_body(msg), msg->count),
                     0);
    ptl_msg_free(msg);
}

static void send_gathered(void)
{
    wire_send(&peer, ptl_span(flood.bytes, flood.size));
    ptl_buffer_clear(&flood);
}

static bool is_told_full(void)
{
    for (size_t i = 0; i < peer.got.count; i++) {
        if (packet_requests(&peer.got.at[i], "portolan::full")) {
            return true;
        }
    }
    return false;
}

/* However much that takes: the ring brings some while its port is about to say that it is full. */
static void send_until_told_full(void)
{
    for (int looks = 0; !is_told_full(); looks++) {
        assert_true(looks < WIRE_WAIT_MS / 10);
        gather("slow", "\"message\"");
        send_gathered();
        (void)wire_take(&peer, wire_patience() - WIRE_WAIT_MS + 10);
    }
}

/* Say all that was gathered, and something behind it for another port, which must come. */
static void end_with_being_heard(void)
{
    (void)witness_port(rain, "listener", on_message, "listener");
    gather("listener", "\"heard\"");
    send_gathered();
    assert_next("listener", "[\"heard\"]");
    atomic_store(&takes, true); /* which delays the end no longer */
    ptl_buffer_drop(&flood);
    wire_close(&peer);
}

static void peer_that_floods_a_full_port_of_another_shard_is_read_on(void **state)
{
    (void)state;
    begin();
    while (flood.size < FLOOD_BYTES) {
        gather("slow", "\"a message of ordinary size of which a great many come\"");
    }
    end_with_being_heard();
}

/* The ring to it is full as well, and has room again, as the port never has. */
static void peer_that_kills_a_full_port_through_a_full_ring_is_read_on(void **state)
{
    (void)state;
    begin();
    struct ptl_port still = make_port(true, stand_still, NULL);
    struct ptl_port filler = make_port(false, fill_ring, &still);
    while (flood.size < 2 * PORT_ROOM) {
        gather("slow", "\"message\"");
    }
    send_gathered();
    send_until_told_full();
    tell(rain, &still, "");
    while (flood.size < KILL_BYTES) {
        gather("", "\"kil1\", \"slow\", \"reason\"");
    }
    send_gathered();
    while (!atomic_load(&runs)) {
        tell(rain, &filler, "");
        poll(NULL, 0, 1);
    }
    end_with_being_heard();
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {SHARDS, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(peer_that_floods_a_full_port_of_another_shard_is_read_on),
        WITNESSED(peer_that_kills_a_full_port_through_a_full_ring_is_read_on),
    };

    return witness_main(argc, argv, "reading", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
