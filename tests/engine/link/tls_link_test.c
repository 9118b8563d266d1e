/*
 * Nodes with certificates: they link over TLS and carry everything that they carry in the clear;
 * and what must not be let in is not, with a line that says why.
 */
#include "io/proof.h"
#include "tests/common/raw_peer.h"
#include "tests/common/tls_world.h"
#include "tests/common/witness.h"

#include <sys/socket.h>
#include <unistd.h>

#ifdef PTL_QUICK
#define STOP_STEP 61
#else
#define STOP_STEP 5
#endif
#define STOPPED_AT_ONCE 300
#define SIGNATURE_VARIES 16 /* by less bytes */

#define OF(array) (sizeof(array) / sizeof((array)[0]))
#define ROUNDS_MAX                                                                                 \
    64 /* of two sides that each could be the client, one is so in all of them: never */
#define LARGE ((size_t)3000000)

static const char *const loopback[] = {"127.0.0.1:0", NULL};

static const char *pem(const char *name)
{
    return (const char *)tls_file(name).bytes;
}

/* A node's options, with a certificate of the harbour's. */
static struct ptl_node_options options_of(const char *id, const char *certificate, const char *key)
{
    struct ptl_node_options options = witness_options(id);

    options.log_level = PTL_LOG_DEBUG;
    options.tls_cert = pem(certificate);
    options.tls_key = pem(key);
    options.tls_ca = pem("harbour.pem");
    return options;
}

static struct ptl_node_options paired(const char *id, const char *file)
{
    struct ptl_node_options options = witness_options(id);

    options.log_level = PTL_LOG_DEBUG;
    options.tls_pair = pem(file);
    return options;
}

/* Start both: rain listens, snow joins it. */
static void start(struct ptl_node_options rain_options, struct ptl_node_options snow_options,
                  struct ptl_node **rain, struct ptl_node **snow)
{
    rain_options.binds = loopback;
    *rain = witness_start(&rain_options);
    const char *const seeds[] = {ptl_node_address(*rain, 0), NULL};
    snow_options.seeds = seeds;
    *snow = witness_start(&snow_options);
}

static void start_linked(struct ptl_node_options rain_options, struct ptl_node_options snow_options,
                         struct ptl_node **rain, struct ptl_node **snow)
{
    start(rain_options, snow_options, rain, snow);
    assert_int_equal(ptl_on_link(*snow, on_link, "snow's link"), 0);
    assert_int_equal(ptl_on_link(*rain, on_link, "rain's link"), 0);
    (void)witness_until("snow's link", "up rain");
    (void)witness_until("rain's link", "up snow");
}

static char letter(size_t index)
{
    return (char)('a' + index * 31 % 26);
}

/* Notes how large the message is, when all of it is what it should be. */
static int on_large(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;
    int err = ptl_next(&cursor, &value);

    (void)node;
    for (size_t i = 0; err == 0 && i < value.string.size; i++) {
        if (value.string.chars[i] != letter(i)) {
            witness_note(data, "letter %zu of %zu is wrong", i, value.string.size);
            return 0;
        }
    }
    witness_note(data, "%zu", err == 0 ? value.string.size : 0);
    return 0;
}

/* Small ones, some that take several records, and small ones behind. */
static void talk(struct ptl_node *from, struct ptl_node *to, const char *label)
{
    static const size_t sizes[] = {1, 16383, 16384, 70000, LARGE};
    static char text[LARGE];
    struct ptl_port here = witness_port(to, NULL, on_large, (void *)(uintptr_t)label);
    struct ptl_port port = witness_parse(from, ptl_port_id(&here));
    char expected[32];

    for (size_t i = 0; i < LARGE; i++) {
        text[i] = letter(i);
    }
    for (size_t i = 0; i < OF(sizes); i++) {
        tell(from, &port, "T", text, sizes[i]);
    }
    for (size_t i = 0; i < 200; i++) {
        tell(from, &port, "T", text, i);
    }
    for (size_t i = 0; i < OF(sizes); i++) {
        snprintf(expected, sizeof(expected), "%zu", sizes[i]);
        assert_next(label, expected);
    }
    for (size_t i = 0; i < 200; i++) {
        snprintf(expected, sizeof(expected), "%zu", i);
        assert_next(label, expected);
    }
}

