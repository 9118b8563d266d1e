/*
 * Packets out as frames and in again, without a connection: what comes out is what went in, however
 * the bytes are cut; and what is not in order is found.
 */
#include "engine/link/frame_words.h"
#include "engine/link/frames_in.h"
#include "engine/link/frames_out.h"
#include "engine/link/outbox.h"
#include "engine/message/message.h"
#include "io/framing.h"
#include "tests/common/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OURS UINT64_C(0x1234)
#define THEIRS UINT64_C(0xfedc)
#define LIMIT 200000
#define EACH(list) (sizeof(list) / sizeof((list)[0]))
#define SPAN(literal) ptl_span(literal, sizeof(literal) - 1)

/* Two ends: what rain sends, snow receives. */
static struct test_memory memory;
static struct ptl_outbox outbox;
static struct ptl_frames_out rain;
static struct ptl_frames_in snow;
static struct ptl_buffer wire; /* what is out and not read */
static struct ptl_packet packet;

static int set_up(void **state)
{
    (void)state;
    test_memory_init(&memory);
    ptl_outbox_init(&outbox, &memory.allocator, NULL);
    ptl_frames_out_init(&rain, &memory.allocator, OURS, THEIRS, 64, LIMIT);
    ptl_frames_in_init(&snow, &memory.allocator, THEIRS, OURS, LIMIT);
    ptl_buffer_init(&wire, &memory.allocator, SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ptl_frames_in_drop(&snow);
    ptl_frames_out_drop(&rain);
    ptl_outbox_drop(&outbox);
    ptl_buffer_drop(&wire);
    return memory.out_bytes == 0 ? 0 : -1;
}

static void send_packet(struct ptl_span name, struct ptl_span body, uint32_t count)
{
    assert_int_equal(ptl_frames_out_packet(&rain, &outbox, name, body, count, NULL), PTL_OK);
}

/* All that is in the outbox goes on the wire, `most` bytes at once. */
static void flush(size_t most)
{
    struct ptl_span spans[5];
    unsigned count;

    assert_int_equal(ptl_frames_out_fill(&rain, &outbox), PTL_OK);
    while ((count = ptl_outbox_spans(&outbox, spans, EACH(spans))) != 0) {
        size_t sent = 0;
        for (unsigned i = 0; i < count && sent < most; i++) {
            size_t part = spans[i].size < most - sent ? spans[i].size : most - sent;
            ptl_buffer_append(&wire, spans[i].bytes, part);
            sent += part;
        }
        ptl_outbox_sent(&outbox, sent);
        assert_int_equal(ptl_frames_out_fill(&rain, &outbox), PTL_OK);
    }
    assert_int_equal(wire.err, 0);
    assert_int_equal(outbox.size, 0);
    assert_int_equal(rain.waiting.size, 0);
}

/* Read what is on the wire, `most` bytes at once; 1: a packet, 0: that was all, or an error. */
static int receive(size_t *at, size_t most)
{
    int got = 0;

    while (got == 0 && *at < wire.size) {
        size_t part = most < wire.size - *at ? most : wire.size - *at;
        struct ptl_span input = ptl_span(wire.bytes + *at, part);
        got = ptl_frames_in_next(&snow, &input, &packet);
        *at += part - input.size;
        assert_true(got != 0 || input.size == 0);
    }
    if (got == 0) { /* as a connection does that has nothing more */
        struct ptl_span nothing = SPAN("");
        got = ptl_frames_in_next(&snow, &nothing, &packet);
    }
    return got;
}

static void expect_packet(struct ptl_span name, struct ptl_span body, uint32_t count)
{
    assert_true(ptl_span_equal(packet.name, name));
    assert_int_equal(packet.count, count);
    assert_int_equal(packet.body.size, body.size);
    assert_true(ptl_span_equal(packet.body, body));
    assert_int_equal(packet.oddity, 0);
    assert_false(packet.empty);
}

static const struct sample {
    struct ptl_span name, body;
    uint32_t count;
} samples[] = {
#define SAMPLE(name, body, count)                                                                  \
    {                                                                                              \
        {(const uint8_t *)(name), sizeof(name) - 1}, {(const uint8_t *)(body), sizeof(body) - 1},  \
            (count)                                                                                \
    }
    SAMPLE("echo", "ehello\1", 2),
    SAMPLE("echo", "", 0),
    SAMPLE("0000000018R", "\1", 1),
    SAMPLE("", "Dkil1Decho", 2),
    SAMPLE("", "Dkil1DechoCdie\xf6", 4),
    SAMPLE("", "Dmon1Decho", 2),
    SAMPLE("", "Dmon0Dsink", 2),
    SAMPLE("", "Dkil0DechoCdie", 3),
    SAMPLE("", "TAnyEvent::MP::_spawnBR1DinitE12345", 4),
    SAMPLE("", "Eg_updAa\xa0\x80", 4),
    SAMPLE("", "Nportolan::fullDecho", 2),
    SAMPLE("", "Dtime", 1),
    SAMPLE("", "Hnonsense\1\2\3", 4),
    SAMPLE("", "Dmon1", 1),        /* who sends such things gets them back */
    SAMPLE("", "Dmon1Decho\1", 3), /* too much */
    SAMPLE("", "Dkil1\1", 2),      /* no name */
    SAMPLE("", "Dkil1@", 2),       /* an empty one */
    SAMPLE("", "Dkil1A\xff", 2),   /* one in Latin-1 */
    SAMPLE("", "\1\2", 2),         /* no word */
};

static void frames_bring_each_packet_as_it_was_however_they_are_cut(void **state)
{
    static const size_t cuts[] = {1, 2, 3, 7, 64, SIZE_MAX};

    (void)state;
    for (size_t c = 0; c < EACH(cuts); c++) {
        size_t at = 0;
        wire.size = 0;
        for (size_t i = 0; i < EACH(samples); i++) {
            send_packet(samples[i].name, samples[i].body, samples[i].count);
        }
        flush(cuts[c]);
        for (size_t i = 0; i < EACH(samples); i++) {
            assert_int_equal(receive(&at, cuts[c]), 1);
            expect_packet(samples[i].name, samples[i].body, samples[i].count);
        }
        assert_int_equal(receive(&at, cuts[c]), 0);
    }
}

static void frames_of_a_flow_in_use_cost_four_bytes(void **state)
{
    (void)state;
    send_packet(SPAN("echo"), SPAN("\1\2"), 2);
    flush(SIZE_MAX);
    wire.size = 0;
    send_packet(SPAN("echo"), SPAN("\1\2"), 2);
    flush(SIZE_MAX);
    assert_int_equal(wire.size, 4 + 2);
    send_packet(SPAN("sink"), SPAN("\1\2"), 2);
    flush(SIZE_MAX);
    wire.size = 0;
    send_packet(SPAN("echo"), SPAN("\1\2"), 2);
    flush(SIZE_MAX);
    assert_int_equal(wire.size, 8 + 2);
}

static void frames_say_nothing_of_a_keepalive_but_that_we_live(void **state)
{
    size_t at = 0;

    (void)state;
    send_packet(SPAN(""), SPAN("@"), 1);
    flush(SIZE_MAX);
    assert_int_equal(wire.size, PTL_FRAME_START);
    assert_int_equal(receive(&at, 1), 0);
}

static void frames_name_a_made_port_by_its_number(void **state)
{
    char name[PTL_NAME_MADE_SIZE];
    size_t at = 0;

    (void)state;
    ptl_name_made(THEIRS, UINT64_C(0x0200000500000007), name);
    send_packet(ptl_span(name, sizeof(name)), SPAN("\1"), 1);
    flush(SIZE_MAX);
    assert_int_equal(wire.size, 17 + 8 + 1);
    assert_int_equal(receive(&at, 1), 1);
    expect_packet(ptl_span(name, sizeof(name)), SPAN("\1"), 1);

    /* One of another run of that node is any name. */
    ptl_name_made(THEIRS + 1, 7, name);
    send_packet(ptl_span(name, sizeof(name)), SPAN("\1"), 1);
    flush(SIZE_MAX);
    assert_int_equal(receive(&at, 1), 1);
    expect_packet(ptl_span(name, sizeof(name)), SPAN("\1"), 1);
}

/* A byte string of `size` bytes in all. */
static uint8_t *large_body(size_t size)
{
    uint8_t *body = malloc(size);

    assert_non_null(body);
    for (size_t i = 0; i < size; i++) {
        body[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    body[0] = 0x5a;
    for (size_t i = 0; i < 4; i++) {
        body[1 + i] = (uint8_t)((size - 5) >> (24 - 8 * i));
    }
    return body;
}

static void frames_bring_what_is_large_in_pieces(void **state)
{
    static const size_t sizes[] = {16383, 16384, 16385, 32767, 32768, 32769, 49153, 150000};
    static const size_t cuts[] = {1000, 16388, 65536, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < EACH(sizes) * EACH(cuts); i++) {
        size_t size = sizes[i % EACH(sizes)], cut = cuts[i / EACH(sizes)], at = 0;
        uint8_t *body = large_body(size);
        struct ptl_msg *msg;

        assert_int_equal(ptl_msg_from(&memory.allocator, ptl_span(body, size), 1, &msg), PTL_OK);
        wire.size = 0;
        send_packet(SPAN("echo"), ptl_span(body, size), 1);
        assert_int_equal(
            ptl_frames_out_packet(&rain, &outbox, SPAN("sink"), ptl_msg_body(msg), 1, msg), PTL_OK);
        send_packet(SPAN("echo"), SPAN("\1"), 1);
        ptl_msg_free(msg);
        flush(cut);
        /* On each flow in order; the flows in any. */
        for (unsigned n = 0, echo = 0; n < 3; n++) {
            assert_int_equal(receive(&at, cut), 1);
            if (ptl_span_equal(packet.name, SPAN("sink"))) {
                expect_packet(SPAN("sink"), ptl_span(body, size), 1);
            } else if (echo++ == 0) {
                expect_packet(SPAN("echo"), ptl_span(body, size), 1);
            } else {
                expect_packet(SPAN("echo"), SPAN("\1"), 1);
            }
        }
        assert_int_equal(receive(&at, cut), 0);
        assert_int_equal(ptl_frames_in_held(&snow), 0);
        free(body);
    }
}

static void frames_say_that_we_live_before_what_waits(void **state)
{
    static const char open[] = "\x02\0\x0a\0\1\0\0\0\2\4echo", heartbeat[] = "\x01\0\0\0";
    const size_t before = sizeof(open) - 1;
    uint8_t *large = large_body(100000);
    size_t at = 0;

    (void)state;
    send_packet(SPAN("echo"), ptl_span(large, 100000), 1);
    send_packet(SPAN("echo"), SPAN("\1"), 1);
    assert_true(rain.waiting.size > 100000);
    send_packet(SPAN(""), SPAN("@"), 1);
    flush(SIZE_MAX);
    assert_memory_equal(wire.bytes, open, before);
    assert_memory_equal(wire.bytes + before, heartbeat, sizeof(heartbeat) - 1);
    assert_int_equal(receive(&at, SIZE_MAX), 1);
    expect_packet(SPAN("echo"), ptl_span(large, 100000), 1);
    assert_int_equal(receive(&at, SIZE_MAX), 1);
    expect_packet(SPAN("echo"), SPAN("\1"), 1);
    free(large);
}

/* A request ["", WORD, NAME, large]: of each kind that may be large. */
static void frames_bring_requests_in_pieces(void **state)
{
    static const char *const starts[] = {"Dkil1Decho", "Dkil0Decho",  "Dkil0B\1\2",
                                         "Eg_setAa",   "Hnonsense\1", "TAnyEvent::MP::_spawnBR1"};

    (void)state;
    for (size_t i = 0; i < EACH(starts); i++) {
        size_t start = strlen(starts[i]), size = 40000, at = 0;
        uint8_t *large = large_body(size), *body = malloc(start + size);

        assert_non_null(body);
        memcpy(body, starts[i], start);
        memcpy(body + start, large, size);
        wire.size = 0;
        send_packet(SPAN(""), ptl_span(body, start + size), 3);
        flush(SIZE_MAX);
        send_packet(SPAN("echo"), SPAN("\1"), 1);
        flush(SIZE_MAX);
        assert_int_equal(receive(&at, 999), 1);
        expect_packet(SPAN(""), ptl_span(body, start + size), 3);
        assert_int_equal(receive(&at, 999), 1);
        expect_packet(SPAN("echo"), SPAN("\1"), 1);
        free(body);
        free(large);
    }
}

/* The peer allows 63 beside the node port's. */
static void frames_close_flows_when_numbers_run_out(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        size_t at = 0;
        unsigned which = i % 3 == 0 ? i % 7 : i * 7919 % 500;
        struct ptl_span to = ptl_span(name, (size_t)snprintf(name, sizeof(name), "port %u", which));
        wire.size = 0;
        send_packet(to, SPAN("\1"), 1);
        flush(SIZE_MAX);
        assert_int_equal(receive(&at, SIZE_MAX), 1);
        expect_packet(to, SPAN("\1"), 1);
        assert_true(snow.flows.count <= 63);
    }
    assert_int_equal(snow.flows.count, 63);
}

static void frames_forget_flows_that_are_idle(void **state)
{
    const uint64_t second = 1000000000;
    size_t at = 0;

    (void)state;
    send_packet(SPAN("echo"), SPAN("\1"), 1);
    send_packet(SPAN("sink"), SPAN("\1"), 1);
    for (unsigned i = 1; i < 60; i++) {
        ptl_frames_out_tick(&rain, &outbox, i * second);
        if (i % 5 == 0) {
            send_packet(SPAN("echo"), SPAN("\1"), 1);
        }
    }
    flush(SIZE_MAX);
    while (receive(&at, SIZE_MAX) == 1) {
    }
    assert_int_equal(snow.err, 0);
    assert_int_equal(snow.flows.count, 1); /* echo's */
    for (unsigned i = 60; i < 100; i++) {
        ptl_frames_out_tick(&rain, &outbox, i * second);
    }
    flush(SIZE_MAX);
    assert_int_equal(receive(&at, SIZE_MAX), 0);
    assert_int_equal(snow.flows.count, 0);
    assert_int_equal(snow.flows.capacity, 0); /* nothing is kept */
    assert_int_equal(rain.flows.capacity, 0);

    /* The current flow was among them: the next frame says which it is of. */
    send_packet(SPAN("echo"), SPAN("\1"), 1);
    flush(SIZE_MAX);
    assert_int_equal(receive(&at, SIZE_MAX), 1);
}

/* ---- What is not in order ------------------------------------------------------------------ */

#define OPEN_1 "\x02\0\x0a\0\1\0\0\0\2\4echo"
#define FIRST_3 "\x91\x10\x11\0\1\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0B" /* 1 of 3 bytes */

static const struct {
    struct ptl_span bytes;
    enum ptl_frame_fault fault; /* NONE: there is none */
} streams[] = {
#define STREAM(bytes, fault)                                                                       \
    {                                                                                              \
        {(const uint8_t *)(bytes), sizeof(bytes) - 1}, (fault)                                     \
    }
    STREAM(OPEN_1 "\x90\1\5\0\1\0\0\0\1", PTL_FAULT_NONE),
    STREAM(OPEN_1 FIRST_3 "\x12\0\2\0hi", PTL_FAULT_NONE),
    STREAM(OPEN_1 "\x8f\0\5\0\1\0\0\0\1", PTL_FAULT_NONE),   /* of a later version */
    STREAM("\x04\0\4\0\1\0\0\0\x05\0\1\0x", PTL_FAULT_NONE), /* CLOSED, CREDIT: not agreed */
    STREAM("\x01\0\0\0\x01\0\2\0xx", PTL_FAULT_NONE),        /* HEARTBEAT */
    STREAM("\0\0\0\0", PTL_FAULT_HEAD),                      /* no kind */
    STREAM("\x01\0\xff\xff", PTL_FAULT_HEAD),                /* too long */
    STREAM("\x90\1\5\0\1\0\0\0\1", PTL_FAULT_FLOW),          /* never opened */
    STREAM("\x90\1\5\0\xff\xff\xff\xff\1", PTL_FAULT_FLOW),
    STREAM(OPEN_1 OPEN_1, PTL_FAULT_FLOW),                    /* open already */
    STREAM("\x02\0\x0a\0\0\0\0\0\2\4echo", PTL_FAULT_FLOW),   /* the node port's number */
    STREAM("\x02\0\5\0\1\0\0\0\0", PTL_FAULT_FLOW),           /* the node port */
    STREAM("\x02\0\x0a\0\0\x10\0\0\2\4echo", PTL_FAULT_FLOW), /* 4096: not below FLOWS */
    STREAM("\x02\0\x0a\0\1\0\0\0\3\4echo", PTL_FAULT_HEAD),   /* no such type of port */
    STREAM("\x03\0\4\0\1\0\0\0", PTL_FAULT_FLOW),             /* CLOSE of none */
    STREAM("\x03\0\4\0\0\0\0\0", PTL_FAULT_FLOW),             /* ... of the node port's */
    STREAM(OPEN_1 "\x03\0\4\0\1\0\0\0\x90\1\5\0\1\0\0\0\1", PTL_FAULT_FLOW), /* closed */
    STREAM(OPEN_1 FIRST_3 "\x03\0\4\0\1\0\0\0", PTL_FAULT_FLOW), /* closed in the middle */
    STREAM("\x13\0\0\0", PTL_FAULT_FLOW),                        /* KILL of the node port */
    STREAM("\x14\0\x09\0\0\0\0\0\0\0\0\0\0", PTL_FAULT_FLOW),    /* MONITOR of it */
    STREAM("\x17\1\1\0\1", PTL_FAULT_FLOW),                      /* SPAWN under its name */
    STREAM(OPEN_1 "\x91\x28\x11\0\1\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0B\x12\0\2\0hi",
           PTL_FAULT_FLOW),                                   /* a request to a port */
    STREAM(OPEN_1 "\x92\0\5\0\1\0\0\0x", PTL_FAULT_PIECES),   /* no first one */
    STREAM(OPEN_1 FIRST_3 "\x12\0\3\0hix", PTL_FAULT_PIECES), /* beyond its length */
    STREAM(OPEN_1 FIRST_3 "\x12\0\0\0", PTL_FAULT_PIECES),    /* empty */
    STREAM(OPEN_1 FIRST_3 "\x10\1\1\0\1", PTL_FAULT_PIECES),  /* a message in between */
    STREAM(OPEN_1 FIRST_3 FIRST_3, PTL_FAULT_PIECES),
    STREAM("\x11\x10\x0d\0\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0B", PTL_FAULT_SIZE),
    STREAM("\x11\x10\x0d\0\x41\x0d\3\0\0\0\0\0\1\0\0\0B", PTL_FAULT_SIZE), /* 200,001 */
    STREAM(OPEN_1 "\x90\1\4\0\1\0\0\0", PTL_FAULT_BODY),                   /* fewer values */
    STREAM(OPEN_1 "\x90\1\6\0\1\0\0\0\1\2", PTL_FAULT_BODY),               /* more */
    STREAM(OPEN_1 "\x90\1\5\0\1\0\0\0B", PTL_FAULT_BODY),                  /* cut */
    STREAM(OPEN_1 "\x90\1\6\0\1\0\0\0\xc1\1", PTL_FAULT_BODY),             /* not plain */
    STREAM(OPEN_1 "\x90\xff\x09\0\1\0\0\0\xff\xff\xff\xff\1", PTL_FAULT_BODY),
    STREAM(OPEN_1 FIRST_3 "\x12\0\2\0\1\1" FIRST_3 "\x12\0\2\0hi", PTL_FAULT_NONE),
    STREAM(OPEN_1 "\x91\x10\x11\0\1\0\0\0\3\0\0\0\0\0\0\0\2\0\0\0B\x12\0\2\0hi", PTL_FAULT_BODY),
    STREAM("\x11\x16\x0d\0\3\0\0\0\0\0\0\0\1\0\0\0B\x12\0\2\0hi", PTL_FAULT_HEAD), /* half a DOWN */
    STREAM("\x29\1\2\0\xc1\1", PTL_FAULT_BODY), /* a request's values */
};

static enum ptl_frame_fault fault_of(struct ptl_span bytes, size_t most)
{
    size_t at = 0;
    int got;

    ptl_frames_in_drop(&snow);
    ptl_frames_in_init(&snow, &memory.allocator, THEIRS, OURS, LIMIT);
    wire.size = 0;
    ptl_buffer_append(&wire, bytes.bytes, bytes.size);
    while ((got = receive(&at, most)) == 1) {
    }
    assert_true(got == 0 || got == PTL_EFRAME);
    assert_true((got == 0) == (snow.fault == PTL_FAULT_NONE));
    if (got < 0) {
        struct ptl_span more = SPAN("\x01\0\0\0");
        assert_int_equal(ptl_frames_in_next(&snow, &more, &packet), PTL_EFRAME); /* for good */
    }
    return snow.fault;
}

static void frames_that_break_a_rule_are_found_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < EACH(streams); i++) {
        assert_int_equal(fault_of(streams[i].bytes, SIZE_MAX), streams[i].fault);
        assert_int_equal(fault_of(streams[i].bytes, 1), streams[i].fault);
        assert_int_equal(fault_of(streams[i].bytes, 5), streams[i].fault);
    }
}

