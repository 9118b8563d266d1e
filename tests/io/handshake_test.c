#include "io/handshake.h"

#include "io/framing.h"
#include "tests/common/opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RAIN_LINES "aemp;1;rain;hmac_sha3_512,cleartext;cbor,json;mproto=1\nrain's nonce\n"
#define SNOW_FIRST "aemp;1;snow;hmac_sha3_512;cbor\n"

enum { SEEDED_MUTATIONS = 20000, SEEDED_QUICK = 4000 };

/* ---- An allocator that counts, and fails when told ---------------------------------------- */

struct meter {
    long until_failure; /* < 0: never */
    long blocks;
    size_t bytes;
};

static void *meter_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    struct meter *meter = user;

    if (new_size == 0) {
        meter->blocks--;
        meter->bytes -= old_size;
        free(block);
        return NULL;
    }
    if (meter->until_failure == 0) {
        return NULL;
    }
    meter->until_failure -= meter->until_failure > 0;
    void *moved = realloc(block, new_size);
    meter->blocks += block == NULL;
    meter->bytes += new_size - old_size;
    return moved;
}

static struct meter meter;
static const struct ptl_allocator metered = {.resize = meter_resize, .user = &meter};

static int set_up(void **state)
{
    (void)state;
    meter = (struct meter){.until_failure = -1};
    return 0;
}

/* Whatever a test did, nothing may be left. */
static int tear_down(void **state)
{
    (void)state;
    return meter.blocks == 0 && meter.bytes == 0 ? 0 : -1;
}

/* ---- Helpers ------------------------------------------------------------------------------ */

static void begin(struct ptl_handshake *handshake, const struct ptl_handshake_options *options,
                  uint8_t nonce_byte)
{
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];

    memset(nonce, nonce_byte, sizeof(nonce));
    assert_int_equal(ptl_handshake_init(handshake, &metered, options,
                                        ptl_span(nonce, sizeof(nonce)), span("127.0.0.1:4040")),
                     0);
}

/* A node "rain" that has sent RAIN_LINES. */
static void begin_rain(struct ptl_handshake *handshake)
{
    struct ptl_handshake_options options = options_of("rain");

    assert_int_equal(ptl_handshake_init_lines(handshake, &metered, &options, span(RAIN_LINES)), 0);
}

static int feed_all(struct ptl_handshake *handshake, const char *text)
{
    return feed_in_steps(handshake, span(text), strlen(text));
}

/* Feed `lines` to a fresh rain and tell the error. */
static void expect_failure(struct ptl_span lines, int err)
{
    struct ptl_handshake rain;

    begin_rain(&rain);
    assert_int_equal(feed_in_steps(&rain, lines, lines.size), err);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_FAILED);
    ptl_handshake_drop(&rain);
}

/* Each side takes the other's three lines. */
static void shake(struct ptl_handshake *a, struct ptl_handshake *b, uint64_t a_session)
{
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];
    struct ptl_span greeting = ptl_handshake_greeting(a);

    assert_int_equal(feed_in_steps(b, greeting, greeting.size), (int)greeting.size);
    greeting = ptl_handshake_greeting(b);
    assert_int_equal(feed_in_steps(a, greeting, greeting.size), (int)greeting.size);
    assert_int_equal(ptl_handshake_state(a), PTL_HANDSHAKE_PROOF);
    int size = ptl_handshake_prove(a, a_session, line);
    assert_int_equal(ptl_handshake_feed(b, ptl_span(line, (size_t)size)), size);
    size = ptl_handshake_prove(b, 0, line);
    assert_int_equal(ptl_handshake_feed(a, ptl_span(line, (size_t)size)), size);
}

/* ---- Our own kind ------------------------------------------------------------------------- */

static void handshake_greets_in_the_style_of_the_protocol(void **state)
{
    (void)state;
    struct ptl_handshake_options options = options_of("rain");
    struct ptl_handshake rain;
    static const char expected[] =
        "aemp;1;rain;hmac_sha3_512,cleartext;cbor,json;provider=portolan-0.1.0;"
        "peeraddr=127.0.0.1:4040;mproto=1;gproto=1;portolan=fedcba9876543210.5\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "\n";

    begin(&rain, &options, 0);
    assert_true(ptl_span_equal(ptl_handshake_greeting(&rain), span(expected)));
    assert_int_equal(ptl_handshake_nonce(&rain).size, 88);
    ptl_handshake_drop(&rain);
}

/* ---- Frames, our own framing --------------------------------------------------------------- */

#define SNOW_START "aemp;1;snow;hmac_sha3_512,cleartext;"
#define SNOW_KEYS ";portolan=1.0;frames="
#define SNOW_FRAMES "1.5.2.40.8000.10000.1f4"

