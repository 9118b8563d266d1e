/*
 * A peer that has proved the secret and sends frames that break a rule, or ends within one: it is
 * told which rule, and loses its link; nobody else notices.
 */
#include "tests/common/raw_peer.h"
#include "tests/common/witness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEARTBEAT "\x01\0\0\0"
#define GOODBYE "\x06\0\0\0"
#define OPEN_1 "\x02\0\x0a\0\1\0\0\0\2\4port"
#define MESSAGE_1 "\x90\1\5\0\1\0\0\0\1"
#define FIRST_3 "\x91\x10\x11\0\1\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0B" /* 1 of 3 bytes */
#define PIECE_2 "\x12\0\2\0hi"
#define EACH(list) (sizeof(list) / sizeof((list)[0]))
#define BYTES(literal) literal, sizeof(literal) - 1

static struct ptl_node *rain, *snow;
static struct ptl_port neighbour;

/* Rain, which has a neighbour that means well and notes what of it is lost, and which gives a peer
 * so many monitors; 0: as many as it does by itself. */
static void start_both_with(unsigned monitors_max)
{
    static const char *const loopback[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options("rain");

    options.binds = loopback;
    options.monitors_max = monitors_max;
    rain = witness_start(&options);
    options = witness_options("snow");
    options.binds = loopback;
    snow = witness_start(&options);
    struct ptl_port at_snow = witness_listener(snow, "neighbour");
    assert_int_equal(ptl_node_known(rain, "snow", ptl_node_address(snow, 0)), 0);
    neighbour = witness_parse(rain, ptl_port_id(&at_snow));
    assert_int_equal(ptl_monitor(rain, &neighbour, on_gone, "neighbour gone", NULL), 0);
    tell(rain, &neighbour, "t", "welcome");
    assert_next("neighbour", "[\"welcome\"]");
    witness_port(rain, "port", on_message, "port");
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    assert_next("link", "up snow");
}

static void start_both(void)
{
    start_both_with(0);
}

static void send_bytes(const struct raw_peer *peer, const char *bytes, size_t size)
{
    assert_int_equal(send(peer->socket, bytes, size, MSG_NOSIGNAL), size);
}

/* A link of a peer of that name, which it may break. */
static void link_peer(struct raw_peer *peer)
{
    const int on = 1;

    raw_greet_with_frames(peer, raw_connect(rain), "peer");
    assert_int_equal(setsockopt(peer->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    raw_send(peer);
    send_bytes(peer, BYTES(HEARTBEAT));
    assert_next("link", "up peer");
}

static void await_end(void)
{
    assert_non_null(strstr(witness_next("link"), "down peer"));
    tell(rain, &neighbour, "t", "still here");
    assert_next("neighbour", "[\"still here\"]");
    assert_silent("neighbour gone");
    assert_silent("link");
}

/* All that the node says until it closes ends with these bytes. */
static void expect_last(const struct raw_peer *peer, const char *last, size_t last_size)
{
    char bytes[65536];
    size_t size = 0;
    ssize_t count = 1;

    while (count > 0) {
        struct pollfd waits = {.fd = peer->socket, .events = POLLIN};
        assert_int_equal(poll(&waits, 1, 60000), 1);
        count = read(peer->socket, bytes + size, sizeof(bytes) - size);
        assert_true(count >= 0);
        size += (size_t)count;
    }
    assert_true(size >= last_size);
    assert_memory_equal(bytes + size - last_size, last, last_size);
}

static void expect_error(const struct raw_peer *peer, unsigned code)
{
    const char error[] = {7, 0, 2, 0, (char)code, 0};

    expect_last(peer, error, sizeof(error));
}

/* ---- Rules --------------------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    size_t size;
    unsigned code;
} faults[] = {
    {BYTES("\0\0\0\0"), 1},                     /* no kind */
    {BYTES("\x3e\0\x01\x44"), 1},               /* 17,409 bytes of whatever it is */
    {BYTES("\x10\1\xff\xff"), 1},               /* 65,535 of a message */
    {BYTES("\x02\0\2\0\1\0"), 1},               /* less than OPEN needs */
    {BYTES("\x02\0\x07\0\1\0\0\0\2\1\xff"), 1}, /* a name that is no text */
    {BYTES("\xa9\1\1\0\1"), 1},                 /* a request with a flow */
    {BYTES("\x90\1\5\0\7\0\0\0\1"), 2},         /* a number never opened */
    {BYTES("\x90\1\5\0\xff\xff\xff\xff\1"), 2}, /* ... and the last there is */
    {BYTES(OPEN_1 OPEN_1), 2},                  /* open already */
    {BYTES("\x03\0\4\0\1\0\0\0"), 2},           /* CLOSE of what is not open */
    {BYTES("\x13\0\0\0"), 2},                   /* KILL of the node port */
    {BYTES("\x12\0\2\0hi"), 4},                 /* a piece without a first one */
    {BYTES(OPEN_1 "\x92\0\5\0\1\0\0\0h"), 4},   /* ... of a flow */
    {BYTES(OPEN_1 FIRST_3 "\x12\0\3\0hix"), 4}, /* beyond its length */
    {BYTES(OPEN_1 FIRST_3 "\x12\0\0\0"), 4},    /* an empty one */
    {BYTES(OPEN_1 FIRST_3 MESSAGE_1), 4},       /* a message between pieces */
    {BYTES("\x11\x10\x0d\0\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0B"), 5},
    {BYTES(OPEN_1 "\x90\1\6\0\1\0\0\0\1\2"), 6}, /* more values than it says */
    {BYTES(OPEN_1 "\x90\2\5\0\1\0\0\0\1"), 6},   /* fewer */
    {BYTES("\x29\1\2\0\xc1\1"), 6},              /* a request's are not plain */
};

static void frame_that_breaks_a_rule_costs_its_sender_the_link(void **state)
{
    (void)state;
    start_both();
    for (size_t i = 0; i < EACH(faults); i++) {
        struct raw_peer peer;
        link_peer(&peer);
        struct ptl_port watched = witness_parse(rain, "peer#watched");
        assert_int_equal(ptl_monitor(rain, &watched, on_gone, "gone", NULL), 0);
        raw_read_until(peer.socket, "watched"); /* all is sent that there is to send */
        send_bytes(&peer, faults[i].bytes, faults[i].size);
        expect_error(&peer, faults[i].code);
        assert_non_null(strstr(witness_next("gone"), "breaks a rule of docs/wire.md"));
        if (i == 0) { /* of one peer few such lines are logged */
            witness_until("rain", "from peer: a frame with error 1");
        }
        await_end();
        raw_close(&peer);
    }
    assert_silent("port");
}

static void peer_that_finds_a_fault_loses_the_link_and_is_not_answered(void **state)
{
    struct raw_peer peer;

    (void)state;
    start_both();
    link_peer(&peer);
    send_bytes(&peer, BYTES("\x07\0\5\0\4\0why"));
    witness_until("rain", "peer says of our frames: error 4");
    await_end();
    raw_await_close(peer.socket);
    raw_close(&peer);
}

/* ---- What is no fault ----------------------------------------------------------------------- */

static void peer_that_says_goodbye_has_ended_the_link_behind_all_that_it_said(void **state)
{
    struct raw_peer peer;

    (void)state;
    start_both();
    link_peer(&peer);
    send_bytes(&peer, BYTES(OPEN_1 MESSAGE_1 GOODBYE MESSAGE_1));
    assert_next("port", "[1]");
    assert_non_null(strstr(witness_next("link"), "the peer has stopped"));
    raw_await_close(peer.socket); /* it waits for that */
    raw_close(&peer);
    assert_silent("port");
}

static void node_that_stops_says_goodbye_at_last(void **state)
{
    struct raw_peer peer;

    (void)state;
    start_both();
    link_peer(&peer);
    struct ptl_port there = witness_parse(rain, "peer#there");
    tell(rain, &there, "t", "the last of it");
    raw_read_until(peer.socket, "the last of it");
    assert_int_equal(witness_stop(rain, 60000), PTL_OK);
    expect_last(&peer, BYTES(GOODBYE));
    raw_close(&peer);
}

static void frames_of_later_versions_are_stepped_over(void **state)
{
    struct raw_peer peer;

    (void)state;
    start_both();
    link_peer(&peer);
    send_bytes(&peer, BYTES("\x3e\1\3\0abc"       /* a request */
                            "\x8f\0\5\0\1\0\0\0x" /* of the link, with a flow */
                            "\x5f\0\2\0\xff\xff"  /* of a flow, with parts */
                            "\x11\x3e\x0d\0\3\0\0\0\0\0\0\0\1\0\0\0B" PIECE_2 /* in pieces */
                                OPEN_1 MESSAGE_1));
    assert_next("port", "[1]");
    raw_close(&peer);
    await_end();
}

static void peer_that_ends_at_any_byte_is_a_link_that_has_ended(void **state)
{
    static const char all[] = OPEN_1 MESSAGE_1 FIRST_3 PIECE_2 "\x24\0\0\0"; /* time */
    const size_t first = sizeof(OPEN_1 MESSAGE_1) - 1;
    const size_t second = sizeof(OPEN_1 MESSAGE_1 FIRST_3 PIECE_2) - 1;

    (void)state;
    start_both();
    for (size_t size = 0; size < sizeof(all); size++) {
        struct raw_peer peer;
        link_peer(&peer);
        send_bytes(&peer, all, size);
        assert_int_equal(shutdown(peer.socket, SHUT_WR), 0);
        if (size >= first) {
            assert_next("port", "[1]");
        }
        if (size >= second) {
            assert_next("port", "[\"hi\"]");
        }
        assert_non_null(strstr(witness_next("link"), "Unexpected end-of-file"));
        raw_close(&peer);
    }
    tell(rain, &neighbour, "t", "still here");
    assert_next("neighbour", "[\"still here\"]");
    assert_silent("neighbour gone");
    assert_silent("port");
}

/* ---- Monitors ------------------------------------------------------------------------------ */

#define MONITOR(tag) "\x94\0\x0d\0\1\0\0\0" tag "\0\0\0\0\0\0\0\0" /* of flow 1, for no port */
#define MONITOR_FOR_W(tag) "\x94\0\x0f\0\1\0\0\0" tag "\0\0\0\0\0\0\0\2\1w"
#define UNMONITOR(tag) "\x95\0\x0c\0\1\0\0\0" tag "\0\0\0\0\0\0\0"
#define OPEN_2 "\x02\0\x0b\0\2\0\0\0\2\5other"
#define MONITOR_2(tag) "\x94\0\x0d\0\2\0\0\0" tag "\0\0\0\0\0\0\0\0"
#define DOWN(tag) "\x16\1\x10\0" tag "\0\0\0\0\0\0\0gbecause"

/* All that the node has said since the test began to listen. */
static char heard[65536];
static size_t heard_size;

static bool has_said(const char *bytes, size_t size)
{
    return memmem(heard, heard_size, bytes, size) != NULL;
}

static void hear(const struct raw_peer *peer, const char *wanted, size_t wanted_size)
{
    while (!has_said(wanted, wanted_size)) {
        struct pollfd waits = {.fd = peer->socket, .events = POLLIN};
        assert_int_equal(poll(&waits, 1, 60000), 1);
        ssize_t count = read(peer->socket, heard + heard_size, sizeof(heard) - heard_size);
        assert_true(count > 0);
        heard_size += (size_t)count;
    }
}

static void kill_because(const char *name)
{
    struct ptl_msg *reason;
    struct ptl_port port = witness_parse(rain, name);

    assert_int_equal(ptl_msg_make(rain, &reason, "t", "because"), 0);
    assert_int_equal(ptl_kill(rain, &port, reason), 0);
    ptl_msg_free(reason);
}

/* Each tag is answered once, unless it was taken back. */
static void peer_is_told_by_each_tag_of_its_own(void **state)
{
    struct raw_peer peer;

    (void)state;
    heard_size = 0;
    start_both();
    witness_port(rain, "other", on_message, "other");
    link_peer(&peer);
    send_bytes(&peer, BYTES(OPEN_1 OPEN_2 MONITOR("\7") MONITOR_FOR_W("\x08") MONITOR("\7")
                                UNMONITOR("\x08") UNMONITOR("\x63") MONITOR_2("\x09") MESSAGE_1
                            "\x90\1\5\0\2\0\0\0\1"));
    assert_next("port", "[1]");
    assert_next("other", "[1]");
    kill_because("rain#port");
    hear(&peer, BYTES(DOWN("\7")));
    kill_because("rain#other");
    hear(&peer, BYTES(DOWN("\x09")));
    assert_false(has_said(BYTES(DOWN("\x08"))));
    assert_false(has_said(BYTES(DOWN("\x63"))));
    raw_close(&peer);
    await_end();
}

static void peer_has_so_many_monitors_and_is_told_of_the_next_at_once(void **state)
{
    struct raw_peer peer;

    (void)state;
    heard_size = 0;
    start_both_with(2);
    link_peer(&peer);
    send_bytes(&peer, BYTES(OPEN_1 MONITOR("\1") MONITOR("\2") MONITOR("\3")));
    hear(&peer, BYTES("\3\0\0\0\0\0\0\0otransport_error"));
    send_bytes(&peer, BYTES(UNMONITOR("\1") MONITOR("\4") MESSAGE_1));
    assert_next("port", "[1]");
    kill_because("rain#port");
    hear(&peer, BYTES(DOWN("\2")));
    hear(&peer, BYTES(DOWN("\4")));
    assert_false(has_said(BYTES(DOWN("\1"))));
    raw_close(&peer);
    await_end();
}

/* What the peer says of monitors that it was not given, or says twice, is nothing to anybody. */
static void peer_that_answers_what_was_not_asked_is_not_heard(void **state)
{
    static const char opened[] = "watched";
    char bytes[4096], down[] = DOWN("\0") DOWN("\0");
    size_t size = 0;
    const char *at;
    struct raw_peer peer;

    (void)state;
    start_both();
    link_peer(&peer);
    struct ptl_port watched = witness_parse(rain, "peer#watched");
    assert_int_equal(ptl_monitor(rain, &watched, on_gone, "gone", NULL), 0);
    /* OPEN ends with the name; MONITOR follows: four bytes, the flow's number, the tag. */
    while ((at = memmem(bytes, size, opened, sizeof(opened) - 1)) == NULL ||
           at + sizeof(opened) - 1 + 16 > bytes + size) {
        ssize_t count = read(peer.socket, bytes + size, sizeof(bytes) - size);
        assert_true(count > 0);
        size += (size_t)count;
    }
    const char *monitor = at + sizeof(opened) - 1;
    assert_int_equal((uint8_t)monitor[0], 0x94);
    send_bytes(&peer, BYTES(DOWN("\0") DOWN("\xff") OPEN_1 MESSAGE_1));
    assert_next("port", "[1]");
    assert_silent("gone");
    memcpy(down + 4, monitor + 8, 8);
    memcpy(down + sizeof(DOWN("\0")) - 1 + 4, monitor + 8, 8);
    send_bytes(&peer, down, sizeof(down) - 1);
    send_bytes(&peer, BYTES(MESSAGE_1));
    assert_next("gone", "[\"because\"]");
    assert_next("port", "[1]");
    assert_silent("gone");
    raw_close(&peer);
    await_end();
}

/* ---- Turns --------------------------------------------------------------------------------- */

#define LARGE ((size_t)32 << 20) /* four times what a link may hold */
#define SMALL 500

/* ["large"]: a large message for a port of the peer's, which reads nothing; else: small ones for
 * another. */
static int on_order(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port large = witness_parse(node, "peer#large");
    struct ptl_port small = witness_parse(node, "peer#small");
    unsigned refused = 0;
    int err = PTL_OK;

    if (ptl_msg_is(msg, "large")) {
        void *bytes = calloc(1, LARGE);
        err = ptl_sendf(node, &large, "y", bytes, LARGE);
        free(bytes);
        witness_note(data, "large: %s", ptl_err_name(err));
        return 0;
    }
    for (unsigned i = 0; i < SMALL; i++) {
        refused += ptl_sendf(node, &small, "t", "small") == PTL_EFULL;
    }
    witness_note(data, "refused %u", refused);
    return 0;
}

static void large_message_on_its_way_refuses_no_small_ones(void **state)
{
    struct raw_peer peer;

    (void)state;
    start_both();
    link_peer(&peer);
    struct ptl_port hand = witness_port(rain, "hand", on_order, "hand");
    tell(rain, &hand, "t", "large");
    assert_next("hand", "large: PTL_OK");
    raw_read_until(peer.socket, "large"); /* its flow is opened */
    tell(rain, &hand, "t", "small");
    assert_next("hand", "refused 0");
    tell(rain, &hand, "t", "large"); /* its own flow takes no more */
    assert_next("hand", "large: PTL_EFULL");
    raw_close(&peer);
    await_end();
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(frame_that_breaks_a_rule_costs_its_sender_the_link),
        WITNESSED(peer_that_finds_a_fault_loses_the_link_and_is_not_answered),
        WITNESSED(peer_that_says_goodbye_has_ended_the_link_behind_all_that_it_said),
        WITNESSED(node_that_stops_says_goodbye_at_last),
        WITNESSED(frames_of_later_versions_are_stepped_over),
        WITNESSED(peer_that_ends_at_any_byte_is_a_link_that_has_ended),
        WITNESSED(peer_is_told_by_each_tag_of_its_own),
        WITNESSED(peer_has_so_many_monitors_and_is_told_of_the_next_at_once),
        WITNESSED(peer_that_answers_what_was_not_asked_is_not_heard),
        WITNESSED(large_message_on_its_way_refuses_no_small_ones),
    };

    return witness_main(argc, argv, "frames of a peer", tests, EACH(tests), shards);
}