static void end(struct ptl_node *rain, struct ptl_node *snow)
{
    assert_int_equal(witness_stop(snow, 60000), 0);
    assert_int_equal(witness_stop(rain, 60000), 0);
}

/* ---- What is let in ------------------------------------------------------------------------ */

static void link_over_tls_carries_what_one_in_the_clear_does(struct ptl_node_options rain_options,
                                                             struct ptl_node_options snow_options,
                                                             const char *version)
{
    struct ptl_node *rain, *snow;

    start_linked(rain_options, snow_options, &rain, &snow);
    (void)witness_until("rain", version);
    const char *line = witness_until("snow", "linked to rain at");
    assert_non_null(strstr(line, version));
    assert_non_null(strstr(line, "proved by certificate"));
    talk(snow, rain, "at rain");
    talk(rain, snow, "at snow");
    end(rain, snow);
}

static void nodes_of_one_authority_link_over_tls(void **state)
{
    static const char *const framings[] = {"portolan,cbor,json", "cbor", "json"};
    struct ptl_node_options rain = options_of("rain", "rain.pem", "rain.key");
    struct ptl_node_options snow = options_of("snow", "snow.pem", "snow.key");

    (void)state;
    for (size_t i = 0; i < OF(framings); i++) {
        rain.framings = snow.framings = framings[i];
        rain.tls_version_max = i == 1 ? 12 : 0;
        rain.tls_verify_node = snow.tls_verify_node = true;
        link_over_tls_carries_what_one_in_the_clear_does(rain, snow,
                                                         i == 1 ? "TLSv1.2" : "TLSv1.3");
    }
}

static void nodes_of_one_pair_link_over_tls_without_a_secret(void **state)
{
    struct ptl_node_options rain = paired("rain", "pair-a.pem");
    struct ptl_node_options snow = paired("snow", "pair-a.pem");

    (void)state;
    rain.secret = snow.secret = NULL;
    rain.secret_size = snow.secret_size = 0;
    rain.tls = PTL_TLS_REQUIRE;
    link_over_tls_carries_what_one_in_the_clear_does(rain, snow, "TLSv1.3");
}

/* The nonces decide who is the client: whoever has connected. */
static void either_node_may_be_the_client_of_tls(void **state)
{
    bool was[2] = {false, false};

    (void)state;
    for (unsigned i = 0; !(was[0] && was[1]); i++) {
        struct ptl_node *rain, *snow;
        assert_true(i < ROUNDS_MAX);
        start_linked(paired("rain", "pair-b.pem"), paired("snow", "pair-b.pem"), &rain, &snow);
        bool client = strstr(witness_until("rain", "TLSv1.3"), "as its client") != NULL;
        assert_true(client == (strstr(witness_until("snow", "TLSv1.3"), "as its server") != NULL));
        was[client] = true;
        end(rain, snow);
    }
}

static void node_that_allows_tls_links_to_one_without_by_the_secret(void **state)
{
    struct ptl_node_options plain = witness_options("snow");
    struct ptl_node *rain, *snow;

    (void)state;
    start_linked(paired("rain", "pair-a.pem"), plain, &rain, &snow);
    (void)witness_until("snow", "in the clear, proved by secret");
    end(rain, snow);
    plain = paired("snow", "pair-a.pem");
    plain.tls = PTL_TLS_OFF;
    start_linked(paired("rain", "pair-a.pem"), plain, &rain, &snow);
    end(rain, snow);
}

static int change(struct ptl_node *node, const char *pair)
{
    struct ptl_node_options options = {.size = sizeof(options), .tls_pair = pem(pair)};
    int judged = ptl_tls_check(&options);
    int err = ptl_node_set_tls(node, &options);

    assert_true(judged == err || (judged == 0 && err == PTL_EINVAL)); /* a node without TLS */
    return err;
}

