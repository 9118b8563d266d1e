#include "io/json.h"

#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#ifdef PTL_HAVE_JANSSON
#include <jansson.h>
#endif

#ifdef PTL_QUICK
#define ROUNDS 2000
#else
#define ROUNDS 20000
#endif
#define DEPTH PTL_CBOR_DEPTH_MAX
#define LIMIT (UINT64_C(1) << 26)

struct world {
    struct test_memory memory;
    struct ptl_buffer text;
    struct ptl_buffer plain;
    struct ptl_buffer json;
    struct ptl_json_scan scan;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    test_memory_init(&world->memory);
    ptl_buffer_init(&world->text, &world->memory.allocator, LIMIT);
    ptl_buffer_init(&world->plain, &world->memory.allocator, LIMIT);
    ptl_buffer_init(&world->json, &world->memory.allocator, LIMIT);
    ptl_json_scan_init(&world->scan, DEPTH, LIMIT);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    ptl_buffer_drop(&world->text);
    ptl_buffer_drop(&world->plain);
    ptl_buffer_drop(&world->json);
    size_t out_bytes = world->memory.out_bytes;
    free(world);
    return out_bytes == 0 ? 0 : -1;
}

static int to_plain(struct world *world, struct ptl_span text)
{
    int err = ptl_json_check(text, DEPTH);

    ptl_buffer_clear(&world->plain);
    return err < 0 ? err : ptl_json_to_cbor(&world->plain, text, DEPTH);
}

static const char *to_json(struct world *world, struct ptl_span plain)
{
    ptl_buffer_clear(&world->json);
    if (ptl_json_from_cbor(&world->json, plain) < 0) {
        return NULL;
    }
    ptl_buffer_byte(&world->json, 0);
    return (const char *)world->json.bytes;
}

static void assert_hex(struct ptl_span actual, const char *hex)
{
    char text[2048];

    text[0] = 0;
    for (size_t i = 0; i < actual.size; i++) {
        snprintf(text + 2 * i, sizeof text - 2 * i, "%02x", actual.bytes[i]);
    }
    assert_string_equal(text, hex);
}