/* rain speaks frames first, then CBOR, and snow greets with this line: what rain chooses. */
static int chosen(const char *line, struct ptl_handshake *rain)
{
    struct ptl_handshake_options options = options_of("rain");

    options.framings = span("portolan,cbor");
    options.frames = (struct ptl_handshake_frames){1, 3, 1, 4096, 65536, 1048576, 2000};
    begin(rain, &options, 0);
    assert_true(ptl_handshake_feed(rain, span(line)) > 0);
    assert_true(ptl_handshake_feed(rain, span("snow's nonce\n")) > 0);
    return ptl_handshake_peer(rain)->send_framing;
}

static void handshake_tells_of_frames_where_they_are_spoken_first(void **state)
{
    (void)state;
    static const char frames[] = ";frames=1.3.1.1000.10000.100000.7d0\n";
    struct ptl_handshake_options options = options_of("rain");
    struct ptl_handshake rain;

    options.frames = (struct ptl_handshake_frames){1, 3, 1, 4096, 65536, 1048576, 2000};
    for (unsigned first = 0; first < 2; first++) {
        options.framings = first == 1 ? span("portolan,cbor") : span("cbor,json");
        begin(&rain, &options, 0);
        struct ptl_span lines = ptl_handshake_greeting(&rain);
        assert_int_equal(memmem(lines.bytes, lines.size, ";portolan,cbor;", 15) != NULL, first);
        assert_int_equal(memmem(lines.bytes, lines.size, frames, strlen(frames)) != NULL, first);
        ptl_handshake_drop(&rain);
    }
}

static void handshake_chooses_frames_when_both_speak_them_first(void **state)
{
    (void)state;
    struct ptl_handshake rain;

    assert_int_equal(chosen(SNOW_START "portolan,json" SNOW_KEYS SNOW_FRAMES ".more\n", &rain),
                     PTL_FRAMING_FRAMES);
    const struct ptl_handshake_frames *frames = &ptl_handshake_peer(&rain)->frames;
    assert_int_equal(frames->version, 1);
    assert_int_equal(frames->features, 5);
    assert_int_equal(frames->lanes, 2);
    assert_int_equal(frames->flows, 64);
    assert_int_equal(frames->flow_room, 32768);
    assert_int_equal(frames->lane_room, 65536);
    assert_int_equal(frames->silence_ms, 500);
    ptl_handshake_drop(&rain);
}

static void handshake_takes_frames_for_unsaid_unless_all_is_said(void **state)
{
    static const char *const lines[] = {
        SNOW_START "cbor,portolan" SNOW_KEYS SNOW_FRAMES "\n",            /* not first */
        SNOW_START "portolan,cbor;portolan=1.0\n",                        /* no key */
        SNOW_START "portolan,cbor;frames=" SNOW_FRAMES "\n",              /* not one of ours */
        SNOW_START "portolan,cbor" SNOW_KEYS "1.5.2.40.8000.10000\n",     /* one too few */
        SNOW_START "portolan,cbor" SNOW_KEYS "0.5.2.40.8000.10000.12c\n", /* no version */
        SNOW_START "portolan,cbor" SNOW_KEYS "1.5.0.40.8000.10000.12c\n", /* each too small */
        SNOW_START "portolan,cbor" SNOW_KEYS "1.5.2.3f.8000.10000.12c\n",
        SNOW_START "portolan,cbor" SNOW_KEYS "1.5.2.40.7fff.10000.12c\n",
        SNOW_START "portolan,cbor" SNOW_KEYS "1.5.2.40.8000.ffff.12c\n",
        SNOW_START "portolan,cbor" SNOW_KEYS "1.5.2.40.8000.10000.12b\n",
        SNOW_START "portolan,cbor" SNOW_KEYS "1.x.2.40.8000.10000.12c\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct ptl_handshake rain;
        assert_int_equal(chosen(lines[i], &rain), PTL_FRAMING_CBOR);
        ptl_handshake_drop(&rain);
    }
}

/* Both ways or not at all. */
static void handshake_refuses_frames_in_one_direction(void **state)
{
    struct ptl_span secret = options_of("rain").secret;
    struct ptl_handshake rain;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool frames = (i & 1) != 0, says_frames = (i & 2) != 0;
        char line[512] = "cleartext;";
        size_t size = strlen(line);
        (void)chosen(frames ? SNOW_START "portolan,cbor" SNOW_KEYS SNOW_FRAMES "\n"
                            : SNOW_START "cbor\n",
                     &rain);
        for (size_t b = 0; b < secret.size; b++) {
            size += (size_t)snprintf(line + size, sizeof(line) - size, "%02x", secret.bytes[b]);
        }
        snprintf(line + size, sizeof(line) - size, ";%s\n", says_frames ? "portolan" : "cbor");
        int got = ptl_handshake_feed(&rain, span(line));
        assert_true(frames == says_frames ? got > 0 : got == PTL_EFRAMING);
        ptl_handshake_drop(&rain);
    }
}

