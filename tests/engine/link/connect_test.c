/*
 * How links come about and end: addresses, seeds, strangers, two connections at once, restarts,
 * connections that move to their owner's shard.
 */
#include "tests/common/listener.h"
#include "tests/common/raw_peer.h"
#include "tests/common/sealed.h"
#include "tests/common/witness.h"

#include <sys/socket.h>
#include <unistd.h>

#ifdef PTL_QUICK
#define ROUNDS 10
#else
#define ROUNDS 40
#endif

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static struct ptl_node *start_at(const char *id, const char *bind, const char *seed)
{
    struct ptl_node_options options = witness_options(id);
    const char *binds[] = {bind, NULL}, *seeds[] = {seed, NULL};

    options.binds = bind == NULL ? NULL : binds;
    options.seeds = seeds;
    return witness_start(&options);
}

static struct ptl_node *start(const char *id)
{
    return start_at(id, loopback[0], NULL);
}

/* The same, and what strangers do is told. */
static struct ptl_node *start_talkative(const char *id)
{
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    options.log_level = PTL_LOG_DEBUG;
    return witness_start(&options);
}

static void introduce(struct ptl_node *node, struct ptl_node *other)
{
    assert_int_equal(ptl_node_known(node, ptl_node_id(other), ptl_node_address(other, 0)), 0);
}

static void assert_gone_contains(const char *part)
{
    const char *reason = witness_next("gone");

    if (strstr(reason, part) == NULL) {
        fail_msg("the reason is %s and not %s", reason, part);
    }
}

static void monitor(struct ptl_node *node, const char *id)
{
    struct ptl_port port = witness_parse(node, id);

    assert_int_equal(ptl_monitor(node, &port, on_gone, "gone", NULL), 0);
}

/* ---- Addresses ----------------------------------------------------------------------------- */

static void node_without_known_address_is_told_as_unreachable(void **state)
{
    struct ptl_node *rain = start("rain");

    (void)state;
    monitor(rain, "snow#x");
    assert_next("gone", "[\"transport_error\",\"snow\",\"no known address\"]");
    monitor(rain, "hail");
    assert_next("gone", "[\"transport_error\",\"hail\",\"no known address\"]");
}

static void node_that_does_not_listen_is_told_as_unreachable(void **state)
{
    struct ptl_node *rain = start("rain");
    struct ptl_port port = witness_parse(rain, "snow#x");
    char address[64];

    (void)state;
    listener_unused(address);
    assert_int_equal(ptl_node_known(rain, "snow", address), 0);
    for (int i = 0; i < 3; i++) {
        tell(rain, &port, "t", "lost");
        monitor(rain, "snow#x");
        assert_gone_contains("[\"transport_error\",\"snow\",\"");
    }
}

static void address_that_fails_is_followed_by_the_next(void **state)
{
    struct ptl_node *rain = start("rain"), *snow = start("snow");
    struct ptl_port port = witness_listener(snow, "port");
    char address[64], addresses[140];

    (void)state;
    listener_unused(address);
    snprintf(addresses, sizeof(addresses), "%s,%s", address, ptl_node_address(snow, 0));
    assert_int_equal(ptl_node_known(rain, "snow", addresses), 0);
    tell(rain, &port, "t", "a");
    assert_next("port", "[\"a\"]");
}

static void address_may_be_a_name(void **state)
{
    struct ptl_node *rain = start("rain"), *snow = start("snow");
    struct ptl_port port = witness_listener(snow, "port");
    char address[64];

    (void)state;
    snprintf(address, sizeof(address), "localhost%s", strchr(ptl_node_address(snow, 0), ':'));
    assert_int_equal(ptl_node_known(rain, "snow", address), 0);
    tell(rain, &port, "t", "a");
    assert_next("port", "[\"a\"]");
}

static void address_that_is_not_one_is_refused(void **state)
{
    struct ptl_node *rain = start("rain");

    (void)state;
    assert_int_equal(ptl_node_known(rain, "snow", "nowhere"), PTL_EADDRESS);
    assert_int_equal(ptl_node_known(rain, "snow", ""), PTL_EADDRESS);
    assert_int_equal(ptl_node_known(rain, "snow", "127.0.0.1:1,"), 0);
    assert_int_equal(ptl_node_known(rain, "snow", "127.0.0.1:99999"), PTL_EADDRESS);
    assert_int_equal(ptl_node_known(rain, "a#b", "127.0.0.1:1"), PTL_ENAME);
}

