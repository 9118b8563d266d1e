#include "tests/io/cbor_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The bytes that `hex` writes, in world->input. */
static struct ptl_span bytes_of(struct world *world, const char *hex)
{
    ptl_buffer_clear(&world->input);
    for (; hex[0] != 0; hex += 2) {
        char pair[3] = {hex[0], hex[1], 0};
        assert_int_equal(ptl_buffer_byte(&world->input, (uint8_t)strtoul(pair, NULL, 16)), 0);
    }
    return ptl_buffer_span(&world->input);
}

static void assert_bytes(struct ptl_span actual, struct ptl_span expected)
{
    assert_int_equal(actual.size, expected.size);
    if (expected.size > 0) {
        assert_memory_equal(actual.bytes, expected.bytes, expected.size);
    }
}

/* Items of RFC 8949, appendix A, and others; what plain CBOR makes of them, NULL: the same. */
static const struct vector {
    const char *item;
    const char *plain;
} vectors[] = {
    {"00", NULL},
    {"17", NULL},
    {"1818", NULL},
    {"1903e8", NULL},
    {"1a000f4240", NULL},
    {"1b000000e8d4a51000", NULL},
    {"1bffffffffffffffff", NULL},
    {"3bffffffffffffffff", NULL},
    {"20", NULL},
    {"3903e7", NULL},
    {"c249010000000000000000", "49010000000000000000"},
    {"f90000", "fa00000000"},
    {"f98000", "fa80000000"},
    {"f93c00", "fa3f800000"},
    {"f97bff", "fa477fe000"},
    {"f90001", "fa33800000"},
    {"f90400", "fa38800000"},
    {"f9c400", "fac0800000"},
    {"f97c00", "fa7f800000"},
    {"f9fc00", "faff800000"},
    {"fa47c35000", NULL},
    {"fa7f7fffff", NULL},
    {"fb3ff199999999999a", NULL},
    {"fb7e37e43c8800759c", NULL},
    {"f4", NULL},
    {"f5", NULL},
    {"f6", NULL},
    {"f7", "f6"},
    {"f0", "f6"},
    {"f8ff", "f6"},
    {"c074323031332d30332d32315432303a30343a30305a", "74323031332d30332d32315432303a30343a30305a"},
    {"d74401020304", "4401020304"},
    {"d9d9f7830102c103", "83010203"},
    {"40", NULL},
    {"4401020304", NULL},
    {"60", NULL},
    {"6449455446", NULL},
    {"62225c", NULL},
    {"63e6b0b4", NULL},
    {"64f0908591", NULL},
    {"80", NULL},
    {"83010203", NULL},
    {"8301820203820405", NULL},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819", NULL},
    {"a0", NULL},
    {"a201020304", "a2613102613304"},
    {"a26161016162820203", NULL},
    {"826161a161626163", NULL},
    {"5f42010243030405ff", "450102030405"},
    {"7f657374726561646d696e67ff", "6973747265616d696e67"},
    {"5fff", "40"},
    {"7fff", "60"},
    {"9fff", "80"},
    {"9f018202039f0405ffff", "8301820203820405"},
    {"83018202039f0405ff", "8301820203820405"},
    {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
     "98190102030405060708090a0b0c0d0e0f101112131415161718181819"},
    {"bf61610161629f0203ffff", "a26161016162820203"},
    {"bf6346756ef563416d7421ff", "a26346756ef563416d7421"},
    {"bfff", "a0"},
    /* longer heads than necessary */
    {"5800", NULL},
    {"1b0000000000000001", NULL},
    {"9a0000000101", NULL},
    /* text that is not UTF-8 becomes bytes */
    {"62c3a9", NULL},
    {"61e9", "41e9"},
    {"62c080", "42c080"},
    {"63eda080", "43eda080"},
    {"64f4908080", "44f4908080"},
    {"7f61c361a9ff", "62c3a9"},
    {"7f61e9ff", "41e9"},
    /* keys that are no strings */
    {"a120f6", "a1622d31f6"},
    {"a13bfffffffffffffffff6", "a1752d3138343436373434303733373039353531363136f6"},
    {"a1f501", "a1647472756501"},
    {"a1f401", "a16566616c736501"},
    {"a1f601", "a1646e756c6c01"},
    {"a1f93e0001", "a163312e3501"},
    {"a1fb3fb999999999999a01", "a163302e3101"},
    {"a18101f6", "a1656172726179f6"},
    {"a1a10102f6", "a1636d6170f6"},
    {"a1c1616bf6", "a1616bf6"},
    {"a141ff01", NULL},
};

