#include "io/loop.h"

#include "io/address.h"
#include "io/uring_features.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef PTL_QUICK
#define WAKES 2000
#define FLOOD_BYTES ((size_t)8 << 20)
#else
#define WAKES 20000
#define FLOOD_BYTES ((size_t)64 << 20)
#endif
#define CONNECTIONS 1000
#define STUCK_NS ((uint64_t)60 * 1000000000) /* a test that waits so long has failed */
#define UNTOLD 12345                         /* a result that no hook has told yet */

/* ---- The world of a test ------------------------------------------------------------------- */

/* One end of a connection and all that was told of it. */
struct end {
    struct ptl_loop *loop;
    struct ptl_stream *stream;
    int connected;
    int ended;
    int sent;
    int handle;
    bool closed;
    size_t received;  /* bytes */
    bool wrong;       /* a byte was not pattern(position) */
    size_t close_at;  /* close inside `received` once so many have come; 0: never */
    size_t detach_at; /* likewise */
    struct ptl_address peer;
};

/* A loop, and what it accepts: the next of `ends`. */
struct side {
    struct ptl_loop *loop;
    struct ptl_listener *listener;
    struct ptl_address address;
    struct end *ends;
    unsigned ends_max;
    unsigned accepted;
    bool refuse; /* close what is accepted */
    unsigned resolved;
    void *request;
    int resolve_err;
    unsigned count;
    struct ptl_address addresses[PTL_RESOLVE_MAX];
};

/* Counts what is allocated; `left` allocations will still succeed. */
struct memory {
    _Atomic long bytes;
    _Atomic long left;
};

static struct memory memory;

static void *counting_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    struct memory *counted = user;

    if (new_size == 0) {
        atomic_fetch_sub(&counted->bytes, (long)old_size);
        free(block);
        return NULL;
    }
    if (atomic_fetch_sub(&counted->left, 1) <= 0) {
        return NULL;
    }
    atomic_fetch_add(&counted->bytes, (long)new_size - (long)old_size);
    return realloc(block, new_size);
}

static const struct ptl_allocator counting = {.resize = counting_resize, .user = &memory};

static uint8_t pattern(size_t position)
{
    return (uint8_t)((position * 2654435761u) >> 13);
}

static uint8_t *make_pattern(size_t size)
{
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(i);
    }
    return bytes;
}

static void init_end(struct end *end, struct ptl_loop *loop)
{
    *end = (struct end){
        .loop = loop, .connected = UNTOLD, .ended = UNTOLD, .sent = UNTOLD, .handle = -1};
}

static void on_connected(void *owner, int err)
{
    struct end *end = owner;

    assert_int_equal(end->connected, UNTOLD);
    end->connected = err;
}

static void on_received(void *owner, struct ptl_span bytes)
{
    struct end *end = owner;

    assert_int_equal(end->ended, UNTOLD);
    assert_true(bytes.size > 0);
    for (size_t i = 0; i < bytes.size; i++) {
        end->wrong = end->wrong || bytes.bytes[i] != pattern(end->received + i);
    }
    size_t before = end->received;
    end->received += bytes.size;
    if (before < end->close_at && end->received >= end->close_at) {
        ptl_stream_close(end->loop, end->stream);
    }
    if (before < end->detach_at && end->received >= end->detach_at) {
        ptl_stream_detach(end->loop, end->stream);
    }
}

static void on_ended(void *owner, int err)
{
    struct end *end = owner;

    assert_int_equal(end->ended, UNTOLD);
    end->ended = err;
}

static void on_sent(void *owner, int result)
{
    struct end *end = owner;

    assert_int_equal(end->sent, UNTOLD);
    end->sent = result;
}

static void on_detached(void *owner, int handle)
{
    struct end *end = owner;

    end->stream = NULL;
    end->handle = handle;
}

static void on_closed(void *owner)
{
    struct end *end = owner;

    assert_false(end->closed);
    end->stream = NULL;
    end->closed = true;
}

static const struct ptl_stream_hooks end_hooks = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .detached = on_detached,
    .closed = on_closed,
};

static void on_accepted(void *user, struct ptl_listener *listener, struct ptl_stream *stream,
                        const struct ptl_address *peer)
{
    struct side *side = user;

    assert_ptr_equal(listener, side->listener);
    if (side->refuse) {
        side->accepted++;
        ptl_stream_close(side->loop, stream);
        return;
    }
    assert_true(side->accepted < side->ends_max);
    struct end *end = &side->ends[side->accepted++];
    init_end(end, side->loop);
    end->stream = stream;
    end->peer = *peer;
    ptl_stream_adopt(side->loop, stream, &end_hooks, end);
}

static void on_resolved(void *user, void *request, int err, const struct ptl_address addresses[],
                        unsigned count)
{
    struct side *side = user;

    side->resolved++;
    side->request = request;
    side->resolve_err = err;
    side->count = count;
    memcpy(side->addresses, addresses, count * sizeof(addresses[0]));
}

static const struct ptl_loop_hooks side_hooks = {.accepted = on_accepted, .resolved = on_resolved};

static void open_side(struct side *side, struct end *ends, unsigned ends_max)
{
    *side = (struct side){.ends = ends, .ends_max = ends_max};
    const struct ptl_loop_maker *maker = ptl_loop_uring();
    assert_int_equal(maker->open(maker->maker, 0, &counting, &side_hooks, side, &side->loop), 0);
}