static void address_of_another_node_is_not_taken_for_the_wanted_one(void **state)
{
    struct ptl_node *rain = start("rain"), *snow = start("snow");

    (void)state;
    assert_int_equal(ptl_node_known(rain, "hail", ptl_node_address(snow, 0)), 0);
    monitor(rain, "hail#x");
    assert_gone_contains("[\"transport_error\",\"hail\",\"");
    witness_until("rain", "is snow, not hail");
}

/* ---- Seeds --------------------------------------------------------------------------------- */

static void seed_links_the_node_to_the_network(void **state)
{
    struct ptl_node *rain = start("rain");
    struct ptl_port port = witness_listener(rain, "port");

    (void)state;
    struct ptl_node *snow = start_at("snow", NULL, ptl_node_address(rain, 0));
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    assert_next("link", "up snow");
    tell(snow, &port, "t", "a");
    assert_next("port", "[\"a\"]");
    /* And back, though snow does not listen. */
    struct ptl_port back = witness_listener(snow, "back");
    tell(rain, &back, "t", "b");
    assert_next("back", "[\"b\"]");
}

static void seed_that_is_this_node_is_dropped_with_one_line(void **state)
{
    char address[64];
    const char *more;

    (void)state;
    listener_unused(address);
    struct ptl_node *rain = start_at("rain", address, address);
    char *line = strdup(witness_until("rain", "is this node"));
    assert_non_null(strstr(line, address));
    free(line);
    struct ptl_port port = witness_listener(rain, "port");
    tell(rain, &port, "t", "alive");
    assert_next("port", "[\"alive\"]");
    while ((more = witness_next_if_any("rain")) != NULL) {
        assert_null(strstr(more, ptl_err_text(PTL_ESELF)));
    }
}

static void seed_that_uses_our_own_id_is_an_error_and_stays(void **state)
{
    struct ptl_node *rain = start_talkative("rain"), *other;
    struct ptl_node_options options = witness_options("rain");
    const char *seeds[] = {ptl_node_address(rain, 0), NULL};

    (void)state;
    options.seeds = seeds;
    options.log_data = "other";
    other = witness_start(&options);
    assert_non_null(strstr(witness_until("other", "error: "), "uses this node's ID"));
    /* More than once: the seed stays on the list and is tried again. */
    for (int i = 0; i < 2; i++) {
        assert_non_null(strstr(witness_until("rain", "connection from "), "uses this node's ID"));
    }
    assert_string_equal(ptl_node_id(other), "rain");
}

static void seed_that_comes_up_later_is_found(void **state)
{
    char address[64];

    (void)state;
    listener_unused(address);
    struct ptl_node *snow = start_at("snow", NULL, address);
    assert_int_equal(ptl_on_link(snow, on_link, "link"), 0);
    witness_until("snow", "connection to");
    start_at("rain", address, NULL);
    assert_next("link", "up rain");
}

static void seed_that_is_lost_is_linked_again(void **state)
{
    char address[64];

    (void)state;
    listener_unused(address);
    struct ptl_node *rain = start_at("rain", address, NULL);
    struct ptl_node *snow = start_at("snow", NULL, address);
    assert_int_equal(ptl_on_link(snow, on_link, "link"), 0);
    assert_next("link", "up rain");
    witness_stop(rain, 1000);
    assert_non_null(strstr(witness_next("link"), "down rain [\"transport_error\",\"rain\","));
    start_at("rain", address, NULL);
    assert_next("link", "up rain");
}

/* ---- Strangers ----------------------------------------------------------------------------- */

static void node_with_another_secret_is_not_linked(void **state)
{
    struct ptl_node *rain = start_talkative("rain");
    struct ptl_node_options options = witness_options("snow");

    (void)state;
    sealed_skip_secrets();
    options.secret = "quite another secret";
    options.secret_size = strlen(options.secret);
    struct ptl_node *snow = witness_start(&options);
    introduce(snow, rain);
    monitor(snow, "rain#x");
    assert_gone_contains("[\"transport_error\",\"rain\",\"");
    witness_until("rain", "different secrets");
}

static void node_without_a_secret_lets_nobody_in(void **state)
{
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    sealed_skip_secrets();
    options.secret_size = 0;
    options.binds = loopback;
    struct ptl_node *rain = witness_start(&options), *snow = start("snow");
    introduce(snow, rain);
    monitor(snow, "rain#x");
    assert_gone_contains("[\"transport_error\",\"rain\",\"");
}

/* ---- Two connections at once --------------------------------------------------------------- */

static _Atomic uint64_t come[2], wrong;

