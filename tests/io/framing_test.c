#include "io/framing.h"

#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define ROUNDS 500
#else
#define ROUNDS 5000
#endif
#define LIMIT (UINT64_C(1) << 26)

struct world {
    struct test_memory memory;
    struct ptl_decoder decoder;
    struct ptl_buffer stream;
    struct ptl_buffer seen; /* what came, a line a packet */
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    test_memory_init(&world->memory);
    ptl_decoder_init(&world->decoder, &world->memory.allocator, PTL_FRAMING_CBOR, LIMIT);
    ptl_buffer_init(&world->stream, ptl_allocator_libc(), LIMIT);
    ptl_buffer_init(&world->seen, ptl_allocator_libc(), LIMIT);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    ptl_decoder_drop(&world->decoder);
    ptl_buffer_drop(&world->stream);
    ptl_buffer_drop(&world->seen);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static void restart(struct world *world, enum ptl_framing framing, size_t bytes_max)
{
    ptl_decoder_drop(&world->decoder);
    ptl_decoder_init(&world->decoder, &world->memory.allocator, framing, bytes_max);
    ptl_buffer_clear(&world->seen);
}

static struct ptl_span bytes_of(struct world *world, const char *hex)
{
    ptl_buffer_clear(&world->stream);
    for (; hex[0] != 0; hex += 2) {
        char pair[3] = {hex[0], hex[1], 0};
        ptl_buffer_byte(&world->stream, (uint8_t)strtoul(pair, NULL, 16));
    }
    return ptl_buffer_span(&world->stream);
}

/* "name|count|hex of the body", "odd" or "empty". */
static void see(struct world *world, const struct ptl_packet *packet)
{
    char text[64];

    if (packet->oddity != 0 || packet->empty) {
        assert_int_equal(packet->name.size + packet->body.size + packet->count, 0);
        ptl_buffer_append(&world->seen, packet->empty ? "empty\n" : "odd\n", packet->empty ? 6 : 4);
        return;
    }
    ptl_buffer_append(&world->seen, packet->name.bytes, packet->name.size);
    int size = snprintf(text, sizeof text, "|%u|", packet->count);
    ptl_buffer_append(&world->seen, text, (size_t)size);
    for (size_t i = 0; i < packet->body.size; i++) {
        snprintf(text, sizeof text, "%02x", packet->body.bytes[i]);
        ptl_buffer_append(&world->seen, text, 2);
    }
    const uint8_t *end = packet->body.bytes + packet->body.size;
    assert_true(packet->count == 0 ||
                ptl_cbor_plain_end(packet->body.bytes, end, packet->count, 500) == end);
    ptl_buffer_byte(&world->seen, '\n');
}

/* Take all packets of `input`; returns the last answer. */
static int take_all(struct world *world, struct ptl_span input)
{
    struct ptl_packet packet;
    int got;

    while ((got = ptl_decoder_next(&world->decoder, &input, &packet)) > 0) {
        see(world, &packet);
    }
    assert_true(got < 0 || input.size == 0);
    return got;
}

static const char *seen(struct world *world)
{
    ptl_buffer_byte(&world->seen, 0);
    world->seen.size--;
    return (const char *)world->seen.bytes;
}

/* Decode in one piece, then cut in two at every place, then byte by byte. */
static void assert_packets(struct world *world, enum ptl_framing framing, struct ptl_span stream,
                           const char *expected)
{
    for (size_t cut = 0; cut <= stream.size; cut++) {
        restart(world, framing, LIMIT);
        assert_int_equal(take_all(world, ptl_span(stream.bytes, cut)), 0);
        assert_int_equal(take_all(world, ptl_span_skip(stream, cut)), 0);
        assert_string_equal(seen(world), expected);
    }
    restart(world, framing, LIMIT);
    for (size_t at = 0; at < stream.size; at++) {
        assert_int_equal(take_all(world, ptl_span(stream.bytes + at, 1)), 0);
    }
    assert_string_equal(seen(world), expected);
    assert_int_equal(ptl_decoder_held(&world->decoder), 0);
    assert_int_equal(world->memory.out_bytes, 0);
}

static void assert_cbor(struct world *world, const char *hex, const char *expected)
{
    assert_packets(world, PTL_FRAMING_CBOR, bytes_of(world, hex), expected);
}

static void assert_json(struct world *world, const char *text, const char *expected)
{
    assert_packets(world, PTL_FRAMING_JSON, ptl_span_text(text), expected);
}

static void framing_names_are_found_again(void **state)
{
    (void)state;
    assert_int_equal(ptl_framing_find(ptl_span_text("cbor")), PTL_FRAMING_CBOR);
    assert_int_equal(ptl_framing_find(ptl_span_text("json")), PTL_FRAMING_JSON);
    assert_int_equal(ptl_framing_find(ptl_span_text("storable")), PTL_EFRAMING);
    assert_int_equal(ptl_framing_find(ptl_span_text("")), PTL_EFRAMING);
    assert_int_equal(ptl_framing_find(ptl_span_text("portolan")), PTL_FRAMING_FRAMES);
    assert_string_equal(ptl_framing_name(PTL_FRAMING_JSON), "json");
}

static void framing_takes_packets_apart(void **state)
{
    assert_cbor(*state,
                "824047675f736c617665"
                "83436c6f67456669727374476d657373616765",
                "|1|47675f736c617665\nlog|2|456669727374476d657373616765\n");
    assert_json(*state, "[\"\",\"g_slave\"] [\"log\" , \"first\",\r\n\"message\"]\n",
                "|1|67675f736c617665\nlog|2|656669727374676d657373616765\n");
    assert_cbor(*state, "81436c6f67", "log|0|\n");
    assert_json(*state, "[\"log\"]", "log|0|\n");
}

static void framing_makes_plain_what_is_not(void **state)
{
    assert_cbor(*state, "9f4161f7ff", "a|1|f6\n");
    assert_cbor(*state, "d9d9f7824161c101", "a|1|01\n");
    assert_cbor(*state, "8241615f41624163ff", "a|1|426263\n");
    assert_cbor(*state, "825f41614162ff01", "ab|1|01\n");
    assert_cbor(*state,
                "824161f93c00"
                "8241610a",
                "a|1|fa3f800000\na|1|0a\n");
}

static void framing_takes_every_kind_of_name(void **state)
{
    assert_cbor(*state, "8262c3a901", "\xc3\xa9|1|01\n"); /* text */
    assert_cbor(*state, "8241e901", "\xc3\xa9|1|01\n");   /* Latin-1 */
    assert_cbor(*state, "8261e901", "\xc3\xa9|1|01\n");   /* text that is none: Latin-1 */
    assert_cbor(*state, "82f601", "|1|01\n");             /* null */
    assert_cbor(*state, "82f701", "|1|01\n");             /* undefined */
    assert_cbor(*state, "82c1416101", "a|1|01\n");        /* tagged */
    assert_json(*state, "[null,1]", "|1|01\n");
}

/* Bad input: an array whose first element is a number. */
static void framing_takes_a_number_for_the_name_it_is_written_as(void **state)
{
    assert_cbor(*state, "82182a01", "42|1|01\n");
    assert_cbor(*state, "822001", "-1|1|01\n");
    assert_json(*state, "[42,1]", "42|1|01\n");
}

/* Bad input: a message that is not an array. */
static void framing_calls_odd_what_is_not_a_packet_and_goes_on(void **state)
{
    assert_cbor(*state,
                "01"
                "a0"
                "6161"
                "f6"
                "824161"
                "01"
                "fa3fc00000",
                "odd\nodd\nodd\nodd\na|1|01\nodd\n");
    assert_json(*state, "1 {} \"x\" null[\"a\",1]true[1.5]",
                "odd\nodd\nodd\nodd\na|1|01\nodd\nodd\n");
    /* names that nobody has */
    assert_cbor(*state,
                "828001"
                "82a001"
                "82fa3fc0000001"
                "82f501"
                "81f4",
                "odd\nodd\nodd\nodd\nodd\n");
}

/* Bad input: an empty array. */
static void framing_takes_an_empty_array_for_an_empty_packet(void **state)
{
    assert_cbor(*state,
                "80"
                "9fff"
                "80",
                "empty\nempty\nempty\n");
    assert_json(*state, "[] [ ]\n[]", "empty\nempty\nempty\n");
}

static void framing_uses_a_plain_packet_where_it_lies(void **state)
{
    struct world *world = *state;
    struct ptl_packet packet;
    struct ptl_span input = bytes_of(world, "83436c6f67456669727374a1616b8101"
                                            "8101");
    const uint8_t *first = input.bytes;

    assert_int_equal(ptl_decoder_next(&world->decoder, &input, &packet), 1);
    assert_ptr_equal(packet.name.bytes, first + 2);
    assert_ptr_equal(packet.body.bytes, first + 5);
    assert_int_equal(packet.body.size, 11);
    assert_int_equal(input.size, 2);
    assert_int_equal(world->memory.calls, 0);
}

/* Bad input: CBOR and JSON that are broken. */
static void framing_of_a_broken_stream_is_refused_for_good(void **state)
{
    static const struct {
        enum ptl_framing framing;
        const char *bytes;
    } broken[] = {{PTL_FRAMING_CBOR, "\xff"},
                  {PTL_FRAMING_CBOR, "\x82\x40\x1c"},
                  {PTL_FRAMING_CBOR, "\x5f\x01"},
                  {PTL_FRAMING_CBOR, "\xbf\x01\xff"},
                  {PTL_FRAMING_JSON, "[\"\",]"},
                  {PTL_FRAMING_JSON, "hello"},
                  {PTL_FRAMING_JSON, "[\"\",\"\xe9\"]"},
                  {PTL_FRAMING_JSON, "[\"\",tru]"}};

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct world *world = *state;
        bool json = broken[i].framing == PTL_FRAMING_JSON;
        struct ptl_span good = json ? ptl_span_text("[\"a\",1]") : ptl_span("\x82\x41\x61\x01", 4);
        restart(world, broken[i].framing, LIMIT);
        assert_int_equal(take_all(world, good), 0);
        assert_int_equal(take_all(world, ptl_span_text(broken[i].bytes)), PTL_ESYNTAX);
        assert_int_equal(take_all(world, good), PTL_ESYNTAX);
        assert_string_equal(seen(world), "a|1|01\n");
        assert_int_equal(world->memory.out_bytes, 0);
    }
}