static void listen_at(struct side *side, const char *text)
{
    struct ptl_address address;

    assert_int_equal(ptl_address_parse(text, &address), 0);
    assert_int_equal(ptl_loop_listen(side->loop, &address, &side->listener, &side->address), 0);
}

static void connect_end(struct end *end, struct side *side)
{
    init_end(end, side->loop);
    assert_int_equal(ptl_loop_connect(side->loop, &side->address, &end_hooks, end, &end->stream),
                     0);
}

static void poll_once(struct ptl_loop *loop)
{
    ptl_loop_poll(loop, ptl_loop_now(loop) + 100000000);
}

/* Poll until the fact holds; a fact that never comes fails the test. */
#define AWAIT(loop, fact)                                                                          \
    do {                                                                                           \
        uint64_t stuck_at = ptl_loop_now(loop) + STUCK_NS;                                         \
        while (!(fact)) {                                                                          \
            if (ptl_loop_now(loop) > stuck_at) {                                                   \
                fail_msg("never came: %s", #fact);                                                 \
            }                                                                                      \
            poll_once(loop);                                                                       \
        }                                                                                          \
    } while (0)

static void send_span(struct end *end, const void *bytes, size_t size)
{
    struct ptl_span span = ptl_span(bytes, size);

    end->sent = UNTOLD;
    assert_int_equal(ptl_stream_send(end->loop, end->stream, &span, 1), 0);
}

/* Send all, however short the sends come out. */
static void send_all(struct end *end, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        send_span(end, bytes, size);
        AWAIT(end->loop, end->sent != UNTOLD);
        assert_true(end->sent > 0);
        bytes += end->sent;
        size -= (size_t)end->sent;
    }
}

static void close_end(struct end *end)
{
    ptl_stream_close(end->loop, end->stream);
    AWAIT(end->loop, end->closed);
}

/* A loop that listens, and one connection with both ends on it. */
struct pair {
    struct side side;
    struct end client;
    struct end server;
};

