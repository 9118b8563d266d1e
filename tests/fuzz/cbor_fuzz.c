/*
 * Any bytes as CBOR: the scanner finds the same end however they are cut, what it lets pass becomes
 * plain, plain values are the same however they are stepped over, read or written, and another
 * implementation reads them as we do.
 *
 *   [ which allocation fails | how they are cut | bytes ]
 */
#include "engine/message/message.h"
#include "io/cbor.h"
#include "tests/common/cbor_said.h"
#include "tests/common/memory.h"
#include "tests/fuzz/input.h"

#define DEPTH PTL_CBOR_DEPTH_MAX
#define SIZE_MAX_OF_ONE ((size_t)1 << 16)
#define OTHER_SIZE_MAX 256 /* of what we refuse: libcbor reserves what is announced */

/* Two items say the same to libcbor.  It takes some for malformed that are not: a tag in a map. */
static void expect_same(struct ptl_span one, struct ptl_span other)
{
    struct ptl_buffer first, second;

    ptl_buffer_init(&first, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_init(&second, ptl_allocator_libc(), SIZE_MAX);
    if (cbor_said(&first, one)) {
        ptl_assert(cbor_said(&second, other));
        ptl_assert(ptl_span_equal(ptl_buffer_span(&first), ptl_buffer_span(&second)));
    }
    ptl_buffer_drop(&first);
    ptl_buffer_drop(&second);
}

/* libcbor goes on where something else than a piece stands in a string of indefinite length. */
static bool may_have_open_strings(struct ptl_span bytes)
{
    return bytes.size > 0 && (memchr(bytes.bytes, 0x5f, bytes.size) != NULL ||
                              memchr(bytes.bytes, 0x7f, bytes.size) != NULL);
}

/* What is no item to us is none to libcbor either. */
static void expect_none(struct ptl_span bytes, int err)
{
    struct ptl_buffer said;

    if (bytes.size <= OTHER_SIZE_MAX && (err == 0 || err == PTL_ESYNTAX) &&
        !may_have_open_strings(bytes)) {
        ptl_buffer_init(&said, ptl_allocator_libc(), SIZE_MAX);
        ptl_assert(!cbor_said(&said, bytes));
        ptl_buffer_drop(&said);
    }
}

/* What a scan said. */
struct scanned {
    int result;
    size_t size; /* of the item that has ended */
    bool plain;
};

static struct scanned scan(const struct ptl_allocator *allocator, struct ptl_span bytes,
                           unsigned cut_seed)
{
    struct fuzz_cuts cuts = fuzz_cuts(cut_seed);
    struct scanned scanned = {.result = 0};
    struct ptl_cbor_scan scanner;
    size_t used = 0;

    ptl_cbor_scan_init(&scanner, allocator, DEPTH, SIZE_MAX_OF_ONE);
    while (used < bytes.size && scanned.result == 0) {
        size_t size = fuzz_cut(&cuts, bytes.size - used);
        struct ptl_span piece = ptl_span(bytes.bytes + used, size);
        scanned.result = ptl_cbor_scan_feed(&scanner, &piece);
        ptl_assert(piece.size <= size);
        ptl_assert(scanned.result != 0 || piece.size == 0);
        used += size - piece.size;
    }
    scanned.plain = scanned.result > 0 && scanner.plain;
    scanned.size = scanned.result > 0 ? scanner.size : 0;
    ptl_assert(scanned.result <= 0 || scanned.size == used);
    ptl_cbor_scan_drop(&scanner);
    return scanned;
}

/* Integers below -2^63 are read as floats, and so are not what they were. */
static bool is_read_as_float(const struct ptl_cursor *cursor)
{
    struct ptl_cbor_item item;

    return ptl_cbor_read(cursor->at, cursor->end, &item) > 0 && item.major == PTL_CBOR_NEGATIVE &&
           item.argument > INT64_MAX;
}

/* Value by value, as a handler reads it and a program writes it.  Whether that says the same. */
static bool write_again(struct ptl_cursor *cursor, struct ptl_writer *writer)
{
    struct ptl_value value;
    bool is_same = true;

    for (;;) {
        is_same = is_same && !is_read_as_float(cursor);
        if (ptl_next(cursor, &value) < 0) {
            return is_same;
        }
        switch (value.type) {
        case PTL_NULL:
            ptl_put_null(writer);
            break;
        case PTL_BOOL:
            ptl_put_bool(writer, value.boolean);
            break;
        case PTL_INT:
            ptl_put_int(writer, value.integer);
            break;
        case PTL_UINT:
            ptl_put_uint(writer, value.natural);
            break;
        case PTL_FLOAT:
            ptl_put_float(writer, value.real);
            break;
        case PTL_BYTES:
            ptl_put_bytes(writer, value.string.chars, value.string.size);
            break;
        case PTL_TEXT:
            ptl_put_text(writer, value.string.chars, value.string.size);
            break;
        case PTL_ARRAY:
            ptl_put_array(writer, value.count);
            break;
        case PTL_MAP:
            ptl_put_map(writer, value.count);
            break;
        }
    }
}

static void check_message(const struct ptl_allocator *allocator, struct ptl_span plain)
{
    struct ptl_cursor cursor = ptl_cursor_of(plain);
    struct ptl_writer writer;

    ptl_writer_begin(&writer, allocator);
    bool is_same = write_again(&cursor, &writer);
    ptl_assert(cursor.at == cursor.end);
    ptl_assert(writer.err == 0 || writer.err == PTL_ENOMEM);
    if (writer.err == 0) {
        struct ptl_span body = ptl_writer_body(&writer);
        ptl_assert(writer.depth == 0);
        ptl_assert(writer.count == 1);
        ptl_assert(ptl_cbor_plain_end(body.bytes, body.bytes + body.size, 1, DEPTH) ==
                   body.bytes + body.size);
        if (is_same) {
            expect_same(plain, body);
        }
    }
    ptl_writer_drop(&writer);
    cursor = ptl_cursor_of(plain);
    ptl_assert(ptl_skip(&cursor) == 0);
    ptl_assert(cursor.at == cursor.end);
}

/* One whole item that was found well-formed. */
static void check_item(struct test_memory *memory, struct ptl_span item, bool plain)
{
    struct ptl_buffer made, again;

    ptl_buffer_init(&made, &memory->allocator, SIZE_MAX_OF_ONE);
    ptl_buffer_init(&again, &memory->allocator, SIZE_MAX_OF_ONE);
    int err = ptl_cbor_normalise(&made, item, DEPTH);
    ptl_assert(err == 0 || err == PTL_ENOMEM || err == PTL_ESIZE);
    if (err == 0) {
        struct ptl_span span = ptl_buffer_span(&made);
        const uint8_t *end = span.bytes + span.size;
        ptl_assert(ptl_cbor_plain_end(span.bytes, end, 1, DEPTH) == end);
        ptl_assert(ptl_cbor_skip(span.bytes, end, 1) == end);
        expect_same(item, span);
        check_message(&memory->allocator, span);
        if (ptl_cbor_normalise(&again, span, DEPTH) == 0) {
            expect_same(span, ptl_buffer_span(&again));
        }
    }
    if (plain) {
        check_message(&memory->allocator, item);
    }
    ptl_buffer_drop(&made);
    ptl_buffer_drop(&again);
}

static void check(struct test_memory *memory, struct ptl_span bytes, unsigned cut_seed)
{
    const uint8_t *end = bytes.bytes + bytes.size;
    struct scanned whole = scan(&memory->allocator, bytes, 0);
    struct scanned pieces = scan(&memory->allocator, bytes, cut_seed);
    const uint8_t *plain_end = ptl_cbor_plain_end(bytes.bytes, end, 1, DEPTH);
    const uint8_t *skipped = ptl_cbor_skip(bytes.bytes, end, 1);

    ptl_assert(skipped == NULL || skipped <= end);
    if (memory->fail_from != 0) {
        if (whole.result > 0) {
            check_item(memory, ptl_span(bytes.bytes, whole.size), whole.plain);
        }
        return;
    }
    ptl_assert(whole.result == pieces.result);
    ptl_assert(whole.size == pieces.size);
    ptl_assert(whole.plain == pieces.plain);
    ptl_assert(whole.plain == (plain_end != NULL) || bytes.size > SIZE_MAX_OF_ONE);
    if (whole.plain) {
        ptl_assert(plain_end == bytes.bytes + whole.size);
        ptl_assert(skipped == plain_end);
    }
    if (whole.result > 0) {
        check_item(memory, ptl_span(bytes.bytes, whole.size), whole.plain);
    } else {
        expect_none(bytes, whole.result);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    struct test_memory memory;

    test_memory_init(&memory);
    test_memory_fail(&memory, fuzz_byte(&input));
    unsigned cut_seed = fuzz_byte(&input);
    check(&memory, fuzz_rest(&input), cut_seed);
    ptl_assert(memory.out_bytes == 0);
    return 0;
}