#define VECTORS (sizeof vectors / sizeof vectors[0])

static void cbor_heads_are_as_short_as_can_be(void **state)
{
    static const struct {
        uint64_t argument;
        const char *hex;
    } heads[] = {{0, "40"},
                 {23, "57"},
                 {24, "5818"},
                 {255, "58ff"},
                 {256, "590100"},
                 {65535, "59ffff"},
                 {65536, "5a00010000"},
                 {UINT32_MAX, "5affffffff"},
                 {(uint64_t)UINT32_MAX + 1, "5b0000000100000000"},
                 {UINT64_MAX, "5bffffffffffffffff"}};

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        uint8_t head[PTL_CBOR_HEAD_MAX];
        struct ptl_cbor_item item;
        size_t size = ptl_cbor_head(head, PTL_CBOR_BYTES, heads[i].argument);
        assert_bytes(ptl_span(head, size), bytes_of(*state, heads[i].hex));
        assert_int_equal(ptl_cbor_head_size(heads[i].argument), size);
        assert_int_equal(ptl_cbor_read(head, head + size, &item), size);
        assert_int_equal(item.argument, heads[i].argument);
        assert_int_equal(ptl_cbor_read(head, head + size - 1, &item), 0);
    }
}

static void cbor_floats_are_single_where_that_is_exact(void **state)
{
    static const struct {
        double value;
        const char *hex;
    } floats[] = {{1.5, "fa3fc00000"},
                  {-0.0, "fa80000000"},
                  {4294967296.0, "fa4f800000"},
                  {0.1, "fb3fb999999999999a"},
                  {1e300, "fb7e37e43c8800759c"},
                  {__builtin_inf(), "fa7f800000"},
                  {__builtin_nan(""), "fa7fc00000"}};

    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
        uint8_t bytes[PTL_CBOR_HEAD_MAX];
        size_t size = ptl_cbor_float(bytes, floats[i].value);
        assert_bytes(ptl_span(bytes, size), bytes_of(*state, floats[i].hex));
    }
}

static void cbor_every_item_has_its_plain_form(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < VECTORS; i++) {
        const char *hex = vectors[i].item;
        struct ptl_span item = bytes_of(world, hex);
        const uint8_t *end = item.bytes + item.size;
        const uint8_t *plain_end = ptl_cbor_plain_end(item.bytes, end, 1, DEPTH);
        assert_ptr_equal(plain_end, vectors[i].plain == NULL ? end : NULL);

        ptl_buffer_clear(&world->plain);
        assert_int_equal(ptl_cbor_normalise(&world->plain, item, DEPTH), 0);
        if (vectors[i].plain != NULL) {
            assert_bytes(ptl_buffer_span(&world->plain), bytes_of(world, vectors[i].plain));
        }
        const uint8_t *made = world->plain.bytes;
        const uint8_t *made_end = made + world->plain.size;
        assert_ptr_equal(ptl_cbor_plain_end(made, made_end, 1, DEPTH), made_end);
        assert_ptr_equal(ptl_cbor_skip(made, made_end, 1), made_end);
    }
}

