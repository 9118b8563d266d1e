/*
 * What a loop that waits looks like from outside: idle, not waiting for a disk.
 */
#include "io/loop.h"

#include "io/uring_features.h"
#include "tests/common/loop_world.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOPS 32
#define ROUNDS 20 /* others of this machine do wait for disks now and then */

struct sleeper {
    pthread_t thread;
    struct ptl_loop *loop;
    int id; /* the kernel's, of its thread */
    _Atomic bool waits, ends, may_free;
};

static pthread_barrier_t opened, go;

static void *sleep_in_loop(void *argument)
{
    struct sleeper *sleeper = argument;
    struct side side;

    open_side(&side, NULL, 0);
    listen_at(&side, "127.0.0.1:0");
    ptl_loop_poll(side.loop, 0);
    sleeper->loop = side.loop;
    sleeper->id = (int)syscall(SYS_gettid);
    pthread_barrier_wait(&opened);
    pthread_barrier_wait(&go);
    atomic_store(&sleeper->waits, true);
    while (!atomic_load(&sleeper->ends)) {
        ptl_loop_poll(side.loop, UINT64_MAX);
    }
    while (!atomic_load(&sleeper->may_free)) {
        sched_yield();
    }
    ptl_loop_free(side.loop);
    return NULL;
}

static bool is_asleep(const struct sleeper *sleeper)
{
    char path[64], text[256] = {0};

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", sleeper->id);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    const char *behind_name = strrchr(text, ')');
    return atomic_load(&sleeper->waits) && behind_name != NULL && behind_name[2] == 'S';
}

/* Tasks of this machine that wait for I/O now, as the kernel sees it. */
static int count_blocked(void)
{
    char line[4096]; /* longer ones come in pieces, which do no harm */
    int blocked = -1;
    FILE *file = fopen("/proc/stat", "r");

    assert_non_null(file);
    while (blocked < 0 && fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "procs_blocked %d", &blocked);
    }
    fclose(file);
    return blocked;
}

/* How many more wait for I/O when so many loops do nothing. */
static int count_blocked_by_loops(void)
{
    static struct sleeper sleepers[LOOPS];

    memset(sleepers, 0, sizeof(sleepers));
    pthread_barrier_init(&opened, NULL, LOOPS + 1);
    pthread_barrier_init(&go, NULL, LOOPS + 1);
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_create(&sleepers[i].thread, NULL, sleep_in_loop, &sleepers[i]);
    }
    pthread_barrier_wait(&opened);
    int before = count_blocked();
    pthread_barrier_wait(&go);
    for (unsigned i = 0; i < LOOPS; i++) {
        while (!is_asleep(&sleepers[i])) {
            sched_yield();
        }
    }
    int during = count_blocked();
    for (unsigned i = 0; i < LOOPS; i++) {
        atomic_store(&sleepers[i].ends, true);
        ptl_loop_wake(sleepers[i].loop, NULL);
        atomic_store(&sleepers[i].may_free, true);
        pthread_join(sleepers[i].thread, NULL);
    }
    pthread_barrier_destroy(&opened);
    pthread_barrier_destroy(&go);
    return during - before;
}

/* Whether in one of some rounds the loops count as waiting for I/O, or as idle. */
static bool some_round_shows(bool blocked)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if ((count_blocked_by_loops() > LOOPS / 2) == blocked) {
            return true;
        }
    }
    return false;
}

static bool kernel_can_tell_idle(void)
{
    struct side side;

    open_side(&side, NULL, 0);
    bool can = ptl_loop_remark(side.loop) == NULL;
    ptl_loop_free(side.loop);
    return can;
}

static void loop_that_waits_is_idle_and_not_in_io_wait(void **state)
{
    (void)state;
    if (!kernel_can_tell_idle() || count_blocked() < 0) {
        skip();
    }
    assert_true(some_round_shows(false));
}

static void loop_that_cannot_wait_idly_waits_in_io_wait_and_says_so(void **state)
{
    struct side side;
    (void)state;

    ptl_loop_uring_pretend(PTL_URING_NO_IOWAIT);
    open_side(&side, NULL, 0);
    assert_non_null(strstr(ptl_loop_remark(side.loop), "I/O wait"));
    ptl_loop_free(side.loop);

    ptl_loop_uring_pretend(0);
    if (!kernel_can_tell_idle() || count_blocked() < 0) {
        skip(); /* of older kernels some count it and some do not */
    }
    ptl_loop_uring_pretend(PTL_URING_NO_IOWAIT);
    assert_true(some_round_shows(true)); /* so the test above does see the difference */
}

int main(int count, char *arguments[])
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, loop_world_set_up, loop_world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(loop_that_waits_is_idle_and_not_in_io_wait),
    };
    const struct CMUnitTest of_uring[] = {
        TEST(loop_that_cannot_wait_idly_waits_in_io_wait_and_says_so),
    };

    return loop_world_main(count, arguments, tests, sizeof(tests) / sizeof(tests[0])) +
           loop_world_main_uring(count, arguments, of_uring,
                                 sizeof(of_uring) / sizeof(of_uring[0]));
}