static void frames_end_with_goodbye_for_good(void **state)
{
    struct ptl_span input = SPAN(OPEN_1 "\x90\1\5\0\1\0\0\0\1\x06\0\0\0\x10\1\1\0\1");

    (void)state;
    assert_int_equal(ptl_frames_in_next(&snow, &input, &packet), 1);
    assert_int_equal(ptl_frames_in_next(&snow, &input, &packet), PTL_EGOODBYE);
    assert_int_equal(ptl_frames_in_next(&snow, &input, &packet), PTL_EGOODBYE);
    assert_int_equal(snow.fault, PTL_FAULT_NONE);
}

/* Three large messages are begun, each on a flow of its own; two may be. */
static void frames_in_the_making_are_bounded_together(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        uint8_t bytes[] = {2, 0, 7, 0, (uint8_t)i, 0, 0, 0, 2, 1, 'x', /* OPEN */
                           /* FIRST: 1 of 150,000 bytes */
                           0x91, 0x10, 17, 0, (uint8_t)i, 0, 0, 0, 0xf0, 0x49, 2, 0, 0, 0, 0, 0, 1,
                           0, 0, 0, 'B'};
        struct ptl_span input = ptl_span(bytes, sizeof(bytes));
        assert_int_equal(ptl_frames_in_next(&snow, &input, &packet), i < 3 ? 0 : PTL_EFRAME);
        assert_int_equal(snow.fault, i < 3 ? PTL_FAULT_NONE : PTL_FAULT_SIZE);
    }
}

