#include "engine/link/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALL (UINT64_MAX - 1)
#define EACH(list) (sizeof(list) / sizeof((list)[0]))

static const struct ptl_frame_port made = {.type = PTL_FRAME_PORT_MADE,
                                           .number = 0x0100000700000009};
static const struct ptl_frame_port echo = {.type = PTL_FRAME_PORT_NAMED,
                                           .name = {(const uint8_t *)"echo", 4}};

/* One of every kind, with what its kind has; `body` follows. */
static const struct sample {
    struct ptl_frame frame;
    const char *body;
    size_t fixed; /* bytes without which it is no frame of its kind */
} samples[] = {
    {{.kind = PTL_FRAME_HEARTBEAT}, "", 0},
    {{.kind = PTL_FRAME_OPEN, .number = 1, .port = made}, "", 13},
    {{.kind = PTL_FRAME_OPEN, .number = 2, .port = echo}, "", 10},
    {{.kind = PTL_FRAME_OPEN, .number = 3}, "", 5},
    {{.kind = PTL_FRAME_CLOSE, .number = 0xfffffffe}, "", 4},
    {{.kind = PTL_FRAME_CLOSED, .number = 7}, "", 4},
    {{.kind = PTL_FRAME_GOODBYE}, "", 0},
    {{.kind = PTL_FRAME_ERROR, .number = 65535}, "why", 2},
    {{.kind = PTL_FRAME_MESSAGE, .count = 2}, "ehello\1", 0},
    {{.kind = PTL_FRAME_MESSAGE, .has_flow = true, .flow = 1, .count = 2}, "ehello\1", 4},
    {{.kind = PTL_FRAME_MESSAGE, .count = 255}, "body", 4},
    {{.kind = PTL_FRAME_MESSAGE, .has_flow = true, .flow = 0x01020304, .count = 70000}, "body", 8},
    {{.kind = PTL_FRAME_MESSAGE, .count = 1, .parts = {(const uint8_t *)"\1\2xy\3\0", 6}}, "a", 7},
    {{.kind = PTL_FRAME_FIRST, .whole_kind = PTL_FRAME_MESSAGE, .tag = 9, .count = 3}, "12345", 13},
    {{.kind = PTL_FRAME_PIECE, .has_flow = true, .flow = 5}, "6789", 5},
    {{.kind = PTL_FRAME_KILL, .count = 0}, "", 0},
    {{.kind = PTL_FRAME_MONITOR, .has_flow = true, .flow = 9, .tag = 1, .port = echo}, "", 18},
    {{.kind = PTL_FRAME_MONITOR, .tag = UINT64_MAX}, "", 9},
    {{.kind = PTL_FRAME_UNMONITOR, .tag = 1}, "", 8},
    {{.kind = PTL_FRAME_DOWN, .tag = 77, .count = 300}, "cdie", 12},
    {{.kind = PTL_FRAME_SPAWN, .count = 1}, "dinit", 0},
    {{.kind = PTL_FRAME_REQUESTS + 3, .count = 4}, "abcd", 0},
    {{.kind = PTL_FRAME_KINDS - 1, .count = 254}, "z", 0},
};

static size_t write_frame(const struct ptl_frame *frame, struct ptl_span body,
                          uint8_t out[static PTL_FRAME_SIZE_MAX])
{
    size_t size = ptl_frame_head(frame, body.size, out);

    memcpy(out + size, body.bytes, body.size);
    return size + body.size;
}

static size_t write_sample(const struct sample *sample, uint8_t out[static PTL_FRAME_SIZE_MAX])
{
    return write_frame(&sample->frame, ptl_span_text(sample->body), out);
}

/* Read exactly these bytes from a block that ends with them: what is read behind them is found. */
static size_t read_exactly(const uint8_t *bytes, size_t size, uint64_t known,
                           struct ptl_frame *frame)
{
    uint8_t *block = malloc(size + 1);

    assert_non_null(block);
    memcpy(block + 1, bytes, size);
    size_t used = ptl_frame_read(ptl_span(block + 1, size), known, frame);
    free(block);
    return used;
}

