#include "engine/link/outbox.h"

#include "engine/message/message.h"
#include "tests/common/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BODY 20000 /* bytes: enough to be sent from where they are */
#define BODIES 100

static struct test_memory memory;
static struct ptl_outbox outbox;
static uint8_t bytes[BODY];

static int set_up(void **state)
{
    (void)state;
    test_memory_init(&memory);
    ptl_outbox_init(&outbox, &memory.allocator, NULL);
    bytes[0] = 0x59; /* a byte string of the rest */
    bytes[1] = (BODY - 3) >> 8;
    bytes[2] = (BODY - 3) & 0xff;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ptl_outbox_drop(&outbox);
    return memory.out_bytes == 0 ? 0 : -1;
}

static void append(const struct ptl_msg *msg, size_t size)
{
    struct ptl_span body = msg != NULL ? ptl_msg_body(msg) : ptl_span(bytes + BODY - size, size);

    /* Zeros are numbers: `size` values. */
    assert_int_equal(ptl_outbox_packet(&outbox, PTL_FRAMING_CBOR, ptl_span_text("to"), body,
                                       msg != NULL ? 1 : (uint32_t)size, msg),
                     PTL_OK);
}

/* The bytes that are to be sent, in one block of malloc(). */
static uint8_t *send_all(size_t *size)
{
    uint8_t *all = malloc(outbox.size + 1);
    struct ptl_span spans[3];
    unsigned count;

    assert_non_null(all);
    *size = 0;
    while ((count = ptl_outbox_spans(&outbox, spans, 3)) != 0) {
        size_t sent = 0;
        for (unsigned i = 0; i < count; i++) {
            memcpy(all + *size + sent, spans[i].bytes, spans[i].size);
            sent += spans[i].size;
        }
        *size += sent;
        ptl_outbox_sent(&outbox, sent);
    }
    return all;
}

/* A body that is held needs a few bytes before it, and no more than a few. */
static void outbox_takes_little_more_than_it_has_to_send(void **state)
{
    struct ptl_msg *msg;

    (void)state;
    assert_int_equal(ptl_msg_from(&memory.allocator, ptl_span(bytes, BODY), 1, &msg), PTL_OK);
    size_t before = memory.out_bytes;
    for (unsigned i = 0; i < BODIES; i++) {
        append(msg, 0);
        append(NULL, 20);
    }
    assert_in_range(memory.out_bytes - before, BODIES * 20, PTL_OUTBOX_CHUNK + BODIES * 1500);
    ptl_msg_free(msg);
}

/* Whatever stands behind what, the bytes come out as they went in. */
static void outbox_sends_small_and_large_in_their_order(void **state)
{
    static const size_t sizes[] = {1, 900, 2000, 15000, 0, 0, 70000 % BODY, 3, 0, 1100};
    struct ptl_msg *msg;
    size_t size, at = 0;

    (void)state;
    assert_int_equal(ptl_msg_from(&memory.allocator, ptl_span(bytes, BODY), 1, &msg), PTL_OK);
    for (unsigned i = 0; i < 100; i++) {
        size_t body = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];
        append(body == 0 ? msg : NULL, body);
    }
    uint8_t *all = send_all(&size);
    for (unsigned i = 0; i < 100; i++) {
        size_t body = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];
        const uint8_t *end = ptl_cbor_skip(all + at, all + size, 1);
        assert_non_null(end);
        size_t packet = (size_t)(end - (all + at));
        assert_in_range(packet, body == 0 ? BODY : body, (body == 0 ? BODY : body) + 16);
        at += packet;
    }
    assert_int_equal(at, size);
    free(all);
    ptl_msg_free(msg);
}

/* The short way writes what the long one does, or nothing. */
static void small_packets_are_the_same_by_the_short_way(void **state)
{
    static const char *const names[] = {
        "sink",
        "echo",
        "echo",
        "gr\xc3\xbc\xc3\x9f",
        "not \xff text",
        "0123456789012345678901",
        "a name that is longer than what is kept of the head of the packet that was sent before it",
    };
    const unsigned name_count = sizeof(names) / sizeof(names[0]);
    struct ptl_outbox longer;
    unsigned short_ways = 0;

    (void)state;
    ptl_outbox_init(&longer, &memory.allocator, NULL);
    for (unsigned i = 0; i < 40 * name_count; i++) {
        struct ptl_span name = ptl_span_text(names[i % name_count]);
        uint32_t count = i / name_count % 30;
        struct ptl_span body = ptl_span(bytes + BODY - count, count);
        assert_int_equal(ptl_outbox_packet(&longer, PTL_FRAMING_CBOR, name, body, count, NULL), 0);
        size_t before = outbox.size;
        if (ptl_outbox_small(&outbox, name, body, count)) {
            short_ways++;
        } else {
            assert_int_equal(outbox.size, before);
            assert_int_equal(ptl_outbox_packet(&outbox, PTL_FRAMING_CBOR, name, body, count, NULL),
                             0);
        }
    }
    assert_in_range(short_ways, 100, 39 * name_count);
    assert_int_equal(ptl_outbox_messages(&outbox), ptl_outbox_messages(&longer));
    assert_int_equal(outbox.size, longer.size);
    size_t size;
    uint8_t *all = send_all(&size);
    struct ptl_span spans[3];
    size_t at = 0;
    for (unsigned i = 0, count = ptl_outbox_spans(&longer, spans, 3); i < count; i++) {
        assert_memory_equal(all + at, spans[i].bytes, spans[i].size);
        at += spans[i].size;
    }
    assert_int_equal(at, size);
    free(all);
    ptl_outbox_drop(&longer);
}

static void put_and_send(struct ptl_outbox *one)
{
    static const uint8_t head[] = {1, 2, 3};

    assert_int_equal(ptl_outbox_frame(one, ptl_span(head, sizeof(head)), ptl_span(NULL, 0), NULL),
                     PTL_OK);
    ptl_outbox_sent(one, sizeof(head));
}

/* So that a link costs none while it is idle, however many there are. */
static void empty_chunks_are_kept_for_all_outboxes_of_a_shard_together(void **state)
{
    enum { MANY = 3 * PTL_SPARE_CHUNKS_MAX };
    struct ptl_spare_chunks spares = {.first = NULL};
    struct ptl_outbox many[MANY];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        ptl_outbox_init(&many[i], &memory.allocator, &spares);
        put_and_send(&many[i]);
    }
    size_t one = memory.out_bytes;
    assert_in_range(one, PTL_OUTBOX_CHUNK, 2 * PTL_OUTBOX_CHUNK); /* they took it in turn */
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(ptl_outbox_frame(&many[i], ptl_span(bytes, 1), ptl_span(NULL, 0), NULL),
                         PTL_OK);
    }
    assert_int_equal(memory.out_bytes, MANY * one);
    for (unsigned i = 0; i < MANY; i++) {
        ptl_outbox_sent(&many[i], 1);
    }
    assert_int_equal(memory.out_bytes, PTL_SPARE_CHUNKS_MAX * one);
    for (unsigned i = 0; i < MANY; i++) {
        ptl_outbox_drop(&many[i]);
    }
    ptl_spare_chunks_drop(&spares, &memory.allocator);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_chunks_are_kept_for_all_outboxes_of_a_shard_together,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(outbox_takes_little_more_than_it_has_to_send, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(outbox_sends_small_and_large_in_their_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(small_packets_are_the_same_by_the_short_way, set_up,
                                        tear_down),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