static void cbor_a_scan_finds_the_end_however_the_bytes_are_cut(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < VECTORS; i++) {
        struct ptl_span item = bytes_of(world, vectors[i].item);
        for (size_t cut = 0; cut < item.size; cut++) {
            struct ptl_span first = ptl_span(item.bytes, cut);
            struct ptl_span rest = ptl_span_skip(item, cut);
            assert_int_equal(ptl_cbor_scan_feed(&world->scan, &first), 0);
            assert_int_equal(ptl_cbor_scan_feed(&world->scan, &rest), 1);
            assert_int_equal(rest.size, 0);
            assert_int_equal(world->scan.size, item.size);
            assert_int_equal(world->scan.plain, vectors[i].plain == NULL);
        }
        for (size_t at = 0; at < item.size; at++) {
            struct ptl_span byte = ptl_span(item.bytes + at, 1);
            assert_int_equal(ptl_cbor_scan_feed(&world->scan, &byte), at + 1 == item.size);
        }
    }
}

static void cbor_a_scan_stops_behind_each_item(void **state)
{
    struct world *world = *state;
    struct ptl_span input = bytes_of(world, "0082016161f7a0ff");

    assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), 1);
    assert_int_equal(input.size, 7);
    assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), 1);
    assert_int_equal(input.size, 3);
    assert_true(world->scan.plain);
    assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), 1);
    assert_false(world->scan.plain);
    assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), 1);
    assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), PTL_ESYNTAX);
}

static int scan_hex(struct world *world, const char *hex, size_t size_max)
{
    struct ptl_span input = bytes_of(world, hex);

    cbor_world_restart(world, size_max);
    return ptl_cbor_scan_feed(&world->scan, &input);
}

static void cbor_that_is_broken_is_refused_at_the_broken_byte(void **state)
{
    static const char *const broken[] = {
        "ff",     "1c",     "1d",     "1e",     "3c",       "5c",   "7d",     "9e",
        "bc",     "dc",     "fc",     "1f",     "3f",       "df",   "81ff",   "a1ff",
        "a101ff", "bf01ff", "5f01ff", "5f61ff", "7f41ff",   "5f5f", "5fc041", "f800",
        "f81f",   "c1ff",   "9fc1ff", "8201ff", "5fff00ff",
    };

    for (size_t i = 0; i < sizeof broken / sizeof broken[0] - 1; i++) {
        assert_int_equal(scan_hex(*state, broken[i], LIMIT), PTL_ESYNTAX);
        struct ptl_span item = bytes_of(*state, broken[i]);
        struct world *world = *state;
        ptl_buffer_clear(&world->plain);
        assert_true(ptl_cbor_normalise(&world->plain, item, DEPTH) < 0 ||
                    strncmp(broken[i], "f8", 2) == 0);
        assert_null(ptl_cbor_plain_end(item.bytes, item.bytes + item.size, 1, DEPTH));
    }
}

/* Bad input: CBOR that is truncated. */
static void cbor_that_is_truncated_waits_for_more_and_reads_nothing_behind(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < VECTORS; i++) {
        struct ptl_span item = bytes_of(world, vectors[i].item);
        for (size_t size = 0; size < item.size; size++) {
            /* A block of just that size: the address sanitizer sees a byte too far. */
            uint8_t *bytes = malloc(size + (size == 0));
            memcpy(bytes, item.bytes, size);
            struct ptl_span input = ptl_span(bytes, size);
            cbor_world_restart(world, LIMIT);
            assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), 0);
            assert_null(ptl_cbor_plain_end(bytes, bytes + size, 1, DEPTH));
            assert_null(ptl_cbor_skip(bytes, bytes + size, 1));
            ptl_buffer_clear(&world->plain);
            assert_true(ptl_cbor_normalise(&world->plain, ptl_span(bytes, size), DEPTH) < 0);
            free(bytes);
        }
    }
}