static int on_number(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    _Atomic uint64_t *its = &come[(intptr_t)data];
    uint64_t number;
    bool right = ptl_msg_read(node, msg, "u", &number) == 0 && number == atomic_load(its);

    atomic_fetch_add(&wrong, !right);
    atomic_fetch_add(its, 1);
    return 0;
}

static void nodes_that_connect_to_each_other_at_once_lose_nothing(void **state)
{
    char addresses[2][64];

    (void)state;
    listener_unused(addresses[0]);
    listener_unused(addresses[1]);
    for (int round = 0; round < ROUNDS; round++) {
        struct ptl_node *nodes[2] = {start_at("rain", addresses[0], addresses[1]),
                                     start_at("snow", addresses[1], addresses[0])};
        struct ptl_port ports[2];
        atomic_store(&wrong, 0);
        for (intptr_t i = 0; i < 2; i++) {
            atomic_store(&come[i], 0);
            introduce(nodes[i], nodes[1 - i]);
            ports[i] = witness_port(nodes[i], NULL, on_number, (void *)i);
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(ptl_monitor(nodes[i], &ports[1 - i], on_gone, "gone", NULL), 0);
        }
        for (uint64_t number = 0; number < 100; number++) {
            tell(nodes[0], &ports[1], "u", number);
            tell(nodes[1], &ports[0], "u", number);
        }
        witness_reach(&come[0], 100);
        witness_reach(&come[1], 100);
        assert_int_equal(wrong, 0);
        assert_silent("gone");
        witness_stop(nodes[round % 2], 1000);
        witness_stop(nodes[1 - round % 2], 1000);
        while (witness_next_if_any("gone") != NULL) {
        }
    }
}

/* ---- Restarts ------------------------------------------------------------------------------ */

static void node_that_restarts_has_none_of_its_old_ports(void **state)
{
    struct ptl_node *rain = start("rain");
    struct ptl_port back = witness_listener(rain, "back");
    char address[64], old_id[PTL_PORT_ID_MAX + 1];

    (void)state;
    listener_unused(address);
    assert_int_equal(ptl_node_known(rain, "snow", address), 0);
    for (int round = 0; round < 3; round++) {
        struct ptl_node *snow = start_at("snow", address, NULL);
        struct ptl_port port = witness_listener(snow, "port");
        if (round > 0) {
            monitor(rain, old_id);
            assert_gone_contains("\"no_such_port\"");
            struct ptl_port old = witness_parse(rain, old_id);
            tell(rain, &old, "t", "for the dead");
        }
        tell(rain, &port, "t", "a");
        assert_next("port", "[\"a\"]");
        assert_silent("port");
        monitor(rain, ptl_port_id(&port));
        tell(snow, &back, "t", "b");
        assert_next("back", "[\"b\"]");
        snprintf(old_id, sizeof(old_id), "%s", ptl_port_id(&port));
        tell(rain, &port, "t", "c");
        assert_next("port", "[\"c\"]");
        witness_stop(snow, 1000);
        assert_gone_contains("[\"transport_error\",\"snow\",\"");
    }
}

/* ---- Peers that are sockets ---------------------------------------------------------------- */

static void peer_may_send_its_lines_and_first_packets_in_one_segment(void **state)
{
    struct ptl_node *rain = start("rain");

    (void)state;
    witness_port(rain, "port", on_message, "port");
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    for (int i = 0; i < 20; i++) { /* as many names as it takes to be of every shard */
        char id[16], expected[40];
        struct raw_peer peer;
        snprintf(id, sizeof(id), "peer%d", i);
        raw_open(&peer, rain, id);
        raw_gather(&peer, "port", "\"first\",1");
        raw_gather(&peer, "port", "\"second\",2");
        raw_send(&peer);
        assert_next("port", "[\"first\",1]");
        assert_next("port", "[\"second\",2]");
        snprintf(expected, sizeof(expected), "up %s", id);
        assert_next("link", expected);
        raw_gather(&peer, "port", "\"third\"");
        raw_send(&peer);
        assert_next("port", "[\"third\"]");
        raw_close(&peer);
        snprintf(expected, sizeof(expected), "down %s ", id);
        assert_non_null(strstr(witness_next("link"), expected));
    }
}

static void peer_may_send_its_lines_byte_by_byte(void **state)
{
    struct ptl_node *rain = start("rain");
    struct raw_peer peer;

    (void)state;
    witness_port(rain, "port", on_message, "port");
    raw_open(&peer, rain, "slow");
    raw_gather(&peer, "port", "\"first\",1");
    for (size_t i = 0; i < peer.out.size; i++) {
        assert_int_equal(write(peer.socket, peer.out.bytes + i, 1), 1);
    }
    assert_next("port", "[\"first\",1]");
    raw_close(&peer);
}