static void handshake_writes_its_nonce_in_base64(void **state)
{
    (void)state;
    struct ptl_handshake_options options = options_of("rain");
    struct ptl_handshake rain;
    uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];

    for (unsigned i = 0; i < sizeof(nonce); i++) {
        nonce[i] = (uint8_t)(i * 37 + 200);
    }
    assert_int_equal(ptl_handshake_init(&rain, &metered, &options, ptl_span(nonce, sizeof(nonce)),
                                        span("[::1]:4040")),
                     0);
    assert_true(ptl_span_equal(ptl_handshake_nonce(&rain),
                               span("yO0SN1yBpsvwFTpfhKnO8xg9Yoes0fYbQGWKr9T5HkNojbLX/"
                                    "CFGa5C12v8kSW6TuN0CJ0xxlrvgBSpPdJm+4wgt")));
    ptl_handshake_drop(&rain);
}

static void handshake_brings_two_portolan_nodes_up(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = options_of("rain");
    struct ptl_handshake_options snow_options = options_of("snow");
    struct ptl_handshake rain, snow;

    snow_options.incarnation = 77;
    snow_options.framings = span("json,cbor");
    begin(&rain, &rain_options, 1);
    begin(&snow, &snow_options, 2);
    shake(&rain, &snow, 4711);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_UP);
    assert_int_equal(ptl_handshake_state(&snow), PTL_HANDSHAKE_UP);

    const struct ptl_handshake_peer *peer = ptl_handshake_peer(&snow);
    assert_true(ptl_span_equal(peer->node_id, span("rain")));
    assert_true(ptl_span_equal(peer->provider, span("portolan-0.1.0")));
    assert_true(peer->is_portolan && peer->node_protocol && peer->global_protocol);
    assert_true(peer->incarnation == UINT64_C(0xfedcba9876543210) && peer->features == 5);
    assert_true(peer->session == 4711);
    assert_int_equal(peer->receive_framing, 1); /* json comes first in what snow takes */
    assert_int_equal(peer->send_framing, 0);
    peer = ptl_handshake_peer(&rain);
    assert_true(peer->incarnation == 77 && peer->session == 0);
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
    ptl_handshake_drop(&snow);
}

/* snow has the new secret already, rain still proves with the old one. */
static void handshake_answers_with_the_secret_that_the_peer_has_proved_with(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = options_of("rain");
    struct ptl_handshake_options snow_options = options_of("snow");
    struct ptl_handshake rain, snow;

    for (int has_other = 0; has_other < 2; has_other++) {
        snow_options.other = has_other ? rain_options.secret : span("quite another");
        snow_options.secret = span("the new one");
        begin(&rain, &rain_options, 1);
        begin(&snow, &snow_options, 2);
        if (has_other) {
            shake(&rain, &snow, 0);
            assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_UP);
        } else {
            char line[PTL_HANDSHAKE_PROOF_LINE_MAX];
            struct ptl_span greeting = ptl_handshake_greeting(&rain);
            assert_true(feed_in_steps(&snow, greeting, greeting.size) > 0);
            greeting = ptl_handshake_greeting(&snow);
            assert_true(feed_in_steps(&rain, greeting, greeting.size) > 0);
            int size = ptl_handshake_prove(&rain, 0, line);
            assert_int_equal(ptl_handshake_feed(&snow, ptl_span(line, (size_t)size)), PTL_EAUTH);
        }
        ptl_handshake_drop(&rain);
        ptl_handshake_drop(&snow);
    }
}

static void handshake_may_be_moved_between_any_two_lines(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = options_of("rain");
    struct ptl_handshake_options snow_options = options_of("snow");
    struct ptl_handshake before, after_move, snow;

    begin(&before, &rain_options, 1);
    begin(&snow, &snow_options, 2);
    struct ptl_span lines = ptl_handshake_greeting(&snow);
    int used = ptl_handshake_feed(&before, lines);
    assert_true(used > 0 && ptl_handshake_state(&before) == PTL_HANDSHAKE_NONCE);
    after_move = before;
    memset(&before, 0xa5, sizeof(before));
    lines = ptl_span_skip(lines, (size_t)used);
    assert_int_equal(ptl_handshake_feed(&after_move, lines), (int)lines.size);
    assert_true(ptl_span_equal(ptl_handshake_peer(&after_move)->node_id, span("snow")));
    assert_true(ptl_span_equal(ptl_handshake_peer(&after_move)->nonce, ptl_handshake_nonce(&snow)));
    ptl_handshake_drop(&after_move);
    ptl_handshake_drop(&snow);
}