static const struct vector {
    const char *json;
    const char *hex;
    const char *back; /* NULL: as it was */
} vectors[] = {
    {"null", "f6", NULL},
    {"true", "f5", NULL},
    {"false", "f4", NULL},
    {"0", "00", NULL},
    {"-0", "00", "0"},
    {"23", "17", NULL},
    {"24", "1818", NULL},
    {"-1", "20", NULL},
    {"9223372036854775808", "1b8000000000000000", NULL},
    {"18446744073709551615", "1bffffffffffffffff", NULL},
    {"18446744073709551616", "fa5f800000", "1.8446744073709552e+19"},
    {"-18446744073709551616", "3bffffffffffffffff", NULL},
    {"-18446744073709551615", "3bfffffffffffffffe", NULL},
    {"-18446744073709551617", "fadf800000", "-1.8446744073709552e+19"},
    {"1.5", "fa3fc00000", NULL},
    {"1.0", "fa3f800000", "1"},
    {"-0.0", "fa80000000", "-0"},
    {"0.1", "fb3fb999999999999a", NULL},
    {"1e3", "fa447a0000", "1000"},
    {"1E+3", "fa447a0000", "1000"},
    {"100e-1", "fa41200000", "10"},
    {"1e300", "fb7e37e43c8800759c", "1e+300"},
    {"1e400", "fa7f800000", "null"},
    {"-1e400", "faff800000", "null"},
    {"1e-400", "fa00000000", "0"},
    {"1e99999999999999999999", "fa7f800000", "null"},
    {"0e99999999999999999999", "fa00000000", "0"},
    {"1e-99999999999999999999", "fa00000000", "0"},
    {"2.2250738585072011e-308", "fb000fffffffffffff", "2.225073858507201e-308"},
    {"9007199254740993.0", "fa5a000000", "9007199254740992"},
    {"179769313486231580793e289", "fa7f800000", "null"},
    {"inf", "fa7f800000", "null"},
    {"-inf", "faff800000", "null"},
    {"nan", "fa7fc00000", "null"},
    {"-nan", "fa7fc00000", "null"},
    {"\"\"", "60", NULL},
    {"\"a\"", "6161", NULL},
    {"\"gr\xc3\xbc\xc3\x9f e \xe2\x82\xac\"", "6c6772c3bcc39f206520e282ac", NULL},
    {"\"\\\"\\\\\\b\\f\\n\\r\\t\"", "67225c080c0a0d09", NULL},
    {"\"\\/\"", "612f", "\"/\""},
    {"\"\\u0000\\u001f\"", "62001f", NULL},
    {"\"\\u00e9\\u20AC\"", "65c3a9e282ac", "\"\xc3\xa9\xe2\x82\xac\""},
    {"\"\\ud83d\\ude00\"", "64f09f9880", "\"\xf0\x9f\x98\x80\""},
    {"\"\\ud83d\"", "63efbfbd", "\"\xef\xbf\xbd\""},
    {"\"\\ud83d!\"", "64efbfbd21", "\"\xef\xbf\xbd!\""},
    {"\"\\ude00\"", "63efbfbd", "\"\xef\xbf\xbd\""},
    {"\"\\ud83d\\u0041\"", "64efbfbd41",
     "\"\xef\xbf\xbd"
     "A\""},
    {"\"\\ud83d\\ud83d\\ude00\"", "67efbfbdf09f9880", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\""},
    {"[]", "80", NULL},
    {"{}", "a0", NULL},
    {"[1,[2,[]]]", "8201820280", NULL},
    {" [ 1 ,\t2\r\n] ", "820102", "[1,2]"},
    {"{\"k\":\"v\"}", "a1616b6176", NULL},
    {"{ \"a\" : 1 , \"a\" : {} }", "a26161016161a0", "{\"a\":1,\"a\":{}}"},
    {"[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4]",
     "9819000102030405060708090001020304050607080900010203"
     "04",
     NULL},
};

#define VECTORS (sizeof vectors / sizeof vectors[0])

static void json_becomes_plain_cbor_and_json_again(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < VECTORS; i++) {
        assert_int_equal(to_plain(world, ptl_span_text(vectors[i].json)), 0);
        assert_hex(ptl_buffer_span(&world->plain), vectors[i].hex);
        const char *back = to_json(world, ptl_buffer_span(&world->plain));
        assert_string_equal(back, vectors[i].back != NULL ? vectors[i].back : vectors[i].json);
    }
}

static void json_a_scan_finds_the_end_however_the_bytes_are_cut(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < VECTORS; i++) {
        struct ptl_span text = ptl_span_text(vectors[i].json);
        for (size_t cut = 0; cut <= text.size; cut++) {
            struct ptl_span first = ptl_span(text.bytes, cut);
            struct ptl_span rest = ptl_span_skip(text, cut);
            ptl_json_scan_init(&world->scan, DEPTH, LIMIT);
            int got = ptl_json_scan_feed(&world->scan, &first);
            assert_true(got >= 0);
            if (got == 0) {
                got = ptl_json_scan_feed(&world->scan, &rest);
            }
            if (got == 0) {
                got = ptl_json_scan_end(&world->scan);
            }
            assert_int_equal(got, 1);
        }
    }
}

static void json_a_scan_stops_behind_each_text(void **state)
{
    static const size_t sizes[] = {2, 1, 1, 4, 5, 3, 7};
    struct world *world = *state;
    struct ptl_span input = ptl_span_text(" [] 1 2true\"abc\"{ }[\"]\",1]\n ");

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(ptl_json_scan_feed(&world->scan, &input), 1);
        assert_int_equal(world->scan.size, sizes[i]);
    }
    assert_int_equal(ptl_json_scan_feed(&world->scan, &input), 0);
    assert_int_equal(world->scan.size, 0);
    assert_int_equal(input.size, 0);
}

