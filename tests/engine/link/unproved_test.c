/*
 * What a connection that has proved nothing can cost others: its name, its place, its time, and
 * what it says.
 */
#include "tests/common/listener.h"
#include "tests/common/raw_peer.h"
#include "tests/common/witness.h"

#include "engine/link/stranger.h"
#include "engine/message/name.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOOD 100 /* more than a shard's places in these tests */
#define CLAIM(id) "aemp;1;" id ";hmac_sha3_512;cbor\nany nonce\n"

static const char *const loopback[] = {"127.0.0.1:0", NULL};
static int strangers[256];
static unsigned stranger_count;

static struct ptl_node *start(unsigned handshake_ms, const char *seed)
{
    struct ptl_node_options options = witness_options("rain");
    const char *seeds[] = {seed, NULL};

    options.binds = loopback;
    options.seeds = seeds;
    options.half_open_max = PTL_STRANGERS_MIN;
    options.log_level = PTL_LOG_DEBUG;
    options.handshake_ms = handshake_ms != 0 ? handshake_ms : options.handshake_ms;
    struct ptl_node *rain = witness_start(&options);
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    return rain;
}

static void await_greeting(int stranger)
{
    assert_true(
        raw_read_lines(stranger, (char[PTL_HANDSHAKE_LINE_MAX]){0}, PTL_HANDSHAKE_LINE_MAX, 2) > 0);
}

/* Another stranger, that stays; the node has greeted it, so it has its place. */
static void park(struct ptl_node *node, const char *from, const char *text)
{
    int stranger = raw_stranger(node, from, text);

    assert_true(stranger_count < sizeof(strangers) / sizeof(strangers[0]));
    strangers[stranger_count++] = stranger;
    await_greeting(stranger);
}

/* So many of those that are parked are closed, and no more. */
static void await_closed(unsigned count)
{
    struct pollfd waits[sizeof(strangers) / sizeof(strangers[0])];
    unsigned closed = 0;

    for (unsigned i = 0; i < stranger_count; i++) {
        waits[i] = (struct pollfd){.fd = strangers[i], .events = POLLIN};
    }
    while (closed < count) {
        assert_true(poll(waits, stranger_count, 60000) > 0);
        for (unsigned i = 0; i < stranger_count; i++) {
            if (waits[i].revents != 0 && raw_is_closed(waits[i].fd)) {
                waits[i].fd = -1; /* not looked at any more */
                closed++;
            }
        }
    }
    assert_int_equal(closed, count);
}

static void let_go(void)
{
    while (stranger_count > 0) {
        close(strangers[--stranger_count]);
    }
}

/* The first name with this letter that the shard owns. */
static void name_of(struct ptl_node *node, unsigned shard, char letter, char name[16])
{
    unsigned i = 0;

    do {
        snprintf(name, 16, "%c%u", letter, i++);
    } while (ptl_shard_of(ptl_name_hash(ptl_span_text(name)), ptl_node_shards(node)) != shard);
}

static void say_name(int stranger, const char *name)
{
    char text[80];

    snprintf(text, sizeof(text), "aemp;1;%s;hmac_sha3_512;cbor\nany nonce\n", name);
    raw_say(stranger, text);
}

/* ---- Names --------------------------------------------------------------------------------- */

static void name_that_strangers_claim_links_its_true_node(void **state)
{
    struct ptl_node *rain = start(0, NULL);
    struct raw_peer peer;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        park(rain, "127.0.0.2", CLAIM("victim"));
    }
    raw_open(&peer, rain, "victim");
    raw_send(&peer);
    assert_next("link", "up victim");
    raw_close(&peer);
    let_go();
}

static void name_that_strangers_claim_is_dialled_all_the_same(void **state)
{
    struct ptl_node *rain = start(0, NULL);
    char address[32];
    int listener = listener_open(address);
    struct ptl_port port = witness_parse(rain, "victim#port");
    struct raw_peer peer;

    (void)state;
    park(rain, "127.0.0.2", CLAIM("victim"));
    assert_int_equal(ptl_node_known(rain, "victim", address), 0);
    tell(rain, &port, "t", "the message");
    raw_greet(&peer, raw_accept(listener), "victim", "");
    raw_send(&peer);
    assert_next("link", "up victim");
    raw_read_until(peer.socket, "the message");
    raw_close(&peer);
    close(listener);
    let_go();
}