/* Bad input: CBOR with lengths of 2^63. */
static void cbor_with_lengths_of_two_to_63_is_refused_at_once(void **state)
{
    static const char *const huge[] = {
        "5b8000000000000000",   "7b8000000000000000",
        "9b8000000000000000",   "bb8000000000000000",
        "9b1000000000000000",   "bb1000000000000000",
        "5bffffffffffffffff",   "9bffffffffffffffff",
        "bbffffffffffffffff",   "5a7fffffff",
        "9a7fffffff",           "ba7fffffff",
        "829b1000000000000000", "a161619b8000000000000000",
        "5f5b8000000000000000",
    };

    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        struct world *world = *state;
        int got = scan_hex(world, huge[i], LIMIT);
        assert_int_equal(got, PTL_ESIZE);
        assert_true(world->memory.most_bytes < 4096);
        struct ptl_span item = ptl_buffer_span(&world->input);
        assert_null(ptl_cbor_skip(item.bytes, item.bytes + item.size, 1));
        assert_null(ptl_cbor_plain_end(item.bytes, item.bytes + item.size, 1, DEPTH));
        ptl_buffer_clear(&world->plain);
        assert_true(ptl_cbor_normalise(&world->plain, item, DEPTH) < 0);
        assert_true(world->memory.most_bytes < 4096);
    }
}

static void cbor_a_scan_knows_early_what_is_over_the_limit(void **state)
{
    assert_int_equal(scan_hex(*state, "5864", 100), PTL_ESIZE); /* 2 + 100 */
    assert_int_equal(scan_hex(*state, "5862", 100), 0);
    assert_int_equal(scan_hex(*state, "825830", 10), PTL_ESIZE);
    assert_int_equal(scan_hex(*state, "8a", 10), PTL_ESIZE);
    assert_int_equal(scan_hex(*state, "89", 10), 0);
    assert_int_equal(scan_hex(*state, "a5", 10), PTL_ESIZE);
    assert_int_equal(scan_hex(*state, "9f00000000", 4), PTL_ESIZE);
    assert_int_equal(scan_hex(*state, "c1c1c1c1c1", 4), PTL_ESIZE);
    assert_int_equal(scan_hex(*state, "83010203", 4), 1);
}

/* `depth` arrays or maps around a number, in world->input. */
static struct ptl_span nested(struct world *world, size_t depth, const char *opening,
                              const char *closing)
{
    ptl_buffer_clear(&world->input);
    for (size_t i = 0; i < depth; i++) {
        ptl_buffer_append(&world->input, opening, strlen(opening));
    }
    ptl_buffer_byte(&world->input, 1);
    for (size_t i = 0; i < depth; i++) {
        ptl_buffer_append(&world->input, closing, strlen(closing));
    }
    return ptl_buffer_span(&world->input);
}

static void cbor_nests_500_deep_and_no_deeper(void **state)
{
    static const char *const kinds[][2] = {
        {"\x81", ""}, {"\xa1\x61k", ""}, {"\x9f", "\xff"}, {"\xbf\x61k", "\xff"}};

    for (size_t i = 0; i < 4; i++) {
        for (size_t depth = 499; depth <= 501; depth++) {
            struct world *world = *state;
            struct ptl_span item = nested(world, depth, kinds[i][0], kinds[i][1]);
            struct ptl_span input = item;
            bool good = depth <= DEPTH;
            cbor_world_restart(world, LIMIT);
            assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), good ? 1 : PTL_EDEPTH);
            ptl_buffer_clear(&world->plain);
            assert_int_equal(ptl_cbor_normalise(&world->plain, item, DEPTH), good ? 0 : PTL_EDEPTH);
            if (i < 2) {
                assert_int_equal(
                    ptl_cbor_plain_end(item.bytes, item.bytes + item.size, 1, DEPTH) != NULL, good);
            }
        }
    }
    struct world *world = *state;
    struct ptl_span item = nested(world, 100000, "\x81", "");
    assert_ptr_equal(ptl_cbor_skip(item.bytes, item.bytes + item.size, 1), item.bytes + item.size);
}