static void expect_span(struct ptl_span got, struct ptl_span want)
{
    assert_int_equal(got.size, want.size);
    assert_true(ptl_span_equal(got, want));
}

static void expect_port(const struct ptl_frame_port *got, const struct ptl_frame_port *want)
{
    assert_int_equal(got->type, want->type);
    assert_int_equal(got->number, want->number);
    expect_span(got->name, want->name);
}

static void frame_of_every_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < EACH(samples); i++) {
        const struct ptl_frame *want = &samples[i].frame;
        uint8_t bytes[PTL_FRAME_SIZE_MAX];
        size_t size = write_sample(&samples[i], bytes);
        struct ptl_frame got;

        assert_int_equal(ptl_frame_read(ptl_span(bytes, size), ALL, &got), size);
        assert_int_equal(got.fault, PTL_FAULT_NONE);
        assert_int_equal(got.kind, want->kind);
        assert_int_equal(got.has_flow, want->has_flow);
        assert_int_equal(got.flow, want->flow);
        assert_int_equal(got.count, want->count);
        assert_int_equal(got.number, want->number);
        assert_int_equal(got.tag, want->tag);
        expect_port(&got.port, &want->port);
        expect_span(got.parts, want->parts);
        expect_span(got.body, ptl_span_text(samples[i].body));
        if (want->kind == PTL_FRAME_FIRST) {
            assert_int_equal(got.whole_kind, want->whole_kind);
        }
    }
}

static void frame_cut_at_any_byte_is_not_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < EACH(samples); i++) {
        uint8_t bytes[PTL_FRAME_SIZE_MAX];
        size_t size = write_sample(&samples[i], bytes);

        for (size_t cut = 0; cut < size; cut++) {
            struct ptl_frame frame;
            assert_int_equal(read_exactly(bytes, cut, ALL, &frame), 0);
            assert_int_equal(frame.fault, PTL_FAULT_NONE);
        }
    }
}

static void frame_that_says_less_than_its_kind_needs_is_a_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < EACH(samples); i++) {
        uint8_t bytes[PTL_FRAME_SIZE_MAX];
        size_t size = write_sample(&samples[i], bytes);

        for (size_t length = 0; length + PTL_FRAME_START < size; length++) {
            struct ptl_frame frame;
            bytes[2] = (uint8_t)length;
            bytes[3] = (uint8_t)(length >> 8);
            size_t used = read_exactly(bytes, PTL_FRAME_START + length, ALL, &frame);
            assert_int_equal(used, PTL_FRAME_START + length);
            assert_int_equal(frame.fault != PTL_FAULT_NONE, length < samples[i].fixed);
        }
    }
}

static void frame_takes_the_bytes_that_the_specification_shows(void **state)
{
    static const struct {
        struct ptl_frame frame;
        const char *body;
        const char *bytes;
        size_t size;
    } example[] = {
        {{.kind = PTL_FRAME_OPEN, .number = 1, .port = made},
         "",
         "\x02\0\x0d\0\1\0\0\0\1\x09\0\0\0\7\0\0\1",
         17},
        {{.kind = PTL_FRAME_MESSAGE, .has_flow = true, .flow = 1, .count = 2},
         "ehello\1",
         "\x90\x02\x0b\0\1\0\0\0ehello\1",
         15},
        {{.kind = PTL_FRAME_MESSAGE, .count = 2}, "ehello\1", "\x10\x02\7\0ehello\1", 11},
        {{.kind = PTL_FRAME_OPEN, .number = 2, .port = echo},
         "",
         "\x02\0\x0a\0\2\0\0\0\2\4echo",
         14},
        {{.kind = PTL_FRAME_MESSAGE, .has_flow = true, .flow = 2, .count = 1},
         "ax",
         "\x90\x01\6\0\2\0\0\0ax",
         10},
    };

    (void)state;
    for (size_t i = 0; i < EACH(example); i++) {
        uint8_t bytes[PTL_FRAME_SIZE_MAX];
        size_t size = write_frame(&example[i].frame, ptl_span_text(example[i].body), bytes);
        expect_span(ptl_span(bytes, size), ptl_span(example[i].bytes, example[i].size));
    }
}