static struct ptl_span nested(struct world *world, bool json, size_t depth)
{
    const char *beginning = json ? "[\"\"," : "\x82\x40";

    ptl_buffer_clear(&world->stream);
    ptl_buffer_append(&world->stream, beginning, strlen(beginning));
    for (size_t i = 0; i < depth; i++) {
        ptl_buffer_byte(&world->stream, json ? '[' : 0x81);
    }
    ptl_buffer_byte(&world->stream, json ? '1' : 1);
    for (size_t i = 0; json && i <= depth; i++) {
        ptl_buffer_byte(&world->stream, ']');
    }
    return ptl_buffer_span(&world->stream);
}

/* Bad input: JSON nested 10,000 deep, CBOR too. */
static void framing_of_values_nested_too_deep_is_refused(void **state)
{
    for (int json = 0; json < 2; json++) {
        for (size_t i = 0; i < 4; i++) {
            static const size_t depths[] = {1, 500, 501, 10000};
            struct world *world = *state;
            struct ptl_span stream = nested(world, json, depths[i]);
            restart(world, json ? PTL_FRAMING_JSON : PTL_FRAMING_CBOR, LIMIT);
            assert_int_equal(take_all(world, stream), i < 2 ? 0 : PTL_EDEPTH);
            assert_int_equal(world->seen.size > 0, i < 2);
        }
    }
}