static void cbor_a_string_in_chunks_is_no_deeper_than_a_string(void **state)
{
    struct world *world = *state;

    nested(world, DEPTH, "\x81", "");
    world->input.size--;
    ptl_buffer_append(&world->input, "\x5f\x41y\xff", 4);
    struct ptl_span item = ptl_buffer_span(&world->input);
    struct ptl_span input = item;
    assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), 1);
    assert_int_equal(ptl_cbor_normalise(&world->plain, item, DEPTH), 0);
}

/* Bad input: CBOR with unknown tags. */
static void cbor_with_unknown_tags_is_its_content(void **state)
{
    struct world *world = *state;

    ptl_buffer_clear(&world->input);
    for (int i = 0; i < 100000; i++) {
        ptl_buffer_append(&world->input, "\xda\x12\x34\x56\x78", 5);
    }
    ptl_buffer_append(&world->input, "\x61x", 2);
    struct ptl_span item = ptl_buffer_span(&world->input);
    struct ptl_span input = item;
    assert_int_equal(ptl_cbor_scan_feed(&world->scan, &input), 1);
    assert_int_equal(ptl_cbor_normalise(&world->plain, item, DEPTH), 0);
    assert_bytes(ptl_buffer_span(&world->plain), ptl_span("\x61x", 2));
}

/* Bad input: CBOR that is indefinite. */
static void cbor_that_is_indefinite_for_ever_stops_at_the_limit(void **state)
{
    static const char *const beginnings[] = {"\x9f", "\xbf", "\x5f", "\x7f"};
    static const char *const more[] = {"\x01", "\x61k\x01", "\x41y", "\x61y"};

    for (size_t i = 0; i < 4; i++) {
        struct world *world = *state;
        struct ptl_span input = ptl_span(beginnings[i], 1);
        cbor_world_restart(world, 10000);
        int got = ptl_cbor_scan_feed(&world->scan, &input);
        for (int feeds = 0; got == 0 && feeds < 20000; feeds++) {
            input = ptl_span_text(more[i]);
            got = ptl_cbor_scan_feed(&world->scan, &input);
        }
        assert_int_equal(got, PTL_ESIZE);
        assert_true(world->memory.most_bytes < 1024);
    }
}

static void cbor_containers_are_closed_with_the_shortest_head(void **state)
{
    struct world *world = *state;
    static const uint8_t many[70000];

    size_t outer = ptl_cbor_open(&world->plain);
    size_t inner = ptl_cbor_open(&world->plain);
    ptl_buffer_append(&world->plain, "\x01\x02", 2);
    assert_int_equal(ptl_cbor_close(&world->plain, inner, PTL_CBOR_ARRAY, 2), 0);
    assert_int_equal(ptl_cbor_close(&world->plain, outer, PTL_CBOR_ARRAY, 1), 0);
    assert_bytes(ptl_buffer_span(&world->plain), ptl_span("\x81\x82\x01\x02", 4));

    ptl_buffer_clear(&world->plain);
    outer = ptl_cbor_open(&world->plain);
    ptl_buffer_append(&world->plain, many, sizeof many);
    assert_int_equal(ptl_cbor_close(&world->plain, outer, PTL_CBOR_ARRAY, sizeof many), 0);
    const uint8_t *end = world->plain.bytes + world->plain.size;
    assert_ptr_equal(ptl_cbor_plain_end(world->plain.bytes, end, 1, DEPTH), end);
}