static void new_certificates_count_for_new_links_and_old_ones_live_on(void **state)
{
    struct ptl_node_options hail_options = paired("hail", "pair-b.pem");
    struct ptl_node *rain, *snow;

    (void)state;
    start_linked(paired("rain", "pair-a.pem"), paired("snow", "pair-a.pem"), &rain, &snow);
    assert_int_equal(change(rain, "pair-b.pem"), 0);
    const char *const seeds[] = {ptl_node_address(rain, 0), NULL};
    hail_options.seeds = seeds;
    struct ptl_node *hail = witness_start(&hail_options);
    (void)witness_until("rain's link", "up hail");
    talk(snow, rain, "from before");
    talk(hail, rain, "from after");
    assert_int_equal(witness_stop(hail, 60000), 0);
    end(rain, snow);
}

static void certificates_that_are_unusable_change_nothing(void **state)
{
    struct ptl_node_options options = paired("rain", "pair-a.pem");
    struct ptl_node *rain, *snow;

    (void)state;
    options.binds = loopback;
    rain = witness_start(&options);
    assert_int_equal(change(rain, "harbour.crl"), PTL_ECERT);
    assert_int_equal(change(rain, "harbour.pem"), PTL_EKEY);
    assert_int_equal(ptl_node_set_tls(rain, &(struct ptl_node_options){.size = sizeof(options)}),
                     PTL_EINVAL);
    options = paired("snow", "pair-a.pem");
    const char *const seeds[] = {ptl_node_address(rain, 0), NULL};
    options.seeds = seeds;
    snow = witness_start(&options);
    (void)witness_until("snow", "proved by certificate");
    end(rain, snow);
}

/* One that had none offers TLS from then on; one that wants none never does. */
static void certificates_may_come_later(void **state)
{
    struct ptl_node_options options = witness_options("rain");

    (void)state;
    options.binds = loopback;
    struct ptl_node *rain = witness_start(&options);
    assert_int_equal(change(rain, "pair-a.pem"), 0);
    const char *const seeds[] = {ptl_node_address(rain, 0), NULL};
    options = paired("snow", "pair-a.pem");
    options.seeds = seeds;
    struct ptl_node *snow = witness_start(&options);
    (void)witness_until("snow", "proved by certificate");
    end(rain, snow);
    options = paired("rain", "pair-a.pem");
    options.tls = PTL_TLS_OFF;
    assert_int_equal(change(witness_start(&options), "pair-a.pem"), PTL_EINVAL);
}

/* ---- What is not --------------------------------------------------------------------------- */

/* One of the two says why, whichever of them finds out. */
static void expect_refused(struct ptl_node_options rain_options,
                           struct ptl_node_options snow_options, const char *who, int why)
{
    struct ptl_node *rain, *snow;

    start(rain_options, snow_options, &rain, &snow);
    (void)witness_until(who, ptl_err_text(why));
    assert_int_equal(ptl_on_link(rain, on_link, "link"), 0);
    assert_silent("link");
    end(rain, snow);
}

static void nodes_with_wrong_certificates_are_refused(void **state)
{
    static const struct {
        const char *certificate, *key;
        int why;
    } stories[] = {
        {"thief.pem", "thief.key", PTL_EAUTHORITY},   {"expired.pem", "expired.key", PTL_EEXPIRED},
        {"early.pem", "early.key", PTL_EEARLY},       {"named.pem", "named.key", PTL_ECERTNAME},
        {"revoked.pem", "revoked.key", PTL_EREVOKED},
    };
    struct ptl_node_options rain = options_of("rain", "rain.pem", "rain.key");

    (void)state;
    rain.tls_verify_node = true;
    rain.tls_crl = pem("harbour-revoked.crl");
    for (size_t i = 0; i < OF(stories); i++) {
        struct ptl_node_options snow = options_of("snow", stories[i].certificate, stories[i].key);
        expect_refused(rain, snow, "rain", stories[i].why);
        expect_refused(rain, snow, "snow", PTL_ECERTREFUSED);
    }
}