static void handshake_escapes_what_a_reader_would_undo(void **state)
{
    (void)state;
    static const char *const ids[] = {"a;b", "a%b",        "100%",  "%3b",   "%25",
                                      "%",   "%;",         "%%3b%", "%253B", "gr\xc3\xbc\xc3\x9f",
                                      "a b", "host/cli/x1"};

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct ptl_handshake_options options = options_of(ids[i]);
        struct ptl_handshake odd, rain;

        begin(&odd, &options, 3);
        begin_rain(&rain);
        assert_true(ptl_handshake_feed(&rain, ptl_handshake_greeting(&odd)) > 0);
        assert_true(ptl_span_equal(ptl_handshake_peer(&rain)->node_id, span(ids[i])));
        ptl_handshake_drop(&odd);
        ptl_handshake_drop(&rain);
    }
}

static void handshake_sends_a_lone_percent_as_real_nodes_do(void **state)
{
    (void)state;
    struct ptl_handshake_options options = options_of("50%off");
    struct ptl_handshake odd;

    begin(&odd, &options, 3);
    assert_memory_equal(ptl_handshake_greeting(&odd).bytes, "aemp;1;50%off;", 14);
    ptl_handshake_drop(&odd);
}

static void handshake_takes_the_simplified_opening_of_scripts(void **state)
{
    (void)state;
    struct ptl_handshake rain;

    begin_rain(&rain);
    assert_int_equal(feed_all(&rain, "aemp;1;script/1;hmac_sha3_512;json\nanything\n"
                                     "cleartext;67656865696d;json\n[\"echo\"]"),
                     72);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_UP);
    assert_false(ptl_handshake_peer(&rain)->node_protocol);
    ptl_handshake_drop(&rain);
}

static void handshake_takes_carriage_returns_and_an_empty_nonce(void **state)
{
    (void)state;
    struct ptl_handshake rain;

    begin_rain(&rain);
    assert_true(feed_all(&rain, "aemp;1;snow;hmac_sha3_512;x,json\r\n\r\n"
                                "cleartext;67656865696d;cbor;more=1;session=9\r\n") > 0);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_UP);
    assert_int_equal(ptl_handshake_peer(&rain)->nonce.size, 0);
    assert_int_equal(ptl_handshake_peer(&rain)->send_framing, 1);
    assert_int_equal(ptl_handshake_peer(&rain)->receive_framing, 0);
    assert_true(ptl_handshake_peer(&rain)->session == 0); /* not a portolan peer */
    ptl_handshake_drop(&rain);
}

static void handshake_takes_one_line_at_a_time(void **state)
{
    (void)state;
    struct ptl_handshake rain;
    struct ptl_span input = span(SNOW_FIRST "nonce\ncleartext;67656865696d;cbor\npackets");

    begin_rain(&rain);
    assert_int_equal(ptl_handshake_feed(&rain, ptl_span(input.bytes, 5)), 0);
    assert_int_equal(ptl_handshake_feed(&rain, ptl_span(NULL, 0)), 0);
    assert_int_equal(ptl_handshake_feed(&rain, input), (int)strlen(SNOW_FIRST));
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_NONCE);
    input = ptl_span_skip(input, strlen(SNOW_FIRST));
    assert_int_equal(ptl_handshake_feed(&rain, input), 6);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_PROOF);
    input = ptl_span_skip(input, 6);
    assert_int_equal(ptl_handshake_feed(&rain, input), 28);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_UP);
    ptl_handshake_drop(&rain);
}

static void handshake_tells_a_peer_of_ours_how_much_a_message_may_hold(void **state)
{
    (void)state;
    struct ptl_handshake_options options = options_of("rain");
    struct ptl_handshake rain, snow;

    options.message_bytes_max = 65536;
    begin(&rain, &options, 0);
    options = options_of("snow");
    begin(&snow, &options, 1);
    shake(&rain, &snow, 0);
    assert_true(ptl_handshake_peer(&snow)->message_bytes_max == 65536);
    assert_true(ptl_handshake_peer(&rain)->message_bytes_max == 0);
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
}

static void handshake_reads_keys_in_any_order_and_ignores_strange_ones(void **state)
{
    (void)state;
    static const char *const broken[] = {"portolan=",
                                         "portolan=12",
                                         "portolan=12.",
                                         "portolan=.5",
                                         "portolan=xy.5",
                                         "portolan=-1.5",
                                         "portolan=12345678901234567.1",
                                         "portolan",
                                         "=;;==;x=y;;tls=1.0;session=1"};
    struct ptl_handshake rain;
    char line[256];

    begin_rain(&rain);
    assert_true(feed_all(&rain, "aemp;1;snow;m;f;portolan=ff.1.more;gproto=1.0;x;provider=A%3bB;"
                                "mproto=2\n") > 0);
    assert_true(ptl_handshake_peer(&rain)->incarnation == 255);
    assert_true(ptl_handshake_peer(&rain)->features == 1);
    assert_true(ptl_handshake_peer(&rain)->message_bytes_max == 0);
    assert_true(ptl_handshake_peer(&rain)->global_protocol);
    assert_false(ptl_handshake_peer(&rain)->node_protocol);
    assert_true(ptl_span_equal(ptl_handshake_peer(&rain)->provider, span("A;B")));
    ptl_handshake_drop(&rain);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        begin_rain(&rain);
        snprintf(line, sizeof(line), "aemp;1;snow;m;f;%s\n", broken[i]);
        assert_true(feed_all(&rain, line) > 0);
        assert_false(ptl_handshake_peer(&rain)->is_portolan);
        ptl_handshake_drop(&rain);
    }
}