/* Bad input: JSON that is broken. */
static void json_that_is_broken_is_refused(void **state)
{
    static const char *const broken[] = {
        "]",
        "}",
        "[}",
        "{]",
        "[,]",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:2}",
        "{,}",
        "[1,,2]",
        "'a'",
        "[\"a\nb\"]",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xc3(\"",
        "\"\xed\xa0\x80\"",
        "01",
        "+1",
        "1.e",
        ".5",
        "[1.]",
        "[-]",
        "[1e]",
        "[1e+]",
        "tru ",
        "[nul]",
        "hello",
        "[infinity]",
        "\xef\xbb\xbf[]",
        "[1]x",
        "[1] [2]",
        "",
        " ",
        "[",
        "[1",
        "\"abc",
        "-",
        "1.",
        "{\"a\":1",
        "nu",
        "[\"\t\"]",
        "[--1]",
        "\"\\",
    };

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct world *world = *state;
        struct ptl_span text = ptl_span_text(broken[i]);
        assert_int_equal(ptl_json_check(text, DEPTH), PTL_ESYNTAX);
        ptl_buffer_clear(&world->plain);
        (void)!ptl_json_to_cbor(&world->plain, text, DEPTH); /* anything, but within bounds */
    }
}

static void json_that_is_broken_is_refused_at_the_broken_byte(void **state)
{
    struct world *world = *state;
    struct ptl_span input = ptl_span_text("[\"name\", nonsense, ");

    assert_int_equal(ptl_json_scan_feed(&world->scan, &input), PTL_ESYNTAX);
    ptl_json_scan_init(&world->scan, DEPTH, LIMIT);
    input = ptl_span_text("GET / HTTP/1.1\r\n");
    assert_int_equal(ptl_json_scan_feed(&world->scan, &input), PTL_ESYNTAX);
}

static struct ptl_span nested(struct world *world, size_t depth, const char *opening,
                              const char *closing)
{
    ptl_buffer_clear(&world->text);
    for (size_t i = 0; i < depth; i++) {
        ptl_buffer_append(&world->text, opening, strlen(opening));
    }
    ptl_buffer_byte(&world->text, '1');
    for (size_t i = 0; i < depth; i++) {
        ptl_buffer_append(&world->text, closing, 1);
    }
    return ptl_buffer_span(&world->text);
}

/* Bad input: JSON that is nested 10,000 deep. */
static void json_nested_10000_deep_is_refused_and_500_is_not(void **state)
{
    static const char *const kinds[][2] = {{"[", "]"}, {"{\"k\":", "}"}, {"[0,", "]"}};
    static const size_t depths[] = {499, 500, 501, 10000};

    for (size_t i = 0; i < 12; i++) {
        struct world *world = *state;
        size_t depth = depths[i / 3];
        struct ptl_span text = nested(world, depth, kinds[i % 3][0], kinds[i % 3][1]);
        int expected = depth <= DEPTH ? 0 : PTL_EDEPTH;
        assert_int_equal(to_plain(world, text), expected);
        ptl_buffer_clear(&world->plain);
        assert_int_equal(ptl_json_to_cbor(&world->plain, text, DEPTH), expected);
        if (expected == 0) {
            const char *back = to_json(world, ptl_buffer_span(&world->plain));
            assert_int_equal(strlen(back), text.size);
            assert_memory_equal(back, text.bytes, text.size);
        }
    }
}