/* A frame whose body is so many zeroes brings no packet. */
static void feed(const struct ptl_frame *frame, size_t body_size)
{
    static uint8_t bytes[PTL_FRAME_HEAD_MAX + PTL_FRAME_VALUES_MAX];
    size_t size = ptl_frame_head(frame, body_size, bytes);

    memset(bytes + size, 0, body_size);
    struct ptl_span input = ptl_span(bytes, size + body_size);
    assert_int_equal(ptl_frames_in_next(&snow, &input, &packet), 0);
    assert_int_equal(input.size, 0);
}

/* Two of the largest, all but their last bytes. */
static void frames_in_the_making_hold_what_they_have_promised(void **state)
{
    size_t before = memory.out_bytes;

    (void)state;
    for (uint32_t flow = 1; flow <= 2; flow++) {
        feed(&(struct ptl_frame){.kind = PTL_FRAME_OPEN,
                                 .number = flow,
                                 .port = {PTL_FRAME_PORT_NAMED, .name = SPAN("x")}},
             0);
        feed(&(struct ptl_frame){.kind = PTL_FRAME_FIRST,
                                 .has_flow = true,
                                 .flow = flow,
                                 .whole_kind = PTL_FRAME_MESSAGE,
                                 .count = LIMIT,
                                 .tag = LIMIT},
             PTL_FRAME_VALUES_MAX);
        for (size_t left = LIMIT - PTL_FRAME_VALUES_MAX - 1, part; left > 0; left -= part) {
            part = left < PTL_FRAME_VALUES_MAX ? left : PTL_FRAME_VALUES_MAX;
            feed(&(struct ptl_frame){.kind = PTL_FRAME_PIECE}, part);
        }
    }
    assert_true(ptl_frames_in_held(&snow) > (size_t)2 * (LIMIT - 1));
    assert_true(ptl_frames_in_held(&snow) <= (size_t)2 * LIMIT);
    assert_true(memory.out_bytes - before <= (size_t)2 * LIMIT + 1024);
}

