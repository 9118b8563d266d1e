#include "io/loop.h"

#include "tests/common/listener.h"
#include "tests/common/loop_world.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

static void *close_a_little_later(void *data)
{
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    close(*(int *)data);
    return NULL;
}

/* As a killed node's listener does, this one goes after we have begun to ask for its address. */
static void loop_listens_where_another_is_about_to_end(void **state)
{
    char address[32];
    int other = listener_open(address);
    struct side side;
    pthread_t thread;
    (void)state;

    open_side(&side, NULL, 0);
    assert_int_equal(pthread_create(&thread, NULL, close_a_little_later, &other), 0);
    listen_at(&side, address);
    assert_int_equal(pthread_join(thread, NULL), 0);
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

/* Whatever one stream brings, a poll tells a bounded part of it, and the others have their turn. */
static void loop_that_one_stream_floods_tells_of_another_soon(void **state)
{
    enum { POLL_MAX = 128 << 10 };
    struct side clients, server;
    struct end flood, quiet, ends[2];
    uint8_t *bytes = make_pattern(FLOOD_BYTES);
    (void)state;

    open_side(&clients, NULL, 0);
    open_side(&server, ends, 2);
    listen_at(&server, "127.0.0.1:0");
    clients.address = server.address;
    connect_end(&flood, &clients);
    AWAIT(clients.loop, flood.connected == 0);
    AWAIT(server.loop, server.accepted == 1);
    connect_end(&quiet, &clients);
    AWAIT(clients.loop, quiet.connected == 0);
    AWAIT(server.loop, server.accepted == 2);

    send_span(&flood, bytes, FLOOD_BYTES);
    AWAIT(clients.loop, flood.sent != UNTOLD); /* as much as the system holds */
    send_span(&quiet, bytes, 1);
    AWAIT(clients.loop, quiet.sent == 1);
    for (unsigned i = 0; i < 100 && ends[1].received == 0; i++) {
        size_t before = ends[0].received;
        ptl_loop_poll(server.loop, 0);
        assert_in_range(ends[0].received - before, 0, POLL_MAX);
    }
    assert_int_equal(ends[1].received, 1);
    AWAIT(server.loop, ends[0].received == (size_t)flood.sent);
    assert_false(ends[0].wrong);
    ptl_loop_free(clients.loop);
    ptl_loop_free(server.loop);
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

/* As when a program starts another one: until that has begun it holds what its parent has open. */
static void loop_forgets_a_stream_that_a_child_has_a_copy_of(void **state)
{
    struct pair pair;
    int hold[2];
    (void)state;

    open_pair(&pair);
    assert_int_equal(pipe(hold), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1); /* until its parent lets go */
    }
    assert_true(child > 0);
    close(hold[0]);
    close_end(&pair.server);
    send_span(&pair.client, "\0", 1); /* to the child's copy, of which the loop is told no more */
    AWAIT(pair.side.loop, pair.client.sent == 1);
    for (unsigned i = 0; i < 10; i++) {
        ptl_loop_poll(pair.side.loop, 0);
    }
    assert_int_equal(pair.server.received, 0);
    assert_int_equal(pair.client.ended, UNTOLD);
    close(hold[1]);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    AWAIT(pair.side.loop, pair.client.ended != UNTOLD);
    ptl_loop_free(pair.side.loop);
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
        /* Whoever woke us may not have said why yet. */
        ptl_loop_poll(side.loop, ptl_loop_now(side.loop) + 2000000);
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

int main(int count, char *arguments[])
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, loop_world_set_up, loop_world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(loop_connects_accepts_and_echoes_over_ipv4),
        TEST(loop_connects_accepts_and_echoes_over_ipv6),
        TEST(loop_sends_many_spans_in_order),
        TEST(loop_carries_a_large_transfer_in_short_sends),
        TEST(loop_tells_that_a_connection_was_refused),
        TEST(loop_refuses_addresses_it_cannot_use),
        TEST(loop_listens_where_another_is_about_to_end),
        TEST(loop_tells_when_the_peer_resets),
        TEST(loop_survives_running_out_of_receive_buffers),
        TEST(loop_that_one_stream_floods_tells_of_another_soon),
        TEST(loop_closes_while_a_send_is_under_way),
        TEST(loop_closes_a_stream_that_is_still_connecting),
        TEST(loop_closes_inside_the_hook_that_tells_of_bytes),
        TEST(loop_closes_a_connection_instead_of_adopting_it),
        TEST(loop_accepts_nothing_after_unlisten),
        TEST(loop_opens_and_closes_a_thousand_connections),
        TEST(loop_free_leaves_nothing_behind),
        TEST(loop_forgets_a_stream_that_a_child_has_a_copy_of),
        TEST(loop_stops_and_resumes_reading),
        TEST(loop_loses_no_byte_when_reading_goes_off_and_on_all_the_time),
        TEST(loop_hands_a_busy_connection_from_thread_to_thread),
        TEST(loop_detaches_a_silent_stream_and_closes_one_that_is_being_detached),
        TEST(loop_sets_the_user_timeout),
    };

    return loop_world_main(count, arguments, tests, sizeof(tests) / sizeof(tests[0]));
}
