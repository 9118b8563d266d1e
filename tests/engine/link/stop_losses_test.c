/*
 * What a node that stops throws away: counted, told with the name of whom it was for, and shown by
 * what ptl_node_stop() returns.
 */
#include "tests/common/witness.h"
#include "tests/replay/wire.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY 10000 /* bytes */

static struct wire peer;

/* A node that is linked to a peer which reads only when it is told to. */
static struct ptl_node *begin(void)
{
    static const char *const binds[] = {"127.0.0.1:0", NULL};
    struct ptl_node_options options = witness_options("rain");
    char secret[64];

    options.binds = binds;
    struct ptl_node *rain = witness_start(&options);
    snprintf(secret, sizeof secret, "%.*s", (int)options.secret_size, (const char *)options.secret);
    const struct wire_opening opening = {
        .node_id = "peer",
        .secret = secret,
        .framings = "cbor",
        .lines = "aemp;1;peer;hmac_sha3_512;cbor;mproto=1\nnonce\n",
    };
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    int fd = wire_dial(ptl_node_address(rain, 0));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)), 0);
    wire_open(&peer, fd, &opening, NULL);
    assert_next("link", "up peer");
    return rain;
}

/* Send as much as is accepted, at most `count`. */
static unsigned send_to_peer(struct ptl_node *rain, unsigned count)
{
    static const char body[BODY];
    struct ptl_port port = witness_parse(rain, "peer#port");
    unsigned accepted = 0;

    while (accepted < count && ptl_sendf(rain, &port, "y", body, sizeof body) == 0) {
        accepted++;
    }
    return accepted;
}

static void what_a_stop_throws_away_is_counted_told_and_returned(void **state)
{
    struct ptl_node *rain = begin();
    unsigned accepted = 0, lost = 0;

    (void)state;
    for (unsigned more = 1; more != 0;) { /* until nothing moves */
        more = send_to_peer(rain, 10000);
        accepted += more;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    assert_int_equal(witness_stop(rain, 100), PTL_ETIMEOUT);
    const char *line = witness_until("rain", "stopped before all was delivered: ");
    assert_non_null(strstr(line, "for 1 nodes: peer"));
    assert_int_equal(sscanf(strstr(line, "delivered: "), "delivered: %u messages", &lost), 1);
    assert_in_range(lost, 1, accepted);
    wire_close(&peer);
}

static int say_later(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node, (void)msg, (void)data;
    return PTL_LATER;
}

static void messages_at_ports_that_never_take_them_are_counted_too(void **state)
{
    struct ptl_node *rain = witness_node("rain");
    struct ptl_port port = witness_port(rain, NULL, say_later, NULL);

    (void)state;
    for (int i = 0; i < 3; i++) {
        tell(rain, &port, "t", "hello");
    }
    assert_int_equal(witness_stop(rain, 100), PTL_ETIMEOUT);
    witness_until("rain", "3 messages are lost, 3 at ports of this node");
}

/* Stand still, say something, and only then read to the end. */
static void *read_late(void *argument)
{
    static char bytes[65536];
    size_t *size = argument;
    ssize_t some;

    nanosleep(&(struct timespec){.tv_nsec = 900000000}, NULL);
    (void)!write(peer.socket, "\x80", 1); /* an empty packet, as a node that is alive sends */
    while ((some = read(peer.socket, bytes, sizeof bytes)) > 0) {
        *size += (size_t)some;
    }
    shutdown(peer.socket, SHUT_RDWR);
    return NULL;
}

/* The kernel has taken all; that is not yet delivered. */
static void peer_that_stands_still_for_a_moment_loses_nothing(void **state)
{
    struct ptl_node *rain = begin();
    pthread_t thread;
    size_t size = 0;

    (void)state;
    assert_int_equal(send_to_peer(rain, 20), 20);
    assert_int_equal(pthread_create(&thread, NULL, read_late, &size), 0);
    assert_int_equal(witness_stop(rain, 20000), 0);
    pthread_join(thread, NULL);
    assert_true(size >= (size_t)20 * BODY);
    wire_close(&peer);
}

static void what_a_peer_does_not_confirm_is_counted_told_and_returned(void **state)
{
    struct ptl_node *rain = begin();
    unsigned bytes = 0;

    (void)state;
    assert_int_equal(send_to_peer(rain, 20), 20);
    assert_int_equal(witness_stop(rain, 600), PTL_ETIMEOUT); /* nobody can know */
    const char *line = witness_until("rain", "stopped before all was confirmed: ");
    assert_non_null(strstr(line, "bytes on their way to 1 nodes may be lost: peer"));
    assert_int_equal(sscanf(strstr(line, "confirmed: "), "confirmed: %u bytes", &bytes), 1);
    assert_in_range(bytes, 1, 21 * BODY);
    wire_close(&peer);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITNESSED(what_a_stop_throws_away_is_counted_told_and_returned),
        WITNESSED(messages_at_ports_that_never_take_them_are_counted_too),
        WITNESSED(peer_that_stands_still_for_a_moment_loses_nothing),
        WITNESSED(what_a_peer_does_not_confirm_is_counted_told_and_returned),
    };
    static const unsigned shards[] = {2, 0};

    return witness_main(argc, argv, "stop_losses", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
