/*
 * The opening of two nodes that want TLS: what they offer, who is the client, which proofs count,
 * and what is noticed when somebody between them edits what they say.
 */
#include "io/handshake.h"

#include "tests/common/opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

static void begin(struct ptl_handshake *handshake, const struct ptl_handshake_options *options,
                  uint8_t nonce_byte)
{
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];

    memset(nonce, nonce_byte, sizeof(nonce));
    assert_int_equal(ptl_handshake_init(handshake, ptl_allocator_libc(), options,
                                        ptl_span(nonce, sizeof(nonce)), span("127.0.0.1:4040")),
                     0);
}

static struct ptl_handshake_options tls_options_of(const char *id)
{
    struct ptl_handshake_options options = options_of(id);

    options.tls = true;
    return options;
}

/* Each reads what the other greets with. */
static void greet(struct ptl_handshake *a, struct ptl_handshake *b)
{
    struct ptl_span to_a = ptl_handshake_greeting(b), to_b = ptl_handshake_greeting(a);

    assert_int_equal(feed_in_steps(a, to_a, to_a.size), (int)to_a.size);
    assert_int_equal(feed_in_steps(b, to_b, to_b.size), (int)to_b.size);
}

static int prove_to(struct ptl_handshake *from, struct ptl_handshake *to, const char *method)
{
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];
    int size = ptl_handshake_prove(from, 0, line);

    assert_memory_equal(line, method, strlen(method));
    return ptl_handshake_feed(to, ptl_span(line, (size_t)size));
}

/* Both prove, and both refuse the other's proof, which is of that method. */
static void expect_refused(struct ptl_handshake *a, struct ptl_handshake *b, const char *method,
                           int why)
{
    char of_a[PTL_HANDSHAKE_PROOF_LINE_MAX], of_b[PTL_HANDSHAKE_PROOF_LINE_MAX];
    int a_size = ptl_handshake_prove(a, 0, of_a), b_size = ptl_handshake_prove(b, 0, of_b);

    assert_memory_equal(of_a, method, strlen(method));
    assert_memory_equal(of_b, method, strlen(method));
    assert_int_equal(ptl_handshake_feed(a, ptl_span(of_b, (size_t)b_size)), why);
    assert_int_equal(ptl_handshake_feed(b, ptl_span(of_a, (size_t)a_size)), why);
}

static void expect_greeting(bool tls, bool required, const char *secret, const char *methods)
{
    struct ptl_handshake_options options = options_of("rain");
    struct ptl_handshake rain;
    char text[256];

    options.tls = tls;
    options.tls_required = required;
    options.secret = span(secret);
    begin(&rain, &options, 0);
    snprintf(text, sizeof(text),
             "aemp;1;rain;%s;cbor,json;provider=portolan-0.1.0;peeraddr=127.0.0.1:4040;"
             "mproto=1;gproto=1;portolan=fedcba9876543210.5%s\n",
             methods, tls ? ";tls=1.0" : "");
    assert_memory_equal(ptl_handshake_greeting(&rain).bytes, text, strlen(text));
    ptl_handshake_drop(&rain);
}

static void handshake_offers_what_it_takes(void **state)
{
    (void)state;
    expect_greeting(false, false, "geheim", "hmac_sha3_512,cleartext");
    expect_greeting(true, false, "geheim", "tls_sha3_512,hmac_sha3_512,cleartext");
    expect_greeting(true, false, "", "tls_sha3_512");
    expect_greeting(true, true, "geheim", "tls_sha3_512");
}

static void shake_over_tls(const struct ptl_handshake_options *rain_options,
                           const struct ptl_handshake_options *snow_options, uint8_t rain_nonce)
{
    struct ptl_handshake rain, snow;

    begin(&rain, rain_options, rain_nonce);
    begin(&snow, snow_options, 128);
    greet(&rain, &snow);
    assert_true(ptl_handshake_peer(&rain)->tls && ptl_handshake_peer(&snow)->tls);
    assert_int_equal(ptl_handshake_is_tls_client(&rain), rain_nonce < 128);
    assert_int_equal(ptl_handshake_is_tls_client(&snow), rain_nonce > 128);
    ptl_handshake_take_tls(&rain, true);
    ptl_handshake_take_tls(&snow, true);
    assert_true(prove_to(&rain, &snow, "tls_sha3_512;") > 0);
    assert_true(prove_to(&snow, &rain, "tls_sha3_512;") > 0);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_UP);
    assert_int_equal(ptl_handshake_state(&snow), PTL_HANDSHAKE_UP);
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
}