static void put_large(struct world *world, enum ptl_framing framing, size_t size)
{
    struct ptl_buffer body;

    ptl_buffer_init(&body, ptl_allocator_libc(), LIMIT);
    ptl_cbor_put_head(&body, PTL_CBOR_TEXT, size);
    memset(ptl_buffer_reserve(&body, size), 'x', size);
    body.size += size;
    ptl_buffer_clear(&world->stream);
    assert_int_equal(ptl_packet_encode(framing, &world->stream, ptl_span_text("sink"),
                                       ptl_buffer_span(&body), 1),
                     0);
    ptl_buffer_drop(&body);
}

/* Bad input: a message over the limit. */
static void framing_of_a_message_over_the_limit_is_refused(void **state)
{
    for (int framing = 0; framing < PTL_FRAMINGS_OF_PACKETS; framing++) {
        struct world *world = *state;
        put_large(world, framing, 100000);
        size_t size = world->stream.size;
        for (int over = 0; over < 2; over++) {
            for (size_t piece = 1000; piece <= 200000; piece *= 200) {
                restart(world, framing,
                        size + 5 * (framing == PTL_FRAMING_JSON) - (size_t)over * 10);
                world->memory.most_bytes = 0;
                struct ptl_packet packet;
                int got = 0;
                for (size_t at = 0; at < size && got == 0; at += piece) {
                    struct ptl_span input =
                        ptl_span(world->stream.bytes + at, size - at < piece ? size - at : piece);
                    got = ptl_decoder_next(&world->decoder, &input, &packet);
                }
                assert_int_equal(got, over ? PTL_ESIZE : 1);
                assert_true(world->memory.most_bytes < 2 * size + 8192);
            }
        }
    }
}