static void handshake_forgets_a_provider_that_is_long_or_moves_the_cursor(void **state)
{
    (void)state;
    struct ptl_handshake rain;
    char line[256];

    begin_rain(&rain);
    assert_true(feed_all(&rain, "aemp;1;snow;m;f;provider=\x1b[2J\n") > 0);
    assert_int_equal(ptl_handshake_peer(&rain)->provider.size, 0);
    ptl_handshake_drop(&rain);
    begin_rain(&rain);
    snprintf(line, sizeof(line), "aemp;1;snow;m;f;provider=%065d\n", 1);
    assert_true(feed_all(&rain, line) > 0);
    assert_int_equal(ptl_handshake_peer(&rain)->provider.size, 0);
    ptl_handshake_drop(&rain);
}

static void handshake_makes_the_same_proof_each_time(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = options_of("rain");
    struct ptl_handshake_options snow_options = options_of("snow");
    struct ptl_handshake rain, snow;
    char one[PTL_HANDSHAKE_PROOF_LINE_MAX], other[PTL_HANDSHAKE_PROOF_LINE_MAX];

    begin(&rain, &rain_options, 1);
    begin(&snow, &snow_options, 2);
    shake(&rain, &snow, 1);
    int size = ptl_handshake_prove(&rain, UINT64_MAX, one);
    assert_int_equal(ptl_handshake_prove(&rain, UINT64_MAX, other), size);
    assert_memory_equal(one, other, (size_t)size);
    assert_non_null(strstr(one, ";cbor;session=18446744073709551615\n"));
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
}

static void handshake_refuses_options_that_cannot_be_greeted_with(void **state)
{
    (void)state;
    static const uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];
    static char huge[PTL_HANDSHAKE_LINE_MAX];
    struct ptl_handshake_options options[5];
    struct ptl_handshake rain;

    memset(huge, 'x', sizeof(huge));
    for (size_t i = 0; i < 5; i++) {
        options[i] = options_of("rain");
    }
    options[0].node_id = span("");
    options[1].node_id = span("a#b");
    options[2].node_id = ptl_span((const uint8_t *)huge, PTL_HANDSHAKE_NODE_ID_MAX + 1);
    options[3].framings = span("storable");
    options[4].provider = ptl_span((const uint8_t *)huge, sizeof(huge));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(ptl_handshake_init(&rain, &metered, &options[i],
                                            ptl_span(nonce, sizeof(nonce)), span("")),
                         PTL_EINVAL);
    }
}

/* ---- Bad input ---------------------------------------------------------------------------- */

static void bad_input_over_long_line_fails_whether_or_not_it_ends(void **state)
{
    (void)state;
    static char line[2 * PTL_HANDSHAKE_LINE_MAX];
    struct ptl_handshake rain;

    memset(line, 'x', sizeof(line));
    memcpy(line, SNOW_FIRST, strlen(SNOW_FIRST) - 1);
    line[strlen(SNOW_FIRST) - 1] = ';';
    expect_failure(ptl_span(line, sizeof(line)), PTL_ELINE);
    expect_failure(ptl_span(line, PTL_HANDSHAKE_LINE_MAX), PTL_ELINE);
    line[PTL_HANDSHAKE_LINE_MAX] = '\n';
    expect_failure(ptl_span(line, sizeof(line)), PTL_ELINE);

    /* One byte less, and it is a line. */
    begin_rain(&rain);
    assert_int_equal(ptl_handshake_feed(&rain, ptl_span(line, PTL_HANDSHAKE_LINE_MAX - 1)), 0);
    line[PTL_HANDSHAKE_LINE_MAX - 1] = '\n';
    assert_int_equal(ptl_handshake_feed(&rain, ptl_span(line, sizeof(line))),
                     PTL_HANDSHAKE_LINE_MAX);
    ptl_handshake_drop(&rain);
}

static void bad_input_over_long_nonce_or_proof_fails(void **state)
{
    (void)state;
    static char text[3 * PTL_HANDSHAKE_LINE_MAX];

    memset(text, 'x', sizeof(text));
    memcpy(text, SNOW_FIRST, strlen(SNOW_FIRST));
    expect_failure(ptl_span(text, sizeof(text)), PTL_ELINE);
    memcpy(text, SNOW_FIRST "nonce\n", strlen(SNOW_FIRST) + 6);
    expect_failure(ptl_span(text, sizeof(text)), PTL_ELINE);
}

