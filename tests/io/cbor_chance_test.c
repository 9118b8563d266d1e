/* Items made by chance, broken by chance, and shown to another implementation: seeded. */
#include "tests/io/cbor_world.h"

#include "tests/common/cbor_said.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define ROUNDS 2000
#else
#define ROUNDS 20000
#endif

static void assert_bytes(struct ptl_span actual, struct ptl_span expected)
{
    assert_int_equal(actual.size, expected.size);
    if (expected.size > 0) {
        assert_memory_equal(actual.bytes, expected.bytes, expected.size);
    }
}

static void cbor_numbers_read_back_from_their_text(void **state)
{
    struct sim_random random;

    (void)state;
    sim_random_seed(&random, 11);
    for (int i = 0; i < ROUNDS; i++) {
        struct ptl_cbor_item item = {
            .major = PTL_CBOR_SIMPLE, .info = 27, .argument = sim_random_next(&random)};
        char text[PTL_CBOR_TEXT_MAX + 1];
        if (i % 2 != 0) { /* such as people write */
            double short_value = (double)(int64_t)(item.argument >> 40) / 1000.0;
            memcpy(&item.argument, &short_value, sizeof short_value);
        }
        double value = ptl_cbor_real(&item);
        text[ptl_cbor_text(text, &item)] = 0;
        if (value - value == 0) {
            assert_true(strtod(text, NULL) == value);
        } else {
            assert_string_equal(text, "null");
        }
    }
}

/* ---- Items by chance ----------------------------------------------------------------------- */

static void put_random_head(struct ptl_buffer *out, struct sim_random *random, unsigned major,
                            uint64_t argument)
{
    if (!sim_random_chance(random, 100)) {
        ptl_cbor_put_head(out, major, argument);
        return;
    }
    uint8_t head[9] = {(uint8_t)(major << 5 | 27)};
    ptl_cbor_store(head + 1, argument, 8);
    ptl_buffer_append(out, head, sizeof head);
}

static void put_random_string(struct ptl_buffer *out, struct sim_random *random, unsigned major)
{
    uint8_t bytes[64];
    size_t size = sim_random_below(random, sim_random_chance(random, 900) ? 8 : sizeof bytes);

    if (major == PTL_CBOR_BYTES && sim_random_chance(random, 100)) {
        sim_random_bytes(random, bytes, size); /* text stays text: libcbor refuses other */
    } else {
        memset(bytes, (int)('a' + sim_random_below(random, 26)), size);
    }
    put_random_head(out, random, major, size);
    ptl_buffer_append(out, bytes, size);
}

static void put_random_simple(struct ptl_buffer *out, struct sim_random *random)
{
    static const uint8_t simples[] = {0xf4, 0xf5, 0xf6, 0xf7, 0xf9, 0xfa, 0xfb};
    uint8_t first = simples[sim_random_below(random, sizeof simples)];
    uint8_t bits[8];

    sim_random_bytes(random, bits, sizeof bits);
    bits[0] &= 0x3f; /* no NaN: what compares with nothing shows nothing */
    ptl_buffer_byte(out, first);
    ptl_buffer_append(out, bits, first < 0xf9 ? 0 : (size_t)1 << (first - 0xf8));
}

static void put_random_item(struct ptl_buffer *out, struct sim_random *random, unsigned depth);

static void put_random_container(struct ptl_buffer *out, struct sim_random *random, unsigned major,
                                 unsigned depth)
{
    uint64_t count = sim_random_below(random, 5);
    bool indefinite = sim_random_chance(random, 200);

    if (indefinite) {
        ptl_buffer_byte(out, (uint8_t)(major << 5 | 31));
    } else {
        put_random_head(out, random, major, count);
    }
    for (uint64_t i = 0; i < count; i++) {
        if (major == PTL_CBOR_MAP) {
            if (sim_random_chance(random, 800)) {
                put_random_string(out, random, PTL_CBOR_TEXT - (i & 1));
            } else {
                put_random_head(out, random, PTL_CBOR_UINT, sim_random_next(random));
            }
        }
        put_random_item(out, random, depth - 1);
    }
    if (indefinite) {
        ptl_buffer_byte(out, PTL_CBOR_BREAK);
    }
}

static void put_random_item(struct ptl_buffer *out, struct sim_random *random, unsigned depth)
{
    unsigned major = (unsigned)sim_random_below(random, 8);

    if (depth == 0 && major >= PTL_CBOR_ARRAY) {
        major = PTL_CBOR_UINT;
    }
    switch (major) {
    case PTL_CBOR_UINT:
    case PTL_CBOR_NEGATIVE:
        put_random_head(out, random, major, sim_random_scale(random, 1, UINT64_MAX));
        break;
    case PTL_CBOR_BYTES:
    case PTL_CBOR_TEXT:
        if (sim_random_chance(random, 100)) {
            ptl_buffer_byte(out, (uint8_t)(major << 5 | 31));
            for (uint64_t i = sim_random_below(random, 4); i > 0; i--) {
                put_random_string(out, random, major);
            }
            ptl_buffer_byte(out, PTL_CBOR_BREAK);
        } else {
            put_random_string(out, random, major);
        }
        break;
    case PTL_CBOR_ARRAY:
    case PTL_CBOR_MAP:
        put_random_container(out, random, major, depth);
        break;
    case PTL_CBOR_TAG:
        put_random_head(out, random, major, sim_random_scale(random, 1, UINT64_MAX));
        put_random_item(out, random, depth - 1);
        break;
    default:
        put_random_simple(out, random);
        break;
    }
}

