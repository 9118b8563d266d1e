#include "tests/common/loop_world.h"

#include "io/uring_features.h"

#include <dirent.h>
#include <stdio.h>

struct memory memory;
const struct ptl_loop_maker *loop_world_maker;

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

const struct ptl_allocator counting = {.resize = counting_resize, .user = &memory};

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

const struct ptl_loop_hooks side_hooks = {.accepted = on_accepted, .resolved = on_resolved};

void open_side(struct side *side, struct end *ends, unsigned ends_max)
{
    *side = (struct side){.ends = ends, .ends_max = ends_max};
    const struct ptl_loop_maker *maker = loop_world_maker;
    assert_int_equal(maker->open(maker->maker, 0, &counting, &side_hooks, side, &side->loop), 0);
}

void listen_at(struct side *side, const char *text)
{
    struct ptl_address address;

    assert_int_equal(ptl_address_parse(text, &address), 0);
    assert_int_equal(ptl_loop_listen(side->loop, &address, &side->listener, &side->address), 0);
}

void connect_end(struct end *end, struct side *side)
{
    init_end(end, side->loop);
    assert_int_equal(ptl_loop_connect(side->loop, &side->address, &end_hooks, end, &end->stream),
                     0);
}

void poll_once(struct ptl_loop *loop)
{
    ptl_loop_poll(loop, ptl_loop_now(loop) + 100000000);
}

void send_span(struct end *end, const void *bytes, size_t size)
{
    struct ptl_span span = ptl_span(bytes, size);

    end->sent = UNTOLD;
    assert_int_equal(ptl_stream_send(end->loop, end->stream, &span, 1), 0);
}

void send_all(struct end *end, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        send_span(end, bytes, size);
        AWAIT(end->loop, end->sent != UNTOLD);
        assert_true(end->sent > 0);
        bytes += end->sent;
        size -= (size_t)end->sent;
    }
}

void close_end(struct end *end)
{
    ptl_stream_close(end->loop, end->stream);
    AWAIT(end->loop, end->closed);
}

void open_pair(struct pair *pair)
{
    open_side(&pair->side, &pair->server, 1);
    listen_at(&pair->side, "127.0.0.1:0");
    connect_end(&pair->client, &pair->side);
    AWAIT(pair->side.loop, pair->client.connected != UNTOLD && pair->side.accepted == 1);
    assert_int_equal(pair->client.connected, 0);
}

unsigned count_descriptors(void)
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

int loop_world_set_up(void **state)
{
    (void)state;
    ptl_loop_uring_pretend(0);
    atomic_store(&memory.bytes, 0);
    atomic_store(&memory.left, 1L << 60);
    return 0;
}

int loop_world_tear_down(void **state)
{
    (void)state;
    return atomic_load(&memory.bytes) == 0 ? 0 : -1;
}

static int run_on(const struct ptl_loop_maker *maker, const char *group, char **argv,
                  const struct CMUnitTest tests[], size_t count)
{
    loop_world_maker = maker;
    cmocka_set_test_filter(argv[1]); /* NULL where it was not given */
    return _cmocka_run_group_tests(group, tests, count, NULL, NULL);
}

int loop_world_main_uring(int argc, char **argv, const struct CMUnitTest tests[], size_t count)
{
    const char *missing = ptl_loop_uring_missing();
    (void)argc;

    if (missing != NULL) {
        fprintf(stderr, "not tested on io_uring: %s\n", missing);
        return 0;
    }
    return run_on(ptl_loop_uring(), "on io_uring", argv, tests, count);
}

int loop_world_main(int argc, char **argv, const struct CMUnitTest tests[], size_t count)
{
    return loop_world_main_uring(argc, argv, tests, count) +
           run_on(ptl_loop_epoll(), "on epoll", argv, tests, count);
}