static void framing_of_a_large_message_is_refused_by_its_announcement(void **state)
{
    struct world *world = *state;

    restart(world, PTL_FRAMING_CBOR, 1000);
    assert_int_equal(take_all(world, bytes_of(world, "8240590400")), PTL_ESIZE);
    restart(world, PTL_FRAMING_CBOR, 1000);
    assert_int_equal(take_all(world, bytes_of(world, "9b1000000000000000")), PTL_ESIZE);
    restart(world, PTL_FRAMING_CBOR, 1000);
    assert_int_equal(take_all(world, bytes_of(world, "82405b8000000000000000")), PTL_ESIZE);
    assert_int_equal(world->memory.out_bytes, 0);
}

static void framing_holds_what_it_must_and_gives_it_back(void **state)
{
    struct world *world = *state;
    struct ptl_packet packet;

    put_large(world, PTL_FRAMING_CBOR, 1 << 20);
    restart(world, PTL_FRAMING_CBOR, LIMIT);
    struct ptl_span all = ptl_buffer_span(&world->stream);
    assert_int_equal(take_all(world, ptl_span(all.bytes, 900000)), 0);
    assert_true(ptl_decoder_held(&world->decoder) >= 900000);
    struct ptl_span rest = ptl_span_skip(all, 900000);
    assert_int_equal(ptl_decoder_next(&world->decoder, &rest, &packet), 1);
    assert_int_equal(packet.body.size, (1 << 20) + 5);
    assert_int_equal(ptl_decoder_next(&world->decoder, &rest, &packet), 0);
    assert_int_equal(ptl_decoder_held(&world->decoder), 0);
    assert_int_equal(world->memory.out_bytes, 0);
}

static void framing_writes_names_as_real_nodes_do(void **state)
{
    static const struct {
        const char *name;
        const char *hex;
        const char *json;
    } names[] = {{"",
                  "8340"
                  "01"
                  "4161",
                  "[\"\",1,\"a\"]"},
                 {"echo",
                  "83446563686f"
                  "01"
                  "4161",
                  "[\"echo\",1,\"a\"]"},
                 {"\xc3\xa9",
                  "8362c3a9"
                  "01"
                  "4161",
                  "[\"\xc3\xa9\",1,\"a\"]"},
                 {"\xe9\"",
                  "8342e922"
                  "01"
                  "4161",
                  "[\"\xc3\xa9\\\"\",1,\"a\"]"}};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct ptl_span name = ptl_span_text(names[i].name);
        struct ptl_span body = ptl_span("\x01\x41\x61", 3);
        uint8_t head[64];
        struct ptl_span expected = bytes_of(world, names[i].hex);
        ptl_buffer_clear(&world->seen);
        assert_int_equal(ptl_packet_encode(PTL_FRAMING_CBOR, &world->seen, name, body, 2), 0);
        assert_int_equal(world->seen.size, expected.size);
        assert_memory_equal(world->seen.bytes, expected.bytes, expected.size);
        size_t size = ptl_packet_head(PTL_FRAMING_CBOR, head, sizeof head, name, 2);
        assert_int_equal(size, expected.size - body.size);
        assert_memory_equal(head, expected.bytes, size);
        assert_int_equal(ptl_packet_head(PTL_FRAMING_CBOR, head, size, name, 2), size);
        assert_int_equal(ptl_packet_head(PTL_FRAMING_CBOR, head, size - 1, name, 2), 0);
        assert_int_equal(ptl_packet_head(PTL_FRAMING_JSON, head, sizeof head, name, 2), 0);

        ptl_buffer_clear(&world->seen);
        assert_int_equal(ptl_packet_encode(PTL_FRAMING_JSON, &world->seen, name, body, 2), 0);
        assert_string_equal(seen(world), names[i].json);
    }
    ptl_buffer_clear(&world->seen);
    assert_int_equal(
        ptl_packet_encode(PTL_FRAMING_JSON, &world->seen, ptl_span_text("a"), ptl_span(NULL, 0), 0),
        0);
    assert_string_equal(seen(world), "[\"a\"]");
}