/* Feed `item` in pieces of random sizes; returns the last answer. */
static int scan_in_pieces(struct world *world, struct sim_random *random, struct ptl_span item,
                          size_t *size)
{
    int got = 0;

    *size = 0;
    while (*size < item.size && got == 0) {
        size_t piece = sim_random_between(random, 1, item.size - *size);
        struct ptl_span input = ptl_span(item.bytes + *size, piece);
        got = ptl_cbor_scan_feed(&world->scan, &input);
        *size += piece - input.size;
    }
    return got;
}

static void cbor_broken_by_chance_is_scanned_the_same_in_any_pieces(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 22);
    for (int i = 0; i < ROUNDS; i++) {
        ptl_buffer_clear(&world->input);
        put_random_item(&world->input, &random, 5);
        for (uint64_t flips = sim_random_below(&random, 4); flips > 0; flips--) {
            size_t at = sim_random_below(&random, world->input.size);
            world->input.bytes[at] = (uint8_t)sim_random_next(&random);
        }
        struct ptl_span item = ptl_buffer_span(&world->input);
        struct ptl_span rest = item;
        size_t size;
        cbor_world_restart(world, LIMIT);
        int whole = ptl_cbor_scan_feed(&world->scan, &rest);
        bool plain = world->scan.plain;
        cbor_world_restart(world, LIMIT);
        int pieces = scan_in_pieces(world, &random, item, &size);
        assert_int_equal(pieces, whole);
        if (whole <= 0) {
            assert_null(ptl_cbor_plain_end(item.bytes, item.bytes + item.size, 1, DEPTH));
            continue;
        }
        assert_int_equal(size, item.size - rest.size);
        assert_int_equal(world->scan.plain, plain);
        item.size = size;
        assert_int_equal(ptl_cbor_plain_end(item.bytes, item.bytes + size, 1, DEPTH) != NULL,
                         plain);
        ptl_buffer_clear(&world->plain);
        assert_int_equal(ptl_cbor_normalise(&world->plain, item, DEPTH), 0);
        const uint8_t *end = world->plain.bytes + world->plain.size;
        assert_ptr_equal(ptl_cbor_plain_end(world->plain.bytes, end, 1, DEPTH), end);
        assert_ptr_equal(ptl_cbor_skip(world->plain.bytes, end, 1), end);
    }
}

static void cbor_reading_survives_any_bytes(void **state)
{
    struct world *world = *state;
    struct sim_random random;

    sim_random_seed(&random, 33);
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = sim_random_between(&random, 1, 40);
        uint8_t *bytes = malloc(size);
        sim_random_bytes(&random, bytes, size);
        const uint8_t *end = bytes + size;
        const uint8_t *plain_end = ptl_cbor_plain_end(bytes, end, 1, DEPTH);
        if (plain_end != NULL) {
            assert_ptr_equal(ptl_cbor_skip(bytes, end, 1), plain_end);
        }
        (void)ptl_cbor_skip(bytes, end, 3);
        ptl_buffer_clear(&world->plain);
        (void)!ptl_cbor_normalise(&world->plain, ptl_span(bytes, size), DEPTH);
        free(bytes);
    }
}

#ifdef PTL_HAVE_LIBCBOR
static void cbor_made_plain_says_the_same_to_another_implementation(void **state)
{
    struct world *world = *state;
    struct ptl_buffer before;
    struct ptl_buffer after;
    struct sim_random random;

    ptl_buffer_init(&before, &world->memory.allocator, LIMIT);
    ptl_buffer_init(&after, &world->memory.allocator, LIMIT);
    int unread = 0;
    sim_random_seed(&random, 44);
    for (int i = 0; i < ROUNDS; i++) {
        ptl_buffer_clear(&world->input);
        put_random_item(&world->input, &random, 5);
        struct ptl_span item = ptl_buffer_span(&world->input);
        ptl_buffer_clear(&world->plain);
        assert_int_equal(ptl_cbor_normalise(&world->plain, item, DEPTH), 0);
        assert_true(cbor_said(&after, ptl_buffer_span(&world->plain)));
        if (!cbor_said(&before, item)) {
            unread++; /* libcbor 0.8 takes some tags in maps for malformed */
            continue;
        }
        assert_bytes(ptl_buffer_span(&after), ptl_buffer_span(&before));
    }
    assert_true(unread < ROUNDS / 20);
    ptl_buffer_drop(&before);
    ptl_buffer_drop(&after);
}
#endif

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, cbor_world_set_up, cbor_world_tear_down)
        TEST(cbor_numbers_read_back_from_their_text),
        TEST(cbor_broken_by_chance_is_scanned_the_same_in_any_pieces),
        TEST(cbor_reading_survives_any_bytes),
#ifdef PTL_HAVE_LIBCBOR
        TEST(cbor_made_plain_says_the_same_to_another_implementation),
#endif
    };

    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
