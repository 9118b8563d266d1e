/*
 * What waits on a connection goes out in fair turns and arrives whole; nothing overtakes what it
 * must not: packets out as frames and in again, with an outbox that is emptied as a socket would.
 */
#include "engine/link/backlogs.h"

#include "engine/link/frames_in.h"
#include "engine/link/frames_out.h"
#include "engine/link/outbox.h"
#include "engine/message/message.h"
#include "io/framing.h"
#include "tests/common/memory.h"
#include "tests/common/random.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OURS UINT64_C(0x1234)
#define THEIRS UINT64_C(0xfedc)
#define LIMIT 400000
#define ROOM 100000 /* of a flow */
#define PORTS 40
#define EACH(list) (sizeof(list) / sizeof((list)[0]))

/* Two ends: what rain sends, snow receives. */
static struct test_memory memory;
static struct ptl_outbox outbox;
static struct ptl_frames_out rain;
static struct ptl_frames_in snow;
static struct ptl_packet packet;
static struct sim_random random_numbers;
static uint8_t *letters; /* LIMIT zeros, which are as many values */

/* By port: messages that were sent, and that have come. */
static uint32_t sent[PORTS], came[PORTS];
static unsigned ends; /* ... and ends that were told */
static unsigned full[PORTS];

static int set_up(void **state)
{
    (void)state;
    test_memory_init(&memory);
    ptl_outbox_init(&outbox, &memory.allocator, NULL);
    ptl_frames_out_init(&rain, &memory.allocator, OURS, THEIRS, 64, LIMIT);
    ptl_frames_in_init(&snow, &memory.allocator, THEIRS, OURS, LIMIT);
    sim_random_seed(&random_numbers, 1);
    memset(sent, 0, sizeof(sent));
    memset(came, 0, sizeof(came));
    memset(full, 0, sizeof(full));
    ends = 0;
    letters = calloc(1, LIMIT);
    return letters == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    ptl_frames_in_drop(&snow);
    ptl_frames_out_drop(&rain);
    ptl_outbox_drop(&outbox);
    free(letters);
    return memory.out_bytes == 0 ? 0 : -1;
}

static struct ptl_span name_of(unsigned port, char name[static 8])
{
    return ptl_span(name, (size_t)snprintf(name, 8, "p%u", port));
}

/* A message of that many bytes, which begins with its number on that port. */
static int try_send(unsigned port, size_t size)
{
    char name[8];

    ptl_assert(size >= 5 && size <= LIMIT);
    letters[0] = 0x1a; /* a number of four bytes, then zeros */
    for (unsigned i = 0; i < 4; i++) {
        letters[1 + i] = (uint8_t)(sent[port] >> (24 - 8 * i));
    }
    int err = ptl_frames_out_packet(&rain, &outbox, name_of(port, name), ptl_span(letters, size),
                                    (uint32_t)(size - 4), NULL);
    sent[port] += err == PTL_OK;
    return err;
}

static void send_message(unsigned port, size_t size)
{
    assert_int_equal(try_send(port, size), PTL_OK);
}

/* A port of rain's is gone that this one watches, and has sent it all: says how many messages. */
static void send_down(unsigned port)
{
    uint8_t reason[5] = {0x1a};
    char name[8];

    for (unsigned i = 0; i < 4; i++) {
        reason[1 + i] = (uint8_t)(sent[port] >> (24 - 8 * i));
    }
    assert_int_equal(ptl_frames_out_down(&rain, &outbox, port, name_of(port, name),
                                         ptl_span(reason, sizeof(reason)), 1),
                     PTL_OK);
}

static unsigned port_of(struct ptl_span name)
{
    unsigned port = 0;

    assert_int_equal(name.bytes[0], 'p');
    for (size_t i = 1; i < name.size; i++) {
        port = 10 * port + name.bytes[i] - '0';
    }
    assert_true(port < PORTS);
    return port;
}

