/*
 * Any bytes as JSON: the scanner finds the same end however they are cut, what it lets pass becomes
 * plain CBOR that says the same, and what is written of that says the same to another
 * implementation.
 *
 *   [ which allocation fails | how they are cut | bytes ]
 */
#include "io/json.h"
#include "tests/common/memory.h"
#include "tests/fuzz/input.h"

#include <jansson.h>

#define DEPTH PTL_CBOR_DEPTH_MAX
#define TEXT_MAX ((size_t)1 << 20)
#define FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK)

/* ---- Scanning ------------------------------------------------------------------------------ */

struct scanned {
    int result;
    size_t used;
};

static struct scanned scan(struct ptl_span bytes, unsigned cut_seed)
{
    struct fuzz_cuts cuts = fuzz_cuts(cut_seed);
    struct scanned scanned = {.result = 0};
    struct ptl_json_scan scanner;

    ptl_json_scan_init(&scanner, DEPTH, TEXT_MAX);
    while (scanned.used < bytes.size && scanned.result == 0) {
        size_t size = fuzz_cut(&cuts, bytes.size - scanned.used);
        struct ptl_span piece = ptl_span(bytes.bytes + scanned.used, size);
        scanned.result = ptl_json_scan_feed(&scanner, &piece);
        ptl_assert(piece.size <= size);
        ptl_assert(scanned.result != 0 || piece.size == 0);
        scanned.used += size - piece.size;
    }
    if (scanned.result == 0) {
        scanned.result = ptl_json_scan_end(&scanner);
    }
    return scanned;
}

/* ---- The other implementation -------------------------------------------------------------- */

/*
 * NULL: it cannot read it.  It has no inf and nan, no integers beyond 64 bits with a sign, refuses
 * lone surrogates and what no double can hold; and passes over zero bytes, so none are shown to it.
 */
static json_t *read_other(struct ptl_span text)
{
    json_error_t error;

    if (text.size == 0 || memchr(text.bytes, 0, text.size) != NULL) {
        return NULL;
    }
    return json_loadb((const char *)text.bytes, text.size, FLAGS, &error);
}

static bool is_same(const json_t *one, const json_t *other);

static bool is_same_object(json_t *one, json_t *other)
{
    const char *key;
    json_t *value;

    json_object_foreach(one, key, value)
    {
        if (!is_same(value, json_object_get(other, key))) {
            return false;
        }
    }
    return json_object_size(one) == json_object_size(other);
}

static bool is_same_array(const json_t *one, const json_t *other)
{
    for (size_t i = 0; i < json_array_size(one); i++) {
        if (!is_same(json_array_get(one, i), json_array_get(other, i))) {
            return false;
        }
    }
    return json_array_size(one) == json_array_size(other);
}

/* 1.0 and 1 are one number. */
static bool is_same(const json_t *one, const json_t *other)
{
    if (json_is_number(one) && json_is_number(other)) {
        return json_number_value(one) == json_number_value(other);
    }
    if (one == NULL || other == NULL || json_typeof(one) != json_typeof(other)) {
        return false;
    }
    switch (json_typeof(one)) {
    case JSON_OBJECT:
        return is_same_object((json_t *)one, (json_t *)other);
    case JSON_ARRAY:
        return is_same_array(one, other);
    default:
        return json_equal(one, other);
    }
}

/* ---- There and back ------------------------------------------------------------------------ */

static void check_written(struct ptl_span text, struct ptl_span written)
{
    struct scanned scanned = scan(written, 0);

    ptl_assert(scanned.result == 1 && scanned.used == written.size);
    ptl_assert(ptl_json_check(written, DEPTH) == 0);
    json_t *before = read_other(text);
    if (before != NULL) {
        json_t *after = read_other(written);
        ptl_assert(after != NULL);
        ptl_assert(is_same(before, after));
        json_decref(after);
        json_decref(before);
    }
}