static void handshake_inside_tls_needs_no_secret(void **state)
{
    (void)state;
    struct ptl_handshake_options rain = tls_options_of("rain"), snow = tls_options_of("snow");

    shake_over_tls(&rain, &snow, 1);
    shake_over_tls(&rain, &snow, 200);
    rain.secret = ptl_span(NULL, 0);
    shake_over_tls(&rain, &snow, 1);
    snow.tls_required = true;
    shake_over_tls(&rain, &snow, 200);
}

/* Whatever else it says: inside TLS, by its ID, and only where that is wanted. */
static int come_without_proof(const char *id, bool is_wanted, bool is_up, const char *line)
{
    struct ptl_handshake_options rain_options = tls_options_of("rain");
    struct ptl_handshake_options guest_options = tls_options_of(id);
    struct ptl_handshake rain, guest;

    rain_options.anonymous = ptl_span_text(is_wanted ? "guest-" : "");
    begin(&rain, &rain_options, 1);
    begin(&guest, &guest_options, 2);
    greet(&rain, &guest);
    if (is_up) {
        ptl_handshake_take_tls(&rain, false);
    }
    int result = ptl_handshake_feed(&rain, ptl_span_text(line));
    assert_int_equal(ptl_handshake_peer(&rain)->proved_by, PTL_PROVED_BY_NOTHING);
    assert_true((ptl_handshake_state(&rain) == PTL_HANDSHAKE_UP) == (result > 0));
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&guest);
    return result;
}

static void handshake_lets_in_without_a_proof_whom_it_is_told_to(void **state)
{
    static const char anonymous[] = "tls_anon;;cbor\n";

    (void)state;
    assert_int_equal(come_without_proof("guest-1", true, true, anonymous), strlen(anonymous));
    assert_int_equal(come_without_proof("guest-", true, true, anonymous), strlen(anonymous));
    assert_int_equal(come_without_proof("guest", true, true, anonymous), PTL_EMETHOD);
    assert_int_equal(come_without_proof("a guest-1", true, true, anonymous), PTL_EMETHOD);
    assert_int_equal(come_without_proof("guest-1", true, false, anonymous), PTL_EMETHOD);
    assert_int_equal(come_without_proof("guest-1", false, true, anonymous), PTL_EMETHOD);
    assert_int_equal(come_without_proof("guest-1", true, true, "tls_anon;00;cbor\n"), PTL_EMETHOD);
    /* A certificate that is not believed proves nothing for it either. */
    assert_int_equal(come_without_proof("guest-1", true, true, "tls_sha3_512;00;cbor\n"),
                     PTL_EMETHOD);
}

static void handshake_goes_on_in_the_clear_where_one_offers_no_tls(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = tls_options_of("rain");
    struct ptl_handshake_options snow_options = options_of("snow");
    struct ptl_handshake rain, snow;

    begin(&rain, &rain_options, 1);
    begin(&snow, &snow_options, 2);
    greet(&rain, &snow);
    assert_false(ptl_handshake_peer(&rain)->tls || ptl_handshake_peer(&snow)->tls);
    assert_true(prove_to(&rain, &snow, "hmac_sha3_512;") > 0);
    assert_true(prove_to(&snow, &rain, "hmac_sha3_512;") > 0);
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
}

static void expect_nonce_err(const struct ptl_handshake_options *options, const char *lines,
                             int expected)
{
    struct ptl_handshake rain;

    begin(&rain, options, 1);
    int err = feed_in_steps(&rain, span(lines), strlen(lines));
    assert_int_equal(err, expected < 0 ? expected : (int)strlen(lines));
    ptl_handshake_drop(&rain);
}