/* Bad input: JSON that is endless. */
static void json_that_is_endless_stops_at_the_limit(void **state)
{
    static const char *const beginnings[] = {"\"", "[", "[\"", "{\"a\":1", "1"};
    static const char *const more[] = {"aaaa", "1, ", "\\u0041", ",\"b\":1", "11"};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct ptl_json_scan scan;
        struct ptl_span input = ptl_span_text(beginnings[i]);
        ptl_json_scan_init(&scan, DEPTH, 10000);
        int got = ptl_json_scan_feed(&scan, &input);
        for (int feeds = 0; got == 0 && feeds < 20000; feeds++) {
            input = ptl_span_text(more[i]);
            got = ptl_json_scan_feed(&scan, &input);
        }
        assert_int_equal(got, PTL_ESIZE);
    }
}

static void json_white_space_between_texts_costs_nothing(void **state)
{
    struct world *world = *state;

    ptl_json_scan_init(&world->scan, DEPTH, 10);
    for (int i = 0; i < 1000; i++) {
        struct ptl_span input = ptl_span_text(" \n\r\t ");
        assert_int_equal(ptl_json_scan_feed(&world->scan, &input), 0);
        assert_int_equal(world->scan.size, 0);
    }
    struct ptl_span input = ptl_span_text("   [1,2,3]");
    assert_int_equal(ptl_json_scan_feed(&world->scan, &input), 1);
}

static void json_byte_strings_are_written_as_latin1(void **state)
{
    struct world *world = *state;
    static const uint8_t plain[] = "\x46\xff\x00raw\"\xf6\x41\x80\xa1\x41\xe9\x01";

    assert_string_equal(to_json(world, ptl_span(plain, sizeof plain - 1)),
                        "\"\xc3\xbf\\u0000raw\\\"\",null,\"\xc2\x80\",{\"\xc3\xa9\":1}");
}

static void json_is_not_made_of_what_is_not_plain(void **state)
{
    static const char *const others[] = {"\x9f\xff", "\xa1\x01\x02", "\xc1\x01", "\x42x",
                                         "\x82\x01", "\x1c",         "\x5f\xff", "\xa1\x61k"};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_null(to_json(world, ptl_span_text(others[i])));
    }
    ptl_buffer_clear(&world->text);
    for (int i = 0; i < 501; i++) {
        ptl_buffer_byte(&world->text, 0x81);
    }
    ptl_buffer_byte(&world->text, 0);
    ptl_buffer_clear(&world->json);
    assert_int_equal(ptl_json_from_cbor(&world->json, ptl_buffer_span(&world->text)), PTL_EDEPTH);
}

/* What was not checked costs a wrong value or an error. */
static void json_exponent_that_was_not_checked_is_read_to_its_digits_end(void **state)
{
    struct world *world = *state;

    ptl_buffer_clear(&world->plain);
    assert_int_equal(
        ptl_json_to_cbor(&world->plain, ptl_span_text("1.37e--164407030164407e1140"), DEPTH), 0);
    assert_hex(ptl_buffer_span(&world->plain), "fb3ff5eb851eb851ec");
}

static void json_large_containers_keep_their_counts(void **state)
{
    struct world *world = *state;

    ptl_buffer_byte(&world->text, '[');
    for (int i = 0; i < 70000; i++) {
        ptl_buffer_append(&world->text, i == 0 ? "[7]" : ",[7]", i == 0 ? 3 : 4);
    }
    ptl_buffer_byte(&world->text, ']');
    assert_int_equal(to_plain(world, ptl_buffer_span(&world->text)), 0);
    const uint8_t *end = world->plain.bytes + world->plain.size;
    assert_ptr_equal(ptl_cbor_plain_end(world->plain.bytes, end, 1, DEPTH), end);
    const char *back = to_json(world, ptl_buffer_span(&world->plain));
    assert_int_equal(strlen(back), world->text.size);
    assert_memory_equal(back, world->text.bytes, world->text.size);
}

