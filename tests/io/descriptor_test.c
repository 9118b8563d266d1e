/*
 * A descriptor's number is used again, by another thread, when the first has closed it, be it
 * through io_uring: to ThreadSanitizer that must not look as if both used one descriptor.
 *
 * Between the two threads nothing happens that it could take for their agreement: no lock, no
 * message, only a relaxed flag.
 */
#include "io/address.h"
#include "io/loop.h"
#include "tests/common/loop_world.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS 20

static _Atomic int turn;
static _Atomic bool listens;
static struct ptl_address where; /* written before the second thread begins */
static bool answered, is_closed; /* of the first thread's own */
static unsigned discarded;       /* of the second's */

static void wait_for(int value)
{
    while (atomic_load_explicit(&turn, memory_order_relaxed) != value) {
        sched_yield();
    }
}

static void pass_to(int value)
{
    atomic_store_explicit(&turn, value, memory_order_relaxed);
}

static void on_connected(void *owner, int err)
{
    (void)owner, (void)err;
    answered = true;
}

static void on_received(void *owner, struct ptl_span bytes)
{
    (void)owner, (void)bytes;
}

static void on_result(void *owner, int result)
{
    (void)owner, (void)result;
}

/* Only a handle is closed by close(), which ThreadSanitizer sees. */
static void on_detached(void *owner, int handle)
{
    ptl_loop_discard(owner, handle);
    discarded++;
}

static void on_closed(void *owner)
{
    (void)owner;
    is_closed = true;
}

static const struct ptl_stream_hooks stream_hooks = {
    .connected = on_connected,
    .received = on_received,
    .ended = on_result,
    .sent = on_result,
    .detached = on_detached,
    .closed = on_closed,
};

static void on_accepted(void *user, struct ptl_listener *listener, struct ptl_stream *stream,
                        const struct ptl_address *peer)
{
    struct ptl_loop **loop = user;

    (void)listener, (void)peer;
    ptl_stream_adopt(*loop, stream, &stream_hooks, *loop);
    ptl_stream_detach(*loop, stream);
}

static const struct ptl_loop_hooks loop_hooks = {.accepted = on_accepted};

static int open_loop(struct ptl_loop **loop)
{
    const struct ptl_loop_maker *maker = loop_world_maker;

    return maker->open(maker->maker, 0, ptl_allocator_libc(), &loop_hooks, loop, loop);
}

/* Makes a socket with socket() and has its loop close it, again and again. */
static void *connect_and_close(void *argument)
{
    struct ptl_loop *loop;
    struct ptl_stream *stream;

    (void)argument;
    if (open_loop(&loop) < 0) {
        return "no loop to connect from";
    }
    for (int i = 0; i < ROUNDS; i++) {
        wait_for(1);
        answered = is_closed = false;
        if (ptl_loop_connect(loop, &where, &stream_hooks, loop, &stream) < 0) {
            return "cannot connect";
        }
        while (!answered) {
            ptl_loop_poll(loop, UINT64_MAX);
        }
        ptl_stream_close(loop, stream);
        while (!is_closed) {
            ptl_loop_poll(loop, UINT64_MAX);
        }
        pass_to(2);
    }
    wait_for(1);
    ptl_loop_free(loop);
    return NULL;
}

/* Takes what has connected, under the number that the first thread has given back. */
static void *accept_and_close(void *argument)
{
    struct ptl_loop *loop;
    struct ptl_listener *listener;
    struct ptl_address any;

    (void)argument;
    if (open_loop(&loop) < 0 || ptl_address_parse("127.0.0.1:0", &any) < 0 ||
        ptl_loop_listen(loop, &any, &listener, &where) < 0) {
        return "no loop to listen on";
    }
    pass_to(1);
    atomic_store(&listens, true);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        wait_for(2);
        while (discarded < i) {
            ptl_loop_poll(loop, UINT64_MAX);
        }
        pass_to(1);
    }
    ptl_loop_free(loop);
    return NULL;
}

static void number_of_a_descriptor_that_a_loop_closed_is_used_again_by_another_thread(void **state)
{
    pthread_t threads[2];
    void *trouble[2];

    (void)state;
    turn = 0;
    listens = false;
    discarded = 0;
    assert_int_equal(pthread_create(&threads[0], NULL, accept_and_close, NULL), 0);
    while (!atomic_load(&listens)) {
        sched_yield();
    }
    assert_int_equal(pthread_create(&threads[1], NULL, connect_and_close, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &trouble[i]), 0);
        if (trouble[i] != NULL) {
            fail_msg("%s", (const char *)trouble[i]);
        }
    }
    assert_int_equal(discarded, ROUNDS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_of_a_descriptor_that_a_loop_closed_is_used_again_by_another_thread),
    };

    return loop_world_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