/* It is dialled again and again, and is not a seed. */
static void node_that_is_dialled_and_refuses_is_one_warning_with_what_to_do(void **state)
{
    struct ptl_node_options rain_options = paired("rain", "pair-a.pem");
    struct ptl_node_options snow_options = witness_options("snow");

    (void)state;
    rain_options.binds = loopback;
    rain_options.tls = PTL_TLS_REQUIRE;
    rain_options.log_level = snow_options.log_level = PTL_LOG_WARN;
    struct ptl_node *rain = witness_start(&rain_options), *snow = witness_start(&snow_options);
    assert_int_equal(ptl_node_known(snow, "rain", ptl_node_address(rain, 0)), 0);
    struct ptl_port port = witness_parse(snow, "rain#port");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ptl_monitor(snow, &port, on_gone, (void *)(uintptr_t) "gone", NULL), 0);
        (void)witness_next("gone");
    }
    end(rain, snow);
    const char *line = witness_next("snow");
    assert_non_null(strstr(line, "warning: connection to 127.0.0.1:"));
    assert_non_null(strstr(line, ptl_err_text(PTL_EONLYTLS)));
    assert_silent("snow");
    /* To which it is a stranger, and one warning, too. */
    assert_non_null(strstr(witness_next("rain"), "warning: connection from 127.0.0.1:"));
    assert_silent("rain");
}

static void seed_that_refuses_is_one_line_whoever_finds_out(void **state)
{
    struct ptl_node_options rain_options = paired("rain", "pair-a.pem");
    struct ptl_node_options snow_options = paired("snow", "pair-b.pem");
    struct ptl_node *rain, *snow;
    unsigned told = 0;

    (void)state;
    snow_options.log_level = PTL_LOG_WARN;
    start(rain_options, snow_options, &rain, &snow);
    for (unsigned i = 0; i < 2; i++) { /* the back-off is a second, more or less */
        (void)witness_until("rain", "connection from");
    }
    end(rain, snow);
    for (const char *line; (line = witness_next_if_any("snow")) != NULL; told++) {
        assert_non_null(strstr(line, "cannot join at 127.0.0.1:"));
        assert_non_null(strstr(line, "certificate"));
    }
    assert_int_equal(told, 1);
}

static void node_that_requires_tls_refuses_one_without(void **state)
{
    struct ptl_node_options rain = paired("rain", "pair-a.pem");
    struct ptl_node_options snow = witness_options("snow");

    (void)state;
    rain.tls = PTL_TLS_REQUIRE;
    snow.log_level = PTL_LOG_DEBUG;
    expect_refused(rain, snow, "rain", PTL_ENOTLS);
    expect_refused(rain, snow, "snow", PTL_EONLYTLS);
    expect_refused(snow, rain, "rain", PTL_ENOTLS);
}

static void node_refuses_a_proof_of_tls_in_the_clear(void **state)
{
    struct ptl_node_options options = paired("rain", "pair-a.pem");
    char hash[129];

    (void)state;
    options.binds = loopback;
    struct ptl_node *rain = witness_start(&options);
    int peer = raw_connect(rain);
    memset(hash, '0', 128);
    hash[128] = 0;
    raw_say(peer, "aemp;1;snow;tls_sha3_512,hmac_sha3_512;cbor\nnonce\ntls_sha3_512;");
    raw_say(peer, hash);
    raw_say(peer, ";cbor\n");
    raw_await_close(peer);
    close(peer);
    (void)witness_until("rain", ptl_err_text(PTL_EMETHOD));
}

/* Somebody says that he wants TLS, and then these words. */
static void expect_stranger_ended(unsigned handshake_ms, const char *words, int why)
{
    struct ptl_node_options options = paired("rain", "pair-a.pem");

    options.binds = loopback;
    options.handshake_ms = handshake_ms;
    struct ptl_node *rain = witness_start(&options);
    int peer = raw_connect(rain);
    raw_say(peer, "aemp;1;snow;tls_sha3_512;cbor;tls=1.0\n!nonce\n");
    raw_say(peer, words);
    raw_await_close(peer);
    close(peer);
    (void)witness_until("rain", ptl_err_text(why));
    assert_int_equal(witness_stop(rain, 60000), 0);
}