static void framing_appends_whole_packets_or_nothing(void **state)
{
    (void)state;
    for (int framing = 0; framing < PTL_FRAMINGS_OF_PACKETS; framing++) {
        struct ptl_buffer out;
        ptl_buffer_init(&out, ptl_allocator_libc(), 100);
        struct ptl_span body = ptl_span("\x01\x41\x61", 3);
        int err = 0;
        size_t size = 0;
        while (err == 0) {
            size = out.size;
            err = ptl_packet_encode(framing, &out, ptl_span_text("name"), body, 2);
        }
        assert_int_equal(err, PTL_ESIZE);
        assert_int_equal(out.size, size);
        ptl_buffer_drop(&out);
    }
}

static void framing_without_memory_is_refused_and_nothing_leaks(void **state)
{
    static const char *const streams[] = {
        "9f41e98181c1a1f93c00015f41614162ff9fffff", /* name, nesting, tag, key, chunks */
        "8241e901",
        "9f9fffff",
    };

    for (size_t i = 0; i < 3; i++) {
        struct world *world = *state;
        struct ptl_span stream = bytes_of(world, streams[i]);
        int err = PTL_ENOMEM;
        for (size_t calls = 1; err != 0; calls++) {
            restart(world, PTL_FRAMING_CBOR, LIMIT);
            test_memory_fail(&world->memory, calls);
            err = take_all(world, ptl_span(stream.bytes, stream.size / 2));
            err = err < 0 ? err : take_all(world, ptl_span_skip(stream, stream.size / 2));
            assert_true(err == 0 || err == PTL_ENOMEM);
            assert_int_equal(world->memory.out_bytes, 0);
            assert_true(calls < 50);
        }
        assert_int_equal(world->seen.size > 0, 1);
        test_memory_fail(&world->memory, 0);
    }
}

/* ---- By chance ---------------------------------------------------------------------------- */

static void put_random_packets(struct world *world, struct sim_random *random,
                               enum ptl_framing framing)
{
    ptl_buffer_clear(&world->stream);
    for (uint64_t packets = sim_random_between(random, 1, 10); packets > 0; packets--) {
        uint8_t body[400];
        size_t size = 0;
        uint32_t count = (uint32_t)sim_random_below(random, 30);
        for (uint32_t i = 0; i < count; i++) {
            size_t string = sim_random_below(random, 8);
            size += ptl_cbor_head(body + size, PTL_CBOR_BYTES, string);
            memset(body + size, 'b', string);
            size += string;
        }
        assert_int_equal(ptl_packet_encode(framing, &world->stream,
                                           ptl_span("port4711", sim_random_below(random, 9)),
                                           ptl_span(body, size), count),
                         0);
    }
}

static void framing_decodes_the_same_in_any_pieces_however_broken(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 99);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        enum ptl_framing framing = i % 2 ? PTL_FRAMING_JSON : PTL_FRAMING_CBOR;
        put_random_packets(world, &random, framing);
        for (uint64_t flips = sim_random_below(&random, 3); flips > 0; flips--) {
            world->stream.bytes[sim_random_below(&random, world->stream.size)] =
                (uint8_t)sim_random_next(&random);
        }
        struct ptl_span stream = ptl_buffer_span(&world->stream);
        restart(world, framing, 300);
        int whole = take_all(world, stream);
        char *expected = strdup(seen(world));
        restart(world, framing, 300);
        int got = 0;
        while (stream.size > 0 && got == 0) {
            size_t piece = sim_random_scale(&random, 1, stream.size);
            got = take_all(world, ptl_span(stream.bytes, piece));
            stream = ptl_span_skip(stream, piece);
        }
        assert_int_equal(got, whole);
        assert_string_equal(seen(world), expected);
        free(expected);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(framing_names_are_found_again),
        TEST(framing_takes_packets_apart),
        TEST(framing_makes_plain_what_is_not),
        TEST(framing_takes_every_kind_of_name),
        TEST(framing_takes_a_number_for_the_name_it_is_written_as),
        TEST(framing_calls_odd_what_is_not_a_packet_and_goes_on),
        TEST(framing_takes_an_empty_array_for_an_empty_packet),
        TEST(framing_uses_a_plain_packet_where_it_lies),
        TEST(framing_of_a_broken_stream_is_refused_for_good),
        TEST(framing_of_values_nested_too_deep_is_refused),
        TEST(framing_of_a_message_over_the_limit_is_refused),
        TEST(framing_of_a_large_message_is_refused_by_its_announcement),
        TEST(framing_holds_what_it_must_and_gives_it_back),
        TEST(framing_writes_names_as_real_nodes_do),
        TEST(framing_appends_whole_packets_or_nothing),
        TEST(framing_without_memory_is_refused_and_nothing_leaks),
        TEST(framing_decodes_the_same_in_any_pieces_however_broken),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