static uint32_t number_at(const uint8_t *bytes)
{
    assert_int_equal(bytes[0], 0x1a);
    return (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
}

/* What has come: a message, in its flow's order, or the end that its port was told of, behind all
 * that was sent to it. */
static void take_packet(void)
{
    if (packet.name.size != 0) {
        unsigned port = port_of(packet.name);
        assert_int_equal(number_at(packet.body.bytes), came[port]);
        came[port]++;
        return;
    }
    assert_memory_equal(packet.body.bytes, "Nportolan::down", 15);
    uint8_t tag = packet.body.bytes[15] == 0x18 ? packet.body.bytes[16] : packet.body.bytes[15];
    assert_in_range(tag, 0, PORTS - 1);
    assert_true(came[tag] >= number_at(packet.body.bytes + packet.body.size - 5));
    ends++;
}

static void receive(struct ptl_span bytes)
{
    int got;

    while ((got = ptl_frames_in_next(&snow, &bytes, &packet)) == 1) {
        take_packet();
    }
    assert_int_equal(got, 0);
    assert_int_equal(bytes.size, 0);
}

/* One send takes so many bytes of the outbox; returns how many there were. */
static size_t send_some(size_t most)
{
    struct ptl_span spans[6];
    size_t size = 0;

    assert_int_equal(ptl_frames_out_fill(&rain, &outbox), PTL_OK);
    unsigned count = ptl_outbox_spans(&outbox, spans, EACH(spans));
    for (unsigned i = 0; i < count && size < most; i++) {
        size_t part = spans[i].size < most - size ? spans[i].size : most - size;
        receive(ptl_span(spans[i].bytes, part));
        size += part;
    }
    ptl_outbox_sent(&outbox, size);
    return size;
}

static void send_all(void)
{
    while (send_some(SIZE_MAX) != 0) {
    }
    assert_int_equal(outbox.size, 0);
    assert_int_equal(rain.waiting.size, 0);
    assert_int_equal(rain.waiting.unweighed, 0);
    assert_int_equal(rain.waiting.messages, 0);
    assert_memory_equal(sent, came, sizeof(sent));
    assert_int_equal(snow.err, 0);
}

/* At least as much was sent as could not be overtaken: one filling of the outbox and a share. */
static void backlogs_let_a_small_message_pass_a_large_one(void **state)
{
    size_t bytes = 0;

    (void)state;
    send_message(1, LIMIT);
    bytes += send_some(1000);
    send_message(2, 5);
    while (came[2] == 0) {
        bytes += send_some(1000);
    }
    assert_int_equal(came[1], 0);
    assert_true(bytes < PTL_FRAMES_AHEAD + (size_t)2 * PTL_TURN_BYTES);
    send_all();
}

/* Two flows of large messages and one of small ones: each has its third. */
static void backlogs_give_each_flow_its_share(void **state)
{
    size_t bytes = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        send_message(1, 45000);
        send_message(2, 45000);
    }
    for (unsigned i = 0; i < 300; i++) {
        send_message(3, 500);
    }
    while (came[1] + came[2] < 8 && came[3] < 300) {
        bytes += send_some(1000);
    }
    assert_in_range((size_t)came[3] * 500, bytes / 3 - (size_t)3 * PTL_TURN_BYTES,
                    bytes / 3 + (size_t)3 * PTL_TURN_BYTES);
    send_all();
}

/* Messages of all sizes to many ports, which end now and then: nothing is lost, nothing of a port
 * comes out of order, and its end comes last. */
static void backlogs_keep_every_order_that_counts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned dice = (unsigned)sim_random_below(&random_numbers, 100);
        unsigned port = (unsigned)sim_random_below(&random_numbers, PORTS);
        if (dice < 60) {
            send_message(port, 5 + sim_random_below(&random_numbers, 60));
        } else if (dice < 63) {
            send_message(port, (size_t)sim_random_scale(&random_numbers, 5, LIMIT / 4));
        } else if (dice < 70) {
            send_down(port);
        } else if (rain.waiting.size < 2000000 && dice < 75) {
            send_some(1 + sim_random_below(&random_numbers, 1000));
        } else if (rain.waiting.size > 1000000 || dice < 76) {
            send_some(SIZE_MAX);
        }
    }
    send_all();
}

/* A watcher is told as soon as it has all of its own, whatever waits for others. */
static void backlogs_tell_of_an_end_though_others_wait(void **state)
{
    (void)state;
    send_message(1, LIMIT);
    send_message(2, 5);
    send_down(2);
    send_down(3);
    send_down(1);
    while (ends < 2) {
        assert_int_equal(came[1], 0);
        assert_int_not_equal(send_some(1000), 0);
    }
    assert_int_equal(came[1], 0);
    send_all();
    assert_int_equal(ends, 3);
}

/* More large messages than the receiver makes at one time, each of its own flow. */
static void backlogs_begin_no_more_large_messages_than_the_peer_bears(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        send_message(i, i % 2 == 0 ? LIMIT : LIMIT / 10);
    }
    while (send_some(10000) != 0) {
        assert_true(snow.promised <= LIMIT + LIMIT / 4);
    }
    send_all();
}

/* The peer allows 63 flows, and in all of them something waits. */
static void backlogs_make_way_when_all_numbers_are_in_use(void **state)
{
    char name[16];
    struct ptl_span values = ptl_span(letters, 20000);

    (void)state;
    memset(letters, 0, 5);
    for (unsigned i = 0; i < 300; i++) {
        int size = snprintf(name, sizeof(name), "port %u", i);
        assert_int_equal(ptl_frames_out_packet(&rain, &outbox, ptl_span(name, (size_t)size), values,
                                               20000, NULL),
                         PTL_OK);
    }
    unsigned count = 0;
    while (ptl_frames_out_fill(&rain, &outbox) == PTL_OK && outbox.size != 0) {
        struct ptl_span spans[2];
        assert_int_not_equal(ptl_outbox_spans(&outbox, spans, 2), 0);
        struct ptl_span bytes = spans[0];
        while (ptl_frames_in_next(&snow, &bytes, &packet) == 1) {
            count++;
        }
        ptl_outbox_sent(&outbox, spans[0].size);
    }
    assert_int_equal(snow.err, 0);
    assert_int_equal(count, 300);
}