static void utf8_is_told_from_other_bytes_in_one_piece_or_two(void **state)
{
    static const struct {
        const char *bytes;
        bool good;
    } texts[] = {
        {"", true},
        {"plain old ASCII that is longer than a word", true},
        {"\xc2\x80 \xdf\xbf", true},
        {"gr\xc3\xbc\xc3\x9f e \xe2\x82\xac and some more behind it", true},
        {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc3", false},
        {"\xc3(", false},
        {"\xc0\x80", false},
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xed\xa0\x80", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\xfe", false},
        {"\xe2\x82", false},
        {"12345678\xff", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ptl_span text = ptl_span_text(texts[i].bytes);
        assert_int_equal(ptl_utf8_valid(text), texts[i].good);
        for (size_t cut = 0; cut <= text.size; cut++) {
            struct ptl_utf8 check = {0};
            bool good = ptl_utf8_feed(&check, ptl_span(text.bytes, cut)) &&
                        ptl_utf8_feed(&check, ptl_span_skip(text, cut)) && ptl_utf8_whole(&check);
            assert_int_equal(good, texts[i].good);
        }
    }
}

static void cbor_numbers_are_written_as_people_write_them(void **state)
{
    static const struct {
        double value;
        const char *text;
    } numbers[] = {{0, "0"},
                   {1, "1"},
                   {-1.5, "-1.5"},
                   {0.1, "0.1"},
                   {1e300, "1e+300"},
                   {1e-7, "1e-07"},
                   {0.001, "0.001"},
                   {123456789.25, "123456789.25"},
                   {-0.0, "-0"},
                   {1e5, "100000"},
                   {0.30000000000000004, "0.30000000000000004"},
                   {1795436691.7951005, "1795436691.7951005"},
                   {5e-324, "4.94065645841247e-324"},
                   {1.7976931348623157e308, "1.7976931348623157e+308"}};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct ptl_cbor_item item = {.major = PTL_CBOR_SIMPLE, .info = 27};
        char text[PTL_CBOR_TEXT_MAX + 1];
        memcpy(&item.argument, &numbers[i].value, sizeof(double));
        text[ptl_cbor_text(text, &item)] = 0;
        assert_string_equal(text, numbers[i].text);
    }
}

static void cbor_without_memory_is_refused_and_nothing_leaks(void **state)
{
    struct world *world = *state;

    ptl_buffer_clear(&world->input);
    nested(world, 100, "\x9f\x63xyz", "\xff");
    struct ptl_span item = ptl_buffer_span(&world->input);
    int err = PTL_ENOMEM;
    for (size_t calls = 1; err != 0; calls++) {
        struct ptl_span input = item;
        cbor_world_restart(world, LIMIT);
        ptl_buffer_drop(&world->plain);
        test_memory_fail(&world->memory, calls);
        int got = ptl_cbor_scan_feed(&world->scan, &input);
        err = got < 0 ? got : ptl_cbor_normalise(&world->plain, item, DEPTH);
        assert_true(err == 0 || err == PTL_ENOMEM);
        assert_true(calls < 100);
    }
    test_memory_fail(&world->memory, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, cbor_world_set_up, cbor_world_tear_down)
        TEST(cbor_heads_are_as_short_as_can_be),
        TEST(cbor_floats_are_single_where_that_is_exact),
        TEST(cbor_every_item_has_its_plain_form),
        TEST(cbor_a_scan_finds_the_end_however_the_bytes_are_cut),
        TEST(cbor_a_scan_stops_behind_each_item),
        TEST(cbor_that_is_broken_is_refused_at_the_broken_byte),
        TEST(cbor_that_is_truncated_waits_for_more_and_reads_nothing_behind),
        TEST(cbor_with_lengths_of_two_to_63_is_refused_at_once),
        TEST(cbor_a_scan_knows_early_what_is_over_the_limit),
        TEST(cbor_nests_500_deep_and_no_deeper),
        TEST(cbor_a_string_in_chunks_is_no_deeper_than_a_string),
        TEST(cbor_with_unknown_tags_is_its_content),
        TEST(cbor_that_is_indefinite_for_ever_stops_at_the_limit),
        TEST(cbor_containers_are_closed_with_the_shortest_head),
        TEST(utf8_is_told_from_other_bytes_in_one_piece_or_two),
        TEST(cbor_numbers_are_written_as_people_write_them),
        TEST(cbor_without_memory_is_refused_and_nothing_leaks),
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