static void open_pair(struct pair *pair)
{
    open_side(&pair->side, &pair->server, 1);
    listen_at(&pair->side, "127.0.0.1:0");
    connect_end(&pair->client, &pair->side);
    AWAIT(pair->side.loop, pair->client.connected != UNTOLD && pair->side.accepted == 1);
    assert_int_equal(pair->client.connected, 0);
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static int set_up(void **state)
{
    (void)state;
    ptl_loop_uring_pretend(0);
    atomic_store(&memory.bytes, 0);
    atomic_store(&memory.left, 1L << 60);
    return 0;
}

/* Whatever a test did, its loops have given all memory back, and by the right sizes. */
static int tear_down(void **state)
{
    (void)state;
    return atomic_load(&memory.bytes) == 0 ? 0 : -1;
}

/* ---- Connecting and moving bytes ----------------------------------------------------------- */

static void echo_over(const char *address)
{
    struct side side;
    struct end client, server;

    open_side(&side, &server, 1);
    listen_at(&side, address);
    connect_end(&client, &side);
    AWAIT(side.loop, client.connected != UNTOLD && side.accepted == 1);
    assert_int_equal(client.connected, 0);
    assert_true(ptl_address_is_loopback(server.peer.text));

    uint8_t *bytes = make_pattern(1000);
    send_span(&client, bytes, 1000);
    AWAIT(side.loop, server.received == 1000 && client.sent == 1000);
    send_span(&server, bytes, 1000);
    AWAIT(side.loop, client.received == 1000 && server.sent == 1000);
    assert_false(client.wrong || server.wrong);

    close_end(&client);
    AWAIT(side.loop, server.ended == 0);
    close_end(&server);
    free(bytes);
    ptl_loop_free(side.loop);
}

static void loop_connects_accepts_and_echoes_over_ipv4(void **state)
{
    (void)state;
    echo_over("127.0.0.1:0");
}

static void loop_connects_accepts_and_echoes_over_ipv6(void **state)
{
    (void)state;
    echo_over("[::1]:0");
}

static void loop_sends_many_spans_in_order(void **state)
{
    struct pair pair;
    struct ptl_span spans[PTL_SEND_SPANS_MAX];
    uint8_t *bytes = make_pattern(PTL_SEND_SPANS_MAX * 100);
    (void)state;

    open_pair(&pair);
    for (unsigned i = 0; i < PTL_SEND_SPANS_MAX; i++) {
        spans[i] = ptl_span(bytes + (size_t)i * 100, 100);
    }
    assert_int_equal(ptl_stream_send(pair.side.loop, pair.client.stream, spans, PTL_SEND_SPANS_MAX),
                     0);
    memset(spans, 0, sizeof(spans)); /* the array is ours again at once */
    AWAIT(pair.side.loop, pair.server.received == PTL_SEND_SPANS_MAX * 100);
    assert_int_equal(pair.client.sent, PTL_SEND_SPANS_MAX * 100);
    assert_false(pair.server.wrong);
    ptl_loop_free(pair.side.loop);
    free(bytes);
}

static void loop_carries_a_large_transfer_in_short_sends(void **state)
{
    struct pair pair;
    uint8_t *bytes = make_pattern(FLOOD_BYTES);
    (void)state;

    open_pair(&pair);
    send_all(&pair.client, bytes, FLOOD_BYTES);
    close_end(&pair.client);
    AWAIT(pair.side.loop, pair.server.ended != UNTOLD);
    assert_int_equal(pair.server.ended, 0);
    assert_int_equal(pair.server.received, FLOOD_BYTES);
    assert_false(pair.server.wrong);
    ptl_loop_free(pair.side.loop);
    free(bytes);
}

static void loop_tells_that_a_connection_was_refused(void **state)
{
    struct side side;
    struct end client;
    (void)state;

    open_side(&side, NULL, 0);
    listen_at(&side, "127.0.0.1:0");
    ptl_loop_unlisten(side.loop, side.listener);
    connect_end(&client, &side);
    AWAIT(side.loop, client.connected != UNTOLD);
    assert_int_equal(client.connected, -ECONNREFUSED);
    close_end(&client);
    ptl_loop_free(side.loop);
}

static void loop_refuses_addresses_it_cannot_use(void **state)
{
    struct side side;
    struct ptl_address name = {.text = "localhost:1"}, taken, elsewhere = {.text = "192.0.2.1:1"};
    struct ptl_listener *listener;
    struct ptl_stream *stream;
    struct end end;
    (void)state;

    open_side(&side, NULL, 0);
    listen_at(&side, "127.0.0.1:0");
    taken = side.address;
    assert_int_equal(ptl_loop_listen(side.loop, &name, &listener, NULL), PTL_EADDRESS);
    assert_int_equal(ptl_loop_listen(side.loop, &taken, &listener, NULL), -EADDRINUSE);
    assert_int_equal(ptl_loop_listen(side.loop, &elsewhere, &listener, NULL), -EADDRNOTAVAIL);
    assert_int_equal(ptl_loop_connect(side.loop, &name, &end_hooks, &end, &stream), PTL_EADDRESS);
    ptl_loop_free(side.loop);
}

static void loop_tells_when_the_peer_resets(void **state)
{
    struct pair pair;
    (void)state;

    open_pair(&pair);
    ptl_stream_detach(pair.side.loop, pair.client.stream);
    AWAIT(pair.side.loop, pair.client.handle >= 0);
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(pair.client.handle, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    ptl_loop_discard(pair.side.loop, pair.client.handle);
    AWAIT(pair.side.loop, pair.server.ended != UNTOLD);
    assert_int_equal(pair.server.ended, -ECONNRESET);

    /* Sending into it is an error too, not a signal. */
    send_span(&pair.server, "x", 1);
    AWAIT(pair.side.loop, pair.server.sent != UNTOLD);
    assert_int_equal(pair.server.sent, -EPIPE);
    close_end(&pair.server);
    ptl_loop_free(pair.side.loop);
}

static void loop_survives_running_out_of_receive_buffers(void **state)
{
    enum { STREAMS = 150, BYTES = 200000 };
    static struct end clients[STREAMS], servers[STREAMS];
    struct side client_side, server_side;
    uint8_t *bytes = make_pattern(BYTES);
    (void)state;

    open_side(&client_side, NULL, 0);
    open_side(&server_side, servers, STREAMS);
    listen_at(&server_side, "127.0.0.1:0");
    client_side.address = server_side.address;
    for (unsigned i = 0; i < STREAMS; i++) {
        connect_end(&clients[i], &client_side);
        AWAIT(client_side.loop, clients[i].connected == 0);
    }
    AWAIT(server_side.loop, server_side.accepted == STREAMS);
    /* All have bytes waiting when the receiving loop looks: more than there are buffers. */
    for (unsigned i = 0; i < STREAMS; i++) {
        send_span(&clients[i], bytes, BYTES);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        size_t told = 0;
        while (told < BYTES) {
            while (clients[i].sent == UNTOLD) {
                ptl_loop_poll(client_side.loop, 0);
                ptl_loop_poll(server_side.loop, 0);
            }
            assert_true(clients[i].sent > 0);
            told += (size_t)clients[i].sent;
            if (told < BYTES) {
                send_span(&clients[i], bytes + told, BYTES - told);
            }
        }
        AWAIT(server_side.loop, servers[i].received == BYTES);
        assert_false(servers[i].wrong);
    }
    ptl_loop_free(client_side.loop);
    ptl_loop_free(server_side.loop);
    free(bytes);
}

/* ---- Closing ------------------------------------------------------------------------------- */

static void loop_closes_while_a_send_is_under_way(void **state)
{
    struct pair pair;
    uint8_t *bytes = make_pattern(FLOOD_BYTES);
    (void)state;

    open_pair(&pair);
    ptl_stream_read(pair.side.loop, pair.server.stream, false);
    /* Send until the kernel takes no more: then one is under way for good. */
    do {
        send_span(&pair.client, bytes, FLOOD_BYTES);
        for (unsigned i = 0; i < 100 && pair.client.sent == UNTOLD; i++) {
            ptl_loop_poll(pair.side.loop, 0);
        }
    } while (pair.client.sent != UNTOLD);
    close_end(&pair.client);
    assert_int_equal(pair.client.sent, UNTOLD);
    memset(bytes, 0, FLOOD_BYTES); /* ours again */
    close_end(&pair.server);
    ptl_loop_free(pair.side.loop);
    free(bytes);
}

static void loop_closes_a_stream_that_is_still_connecting(void **state)
{
    struct side side;
    struct end end, server[1];
    (void)state;

    open_side(&side, server, 1);
    listen_at(&side, "127.0.0.1:0");
    connect_end(&end, &side);
    close_end(&end); /* before anything was submitted */
    assert_int_equal(end.connected, UNTOLD);
    ptl_loop_free(side.loop);
}

static void loop_closes_inside_the_hook_that_tells_of_bytes(void **state)
{
    struct pair pair;
    uint8_t *bytes = make_pattern(FLOOD_BYTES);
    (void)state;

    open_pair(&pair);
    pair.server.close_at = 100000;
    send_span(&pair.client, bytes, FLOOD_BYTES);
    AWAIT(pair.side.loop, pair.server.closed);
    assert_true(pair.server.received >= 100000);
    assert_false(pair.server.wrong);
    size_t received = pair.server.received;
    AWAIT(pair.side.loop, pair.client.sent != UNTOLD);
    assert_int_equal(pair.server.received, received);
    ptl_loop_free(pair.side.loop);
    free(bytes);
}

static void loop_closes_a_connection_instead_of_adopting_it(void **state)
{
    struct side side;
    struct end client;
    (void)state;

    open_side(&side, NULL, 0);
    side.refuse = true;
    listen_at(&side, "127.0.0.1:0");
    connect_end(&client, &side);
    AWAIT(side.loop, client.ended != UNTOLD);
    assert_int_equal(client.connected, 0);
    assert_int_equal(side.accepted, 1);
    close_end(&client);
    ptl_loop_free(side.loop);
}

static void loop_accepts_nothing_after_unlisten(void **state)
{
    struct side side;
    struct end first, second;
    struct end server[2];
    (void)state;

    open_side(&side, server, 2);
    listen_at(&side, "127.0.0.1:0");
    connect_end(&first, &side);
    AWAIT(side.loop, side.accepted == 1 && first.connected == 0);
    ptl_loop_unlisten(side.loop, side.listener);
    connect_end(&second, &side);
    AWAIT(side.loop, second.connected != UNTOLD);
    assert_int_equal(second.connected, -ECONNREFUSED);
    assert_int_equal(side.accepted, 1);
    /* What was accepted before lives on. */
    send_span(&first, "\0", 1);
    AWAIT(side.loop, server[0].received == 1);
    ptl_loop_free(side.loop);
}

static void loop_opens_and_closes_a_thousand_connections(void **state)
{
    static struct end clients[CONNECTIONS], servers[CONNECTIONS];
    struct side side;
    unsigned descriptors = count_descriptors();
    (void)state;

    open_side(&side, servers, CONNECTIONS);
    unsigned with_loop = count_descriptors();
    listen_at(&side, "127.0.0.1:0");
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        connect_end(&clients[i], &side); /* more than the submission queue holds */
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        AWAIT(side.loop, clients[i].connected != UNTOLD);
        assert_int_equal(clients[i].connected, 0);
    }
    AWAIT(side.loop, side.accepted == CONNECTIONS);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        ptl_stream_close(side.loop, clients[i].stream);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        AWAIT(side.loop, clients[i].closed && servers[i].ended != UNTOLD);
        ptl_stream_close(side.loop, servers[i].stream);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        AWAIT(side.loop, servers[i].closed);
    }
    assert_int_equal(count_descriptors(), with_loop + 1); /* the listener */
    ptl_loop_free(side.loop);
    assert_int_equal(count_descriptors(), descriptors);
}