static void bad_input_malformed_greeting_fails(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\n",
        "\r\n",
        ";\n",
        ";;;;;;;\n",
        "GET / HTTP/1.1\r\n",
        "aemp\n",
        "aemp;1\n",
        "aemp;1;snow;hmac_sha3_512\n",
        "aemp;1;;hmac_sha3_512;cbor\n",
        "aemp;1;a#b;hmac_sha3_512;cbor\n",
        "aemp;1;a\x01;hmac_sha3_512;cbor\n",
        "aemp;1;a\rb;hmac_sha3_512;cbor\n",
        "aemp;1;\xff;hmac_sha3_512;cbor\n",
        "aemp;1;\xc0\x80;hmac_sha3_512;cbor\n",
        "aemp;1;\xed\xa0\x80;hmac_sha3_512;cbor\n",
        "aemp;1;\xf4\x90\x80\x80;hmac_sha3_512;cbor\n",
        "aemp;1;\xe2\x82;hmac_sha3_512;cbor\n",
        "aemp-dataconn;1;snow;hmac_sha3_512;cbor\n",
        "AEMP;1;snow;hmac_sha3_512;cbor\n",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        expect_failure(span(lines[i]), PTL_EGREETING);
    }
    expect_failure(ptl_span("aemp;1;a\0b;hmac_sha3_512;cbor\n", 30), PTL_EGREETING);
}

static void bad_input_over_long_node_id_fails(void **state)
{
    (void)state;
    struct ptl_handshake rain;
    char line[512];

    snprintf(line, sizeof(line), "aemp;1;%0201d;hmac_sha3_512;cbor\n", 1);
    expect_failure(span(line), PTL_EGREETING);
    begin_rain(&rain);
    snprintf(line, sizeof(line), "aemp;1;%0200d;hmac_sha3_512;cbor\n", 1);
    assert_true(feed_all(&rain, line) > 0);
    ptl_handshake_drop(&rain);
}

static void bad_input_wrong_version_fails(void **state)
{
    (void)state;
    expect_failure(span("aemp;2;snow;hmac_sha3_512;cbor\n"), PTL_EVERSION);
    expect_failure(span("aemp;0;snow;hmac_sha3_512;cbor\n"), PTL_EVERSION);
    expect_failure(span("aemp;1.5;snow;hmac_sha3_512;cbor\n"), PTL_EVERSION);
    expect_failure(span("aemp;;snow;hmac_sha3_512;cbor\n"), PTL_EVERSION);
    expect_failure(span("aemp;9\n"), PTL_EVERSION);
}

static void bad_input_wrong_secret_fails(void **state)
{
    (void)state;
    struct ptl_handshake_options rain_options = options_of("rain");
    struct ptl_handshake_options snow_options = options_of("snow");
    struct ptl_handshake rain, snow;
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];

    snow_options.secret = span("geheiM");
    begin(&rain, &rain_options, 1);
    begin(&snow, &snow_options, 2);
    struct ptl_span greeting = ptl_handshake_greeting(&snow);
    assert_true(feed_in_steps(&rain, greeting, greeting.size) > 0);
    greeting = ptl_handshake_greeting(&rain);
    assert_true(feed_in_steps(&snow, greeting, greeting.size) > 0);
    int size = ptl_handshake_prove(&snow, 0, line);
    assert_int_equal(ptl_handshake_feed(&rain, ptl_span(line, (size_t)size)), PTL_EAUTH);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_FAILED);
    assert_true(ptl_span_equal(ptl_handshake_peer(&rain)->node_id, span("snow")));
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
}

static void bad_input_wrong_third_line_fails(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int err;
    } cases[] = {
        {"\n", PTL_EAUTH},
        {"cleartext\n", PTL_EAUTH},
        {"cleartext;67656865696d\n", PTL_EAUTH},
        {"cleartext;;cbor\n", PTL_EAUTH},
        {"cleartext;67656865696e;cbor\n", PTL_EAUTH},
        {"cleartext;67656865696D;cbor\n", PTL_EAUTH},
        {"cleartext;geheim;cbor\n", PTL_EAUTH},
        {"hmac_sha3_512;;cbor\n", PTL_EAUTH},
        {"hmac_sha3_512;00;cbor\n", PTL_EAUTH},
        {"tls_anon;;cbor\n", PTL_EMETHOD},
        {"tls_sha3_512;00;cbor\n", PTL_EMETHOD},
        {";;\n", PTL_EMETHOD},
        {"cleartext;67656865696d;storable\n", PTL_EFRAMING},
        {"cleartext;67656865696d;\n", PTL_EFRAMING},
        {"[\"packet\"];;cbor\n", PTL_EMETHOD},
    };
    char text[256];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), SNOW_FIRST "nonce\n%s", cases[i].line);
        expect_failure(span(text), cases[i].err);
    }
}