static void json_numbers_are_read_as_strtod_reads_them(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 66);
    for (int i = 0; i < ROUNDS; i++) {
        char text[1200];
        int size = snprintf(text, sizeof text, "%s%d.", i % 2 ? "-" : "",
                            (int)sim_random_below(&random, 100));
        for (uint64_t digits = sim_random_scale(&random, 1, 1000); digits > 0; digits--) {
            text[size++] = (char)('0' + sim_random_below(&random, 10));
        }
        snprintf(text + size, sizeof text - (size_t)size, "e%d",
                 (int)sim_random_below(&random, 700) - 350);
        assert_int_equal(to_plain(world, ptl_span_text(text)), 0);
        struct ptl_cbor_item item;
        const uint8_t *end = world->plain.bytes + world->plain.size;
        assert_true(ptl_cbor_read(world->plain.bytes, end, &item) > 0);
        assert_true(ptl_cbor_real(&item) == strtod(text, NULL));
    }
}

static void json_numbers_are_the_same_in_every_locale(void **state)
{
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ps_AF.UTF-8"};

    for (size_t i = 0; i < sizeof locales / sizeof locales[0]; i++) {
        if (setlocale(LC_ALL, locales[i]) != NULL) { /* as far as installed */
            json_becomes_plain_cbor_and_json_again(state);
        }
    }
    setlocale(LC_ALL, "C");
}

/* ---- By chance ---------------------------------------------------------------------------- */

static void append_text(struct ptl_buffer *out, const char *text)
{
    ptl_buffer_append(out, text, strlen(text));
}

static void put_random_string(struct ptl_buffer *out, struct sim_random *random)
{
    static const char *const pieces[] = {"a",
                                         "xyz",
                                         "\\n",
                                         "\\\"",
                                         "\xc3\xa9",
                                         "\\u20ac",
                                         "\\ud83d\\ude00",
                                         "\xf0\x9f\x98\x80",
                                         " ",
                                         "0123456789"};

    append_text(out, "\"");
    for (uint64_t i = sim_random_below(random, 6); i > 0; i--) {
        append_text(out, pieces[sim_random_below(random, 10)]);
    }
    append_text(out, "\"");
}

static void put_random_value(struct ptl_buffer *out, struct sim_random *random, unsigned depth)
{
    static const char *const scalars[] = {
        "null", "true", "false", "0", "-17", "4711", "1.25", "1e-3", "-2E5", "123456789012", "0.1"};
    uint64_t kind = sim_random_below(random, depth == 0 ? 2 : 4);

    if (kind == 0) {
        append_text(out, scalars[sim_random_below(random, 11)]);
    } else if (kind == 1) {
        put_random_string(out, random);
    } else {
        append_text(out, kind == 2 ? "[" : "{");
        for (uint64_t i = 0, count = sim_random_below(random, 5); i < count; i++) {
            append_text(out, i > 0 ? " ," : "");
            if (kind == 3) {
                char key[16];
                snprintf(key, sizeof key, "\"k%u\": ", (unsigned)i);
                append_text(out, key);
            }
            put_random_value(out, random, depth - 1);
        }
        append_text(out, kind == 2 ? "]" : "}");
    }
}

#ifdef PTL_HAVE_JANSSON
static void json_there_and_back_says_the_same_to_another_implementation(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 77);
    for (int i = 0; i < ROUNDS; i++) {
        ptl_buffer_clear(&world->text);
        append_text(&world->text, "[");
        put_random_value(&world->text, &random, 5);
        append_text(&world->text, "]");
        assert_int_equal(to_plain(world, ptl_buffer_span(&world->text)), 0);
        const uint8_t *end = world->plain.bytes + world->plain.size;
        assert_ptr_equal(ptl_cbor_plain_end(world->plain.bytes, end, 1, DEPTH), end);
        const char *back = to_json(world, ptl_buffer_span(&world->plain));
        json_t *before = json_loadb((const char *)world->text.bytes, world->text.size,
                                    JSON_DECODE_INT_AS_REAL, NULL);
        json_t *after = json_loads(back, JSON_DECODE_INT_AS_REAL, NULL);
        assert_non_null(before);
        assert_true(json_equal(before, after));
        json_decref(before);
        json_decref(after);
    }
}
#endif