static void loop_free_leaves_nothing_behind(void **state)
{
    unsigned descriptors = count_descriptors();
    (void)state;

    for (unsigned polls = 0; polls < 8; polls++) {
        static struct end clients[50], servers[50];
        struct side side;
        open_side(&side, servers, 50);
        listen_at(&side, "127.0.0.1:0");
        assert_int_equal(ptl_loop_resolve(side.loop, "localhost:1", &side), 0);
        assert_int_equal(ptl_loop_resolve(side.loop, "127.0.0.1:1", &side), 0);
        for (unsigned i = 0; i < 50; i++) {
            connect_end(&clients[i], &side);
        }
        for (unsigned i = 0; i < polls; i++) {
            ptl_loop_poll(side.loop, 0);
        }
        for (unsigned i = 0; i < 50; i += 3) {
            ptl_stream_close(side.loop, clients[i].stream);
        }
        ptl_loop_free(side.loop); /* whatever is under way */
        assert_int_equal(count_descriptors(), descriptors);
        assert_int_equal(atomic_load(&memory.bytes), 0);
    }
}

/* ---- Reading off and on, giving up and taking over ----------------------------------------- */

static void loop_stops_and_resumes_reading(void **state)
{
    struct pair pair;
    uint8_t *bytes = make_pattern(FLOOD_BYTES);
    (void)state;

    open_pair(&pair);
    ptl_stream_read(pair.side.loop, pair.server.stream, false);
    size_t told = 0;
    for (unsigned i = 0; i < 10000 && told < FLOOD_BYTES; i++) {
        if (pair.client.sent != UNTOLD || told == 0) {
            told += pair.client.sent != UNTOLD ? (size_t)pair.client.sent : 0;
            send_span(&pair.client, bytes + told, FLOOD_BYTES - told);
        }
        ptl_loop_poll(pair.side.loop, 0);
        if (told == 0 && pair.client.sent == UNTOLD) {
            break;
        }
    }
    size_t before = pair.server.received;
    for (unsigned i = 0; i < 1000; i++) {
        ptl_loop_poll(pair.side.loop, 0);
    }
    assert_int_equal(pair.server.received, before);

    ptl_stream_read(pair.side.loop, pair.server.stream, true);
    while (told < FLOOD_BYTES) {
        AWAIT(pair.side.loop, pair.client.sent != UNTOLD);
        told += (size_t)pair.client.sent;
        if (told < FLOOD_BYTES) {
            send_span(&pair.client, bytes + told, FLOOD_BYTES - told);
        }
    }
    AWAIT(pair.side.loop, pair.server.received == FLOOD_BYTES);
    assert_false(pair.server.wrong);
    ptl_loop_free(pair.side.loop);
    free(bytes);
}