static void handshake_that_requires_tls_refuses_who_offers_none(void **state)
{
    (void)state;
    struct ptl_handshake_options options = tls_options_of("rain");

    options.tls_required = true;
    expect_nonce_err(&options, "aemp;1;snow;tls_sha3_512,hmac_sha3_512;cbor\nx\n", PTL_ENOTLS);
    expect_nonce_err(&options, "aemp;1;snow;tls_sha3_512;cbor;tls=2.0\nx\n", PTL_ENOTLS);
    expect_nonce_err(&options, "aemp;1;snow;hmac_sha3_512;cbor;tls=1.0\nx\n", PTL_EMETHOD);
    expect_nonce_err(&options, "aemp;1;snow;tls_anon;cbor;tls=1.0\nx\n", PTL_EMETHOD);
    expect_nonce_err(&options, "aemp;1;snow;tls_sha3_512;cbor;tls=1.0\nx\n", 0);
}

/* The lines of `from` with `old` in them replaced, as somebody between the two would. */
static void feed_edited(struct ptl_handshake *to, const struct ptl_handshake *from, const char *old,
                        const char *new, int expected)
{
    struct ptl_span lines = ptl_handshake_greeting(from);
    const uint8_t *at = memmem(lines.bytes, lines.size, old, strlen(old));
    char text[1024];

    assert_non_null(at);
    int size =
        snprintf(text, sizeof(text), "%.*s%s%.*s", (int)(at - lines.bytes), lines.bytes, new,
                 (int)(lines.size - (size_t)(at - lines.bytes) - strlen(old)), at + strlen(old));
    int err = feed_in_steps(to, ptl_span(text, (size_t)size), (size_t)size);
    assert_int_equal(err, expected < 0 ? expected : size);
}

static void handshake_notices_that_tls_was_edited_away(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = tls_options_of("rain");
    struct ptl_handshake_options snow_options = tls_options_of("snow");
    struct ptl_handshake rain, snow;

    for (unsigned required = 0; required < 2; required++) {
        rain_options.tls_required = required != 0;
        begin(&rain, &rain_options, 1);
        begin(&snow, &snow_options, 2);
        feed_edited(&rain, &snow, ";tls=1.0", "", required != 0 ? PTL_ENOTLS : 0);
        if (required == 0) {
            feed_edited(&snow, &rain, ";tls=1.0", "", 0);
            assert_false(ptl_handshake_peer(&rain)->tls || ptl_handshake_peer(&snow)->tls);
            expect_refused(&rain, &snow, "hmac_sha3_512;", PTL_EAUTH);
        }
        ptl_handshake_drop(&rain);
        ptl_handshake_drop(&snow);
    }
}

static void handshake_inside_tls_notices_an_edited_greeting(void **state)
{
    (void)state;
    static const char *const edits[][2] = {
        {"cbor,json", "json"},
        {"tls_sha3_512,hmac_sha3_512", "tls_sha3_512"},
        {"snow", "hail"},
        {"gproto=1;", ""},
    };
    struct ptl_handshake_options rain_options = tls_options_of("rain");
    struct ptl_handshake_options snow_options = tls_options_of("snow");
    struct ptl_handshake rain, snow;

    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        begin(&rain, &rain_options, 1);
        begin(&snow, &snow_options, 2);
        feed_edited(&rain, &snow, edits[i][0], edits[i][1], 0);
        struct ptl_span lines = ptl_handshake_greeting(&rain);
        assert_int_equal(feed_in_steps(&snow, lines, lines.size), (int)lines.size);
        ptl_handshake_take_tls(&rain, true);
        ptl_handshake_take_tls(&snow, true);
        expect_refused(&rain, &snow, "tls_sha3_512;", PTL_ECHANGED);
        ptl_handshake_drop(&rain);
        ptl_handshake_drop(&snow);
    }
}