/* Who listens at the first address says that it is the node, and stays. */
static void name_claimed_at_one_address_is_dialled_at_the_next(void **state)
{
    struct ptl_node *rain = start(0, NULL);
    char addresses[2][32], both[80];
    int listeners[2] = {listener_open(addresses[0]), listener_open(addresses[1])};
    struct ptl_port port = witness_parse(rain, "victim#port");
    struct raw_peer peer;

    (void)state;
    snprintf(both, sizeof(both), "%s,%s", addresses[0], addresses[1]);
    assert_int_equal(ptl_node_known(rain, "victim", both), 0);
    tell(rain, &port, "t", "the message");
    int impostor = raw_accept(listeners[0]);
    raw_say(impostor, CLAIM("victim"));
    raw_greet(&peer, raw_accept(listeners[1]), "victim", "");
    raw_send(&peer);
    assert_next("link", "up victim");
    raw_read_until(peer.socket, "the message");
    raw_close(&peer);
    close(impostor);
    close(listeners[0]);
    close(listeners[1]);
}

static void name_has_a_bounded_number_of_strangers(void **state)
{
    struct ptl_node *rain = start(0, NULL);
    struct raw_peer peer;

    (void)state;
    /* It has greeted, and proves itself late; the others are all of another address. */
    raw_greet(&peer, raw_connect_from(rain, "127.0.0.3"), "victim", "");
    raw_send_greeting(&peer);
    for (unsigned i = 0; i < 40; i++) {
        park(rain, "127.0.0.2", CLAIM("victim"));
    }
    await_closed(40 - 15); /* the peer has one of the 16 places */
    raw_send(&peer);
    assert_next("link", "up victim");
    raw_close(&peer);
    let_go();
}

static void stranger_is_shown_no_proof(void **state)
{
    struct ptl_node *rain = start(300, NULL);
    char bytes[PTL_HANDSHAKE_LINE_MAX];
    unsigned lines = 0;

    (void)state;
    int stranger = raw_stranger(rain, "127.0.0.1", CLAIM("victim"));
    int ours = raw_stranger(rain, "127.0.0.1",
                            "aemp;1;victim;hmac_sha3_512;cbor;portolan=abc.0\nany nonce\n");
    size_t size = raw_read_lines(stranger, bytes, sizeof(bytes), 3);
    for (size_t i = 0; i < size; i++) {
        lines += bytes[i] == '\n';
    }
    assert_int_equal(lines, 2);
    raw_await_close(ours);
    close(stranger);
    close(ours);
}

/* ---- Places -------------------------------------------------------------------------------- */

static void flood_of_strangers_costs_its_own_address_only(void **state)
{
    static const char *const texts[] = {"", CLAIM("nobody"), CLAIM("victim")};
    struct ptl_node *rain = start(0, NULL);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct raw_peer peer;
        raw_greet(&peer, raw_connect_from(rain, "127.0.0.3"), "victim", "");
        if (i > 0) {
            raw_send_greeting(&peer); /* the first one is still to be heard of */
        }
        for (unsigned j = 0; j < FLOOD; j++) {
            park(rain, "127.0.0.2", texts[i]);
        }
        raw_send(&peer);
        assert_next("link", "up victim");
        raw_close(&peer);
        assert_non_null(strstr(witness_next("link"), "down victim"));
        let_go();
    }
}

/* As long as its way is, and however many strangers come meanwhile: it takes no second attempt, so
 * no longer than three ways there and back.  Before each of its lines come more of them than there
 * are places for, some silent, some that claim a name, its own among them. */
static void peer_joins_at_the_first_attempt_whatever_strangers_come_between_its_lines(void **state)
{
    static const char *const texts[] = {"", CLAIM("nobody"), CLAIM("victim")};
    static const char *const from[] = {"127.0.0.2", "127.0.0.4", "127.0.0.5"};
    struct ptl_node *rain = start(0, NULL);
    struct raw_peer peer;

    (void)state;
    raw_greet(&peer, raw_connect_from(rain, "127.0.0.3"), "victim", "");
    for (unsigned trip = 0; trip < 3; trip++) {
        for (unsigned i = 0; i < PTL_STRANGERS_MIN + 16; i++) {
            park(rain, from[i % 3], texts[(i + trip) % 3]);
        }
        if (trip == 1) {
            raw_send_greeting(&peer);
        } else if (trip == 2) {
            raw_send(&peer);
        }
    }
    assert_next("link", "up victim");
    raw_close(&peer);
    let_go();
}