static void bad_input_upper_case_proof_fails(void **state)
{
    (void)state;
    struct ptl_handshake_options options = options_of("snow");
    struct ptl_handshake rain, snow;
    char line[PTL_HANDSHAKE_PROOF_LINE_MAX];

    begin_rain(&rain);
    begin(&snow, &options, 2);
    assert_true(feed_all(&snow, RAIN_LINES) > 0);
    struct ptl_span greeting = ptl_handshake_greeting(&snow);
    assert_true(feed_in_steps(&rain, greeting, greeting.size) > 0);
    int size = ptl_handshake_prove(&snow, 0, line);
    for (int i = 14; i < 14 + 128; i++) {
        line[i] = (char)(line[i] >= 'a' ? line[i] - 'a' + 'A' : line[i]);
    }
    assert_int_equal(ptl_handshake_feed(&rain, ptl_span(line, (size_t)size)), PTL_EAUTH);
    ptl_handshake_drop(&rain);
    ptl_handshake_drop(&snow);
}

static void bad_input_equal_nonces_fail_whoever_sends_them(void **state)
{
    (void)state;
    expect_failure(span(SNOW_FIRST "rain's nonce\n"), PTL_EECHO);
    expect_failure(span(SNOW_FIRST "rain's nonce\r\n"), PTL_EECHO);
}

static void bad_input_echo_of_both_lines_fails(void **state)
{
    (void)state;
    expect_failure(span(RAIN_LINES), PTL_EECHO);
    expect_failure(span("aemp;1;rain;hmac_sha3_512,cleartext;cbor,json;mproto=1\r\n"
                        "rain's nonce\r\n"),
                   PTL_EECHO);
}

static void bad_input_own_node_id_is_told_and_left_to_the_owner(void **state)
{
    (void)state;
    struct ptl_handshake rain;

    begin_rain(&rain);
    assert_true(feed_all(&rain, "aemp;1;rain;hmac_sha3_512;cbor\nanother nonce\n") > 0);
    assert_int_equal(ptl_handshake_state(&rain), PTL_HANDSHAKE_PROOF);
    assert_true(ptl_handshake_peer(&rain)->own_id);
    assert_false(ptl_span_equal(ptl_handshake_peer(&rain)->nonce, ptl_handshake_nonce(&rain)));
    ptl_handshake_drop(&rain);
}

static void bad_input_no_common_method_or_framing_fails(void **state)
{
    (void)state;
    expect_failure(span("aemp;1;snow;;cbor\nx\n"), PTL_EMETHOD);
    expect_failure(span("aemp;1;snow;cleartext;cbor\nx\n"), PTL_EMETHOD);
    expect_failure(span("aemp;1;snow;tls_sha3_512,tls_anon,hmac_sha3_5120;cbor\nx\n"), PTL_EMETHOD);
    expect_failure(span("aemp;1;snow;hmac_sha3_512;\nx\n"), PTL_EFRAMING);
    expect_failure(span("aemp;1;snow;hmac_sha3_512;storable,CBOR,jso\nx\n"), PTL_EFRAMING);
}

static void bad_input_peer_of_other_framing_than_the_options_allow_fails(void **state)
{
    (void)state;
    struct ptl_handshake_options options = options_of("rain");
    struct ptl_handshake rain;

    options.framings = span("json");
    begin(&rain, &options, 1);
    assert_int_equal(feed_all(&rain, SNOW_FIRST "nonce\n"), PTL_EFRAMING);
    ptl_handshake_drop(&rain);
}

static void handshake_without_a_secret_lets_nobody_in(void **state)
{
    (void)state;
    struct ptl_handshake_options options = options_of("rain");
    struct ptl_handshake rain;

    options.secret = ptl_span(NULL, 0);
    begin(&rain, &options, 1);
    assert_int_equal(feed_all(&rain, SNOW_FIRST "nonce\n"), PTL_EMETHOD);
    ptl_handshake_drop(&rain);
}

static void bad_input_random_changes_never_break_it_or_get_in(void **state)
{
    (void)state;
    static const char opening[] = "aemp;1;snow;hmac_sha3_512,cleartext;cbor,json;provider=x%3by;"
                                  "mproto=1;gproto=1;portolan=ff.1\nnonce\ncleartext;67656865696d;"
                                  "cbor;session=3\n";
#ifdef PTL_QUICK
    const unsigned rounds = SEEDED_QUICK;
#else
    const unsigned rounds = SEEDED_MUTATIONS;
#endif
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned round = 0; round < rounds; round++) {
        uint8_t bytes[sizeof(opening)];
        struct ptl_handshake rain;

        memcpy(bytes, opening, sizeof(opening));
        for (unsigned change = 0; change <= round % 4; change++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[seed % (sizeof(opening) - 1)] = (uint8_t)(seed >> 32);
        }
        begin_rain(&rain);
        feed_in_steps(&rain, ptl_span(bytes, sizeof(opening) - 1), 1 + round % 64);
        if (ptl_handshake_state(&rain) == PTL_HANDSHAKE_UP) {
            assert_non_null(memmem(bytes, sizeof(bytes), "cleartext;67656865696d;", 23));
        }
        ptl_handshake_drop(&rain);
        assert_int_equal(meter.blocks, 0);
    }
}