static void node_ends_a_handshake_that_is_none_or_that_stops(void **state)
{
    (void)state;
    expect_stranger_ended(60000, "hmac_sha3_512;00;cbor\n", PTL_ETLS);
    expect_stranger_ended(200, "", PTL_EHANDSHAKE);
    expect_stranger_ended(200, "\x16\x03\x01\x02", PTL_EHANDSHAKE);
}

/* ---- A peer that stops ---------------------------------------------------------------------- */

/* A peer that means well, until it has said so many bytes. */
struct stopping {
    struct ptl_tls_context *context;
    int socket;
    size_t left;
    struct ptl_tls *tls;
    struct ptl_buffer out;
};

static const char stopping_lines[] = "aemp;1;hail;tls_sha3_512;cbor;tls=1.0\n!nonce\n";

/* False: it stops here. */
static bool say(struct stopping *peer, struct ptl_span bytes)
{
    size_t size = bytes.size < peer->left ? bytes.size : peer->left;

    peer->left -= size;
    return send(peer->socket, bytes.bytes, size, MSG_NOSIGNAL) == (ssize_t)size &&
           size == bytes.size && peer->left > 0;
}

static bool say_words(struct stopping *peer)
{
    bool goes_on = say(peer, ptl_buffer_span(&peer->out));

    ptl_buffer_clear(&peer->out);
    return goes_on;
}

/* Until TLS is up, or the node has closed. */
static bool shake(struct stopping *peer)
{
    uint8_t heard[16384], room[16384];
    struct ptl_span bytes = ptl_span(NULL, 0);

    assert_int_equal(ptl_tls_make(ptl_allocator_libc(), peer->context, PTL_TLS_CLIENT,
                                  PTL_TLS_MUST_PROVE, ptl_span(NULL, 0), &peer->tls),
                     0);
    for (;;) {
        assert_true(ptl_tls_open(peer->tls, &bytes, room, sizeof(room), &peer->out) >= 0);
        bool goes_on = say_words(peer), is_up = ptl_tls_state(peer->tls) == PTL_TLS_UP;
        if (!goes_on || is_up) {
            return goes_on && is_up;
        }
        ssize_t size = recv(peer->socket, heard, sizeof(heard), 0);
        if (size <= 0) {
            return false;
        }
        bytes = ptl_span(heard, (size_t)size);
    }
}

static void prove(struct stopping *peer, const char *theirs)
{
    const struct ptl_span lines[] = {ptl_span_text(stopping_lines), ptl_span_text(theirs)};
    uint8_t proof[PTL_PROOF_BYTES];
    char hex[PTL_PROOF_HEX], line[PTL_PROOF_HEX + 32];

    assert_int_equal(ptl_proof_hash(proof, lines, 2), 0);
    ptl_proof_hex(hex, ptl_span(proof, sizeof(proof)));
    snprintf(line, sizeof(line), "tls_sha3_512;%.*s;cbor\n", PTL_PROOF_HEX, hex);
    assert_int_equal(ptl_tls_seal(peer->tls, ptl_span_text(line), &peer->out), 0);
    (void)say_words(peer);
}

/* Returns how many of `most` bytes it had to say; the socket stays open. */
static size_t go_to(struct ptl_node *rain, size_t most, int *socket)
{
    struct stopping peer = {
        .context = tls_pair("pair-a.pem", 13), .socket = raw_connect(rain), .left = most};
    char theirs[8192];

    ptl_buffer_init(&peer.out, ptl_allocator_libc(), 1 << 16);
    size_t size = raw_read_lines(peer.socket, theirs, sizeof(theirs) - 1, 2);
    theirs[size] = 0;
    if (say(&peer, ptl_span_text(stopping_lines)) && shake(&peer)) {
        prove(&peer, theirs);
    }
    ptl_tls_free(peer.tls);
    ptl_tls_context_release(peer.context);
    ptl_buffer_drop(&peer.out);
    *socket = peer.socket;
    return most - peer.left;
}