static void frame_of_an_unknown_kind_is_stepped_over(void **state)
{
    static const uint8_t lengths[] = {0, 1, 5, 255};

    (void)state;
    for (unsigned start = 0; start < 256; start++) {
        for (size_t i = 0; i < EACH(lengths); i++) {
            uint8_t bytes[PTL_FRAME_START + 255] = {(uint8_t)start, 255, lengths[i]};
            struct ptl_frame frame;
            size_t used = read_exactly(bytes, PTL_FRAME_START + lengths[i], 0, &frame);

            if ((start & 63) == 0) {
                assert_int_equal(frame.fault, PTL_FAULT_HEAD);
                continue;
            }
            assert_int_equal(used, PTL_FRAME_START + lengths[i]);
            assert_int_equal(frame.fault, PTL_FAULT_NONE);
            assert_int_equal(frame.kind, start & 63);
            assert_false(frame.has_flow);
        }
    }
}

static enum ptl_frame_fault fault_of(const char *bytes, size_t size)
{
    struct ptl_frame frame;
    size_t used = read_exactly((const uint8_t *)bytes, size, ALL, &frame);

    assert_true(used == 0 || used == size);
    return frame.fault;
}

#define FAULT(bytes) fault_of(bytes, sizeof(bytes) - 1)

static void frame_longer_than_allowed_is_a_fault_by_its_head_alone(void **state)
{
    (void)state;
    assert_int_equal(FAULT("\x10\0\x01\x44"), PTL_FAULT_HEAD);
    assert_int_equal(FAULT("\x10\0\xff\xff"), PTL_FAULT_HEAD);
    assert_int_equal(FAULT("\x3f\0\xff\xff"), PTL_FAULT_HEAD);
    assert_int_equal(FAULT("\x10\0\0\x44"), PTL_FAULT_NONE); /* as long as allowed: cut */
    assert_int_equal(FAULT("\0\0\0\0"), PTL_FAULT_HEAD);
}

static void frame_with_what_its_kind_may_not_have_is_a_fault(void **state)
{
    (void)state;
    assert_int_equal(FAULT("\x81\0\4\0\1\0\0\0"), PTL_FAULT_HEAD); /* a flow's number: HEARTBEAT */
    assert_int_equal(FAULT("\xa4\0\4\0\0\0\0\0"), PTL_FAULT_HEAD); /* ... a request */
    assert_int_equal(FAULT("\x41\0\1\0\0"), PTL_FAULT_HEAD);       /* parts: HEARTBEAT */
    assert_int_equal(FAULT("\x64\0\1\0\0"), PTL_FAULT_NONE);       /* ... a request may */
    assert_int_equal(FAULT("\x50\0\1\0\1"), PTL_FAULT_HEAD);       /* parts beyond the frame */
    assert_int_equal(FAULT("\x50\0\3\0\2\1\1"), PTL_FAULT_HEAD);   /* a part beyond all parts */
    assert_int_equal(FAULT("\x50\0\2\0\1\1"), PTL_FAULT_HEAD);     /* half a part's head */
    assert_int_equal(FAULT("\x02\0\6\0\1\0\0\0\2\0"), PTL_FAULT_HEAD);     /* a name of no bytes */
    assert_int_equal(FAULT("\x02\0\7\0\1\0\0\0\3\1x"), PTL_FAULT_HEAD);    /* no such type */
    assert_int_equal(FAULT("\x02\0\7\0\1\0\0\0\2\1\xff"), PTL_FAULT_HEAD); /* no UTF-8 */
    assert_int_equal(FAULT("\x02\0\6\0\1\0\0\0\2\1"), PTL_FAULT_HEAD); /* a name beyond the frame */
}