static void on_full(void *owner, struct ptl_backlog *backlog, bool now)
{
    const struct ptl_outflow *flow = ptl_outflow_of(backlog);
    unsigned port = port_of(ptl_span(flow->name, flow->name_size));

    assert_ptr_equal(owner, &rain);
    assert_int_not_equal(full[port], now);
    full[port] = now;
}

static void backlogs_are_full_by_flows(void **state)
{
    (void)state;
    ptl_backlogs_limit(&rain.waiting, ROOM, on_full, &rain);
    send_message(1, ROOM - 1000);
    assert_int_equal(full[1], 0);
    send_message(1, 5000);
    assert_int_equal(full[1], 1);
    send_message(2, 5000);
    assert_int_equal(full[2], 0);
    while (full[1] != 0) {
        assert_int_not_equal(send_some(1000), 0);
    }
    assert_in_range(rain.waiting.size, 1, ROOM / 2 + 5100);
    send_all();
    assert_int_equal(full[2], 0);
}

/* Of a large message 64 KiB weigh, of small ones all. */
static void backlogs_weigh_little_for_large_messages(void **state)
{
    (void)state;
    send_message(1, LIMIT);
    assert_in_range(rain.waiting.size - rain.waiting.unweighed, PTL_BACKLOG_LARGE_WEIGHT,
                    PTL_BACKLOG_LARGE_WEIGHT + 64);
    send_message(1, LIMIT);
    assert_in_range(rain.waiting.size - rain.waiting.unweighed, PTL_BACKLOG_LARGE_WEIGHT,
                    PTL_BACKLOG_LARGE_WEIGHT + 128);
    for (unsigned i = 0; i < 100; i++) {
        send_message(1, 4000);
    }
    assert_true(rain.waiting.size - rain.waiting.unweighed >=
                PTL_BACKLOG_LARGE_WEIGHT + (size_t)100 * 4000);
    send_all();
}

/* A flow with little to send takes little, and one with much takes little more than that. */
static void backlogs_take_little_more_than_they_have_to_send(void **state)
{
    (void)state;
    send_message(0, LIMIT);
    for (unsigned i = 1; i < PORTS; i++) {
        send_message(i, 5); /* so that each has its flow, which counts by itself */
        send_some(0);
    }
    send_all();
    send_message(0, LIMIT);
    size_t before = memory.out_bytes;
    for (unsigned i = 1; i < PORTS; i++) {
        send_message(i, 100);
    }
    assert_true(memory.out_bytes - before <= PORTS * 1200);
    for (unsigned i = 0; i < 10000; i++) {
        send_message(1, 100);
    }
    assert_true(memory.out_bytes - before <= PORTS * 1200 + (size_t)10000 * 104 * 2);
    send_all();
}

static void backlogs_count_the_messages_for_ports(void **state)
{
    (void)state;
    send_message(1, LIMIT);
    send_message(1, 100);
    send_message(2, 5000);
    send_down(1);
    assert_int_equal(rain.waiting.messages, 3);
    for (size_t bytes = 1; bytes != 0;) {
        uint64_t left = rain.waiting.messages + ptl_outbox_messages(&outbox);
        assert_true(left >= 3 - came[1] - came[2]);
        bytes = send_some(5000);
    }
    assert_int_equal(ptl_outbox_messages(&outbox), 0);
    send_all();
}

/* Where memory fails on the way to the outbox, nothing half is moved. */
static void backlogs_bear_that_memory_fails(void **state)
{
    (void)state;
    for (size_t allowed = 0; allowed < 60; allowed++) {
        for (unsigned i = 0; i < 30; i++) {
            send_message(i % 7, i % 5 == 0 ? 50000 : 100);
            if (i % 10 == 9) {
                send_down(i % 7);
            }
        }
        test_memory_fail(&memory, allowed + 1);
        int err = PTL_OK;
        for (unsigned i = 0; i < 3 && err == PTL_OK; i++) {
            err = ptl_backlogs_take(&rain.waiting, &outbox, &rain.current, outbox.size + 100000);
        }
        assert_true(err == PTL_OK || err == PTL_ENOMEM);
        test_memory_fail(&memory, 0);
        send_all();
    }
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(backlogs_let_a_small_message_pass_a_large_one),
        TEST(backlogs_give_each_flow_its_share),
        TEST(backlogs_keep_every_order_that_counts),
        TEST(backlogs_tell_of_an_end_though_others_wait),
        TEST(backlogs_begin_no_more_large_messages_than_the_peer_bears),
        TEST(backlogs_make_way_when_all_numbers_are_in_use),
        TEST(backlogs_are_full_by_flows),
        TEST(backlogs_weigh_little_for_large_messages),
        TEST(backlogs_take_little_more_than_they_have_to_send),
        TEST(backlogs_count_the_messages_for_ports),
        TEST(backlogs_bear_that_memory_fails),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