static void frames_end_in_the_middle_without_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < EACH(streams); i++) {
        for (size_t size = 0; size < streams[i].bytes.size; size++) {
            enum ptl_frame_fault fault = fault_of(ptl_span(streams[i].bytes.bytes, size), 3);
            assert_true(fault == PTL_FAULT_NONE || fault == streams[i].fault);
        }
    }
}

static void frames_tell_what_the_peer_has_found(void **state)
{
    struct ptl_span input = SPAN("\x07\0\5\0\6\0why");

    (void)state;
    assert_int_equal(ptl_frames_in_next(&snow, &input, &packet), PTL_EFRAME);
    assert_int_equal(snow.fault, PTL_FAULT_NONE);
    assert_int_equal(snow.peer_code, PTL_FAULT_BODY);
}

/* Every word has one kind, and every kind of request one word. */
static void frames_and_words_are_the_same_both_ways(void **state)
{
    unsigned words = 0;

    (void)state;
    for (unsigned kind = 0; kind < PTL_FRAME_KINDS; kind++) {
        struct ptl_span word = ptl_frame_word(kind);
        bool has_word = kind == PTL_FRAME_KILL || kind == PTL_FRAME_SPAWN ||
                        (kind >= 32 && kind <= 37) || (kind >= 40 && kind <= 57);
        assert_int_equal(word.size != 0, has_word);
        if (has_word) {
            assert_int_equal(ptl_frame_of_word(word), kind);
            words++;
        }
    }
    assert_int_equal(words, 26);
    assert_int_equal(ptl_frame_of_word(SPAN("echo")), PTL_FRAME_MESSAGE);
}