static void stranger_that_says_nothing_goes_before_a_peer_of_its_address(void **state)
{
    struct ptl_node *rain = start(0, NULL);
    struct raw_peer peer;

    (void)state;
    raw_greet(&peer, raw_connect_from(rain, "127.0.0.2"), "victim", "");
    raw_send_greeting(&peer);
    for (unsigned j = 0; j < FLOOD; j++) {
        park(rain, "127.0.0.2", "");
    }
    raw_send(&peer);
    assert_next("link", "up victim");
    raw_close(&peer);
    let_go();
}

static void strangers_parked_on_one_shard_cost_nobody_on_another(void **state)
{
    struct ptl_node *rain = start(0, NULL);
    char parked[16], name[16], expected[24];
    struct raw_peer peer;

    (void)state;
    if (ptl_node_shards(rain) == 1) {
        return;
    }
    name_of(rain, 0, 'v', name);
    for (unsigned i = 0; i < FLOOD; i++) {
        /* Many names: each by itself has a smaller bound. */
        name_of(rain, 1, (char)('A' + i % 26), parked);
        park(rain, "127.0.0.2", "");
        say_name(strangers[stranger_count - 1], parked);
    }
    raw_greet(&peer, raw_connect_from(rain, "127.0.0.3"), name, "");
    for (unsigned i = 0; i < 10; i++) {
        park(rain, "127.0.0.4", "");
    }
    raw_send(&peer);
    snprintf(expected, sizeof(expected), "up %s", name);
    assert_next("link", expected);
    raw_close(&peer);
    let_go();
}

static void strangers_hold_no_more_than_their_places(void **state)
{
    struct ptl_node *rain = start(0, NULL);
    char from[16];

    (void)state;
    for (unsigned i = 0; i < 200; i++) { /* as many addresses as connections */
        snprintf(from, sizeof(from), "127.0.1.%u", 1 + i);
        park(rain, from, "");
    }
    await_closed(200 - PTL_STRANGERS_MIN);
    let_go();
}

/* ---- Time ---------------------------------------------------------------------------------- */

/* Both end on the shard of their names; the one that was accepted first also ends first, though it
 * comes there later. */
static void handshake_has_its_time_once_on_whatever_shard(void **state)
{
    struct ptl_node *rain = start(3000, NULL); /* beside others the first is named in time */
    unsigned shard = ptl_node_shards(rain) - 1;
    char names[2][16], said[24];

    (void)state;
    name_of(rain, shard, 'a', names[0]);
    name_of(rain, shard, 'b', names[1]);
    int first = raw_connect(rain);
    await_greeting(first);
    assert_int_equal(ptl_after(rain, 300, on_time, "apart", NULL), 0);
    assert_next("apart", "time"); /* so that their times are not over in the same turn */
    int second = raw_connect(rain);
    await_greeting(second);
    say_name(second, names[1]);
    assert_int_equal(ptl_after(rain, 100, on_time, "there", NULL), 0);
    assert_next("there", "time"); /* the second is on its shard */
    say_name(first, names[0]);
    snprintf(said, sizeof(said), "(%s)", names[0]);
    assert_non_null(strstr(witness_until("rain", "not finished in time"), said));
    raw_await_close(first);
    raw_await_close(second);
    close(first);
    close(second);
}

/* ---- Seeds --------------------------------------------------------------------------------- */