static void loop_loses_no_byte_when_reading_goes_off_and_on_all_the_time(void **state)
{
    struct pair pair;
    uint8_t *bytes = make_pattern(FLOOD_BYTES);
    size_t told = 0;
    unsigned turn = 0;
    (void)state;

    open_pair(&pair);
    send_span(&pair.client, bytes, FLOOD_BYTES);
    while (pair.server.received < FLOOD_BYTES) {
        ptl_stream_read(pair.side.loop, pair.server.stream, turn % 2 == 0);
        if (turn % 5 == 0) {
            ptl_stream_read(pair.side.loop, pair.server.stream, turn % 2 != 0);
            ptl_stream_read(pair.side.loop, pair.server.stream, true);
        }
        turn++;
        ptl_loop_poll(pair.side.loop, 0);
        if (pair.client.sent != UNTOLD && told < FLOOD_BYTES) {
            told += (size_t)pair.client.sent;
            if (told < FLOOD_BYTES) {
                send_span(&pair.client, bytes + told, FLOOD_BYTES - told);
            }
        }
    }
    assert_false(pair.server.wrong);
    ptl_loop_free(pair.side.loop);
    free(bytes);
}

/* Threads that hand one connection around. */
struct relay {
    struct ptl_loop *loop;
    _Atomic bool ready;
    struct end end;
    _Atomic int handle; /* -1: none */
    _Atomic bool finished;
    struct relay *next;
    size_t at_once; /* bytes before it is given up again */
};

static _Atomic size_t relayed;

static void *run_relay(void *argument)
{
    struct relay *relay = argument;
    struct side side;

    open_side(&side, NULL, 0);
    relay->loop = side.loop;
    atomic_store(&relay->ready, true);
    while (!atomic_load(&relay->finished)) {
        poll_once(side.loop);
        int handle = atomic_exchange(&relay->handle, -1);
        if (handle < 0) {
            continue;
        }
        init_end(&relay->end, side.loop);
        relay->end.received = atomic_load(&relayed);
        relay->end.detach_at = relay->end.received + relay->at_once;
        assert_int_equal(
            ptl_loop_attach(side.loop, handle, &end_hooks, &relay->end, &relay->end.stream), 0);
        AWAIT(side.loop, relay->end.handle >= 0 || relay->end.ended != UNTOLD);
        atomic_store(&relayed, relay->end.received);
        if (relay->end.ended != UNTOLD) {
            /* It may have ended while it was being given up, and then `detached` comes too. */
            if (relay->end.received >= relay->end.detach_at) {
                AWAIT(side.loop, relay->end.handle >= 0);
                ptl_loop_discard(side.loop, relay->end.handle);
            }
            /* Woken first: once it knows, it frees its loop. */
            ptl_loop_wake(relay->next->loop, side.loop);
            atomic_store(&relay->next->finished, true);
            break;
        }
        assert_false(relay->end.wrong);
        ptl_loop_wake(relay->next->loop, side.loop);
        atomic_store(&relay->next->handle, relay->end.handle);
    }
    ptl_loop_free(side.loop);
    return NULL;
}

static void loop_hands_a_busy_connection_from_thread_to_thread(void **state)
{
    struct pair pair;
    struct relay relays[2] = {{.at_once = 300001}, {.at_once = 70000}};
    pthread_t threads[2];
    uint8_t *bytes = make_pattern(FLOOD_BYTES);
    (void)state;

    atomic_store(&relayed, 0);
    for (unsigned i = 0; i < 2; i++) {
        relays[i].next = &relays[1 - i];
        atomic_store(&relays[i].handle, -1);
        pthread_create(&threads[i], NULL, run_relay, &relays[i]);
    }
    open_pair(&pair);
    AWAIT(pair.side.loop, atomic_load(&relays[0].ready) && atomic_load(&relays[1].ready));
    ptl_stream_detach(pair.side.loop, pair.server.stream);
    AWAIT(pair.side.loop, pair.server.handle >= 0);
    atomic_store(&relays[0].handle, pair.server.handle);
    ptl_loop_wake(relays[0].loop, pair.side.loop);
    send_all(&pair.client, bytes, FLOOD_BYTES);
    close_end(&pair.client);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&relayed), FLOOD_BYTES);
    assert_false(relays[0].end.wrong || relays[1].end.wrong);
    ptl_loop_free(pair.side.loop);
    free(bytes);
}

static void loop_detaches_a_silent_stream_and_closes_one_that_is_being_detached(void **state)
{
    struct pair pair;
    (void)state;

    open_pair(&pair);
    ptl_stream_read(pair.side.loop, pair.server.stream, false);
    for (unsigned i = 0; i < 10; i++) {
        ptl_loop_poll(pair.side.loop, 0);
    }
    ptl_stream_detach(pair.side.loop, pair.server.stream); /* no operation is active */
    assert_int_equal(pair.server.handle, -1);              /* never inside the call */
    AWAIT(pair.side.loop, pair.server.handle >= 0);
    ptl_loop_discard(pair.side.loop, pair.server.handle);

    ptl_stream_detach(pair.side.loop, pair.client.stream);
    ptl_stream_close(pair.side.loop, pair.client.stream);
    AWAIT(pair.side.loop, pair.client.closed);
    assert_int_equal(pair.client.handle, -1);
    ptl_loop_free(pair.side.loop);
}