static void peer_that_is_linked_already_is_refused_until_the_first_is_gone(void **state)
{
    struct ptl_node *rain = start_talkative("rain");
    struct raw_peer first, second;
    char bytes[256];

    (void)state;
    witness_port(rain, "port", on_message, "port");
    raw_open(&first, rain, "peer");
    raw_gather(&first, "port", "1");
    raw_send(&first);
    assert_next("port", "[1]");
    raw_open(&second, rain, "peer");
    raw_gather(&second, "port", "2");
    raw_send(&second);
    assert_int_equal(raw_read_lines(second.socket, bytes, sizeof(bytes), 1), 0); /* closed */
    witness_until("rain", "linked already");
    raw_gather(&first, "port", "3");
    raw_send(&first);
    assert_next("port", "[3]");
    raw_close(&first);
    raw_close(&second);
}

/* All the same it is the node that is linked, and it has to be told that it is a seed. */
static void seed_that_refuses_a_second_connection_is_known_as_linked(void **state)
{
    static const char ours[] = ";mproto=1;gproto=1;portolan=abc.0";
    char address[32];
    int listener = listener_open(address);
    struct ptl_node *rain = start_at("rain", loopback[0], address);
    struct raw_peer linked, refused;

    (void)state;
    witness_port(rain, "port", on_message, "port");
    raw_greet(&linked, raw_connect(rain), "peer", ours);
    raw_gather(&linked, "port", "1"); /* the lower ID picks this connection */
    raw_send(&linked);
    assert_next("port", "[1]");
    raw_greet(&refused, accept(listener, NULL, NULL), "peer", ours);
    raw_send(&refused);
    assert_true(raw_read_lines(refused.socket, (char[600]){0}, 600, 1) > 0); /* its proof */
    raw_close(&refused);
    raw_read_until(linked.socket, "g_slave");
    raw_close(&linked);
    close(listener);
}

static void peer_that_hangs_up_fires_monitors_at_once(void **state)
{
    struct ptl_node *rain = start("rain");

    (void)state;
    witness_port(rain, "port", on_message, "port");
    for (int i = 0; i < 20; i++) {
        char id[24];
        struct raw_peer peer;
        snprintf(id, sizeof(id), "peer%d", i);
        raw_open(&peer, rain, id);
        raw_gather(&peer, "port", "1");
        raw_send(&peer);
        assert_next("port", "[1]");
        snprintf(id, sizeof(id), "peer%d#x", i);
        monitor(rain, id);
        assert_true(raw_read_lines(peer.socket, (char[600]){0}, 600, 1) > 0); /* our third line */
        raw_gather(&peer, "port", "2");
        raw_send(&peer);
        assert_next("port", "[2]");
        raw_close(&peer);
        assert_gone_contains("[\"transport_error\",\"peer");
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(node_without_known_address_is_told_as_unreachable),
        WITNESSED(node_that_does_not_listen_is_told_as_unreachable),
        WITNESSED(address_that_fails_is_followed_by_the_next),
        WITNESSED(address_may_be_a_name),
        WITNESSED(address_that_is_not_one_is_refused),
        WITNESSED(address_of_another_node_is_not_taken_for_the_wanted_one),
        WITNESSED(seed_links_the_node_to_the_network),
        WITNESSED(seed_that_is_this_node_is_dropped_with_one_line),
        WITNESSED(seed_that_uses_our_own_id_is_an_error_and_stays),
        WITNESSED(seed_that_comes_up_later_is_found),
        WITNESSED(seed_that_is_lost_is_linked_again),
        WITNESSED(node_with_another_secret_is_not_linked),
        WITNESSED(node_without_a_secret_lets_nobody_in),
        WITNESSED(nodes_that_connect_to_each_other_at_once_lose_nothing),
        WITNESSED(node_that_restarts_has_none_of_its_old_ports),
        WITNESSED(peer_may_send_its_lines_and_first_packets_in_one_segment),
        WITNESSED(peer_may_send_its_lines_byte_by_byte),
        WITNESSED(peer_that_is_linked_already_is_refused_until_the_first_is_gone),
        WITNESSED(seed_that_refuses_a_second_connection_is_known_as_linked),
        WITNESSED(peer_that_hangs_up_fires_monitors_at_once),
    };

    return witness_main(argc, argv, "connections", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
