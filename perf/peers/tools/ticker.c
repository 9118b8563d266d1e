/*
 * perf/peers/tools/ticker.c - says when something is due, to a program whose own timers are coarse.
 *
 *   peer_ticker RATE SECONDS    writes CLOCK_REALTIME in nanoseconds, 8 bytes each, at such a rate
 *
 * What is due together is written together.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000
#define MOST 512 /* 4096 bytes, which a pipe takes whole */

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

static void sleep_until(int64_t until)
{
    struct timespec time = {.tv_sec = until / SECOND, .tv_nsec = until % SECOND};

    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
}

int main(int argc, char **argv)
{
    int64_t dues[MOST];
    double rate = argc == 3 ? atof(argv[1]) : 0, seconds = argc == 3 ? atof(argv[2]) : 0;

    if (!(rate > 0 && rate <= 1e9 && seconds > 0 && seconds <= 60)) {
        fprintf(stderr, "usage: peer_ticker RATE SECONDS\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1L);
    int64_t period = (int64_t)(SECOND / rate), due = now();
    for (int64_t end = due + (int64_t)(seconds * SECOND); due < end;) {
        unsigned count = 0;
        for (int64_t time = now(); due <= time && due < end && count < MOST; due += period) {
            dues[count++] = due;
        }
        if (count > 0 && write(STDOUT_FILENO, dues, count * sizeof(dues[0])) < 0) {
            return 1;
        }
        if (due < end) {
            sleep_until(due);
        }
    }
    return 0;
}