/* Without a believed certificate that proof is worth nothing: anybody can compute it. */
static void handshake_takes_the_proof_of_tls_inside_tls_only(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = tls_options_of("rain");
    struct ptl_handshake_options snow_options = tls_options_of("snow");
    static const char *const methods[] = {"tls_anon;;cbor\n", "cleartext;;cbor\n",
                                          "hmac_sha3_512;;cbor\n", "tls_sha3_512;;cbor\n"};
    static const int errors[] = {PTL_EMETHOD, PTL_EMETHOD, PTL_EMETHOD, PTL_ECHANGED};
    struct ptl_handshake rain, snow;

    begin(&rain, &rain_options, 1);
    begin(&snow, &snow_options, 2);
    greet(&rain, &snow);
    assert_int_equal(prove_to(&rain, &snow, "tls_sha3_512;"), PTL_EMETHOD);
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
    /* Without a secret there is none to be said, empty or not. */
    snow_options.secret = ptl_span(NULL, 0);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        begin(&rain, &rain_options, 1);
        begin(&snow, &snow_options, 2);
        greet(&rain, &snow);
        ptl_handshake_take_tls(&snow, true);
        assert_int_equal(ptl_handshake_feed(&snow, span(methods[i])), errors[i]);
        ptl_handshake_drop(&rain);
        ptl_handshake_drop(&snow);
    }
}

static struct ptl_span lines_of(const json_t *vector, const char *one, const char *two,
                                char text[2048])
{
    int size = snprintf(text, 2048, "%s\n%s\n", json_string_value(json_object_get(vector, one)),
                        json_string_value(json_object_get(vector, two)));

    return ptl_span(text, (size_t)size);
}

/* What `who` has recorded of a real connection; the other side is played by us. */
static void replay(const json_t *vector, bool a)
{
    char ours[2048], theirs[2048], line[PTL_HANDSHAKE_PROOF_LINE_MAX], expected[256];
    struct ptl_span own =
        lines_of(vector, a ? "a_line1" : "b_line1", a ? "a_line2" : "b_line2", ours);
    struct ptl_span peer =
        lines_of(vector, a ? "b_line1" : "a_line1", a ? "b_line2" : "a_line2", theirs);
    struct ptl_handshake_options options = tls_options_of(a ? "pytls" : "seed1");
    struct ptl_handshake node;

    assert_int_equal(ptl_handshake_init_lines(&node, ptl_allocator_libc(), &options, own), 0);
    assert_int_equal(feed_in_steps(&node, peer, peer.size), (int)peer.size);
    assert_int_equal(ptl_handshake_is_tls_client(&node), a);
    ptl_handshake_take_tls(&node, true);
    assert_true(ptl_handshake_prove(&node, 0, line) > 0);
    snprintf(expected, sizeof(expected), "tls_sha3_512;%s;",
             json_string_value(json_object_get(vector, a ? "a_sends" : "b_sends")));
    assert_memory_equal(line, expected, strlen(expected));
    int size = snprintf(line, sizeof(line), "tls_sha3_512;%s;cbor\n",
                        json_string_value(json_object_get(vector, a ? "b_sends" : "a_sends")));
    assert_int_equal(ptl_handshake_feed(&node, ptl_span(line, (size_t)size)), size);
    ptl_handshake_drop(&node);
}

static void handshake_proves_as_real_nodes_have(void **state)
{
    (void)state;
    json_t *vectors = json_load_file(PTL_TEST_DATA "/auth_vectors.json", 0, NULL);
    json_t *vector;
    size_t index;
    unsigned played = 0;

    json_array_foreach(vectors, index, vector)
    {
        const char *line = json_string_value(json_object_get(vector, "a_line1"));
        if (line != NULL && strstr(line, ";tls=1.0") != NULL) {
            replay(vector, true);
            replay(vector, false);
            played++;
        }
    }
    assert_true(played > 0);
    json_decref(vectors);
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_offers_what_it_takes),
        cmocka_unit_test(handshake_inside_tls_needs_no_secret),
        cmocka_unit_test(handshake_lets_in_without_a_proof_whom_it_is_told_to),
        cmocka_unit_test(handshake_goes_on_in_the_clear_where_one_offers_no_tls),
        cmocka_unit_test(handshake_that_requires_tls_refuses_who_offers_none),
        cmocka_unit_test(handshake_notices_that_tls_was_edited_away),
        cmocka_unit_test(handshake_inside_tls_notices_an_edited_greeting),
        cmocka_unit_test(handshake_takes_the_proof_of_tls_inside_tls_only),
        cmocka_unit_test(handshake_proves_as_real_nodes_have),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