static void loop_sets_the_user_timeout(void **state)
{
    struct pair pair;
    unsigned timeout = 0;
    socklen_t size = sizeof(timeout);
    (void)state;

    open_pair(&pair);
    ptl_stream_user_timeout(pair.side.loop, pair.server.stream, 10000);
    ptl_stream_detach(pair.side.loop, pair.server.stream);
    AWAIT(pair.side.loop, pair.server.handle >= 0);
    assert_int_equal(getsockopt(pair.server.handle, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size),
                     0);
    assert_int_equal(timeout, 10000);
    assert_int_equal(getsockopt(pair.server.handle, IPPROTO_TCP, TCP_NODELAY, &timeout, &size), 0);
    assert_int_not_equal(timeout, 0);
    ptl_loop_discard(pair.side.loop, pair.server.handle);
    ptl_loop_free(pair.side.loop);
}

/* ---- Waking -------------------------------------------------------------------------------- */

struct turns {
    struct ptl_loop *loop;
    _Atomic unsigned asked;
    _Atomic unsigned answered;
};

static void *ask_in_turn(void *argument)
{
    struct turns *turns = argument;

    for (unsigned i = 1; i <= WAKES; i++) {
        atomic_store(&turns->asked, i);
        ptl_loop_wake(turns->loop, NULL);
        if (i % 3 == 0) {
            ptl_loop_wake(turns->loop, NULL);
        }
        while (atomic_load(&turns->answered) != i) {
            sched_yield();
        }
    }
    return NULL;
}

static void loop_is_woken_by_a_thread_every_time(void **state)
{
    struct turns turns = {0};
    struct side side;
    pthread_t thread;
    (void)state;

    open_side(&side, NULL, 0);
    turns.loop = side.loop;
    pthread_create(&thread, NULL, ask_in_turn, &turns);
    while (atomic_load(&turns.answered) < WAKES) {
        ptl_loop_poll(side.loop, UINT64_MAX); /* a wake that is lost ends here, for good */
        atomic_store(&turns.answered, atomic_load(&turns.asked));
    }
    pthread_join(thread, NULL);
    ptl_loop_free(side.loop);
}

struct player {
    struct ptl_loop *loop;
    _Atomic bool ready;
    _Atomic bool may_free;
    _Atomic unsigned ball;
    _Atomic bool served; /* by whoever called from outside, who is done with the loop */
    struct player *other;
};

static void *play(void *argument)
{
    struct player *player = argument;
    struct side side;
    unsigned hits = 0;

    open_side(&side, NULL, 0);
    player->loop = side.loop;
    atomic_store(&player->ready, true);
    while (!atomic_load(&player->other->ready)) {
        sched_yield();
    }
    while (hits < WAKES) {
        ptl_loop_poll(side.loop, UINT64_MAX);
        if (atomic_load(&player->ball) == hits) {
            continue; /* woken for nothing: allowed */
        }
        hits++;
        atomic_fetch_add(&player->other->ball, 1);
        ptl_loop_wake(player->other->loop, side.loop);
    }
    ptl_loop_poll(side.loop, 0);
    atomic_store(&player->other->may_free, true);
    while (!atomic_load(&player->may_free) || !atomic_load(&player->served)) {
        ptl_loop_poll(side.loop, 0);
    }
    ptl_loop_free(side.loop);
    return NULL;
}

