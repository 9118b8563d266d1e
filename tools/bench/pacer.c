#include "tools/bench/pacer.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define REST_NS 50000       /* between two looks at all lanes, however much is due */
#define STEPS_MAX 1000      /* arrivals of a lane in one look; a lane that has more is always due */
#define LOOK_NS 100000000LL /* whether it is over */

static void sleep_until(int64_t when_ns)
{
    struct timespec when = {
        .tv_sec = when_ns / 1000000000,
        .tv_nsec = when_ns % 1000000000,
    };

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

/* One that has not taken the last "go" yet will see by the clock what is due. */
static void tell(struct ptl_bench_lane *lane)
{
    if (!atomic_exchange(&lane->is_told, true) && ptl_bench_lane_tell(lane, "go") < 0) {
        atomic_store(&lane->is_told, false); /* its node is full: in a moment again */
    }
}

/* Tell every lane that has something to send; returns when the next one will have. */
static int64_t look(struct ptl_bench_pacer *pacer)
{
    int64_t now_ns = ptl_bench_now();
    int64_t next_ns = now_ns + LOOK_NS;

    for (unsigned i = 0; i < pacer->count; i++) {
        struct ptl_bench_schedule *schedule = &pacer->schedules[i];
        int64_t due_ns = ptl_bench_schedule_due(schedule);
        if (due_ns <= now_ns) {
            tell(&pacer->lanes[i]);
        }
        for (unsigned k = 0; k < STEPS_MAX && due_ns <= now_ns; k++) {
            ptl_bench_schedule_advance(schedule);
            due_ns = ptl_bench_schedule_due(schedule);
        }
        next_ns = due_ns < next_ns ? due_ns : next_ns;
    }
    return next_ns > now_ns + REST_NS ? next_ns : now_ns + REST_NS;
}

static void *run(void *data)
{
    struct ptl_bench_pacer *pacer = data;

    prctl(PR_SET_TIMERSLACK, 1UL);
    while (!atomic_load(&pacer->is_over) && ptl_bench_now() < pacer->end_ns) {
        sleep_until(look(pacer));
    }
    return NULL;
}

int ptl_bench_pacer_init(struct ptl_bench_pacer *pacer, struct ptl_bench_lane *lanes,
                         unsigned count, int64_t end_ns)
{
    *pacer = (struct ptl_bench_pacer){
        .lanes = lanes,
        .count = count,
        .end_ns = end_ns,
        .schedules = calloc(count, sizeof(struct ptl_bench_schedule)),
    };
    if (!pacer->schedules) {
        return PTL_ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        pacer->schedules[i] = lanes[i].flows[0].schedule;
    }
    return 0;
}

int ptl_bench_pacer_start(struct ptl_bench_pacer *pacer)
{
    int err = pthread_create(&pacer->thread, NULL, run, pacer);

    pacer->is_running = err == 0;
    return -err;
}

void ptl_bench_pacer_stop(struct ptl_bench_pacer *pacer)
{
    atomic_store(&pacer->is_over, true);
    if (pacer->is_running) {
        pthread_join(pacer->thread, NULL);
        pacer->is_running = false;
    }
    free(pacer->schedules);
    pacer->schedules = NULL;
}