static void frame_of_credit_has_whole_grants(void **state)
{
    uint8_t grant[PTL_FRAME_CREDIT_SIZE], bytes[PTL_FRAME_SIZE_MAX];
    struct ptl_frame frame;
    uint32_t flow, limit;

    (void)state;
    assert_int_equal(FAULT("\5\0\0\0"), PTL_FAULT_HEAD);
    assert_int_equal(FAULT("\5\0\7\0\1\0\0\0\1\0\0"), PTL_FAULT_HEAD);
    assert_int_equal(FAULT("\5\0\x09\0\1\0\0\0\1\0\0\0\0"), PTL_FAULT_HEAD);

    size_t size = ptl_frame_head(&(struct ptl_frame){.kind = PTL_FRAME_CREDIT}, 16, bytes);
    ptl_frame_put_credit(grant, 7, 0xfffffff0);
    memcpy(bytes + size, grant, sizeof(grant));
    ptl_frame_put_credit(grant, PTL_FRAME_LANE, 1);
    memcpy(bytes + size + sizeof(grant), grant, sizeof(grant));
    assert_int_equal(ptl_frame_read(ptl_span(bytes, size + 16), ALL, &frame), size + 16);
    ptl_frame_credit(frame.body, 0, &flow, &limit);
    assert_int_equal(flow, 7);
    assert_int_equal(limit, 0xfffffff0);
    ptl_frame_credit(frame.body, 1, &flow, &limit);
    assert_int_equal(flow, PTL_FRAME_LANE);
    assert_int_equal(limit, 1);
}

static enum ptl_frame_fault fault_of_first(unsigned whole_kind, uint64_t whole, size_t bytes)
{
    static const uint8_t zeroes[PTL_FRAME_VALUES_MAX];
    uint8_t out[PTL_FRAME_SIZE_MAX];
    struct ptl_frame frame = {
        .kind = PTL_FRAME_FIRST, .whole_kind = (uint8_t)whole_kind, .tag = whole, .count = 1};
    size_t size = write_frame(&frame, ptl_span(zeroes, bytes), out);

    assert_int_equal(read_exactly(out, size, ALL, &frame), size);
    return frame.fault;
}

static void frame_of_a_piece_has_some_of_the_whole(void **state)
{
    (void)state;
    assert_int_equal(fault_of_first(PTL_FRAME_MESSAGE, 2, 1), PTL_FAULT_NONE);
    assert_int_equal(fault_of_first(PTL_FRAME_MESSAGE, UINT64_MAX, 16384), PTL_FAULT_NONE);
    assert_int_equal(fault_of_first(PTL_FRAME_MESSAGE, 2, 0), PTL_FAULT_PIECES);
    assert_int_equal(fault_of_first(PTL_FRAME_MESSAGE, 2, 2), PTL_FAULT_PIECES);
    assert_int_equal(fault_of_first(PTL_FRAME_MESSAGE, 2, 3), PTL_FAULT_PIECES);
    assert_int_equal(FAULT("\x12\0\0\0"), PTL_FAULT_PIECES);

    for (unsigned kind = 0; kind < 256; kind++) {
        bool goes = kind == PTL_FRAME_MESSAGE || kind == PTL_FRAME_KILL || kind == PTL_FRAME_DOWN ||
                    kind == PTL_FRAME_SPAWN || (kind >= 32 && kind < 64);
        assert_int_equal(fault_of_first(kind, 2, 1), goes ? PTL_FAULT_NONE : PTL_FAULT_PIECES);
    }
}

static void frame_with_more_values_than_one_may_have_is_a_fault(void **state)
{
    static const uint8_t kinds[] = {PTL_FRAME_MESSAGE, PTL_FRAME_KILL,  PTL_FRAME_DOWN,
                                    PTL_FRAME_SPAWN,   PTL_FRAME_PIECE, 40};
    static const uint8_t zeroes[PTL_FRAME_VALUES_MAX + 1];
    uint8_t out[PTL_FRAME_SIZE_MAX];

    (void)state;
    for (size_t i = 0; i < EACH(kinds); i++) {
        struct ptl_frame frame = {.kind = kinds[i], .count = 1};
        for (unsigned more = 0; more < 2; more++) {
            struct ptl_frame got;
            size_t size = write_frame(&frame, ptl_span(zeroes, PTL_FRAME_VALUES_MAX + more), out);
            assert_int_equal(read_exactly(out, size, ALL, &got), size);
            assert_int_equal(got.fault, more == 0 ? PTL_FAULT_NONE : PTL_FAULT_SIZE);
        }
    }
}