/* Where memory fails, nothing half is sent, and what is sent afterwards is understood. */
static void frames_without_memory_leave_the_stream_in_order(void **state)
{
    uint8_t *large = large_body(40000);

    (void)state;
    for (size_t allowed = 0; allowed < 40; allowed++) {
        tear_down(NULL);
        set_up(NULL);
        unsigned expected = 0, came = 0;
        size_t at = 0;
        test_memory_fail(&memory, allowed + 1);
        for (unsigned i = 0; i < 100; i++) {
            char name[8];
            size_t size = (size_t)snprintf(name, sizeof(name), "%u", i % 70);
            struct ptl_span body = i % 10 == 3 ? ptl_span(large, 40000) : SPAN("\1");
            int err = ptl_frames_out_packet(&rain, &outbox, ptl_span(name, size), body, 1, NULL);
            assert_true(err == PTL_OK || err == PTL_ENOMEM);
            expected += err == PTL_OK;
            if (err != PTL_OK) {
                test_memory_fail(&memory, 0);
            }
        }
        test_memory_fail(&memory, 0);
        flush(SIZE_MAX);
        while (receive(&at, SIZE_MAX) == 1) {
            came++;
        }
        assert_int_equal(snow.err, 0);
        assert_int_equal(came, expected);
    }
    free(large);
}

int main(int argc, char **argv)
{
#define FRAMES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FRAMES(frames_bring_each_packet_as_it_was_however_they_are_cut),
        FRAMES(frames_of_a_flow_in_use_cost_four_bytes),
        FRAMES(frames_say_nothing_of_a_keepalive_but_that_we_live),
        FRAMES(frames_name_a_made_port_by_its_number),
        FRAMES(frames_bring_what_is_large_in_pieces),
        FRAMES(frames_say_that_we_live_before_what_waits),
        FRAMES(frames_bring_requests_in_pieces),
        FRAMES(frames_close_flows_when_numbers_run_out),
        FRAMES(frames_forget_flows_that_are_idle),
        FRAMES(frames_that_break_a_rule_are_found_however_they_are_cut),
        FRAMES(frames_end_with_goodbye_for_good),
        FRAMES(frames_in_the_making_are_bounded_together),
        FRAMES(frames_in_the_making_hold_what_they_have_promised),
        FRAMES(frames_end_in_the_middle_without_harm),
        FRAMES(frames_tell_what_the_peer_has_found),
        FRAMES(frames_and_words_are_the_same_both_ways),
        FRAMES(frames_without_memory_leave_the_stream_in_order),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