/* All that such a peer has to say, to a node that is patient. */
static size_t count_all(void)
{
    struct ptl_node_options options = paired("fog", "pair-a.pem");
    int socket;

    options.binds = loopback;
    struct ptl_node *fog = witness_start(&options);
    assert_int_equal(ptl_on_link(fog, on_link, "fog's link"), 0);
    size_t all = go_to(fog, SIZE_MAX, &socket);
    (void)witness_until("fog's link", "up hail");
    close(socket);
    assert_int_equal(witness_stop(fog, 60000), 0);
    return all;
}

static void peer_that_stops_anywhere_costs_itself_only(void **state)
{
    struct ptl_node_options options = paired("rain", "pair-a.pem");
    size_t all = count_all() - SIGNATURE_VARIES;
    int sockets[STOPPED_AT_ONCE];
    struct ptl_node *rain, *snow;

    (void)state;
    options.handshake_ms = 1000;
    start_linked(options, paired("snow", "pair-a.pem"), &rain, &snow);
    for (size_t most = 0; most < all;) {
        unsigned count = 0;
        for (; most < all && count < STOPPED_AT_ONCE; most += STOP_STEP) {
            assert_true(go_to(rain, most, &sockets[count++]) <= most); /* or it was too late */
        }
        while (count > 0) {
            raw_await_close(sockets[--count]);
            close(sockets[count]);
        }
    }
    assert_silent("rain's link");
    talk(snow, rain, "at rain");
    end(rain, snow);
}

static void second_node_of_an_id_is_refused_over_tls_too(void **state)
{
    struct ptl_node_options rain_options = paired("rain", "pair-a.pem");
    struct ptl_node_options options = paired("snow", "pair-a.pem");
    struct ptl_node *rain, *snow;

    (void)state;
    rain_options.silence_ms = options.silence_ms = 4000; /* the first is heard every second */
    start_linked(rain_options, options, &rain, &snow);
    const char *const seeds[] = {ptl_node_address(rain, 0), NULL};
    options.seeds = seeds;
    options.log_data = (void *)(uintptr_t) "second";
    (void)witness_start(&options);
    (void)witness_until("rain", "two nodes use the ID snow");
    talk(snow, rain, "at rain");
    assert_silent("rain's link");
}

static void node_is_not_made_with_unusable_certificates(void **state)
{
    struct ptl_node_options options = options_of("rain", "rain.pem", "snow.key");
    struct ptl_node *node;

    (void)state;
    assert_int_equal(ptl_node_make(&options, &node), PTL_EKEY);
    options.tls = PTL_TLS_OFF;
    assert_int_equal(ptl_node_make(&options, &node), 0);
    assert_int_equal(ptl_node_stop(node, 0), 0);
    options = witness_options("rain");
    options.tls = PTL_TLS_REQUIRE;
    assert_int_equal(ptl_node_make(&options, &node), PTL_EINVAL);
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 2, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(nodes_of_one_authority_link_over_tls),
        WITNESSED(nodes_of_one_pair_link_over_tls_without_a_secret),
        WITNESSED(either_node_may_be_the_client_of_tls),
        WITNESSED(node_that_allows_tls_links_to_one_without_by_the_secret),
        WITNESSED(new_certificates_count_for_new_links_and_old_ones_live_on),
        WITNESSED(certificates_that_are_unusable_change_nothing),
        WITNESSED(certificates_may_come_later),
        WITNESSED(nodes_with_wrong_certificates_are_refused),
        WITNESSED(node_that_is_dialled_and_refuses_is_one_warning_with_what_to_do),
        WITNESSED(seed_that_refuses_is_one_line_whoever_finds_out),
        WITNESSED(node_that_requires_tls_refuses_one_without),
        WITNESSED(node_refuses_a_proof_of_tls_in_the_clear),
        WITNESSED(node_ends_a_handshake_that_is_none_or_that_stops),
        WITNESSED(peer_that_stops_anywhere_costs_itself_only),
        WITNESSED(second_node_of_an_id_is_refused_over_tls_too),
        WITNESSED(node_is_not_made_with_unusable_certificates),
    };

    return witness_main(argc, argv, "TLS", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