static void frame_gives_its_parts_one_by_one(void **state)
{
    struct ptl_span parts = ptl_span("\1\2xy\x09\0\2\1z", 9);
    struct ptl_span part;
    uint8_t type;

    (void)state;
    assert_true(ptl_frame_next_part(&parts, &type, &part));
    assert_int_equal(type, 1);
    expect_span(part, ptl_span("xy", 2));
    assert_true(ptl_frame_next_part(&parts, &type, &part));
    assert_int_equal(type, 9);
    expect_span(part, ptl_span("", 0));
    assert_true(ptl_frame_next_part(&parts, &type, &part));
    expect_span(part, ptl_span("z", 1));
    assert_false(ptl_frame_next_part(&parts, &type, &part));
}

/* The largest of everything fits: 255 bytes of parts, 16,384 of values. */
static void frame_holds_the_most_that_it_may(void **state)
{
    static const uint8_t zeroes[PTL_FRAME_VALUES_MAX];
    struct ptl_frame frame = {
        .kind = PTL_FRAME_DOWN,
        .has_flow = true,
        .flow = UINT32_MAX,
        .count = UINT32_MAX,
        .tag = UINT64_MAX,
        .parts = ptl_span("\1\xfd", 2),
    };
    uint8_t parts[PTL_FRAME_PARTS_MAX] = {1, 253}, out[PTL_FRAME_SIZE_MAX];
    struct ptl_frame got;

    (void)state;
    frame.parts = ptl_span(parts, sizeof(parts));
    size_t size = write_frame(&frame, ptl_span(zeroes, sizeof(zeroes)), out);
    assert_true(size <= PTL_FRAME_SIZE_MAX);
    assert_int_equal(read_exactly(out, size, ALL, &got), size);
    assert_int_equal(got.fault, PTL_FAULT_NONE);
    assert_int_equal(got.body.size, sizeof(zeroes));
    assert_int_equal(got.parts.size, sizeof(parts));
}

/* Whatever it says lies in what was read: the sanitizers watch. */
static void frame_of_any_bytes_is_read_within_its_bounds(void **state)
{
    uint64_t seed = 42;
    unsigned good = 0;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (uint8_t)(seed >> 56);
        }
        bytes[2] &= 63;
        bytes[3] = 0;
        struct ptl_frame frame;
        size_t used = ptl_frame_read(ptl_span(bytes, sizeof(bytes)), ALL, &frame);
        assert_true(used <= sizeof(bytes));
        if (used != 0 && frame.fault == PTL_FAULT_NONE) {
            assert_true(frame.body.bytes + frame.body.size == bytes + used);
            good++;
        }
    }
    assert_true(good > 1000); /* else nothing was tried */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_of_every_kind_is_read_as_it_was_written),
        cmocka_unit_test(frame_cut_at_any_byte_is_not_taken),
        cmocka_unit_test(frame_that_says_less_than_its_kind_needs_is_a_fault),
        cmocka_unit_test(frame_takes_the_bytes_that_the_specification_shows),
        cmocka_unit_test(frame_of_an_unknown_kind_is_stepped_over),
        cmocka_unit_test(frame_longer_than_allowed_is_a_fault_by_its_head_alone),
        cmocka_unit_test(frame_with_what_its_kind_may_not_have_is_a_fault),
        cmocka_unit_test(frame_of_credit_has_whole_grants),
        cmocka_unit_test(frame_of_a_piece_has_some_of_the_whole),
        cmocka_unit_test(frame_with_more_values_than_one_may_have_is_a_fault),
        cmocka_unit_test(frame_gives_its_parts_one_by_one),
        cmocka_unit_test(frame_holds_the_most_that_it_may),
        cmocka_unit_test(frame_of_any_bytes_is_read_within_its_bounds),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
