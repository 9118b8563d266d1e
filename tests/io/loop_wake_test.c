#include "io/loop.h"

#include "io/resolve.h"
#include "io/uring_features.h"
#include "tests/common/loop_world.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Threads of this process, without those that the kernel has made for its rings. */
static unsigned count_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");

    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char path[300], name[64] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r"); /* none for "." and "..", and for one that has ended */
        if (file != NULL) {
            count += fgets(name, sizeof(name), file) != NULL && strncmp(name, "iou-", 4) != 0;
            fclose(file);
        }
    }
    closedir(tasks);
    return count;
}

static void loop_resolves_many_names_with_few_helpers(void **state)
{
    enum { NAMES = 200 };
    struct side side;
    (void)state;

    open_side(&side, NULL, 0);
    unsigned before = count_threads();
    for (unsigned i = 0; i < NAMES; i++) {
        assert_int_equal(ptl_loop_resolve(side.loop, "localhost:1", NULL), 0);
        /* Those that are just ending are seen for a moment longer. */
        assert_in_range(count_threads(), before, before + 2 * PTL_RESOLVER_THREADS);
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
    const struct ptl_loop_maker *maker = loop_world_maker;
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
    assert_true(allowed > 2);
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
    if (ptl_stream_send(pair.side.loop, pair.client.stream, spans, 2) != PTL_ENOMEM) {
        AWAIT(pair.side.loop, pair.client.sent == 2); /* it needs no memory, and says so */
    }
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, loop_world_set_up, loop_world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(loop_is_woken_by_a_thread_every_time),
        TEST(loop_is_woken_by_another_loop_every_time),
        TEST(loop_that_was_woken_before_the_poll_does_not_wait),
        TEST(loop_that_is_freed_still_carries_its_wakes),
        TEST(loop_resolves_numbers_and_names),
        TEST(loop_tells_that_a_name_cannot_be_resolved),
        TEST(loop_resolves_many_names_with_few_helpers),
        TEST(loop_poll_returns_when_the_time_has_come),
        TEST(loop_gives_random_bytes),
        TEST(loop_open_fails_cleanly_for_want_of_memory),
        TEST(loop_refuses_what_it_has_no_memory_for),
        TEST(loop_goes_on_listening_after_it_ran_out_of_descriptors),
    };
    const struct CMUnitTest of_uring[] = {
        TEST(loop_is_woken_by_another_loop_without_message_rings),
        TEST(loop_says_which_required_feature_the_kernel_lacks),
    };

    return loop_world_main(count, arguments, tests, sizeof(tests) / sizeof(tests[0])) +
           loop_world_main_uring(count, arguments, of_uring,
                                 sizeof(of_uring) / sizeof(of_uring[0]));
}