static void json_broken_by_chance_is_scanned_the_same_in_any_pieces(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 88);
    for (int i = 0; i < ROUNDS; i++) {
        ptl_buffer_clear(&world->text);
        append_text(&world->text, "[");
        put_random_value(&world->text, &random, 5);
        append_text(&world->text, "]");
        for (uint64_t flips = sim_random_below(&random, 3); flips > 0; flips--) {
            static const char bytes[] = "[]{},:\"\\0e.-+tfn\xc3\x80 ";
            world->text.bytes[sim_random_below(&random, world->text.size)] =
                (uint8_t)bytes[sim_random_below(&random, sizeof bytes)];
        }
        struct ptl_span text = ptl_buffer_span(&world->text);
        struct ptl_span rest = text;
        ptl_json_scan_init(&world->scan, DEPTH, LIMIT);
        int whole = ptl_json_scan_feed(&world->scan, &rest);
        struct ptl_json_scan scan;
        size_t at = 0;
        int got = 0;
        ptl_json_scan_init(&scan, DEPTH, LIMIT);
        while (got == 0 && at < text.size) {
            size_t size = sim_random_between(&random, 1, text.size - at);
            struct ptl_span piece = ptl_span(text.bytes + at, size);
            got = ptl_json_scan_feed(&scan, &piece);
            at += size - piece.size;
        }
        assert_int_equal(got, whole);
        ptl_buffer_clear(&world->plain);
        (void)!ptl_json_to_cbor(&world->plain, text, DEPTH); /* within bounds, whatever it says */
        if (whole > 0) {
            assert_int_equal(at, text.size - rest.size);
            assert_int_equal(to_plain(world, ptl_span(text.bytes, at)), 0);
        }
    }
}

static void json_without_memory_is_refused_and_nothing_leaks(void **state)
{
    struct world *world = *state;

    nested(world, 300, "[\"abc\\n\",", "]");
    int err = PTL_ENOMEM;
    for (size_t calls = 1; err != 0; calls++) {
        ptl_buffer_drop(&world->plain);
        ptl_buffer_drop(&world->json);
        test_memory_fail(&world->memory, calls);
        err = to_plain(world, ptl_buffer_span(&world->text));
        if (err == 0) {
            err = ptl_json_from_cbor(&world->json, ptl_buffer_span(&world->plain));
        }
        assert_true(err == 0 || err == PTL_ENOMEM);
        assert_true(calls < 100);
    }
    test_memory_fail(&world->memory, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(json_becomes_plain_cbor_and_json_again),
        TEST(json_a_scan_finds_the_end_however_the_bytes_are_cut),
        TEST(json_a_scan_stops_behind_each_text),
        TEST(json_that_is_broken_is_refused),
        TEST(json_that_is_broken_is_refused_at_the_broken_byte),
        TEST(json_nested_10000_deep_is_refused_and_500_is_not),
        TEST(json_that_is_endless_stops_at_the_limit),
        TEST(json_white_space_between_texts_costs_nothing),
        TEST(json_byte_strings_are_written_as_latin1),
        TEST(json_is_not_made_of_what_is_not_plain),
        TEST(json_exponent_that_was_not_checked_is_read_to_its_digits_end),
        TEST(json_large_containers_keep_their_counts),
        TEST(json_numbers_are_read_as_strtod_reads_them),
        TEST(json_numbers_are_the_same_in_every_locale),
#ifdef PTL_HAVE_JANSSON
        TEST(json_there_and_back_says_the_same_to_another_implementation),
#endif
        TEST(json_broken_by_chance_is_scanned_the_same_in_any_pieces),
        TEST(json_without_memory_is_refused_and_nothing_leaks),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