/* Whoever listens at a seed's address says that it is a node that is linked already. */
static void claim_at_a_seed(const char *more, bool hangs_up)
{
    char address[32], claim[120];
    int listener = listener_open(address);
    struct ptl_node *rain = start(500, address);
    struct raw_peer vale;

    raw_greet(&vale, raw_connect(rain), "vale", more);
    raw_gather(&vale, "", "\"devnull\"");
    raw_send(&vale);
    assert_next("link", "up vale");
    snprintf(claim, sizeof(claim), "aemp;1;vale;hmac_sha3_512;cbor%s\nanother nonce\n", more);
    for (unsigned i = 0; i < 2; i++) { /* it comes again */
        int impostor = raw_accept(listener);
        raw_say(impostor, claim);
        if (hangs_up) {
            assert_true(raw_read_lines(impostor, (char[600]){0}, 600, 2) > 0);
            shutdown(impostor, SHUT_WR);
        }
        raw_await_close(impostor);
        close(impostor);
    }
    char bytes[4096];
    ssize_t count = recv(vale.socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    assert_true(count > 0);
    assert_null(memmem(bytes, (size_t)count, "g_slave", 7));
    raw_close(&vale);
    close(listener);
}

static void seed_where_a_linked_name_is_claimed_is_tried_again(void **state)
{
    static const char more[] = ";mproto=1;gproto=1";

    (void)state;
    claim_at_a_seed(more, false);
    assert_non_null(strstr(witness_next("link"), "down vale"));
}

static void seed_where_a_linked_name_is_claimed_and_hung_up_is_tried_again(void **state)
{
    (void)state;
    claim_at_a_seed(";mproto=1;gproto=1", true);
    assert_non_null(strstr(witness_next("link"), "down vale"));
}

/* Which process a node is, it tells to anybody who connects. */
static void seed_where_a_linked_process_is_claimed_is_tried_again(void **state)
{
    (void)state;
    claim_at_a_seed(";mproto=1;gproto=1;portolan=abc.0", true);
    assert_non_null(strstr(witness_next("link"), "down vale"));
}

/* A real node closes a second connection as soon as it has heard who comes, without a proof. */
static void seed_that_was_proved_once_is_believed_when_it_refuses(void **state)
{
    char address[32];
    int listener = listener_open(address);
    struct ptl_node *rain = start(0, address);
    struct raw_peer vale;

    (void)state;
    raw_greet(&vale, raw_accept(listener), "vale", ";mproto=1;gproto=1");
    raw_send(&vale);
    assert_next("link", "up vale");
    raw_read_until(vale.socket, "g_slave");
    raw_close(&vale);
    assert_non_null(strstr(witness_next("link"), "down vale"));
    /* It comes by itself, before rain tries its seed again. */
    raw_greet(&vale, raw_connect(rain), "vale", ";mproto=1;gproto=1");
    raw_send(&vale);
    assert_next("link", "up vale");
    int second = raw_accept(listener);
    raw_say(second, "aemp;1;vale;hmac_sha3_512;cbor;mproto=1;gproto=1\nanother nonce\n");
    assert_true(raw_read_lines(second, (char[600]){0}, 600, 2) > 0);
    close(second);
    raw_read_until(vale.socket, "g_slave");
    raw_close(&vale);
    close(listener);
}

/* ---- Our own ID ---------------------------------------------------------------------------- */

static void own_id_that_a_stranger_claims_is_no_error(void **state)
{
    struct ptl_node *rain = start(300, NULL);

    (void)state;
    int stranger = raw_stranger(rain, "127.0.0.1", CLAIM("rain"));
    raw_await_close(stranger);
    close(stranger);
    for (const char *line; (line = witness_next_if_any("rain")) != NULL;) {
        assert_null(strstr(line, "error: "));
    }
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(name_that_strangers_claim_links_its_true_node),
        WITNESSED(name_that_strangers_claim_is_dialled_all_the_same),
        WITNESSED(name_claimed_at_one_address_is_dialled_at_the_next),
        WITNESSED(name_has_a_bounded_number_of_strangers),
        WITNESSED(stranger_is_shown_no_proof),
        WITNESSED(flood_of_strangers_costs_its_own_address_only),
        WITNESSED(peer_joins_at_the_first_attempt_whatever_strangers_come_between_its_lines),
        WITNESSED(stranger_that_says_nothing_goes_before_a_peer_of_its_address),
        WITNESSED(strangers_parked_on_one_shard_cost_nobody_on_another),
        WITNESSED(strangers_hold_no_more_than_their_places),
        WITNESSED(handshake_has_its_time_once_on_whatever_shard),
        WITNESSED(seed_where_a_linked_name_is_claimed_is_tried_again),
        WITNESSED(seed_where_a_linked_name_is_claimed_and_hung_up_is_tried_again),
        WITNESSED(seed_where_a_linked_process_is_claimed_is_tried_again),
        WITNESSED(seed_that_was_proved_once_is_believed_when_it_refuses),
        WITNESSED(own_id_that_a_stranger_claims_is_no_error),
    };

    return witness_main(argc, argv, "unproved", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