/* The text of what a text says.  False: there was no memory. */
static bool rewrite(struct test_memory *memory, struct ptl_span text, struct ptl_buffer *out)
{
    struct ptl_buffer plain;

    ptl_buffer_init(&plain, &memory->allocator, TEXT_MAX);
    int err = ptl_json_to_cbor(&plain, text, DEPTH);
    if (err == 0) {
        err = ptl_json_from_cbor(out, ptl_buffer_span(&plain));
    }
    ptl_assert(err == 0 || memory->fail_from != 0);
    ptl_buffer_drop(&plain);
    return err == 0;
}

/* What was written, read and written again is what it was: the first time but for a zero with a
 * sign, which is read as an integer. */
static void check_round(struct test_memory *memory, struct ptl_span written)
{
    struct ptl_buffer again, third;

    ptl_buffer_init(&again, &memory->allocator, 8 * TEXT_MAX);
    ptl_buffer_init(&third, &memory->allocator, 8 * TEXT_MAX);
    if (rewrite(memory, written, &again)) {
        json_t *before = read_other(written), *after = read_other(ptl_buffer_span(&again));
        ptl_assert((before == NULL) == (after == NULL));
        ptl_assert(before == NULL || is_same(before, after));
        json_decref(before);
        json_decref(after);
        if (rewrite(memory, ptl_buffer_span(&again), &third)) {
            ptl_assert(ptl_span_equal(ptl_buffer_span(&again), ptl_buffer_span(&third)));
        }
    }
    ptl_buffer_drop(&again);
    ptl_buffer_drop(&third);
}

static void check_text(struct test_memory *memory, struct ptl_span text)
{
    struct ptl_buffer plain, written;

    ptl_buffer_init(&plain, &memory->allocator, TEXT_MAX);
    ptl_buffer_init(&written, &memory->allocator, 8 * TEXT_MAX);
    int err = ptl_json_to_cbor(&plain, text, DEPTH);
    ptl_assert(err == 0 || memory->fail_from != 0);
    if (err == 0) {
        const uint8_t *end = plain.bytes + plain.size;
        ptl_assert(ptl_cbor_plain_end(plain.bytes, end, 1, DEPTH) == end);
        err = ptl_json_from_cbor(&written, ptl_buffer_span(&plain));
        ptl_assert(err == 0 || memory->fail_from != 0);
    }
    if (err == 0) {
        check_written(text, ptl_buffer_span(&written));
        check_round(memory, ptl_buffer_span(&written));
    }
    ptl_buffer_drop(&plain);
    ptl_buffer_drop(&written);
}

/* What was not checked costs a wrong value or an error, and nothing else. */
static void check_any(struct test_memory *memory, struct ptl_span bytes)
{
    struct ptl_buffer out;

    ptl_buffer_init(&out, &memory->allocator, TEXT_MAX);
    (void)!ptl_json_to_cbor(&out, bytes, DEPTH);
    ptl_buffer_clear(&out);
    (void)!ptl_json_from_cbor(&out, bytes);
    ptl_buffer_clear(&out);
    (void)ptl_json_string(&out, bytes, ptl_utf8_valid(bytes));
    if (out.err == 0) {
        ptl_assert(ptl_json_check(ptl_buffer_span(&out), DEPTH) == 0);
    }
    ptl_buffer_drop(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    struct test_memory memory;

    test_memory_init(&memory);
    test_memory_fail(&memory, fuzz_byte(&input));
    unsigned cut_seed = fuzz_byte(&input);
    struct ptl_span bytes = fuzz_rest(&input);
    struct scanned whole = scan(bytes, 0);
    struct scanned pieces = scan(bytes, cut_seed);
    ptl_assert(whole.result == pieces.result);
    ptl_assert(whole.used == pieces.used || whole.result < 0);
    struct ptl_span text = ptl_span(bytes.bytes, whole.used);
    if (whole.result == 1) {
        ptl_assert(ptl_json_check(text, DEPTH) == 0);
        check_text(&memory, text);
    } else if (memory.fail_from == 0) {
        json_t *other = read_other(bytes);
        ptl_assert(other == NULL || whole.result == PTL_EDEPTH);
        json_decref(other);
    }
    check_any(&memory, bytes);
    ptl_assert(memory.out_bytes == 0);
    return 0;
}