static void play_a_match(void)
{
    struct player players[2] = {{0}, {0}};
    pthread_t threads[2];

    for (unsigned i = 0; i < 2; i++) {
        players[i].other = &players[1 - i];
        pthread_create(&threads[i], NULL, play, &players[i]);
    }
    while (!atomic_load(&players[0].ready) || !atomic_load(&players[1].ready)) {
        sched_yield();
    }
    atomic_fetch_add(&players[0].ball, 1);
    ptl_loop_wake(players[0].loop, NULL);
    atomic_store(&players[0].served, true);
    atomic_store(&players[1].served, true);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void loop_is_woken_by_another_loop_every_time(void **state)
{
    (void)state;
    play_a_match();
}

static void loop_is_woken_by_another_loop_without_message_rings(void **state)
{
    (void)state;
    ptl_loop_uring_pretend(PTL_URING_MSG_RING);
    play_a_match();
}

static void loop_that_was_woken_before_the_poll_does_not_wait(void **state)
{
    struct side side, other;
    (void)state;

    open_side(&side, NULL, 0);
    open_side(&other, NULL, 0);
    ptl_loop_wake(side.loop, NULL);
    ptl_loop_wake(side.loop, other.loop);
    ptl_loop_poll(side.loop, UINT64_MAX);
    ptl_loop_wake(side.loop, side.loop);
    ptl_loop_poll(side.loop, UINT64_MAX);
    ptl_loop_wake(side.loop, other.loop);
    ptl_loop_poll(other.loop, 0); /* carries it */
    ptl_loop_poll(side.loop, UINT64_MAX);
    ptl_loop_free(other.loop);
    ptl_loop_free(side.loop);
}

static void loop_that_is_freed_still_carries_its_wakes(void **state)
{
    struct side side, other;
    (void)state;

    open_side(&side, NULL, 0);
    open_side(&other, NULL, 0);
    ptl_loop_wake(side.loop, other.loop);
    ptl_loop_free(other.loop);
    ptl_loop_poll(side.loop, UINT64_MAX);

    /* And one that was woken may be gone before the message is on its way. */
    open_side(&other, NULL, 0);
    ptl_loop_wake(side.loop, other.loop);
    ptl_loop_free(side.loop);
    ptl_loop_poll(other.loop, 0);
    ptl_loop_free(other.loop);
}

/* ---- Names, time and chance ---------------------------------------------------------------- */

static void loop_resolves_numbers_and_names(void **state)
{
    struct side side;
    int request;
    (void)state;

    open_side(&side, NULL, 0);
    assert_int_equal(ptl_loop_resolve(side.loop, "[0::1]:4040", &request), 0);
    assert_int_equal(side.resolved, 0); /* never inside the call */
    AWAIT(side.loop, side.resolved == 1);
    assert_ptr_equal(side.request, &request);
    assert_int_equal(side.resolve_err, 0);
    assert_int_equal(side.count, 1);
    assert_string_equal(side.addresses[0].text, "[::1]:4040");

    assert_int_equal(ptl_loop_resolve(side.loop, "localhost:77", &request), 0);
    AWAIT(side.loop, side.resolved == 2);
    assert_int_equal(side.resolve_err, 0);
    assert_true(side.count >= 1);
    for (unsigned i = 0; i < side.count; i++) {
        assert_true(ptl_address_is_loopback(side.addresses[i].text));
        assert_non_null(strstr(side.addresses[i].text, ":77"));
    }
    ptl_loop_free(side.loop);
}

static void loop_tells_that_a_name_cannot_be_resolved(void **state)
{
    struct side side;
    (void)state;

    open_side(&side, NULL, 0);
    assert_int_equal(ptl_loop_resolve(side.loop, "no port", NULL), PTL_EADDRESS);
    assert_int_equal(ptl_loop_resolve(side.loop, "not..a..name:1", NULL), 0);
    AWAIT(side.loop, side.resolved == 1);
    assert_true(side.resolve_err < 0);
    assert_int_equal(side.count, 0);
    ptl_loop_free(side.loop);
}

static void loop_resolves_many_names_with_few_helpers(void **state)
{
    enum { NAMES = 200 };
    struct side side;
    (void)state;

    open_side(&side, NULL, 0);
    for (unsigned i = 0; i < NAMES; i++) {
        assert_int_equal(ptl_loop_resolve(side.loop, "localhost:1", NULL), 0);
        if (i % 10 == 0) {
            ptl_loop_poll(side.loop, 0);
        }
    }
    AWAIT(side.loop, side.resolved == NAMES);
    ptl_loop_free(side.loop);
}

static void loop_poll_returns_when_the_time_has_come(void **state)
{
    struct side side;
    (void)state;

    open_side(&side, NULL, 0);
    ptl_loop_poll(side.loop, 0);
    ptl_loop_poll(side.loop, 1); /* past already */
    uint64_t until = ptl_loop_now(side.loop) + 5000000;
    while (ptl_loop_now(side.loop) < until) {
        ptl_loop_poll(side.loop, until);
    }
    uint64_t coarse = ptl_loop_coarse(side.loop);
    assert_true(coarse <= ptl_loop_now(side.loop));
    assert_true(ptl_loop_wall(side.loop) > 1.6e9);
    ptl_loop_free(side.loop);
}

static void loop_gives_random_bytes(void **state)
{
    uint8_t first[1000] = {0}, second[1000] = {0};
    unsigned equal = 0;
    struct side side;
    (void)state;

    open_side(&side, NULL, 0);
    ptl_loop_random(side.loop, first, sizeof(first));
    ptl_loop_random(side.loop, second, sizeof(second));
    for (size_t i = 0; i < sizeof(first); i++) {
        equal += first[i] == second[i];
    }
    assert_true(equal < 100);
    ptl_loop_free(side.loop);
}

/* ---- Want of features, memory and descriptors ---------------------------------------------- */

static void loop_says_which_required_feature_the_kernel_lacks(void **state)
{
    const struct ptl_loop_maker *maker = ptl_loop_uring();
    unsigned descriptors = count_descriptors();
    struct side side;
    (void)state;

    assert_null(ptl_loop_uring_missing());
    for (unsigned bit = 1; bit < PTL_URING_REQUIRED; bit <<= 1) {
        ptl_loop_uring_pretend(bit);
        assert_int_equal(maker->open(maker->maker, 0, &counting, &side_hooks, &side, &side.loop),
                         PTL_EFEATURE);
        assert_non_null(ptl_loop_uring_missing());
        assert_int_equal(strncmp(ptl_loop_uring_missing(), "io_uring", 8), 0);
    }
    ptl_loop_uring_pretend(PTL_URING_MSG_RING);
    assert_null(ptl_loop_uring_missing());
    assert_int_equal(count_descriptors(), descriptors);
}

static void loop_open_fails_cleanly_for_want_of_memory(void **state)
{
    const struct ptl_loop_maker *maker = ptl_loop_uring();
    unsigned descriptors = count_descriptors();
    struct side side;
    int err;
    long allowed = 0;
    (void)state;

    do {
        atomic_store(&memory.left, allowed++);
        err = maker->open(maker->maker, 0, &counting, &side_hooks, &side, &side.loop);
        assert_true(err == 0 || err == PTL_ENOMEM);
    } while (err < 0);
    assert_true(allowed > 3);
    ptl_loop_free(side.loop);
    assert_int_equal(count_descriptors(), descriptors);
}

static void loop_refuses_what_it_has_no_memory_for(void **state)
{
    struct pair pair;
    struct end end;
    struct ptl_listener *listener;
    struct ptl_span spans[2] = {ptl_span("\0", 1), ptl_span("\0", 1)};
    struct ptl_address any = {.text = "127.0.0.1:0"};
    (void)state;

    open_pair(&pair);
    unsigned descriptors = count_descriptors();
    atomic_store(&memory.left, 0);
    assert_int_equal(ptl_loop_listen(pair.side.loop, &any, &listener, NULL), PTL_ENOMEM);
    assert_int_equal(
        ptl_loop_connect(pair.side.loop, &pair.side.address, &end_hooks, &end, &end.stream),
        PTL_ENOMEM);
    assert_int_equal(ptl_stream_send(pair.side.loop, pair.client.stream, spans, 2), PTL_ENOMEM);
    assert_int_equal(ptl_loop_resolve(pair.side.loop, "127.0.0.1:1", NULL), PTL_ENOMEM);
    atomic_store(&memory.left, 1);
    assert_int_equal(ptl_loop_resolve(pair.side.loop, "127.0.0.1:1", NULL), PTL_ENOMEM);
    assert_int_equal(count_descriptors(), descriptors);
    atomic_store(&memory.left, 1L << 60);

    /* A connection that is accepted without memory is closed, and the loop goes on. */
    atomic_store(&memory.left, 1);
    connect_end(&end, &pair.side);
    AWAIT(pair.side.loop, end.ended != UNTOLD);
    atomic_store(&memory.left, 1L << 60);
    assert_int_equal(pair.side.accepted, 1);
    send_span(&pair.client, spans[0].bytes, 1);
    AWAIT(pair.side.loop, pair.client.sent == 1);
    ptl_loop_free(pair.side.loop);
}

static void loop_goes_on_listening_after_it_ran_out_of_descriptors(void **state)
{
    struct side side;
    struct end servers[1];
    struct rlimit before, none;
    union ptl_sockaddr sockaddr;
    socklen_t size;
    (void)state;

    open_side(&side, servers, 1);
    listen_at(&side, "127.0.0.1:0");
    assert_int_equal(ptl_address_to_sockaddr(&side.address, &sockaddr, &size), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, &sockaddr.any, size), 0); /* waits in the backlog */

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (unsigned i = 0; i < 100; i++) {
        ptl_loop_poll(side.loop, 0);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(side.accepted, 0);
    /* Nothing else happens on this loop: the pause alone must end the wait. */
    uint64_t stuck_at = ptl_loop_now(side.loop) + STUCK_NS;
    while (side.accepted == 0) {
        assert_true(ptl_loop_now(side.loop) < stuck_at);
        ptl_loop_poll(side.loop, UINT64_MAX);
    }
    close(client);
    ptl_loop_free(side.loop);
}

int main(int count, char *arguments[])
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(loop_connects_accepts_and_echoes_over_ipv4),
        TEST(loop_connects_accepts_and_echoes_over_ipv6),
        TEST(loop_sends_many_spans_in_order),
        TEST(loop_carries_a_large_transfer_in_short_sends),
        TEST(loop_tells_that_a_connection_was_refused),
        TEST(loop_refuses_addresses_it_cannot_use),
        TEST(loop_tells_when_the_peer_resets),
        TEST(loop_survives_running_out_of_receive_buffers),
        TEST(loop_closes_while_a_send_is_under_way),
        TEST(loop_closes_a_stream_that_is_still_connecting),
        TEST(loop_closes_inside_the_hook_that_tells_of_bytes),
        TEST(loop_closes_a_connection_instead_of_adopting_it),
        TEST(loop_accepts_nothing_after_unlisten),
        TEST(loop_opens_and_closes_a_thousand_connections),
        TEST(loop_free_leaves_nothing_behind),
        TEST(loop_stops_and_resumes_reading),
        TEST(loop_loses_no_byte_when_reading_goes_off_and_on_all_the_time),
        TEST(loop_hands_a_busy_connection_from_thread_to_thread),
        TEST(loop_detaches_a_silent_stream_and_closes_one_that_is_being_detached),
        TEST(loop_sets_the_user_timeout),
        TEST(loop_is_woken_by_a_thread_every_time),
        TEST(loop_is_woken_by_another_loop_every_time),
        TEST(loop_is_woken_by_another_loop_without_message_rings),
        TEST(loop_that_was_woken_before_the_poll_does_not_wait),
        TEST(loop_that_is_freed_still_carries_its_wakes),
        TEST(loop_resolves_numbers_and_names),
        TEST(loop_tells_that_a_name_cannot_be_resolved),
        TEST(loop_resolves_many_names_with_few_helpers),
        TEST(loop_poll_returns_when_the_time_has_come),
        TEST(loop_gives_random_bytes),
        TEST(loop_says_which_required_feature_the_kernel_lacks),
        TEST(loop_open_fails_cleanly_for_want_of_memory),
        TEST(loop_refuses_what_it_has_no_memory_for),
        TEST(loop_goes_on_listening_after_it_ran_out_of_descriptors),
    };

    cmocka_set_test_filter(count > 1 ? arguments[1] : NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