static void handshake_refuses_the_operation_at_each_failed_allocation(void **state)
{
    (void)state;
    static const uint8_t nonce[PTL_HANDSHAKE_NONCE_BYTES];
    struct ptl_handshake_options options = options_of("rain");
    unsigned failures = 0;

    for (long until = 0;; until++) {
        struct ptl_handshake rain;

        meter.until_failure = until;
        int err = ptl_handshake_init(&rain, &metered, &options, ptl_span(nonce, sizeof(nonce)),
                                     span("x"));
        if (err == 0) {
            err = feed_all(&rain, SNOW_FIRST "nonce\ncleartext;67656865696d;cbor\n");
        }
        ptl_handshake_drop(&rain);
        assert_int_equal(meter.blocks, 0);
        if (err > 0) {
            break;
        }
        assert_int_equal(err, PTL_ENOMEM);
        failures++;
    }
    assert_int_equal(failures, 3);
}

static void handshake_costs_a_stranger_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    static char text[2 * PTL_HANDSHAKE_LINE_MAX];
    struct ptl_handshake rain;

    memset(text, ';', sizeof(text));
    memcpy(text, "aemp;1;snow;m;f", 15);
    text[PTL_HANDSHAKE_LINE_MAX - 1] = '\n';
    text[2 * PTL_HANDSHAKE_LINE_MAX - 1] = '\n';
    begin_rain(&rain);
    assert_int_equal(ptl_handshake_feed(&rain, ptl_span(text, sizeof(text))),
                     PTL_HANDSHAKE_LINE_MAX);
    assert_int_equal(
        ptl_handshake_feed(&rain, ptl_span(text + PTL_HANDSHAKE_LINE_MAX, PTL_HANDSHAKE_LINE_MAX)),
        PTL_EMETHOD);
    assert_true(meter.bytes <= 4 * PTL_HANDSHAKE_LINE_MAX);
    ptl_handshake_drop(&rain);
}

#define SENTENCE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        SENTENCE(handshake_greets_in_the_style_of_the_protocol),
        SENTENCE(handshake_tells_of_frames_where_they_are_spoken_first),
        SENTENCE(handshake_chooses_frames_when_both_speak_them_first),
        SENTENCE(handshake_takes_frames_for_unsaid_unless_all_is_said),
        SENTENCE(handshake_refuses_frames_in_one_direction),
        SENTENCE(handshake_writes_its_nonce_in_base64),
        SENTENCE(handshake_brings_two_portolan_nodes_up),
        SENTENCE(handshake_answers_with_the_secret_that_the_peer_has_proved_with),
        SENTENCE(handshake_may_be_moved_between_any_two_lines),
        SENTENCE(handshake_escapes_what_a_reader_would_undo),
        SENTENCE(handshake_sends_a_lone_percent_as_real_nodes_do),
        SENTENCE(handshake_takes_the_simplified_opening_of_scripts),
        SENTENCE(handshake_takes_carriage_returns_and_an_empty_nonce),
        SENTENCE(handshake_takes_one_line_at_a_time),
        SENTENCE(handshake_tells_a_peer_of_ours_how_much_a_message_may_hold),
        SENTENCE(handshake_reads_keys_in_any_order_and_ignores_strange_ones),
        SENTENCE(handshake_forgets_a_provider_that_is_long_or_moves_the_cursor),
        SENTENCE(handshake_makes_the_same_proof_each_time),
        SENTENCE(handshake_refuses_options_that_cannot_be_greeted_with),
        SENTENCE(bad_input_over_long_line_fails_whether_or_not_it_ends),
        SENTENCE(bad_input_over_long_nonce_or_proof_fails),
        SENTENCE(bad_input_malformed_greeting_fails),
        SENTENCE(bad_input_over_long_node_id_fails),
        SENTENCE(bad_input_wrong_version_fails),
        SENTENCE(bad_input_wrong_secret_fails),
        SENTENCE(bad_input_wrong_third_line_fails),
        SENTENCE(bad_input_upper_case_proof_fails),
        SENTENCE(bad_input_equal_nonces_fail_whoever_sends_them),
        SENTENCE(bad_input_echo_of_both_lines_fails),
        SENTENCE(bad_input_own_node_id_is_told_and_left_to_the_owner),
        SENTENCE(bad_input_no_common_method_or_framing_fails),
        SENTENCE(bad_input_peer_of_other_framing_than_the_options_allow_fails),
        SENTENCE(handshake_without_a_secret_lets_nobody_in),
        SENTENCE(bad_input_random_changes_never_break_it_or_get_in),
        SENTENCE(handshake_refuses_the_operation_at_each_failed_allocation),
        SENTENCE(handshake_costs_a_stranger_a_bounded_number_of_bytes),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
