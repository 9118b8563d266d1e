/*
 * perf/peers/common/peer.c - the program of a peer: options, its two processes, one line of JSON.
 */
#include "perf/peers/common/peer.h"
#include "perf/peers/common/ends.h"
#include "perf/peers/common/percentiles.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000
#define LONGEST_RUN 80 /* seconds, after which both processes end whatever happens */

static enum peer_end this_end = PEER_NEAR;

int64_t peer_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

const struct timespec *peer_left(int64_t until_ns, struct timespec *left)
{
    if (until_ns == PEER_FOREVER) {
        return NULL;
    }
    int64_t ns = until_ns - peer_now();
    ns = ns < 0 ? 0 : ns;
    *left = (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
    return left;
}

void peer_die(const char *format, ...)
{
    va_list values;

    fprintf(stderr, "%s, %s end: ", peer_system.name, this_end == PEER_FAR ? "far" : "near");
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    _exit(
        1); /* the far end dies with its parent; the near end sees the pipe close, or is waiting */
}

void peer_key(char *key, uint32_t number)
{
    snprintf(key, PEER_KEY_MAX, "key:%06u", number % PEER_KEYS);
}

enum peer_verdict peer_got(const void *bytes, size_t size, struct peer_head *answer)
{
    return this_end == PEER_FAR ? peer_far_got(bytes, size, answer) : peer_near_got(bytes, size);
}

/* ---- Options --------------------------------------------------------------------------------- */

static const char *const words[] = {
    [PEER_ONE_WAY] = "one-way", [PEER_REQUEST] = "request",   [PEER_MIXED] = "mixed",
    [PEER_DB_SET] = "db-set",   [PEER_DB_WATCH] = "db-watch",
};

static const struct option options[] = {
    {"size", required_argument, NULL, 's'},
    {"seconds", required_argument, NULL, 't'},
    {"warm-up", required_argument, NULL, 'w'},
    {"in-flight", required_argument, NULL, 'i'},
    {"rate", required_argument, NULL, 'r'},
    {"bulk", required_argument, NULL, 'b'},
    {"connections", required_argument, NULL, 'c'},
    {"port", required_argument, NULL, 'p'},
    {"pin", no_argument, NULL, 'P'},
    {0},
};

static void usage(void)
{
    fprintf(stderr,
            "usage: peer_%s one-way|request|mixed|db-set|db-watch --port PORT [--size BYTES]\n"
            "       [--seconds S] [--warm-up S] [--in-flight N | --rate N] [--connections N]\n"
            "       [--bulk BYTES] [--pin]\n",
            peer_system.name);
    exit(2);
}

/* A number above 0 and up to `most`, or the end. */
static double number(const char *text, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value > 0 && value <= most)) {
        usage();
    }
    return value;
}

static void take_option(struct peer_work *work, int option)
{
    switch (option) {
    case 's':
        work->size = (size_t)number(optarg, 1 << 30);
        break;
    case 't':
        work->seconds = number(optarg, LONGEST_RUN / 2.0);
        break;
    case 'w':
        work->warm_up = number(optarg, LONGEST_RUN / 4.0);
        break;
    case 'i':
        work->in_flight = (unsigned)number(optarg, 1e6);
        break;
    case 'r':
        work->rate = number(optarg, 1e9);
        break;
    case 'b':
        work->bulk = (size_t)number(optarg, 1 << 30);
        break;
    case 'c':
        work->connections = (unsigned)number(optarg, 10000);
        break;
    case 'p':
        work->port = (uint16_t)number(optarg, 65535);
        break;
    case 'P':
        work->pin = true;
        break;
    default:
        usage();
    }
}

static void take_word(struct peer_work *work, const char *word)
{
    for (unsigned i = 0; word && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            work->pattern = (enum peer_pattern)i;
            work->word = words[i];
        }
    }
    bool has_database = peer_system.set != NULL;
    bool needs_one = work->pattern == PEER_DB_SET || work->pattern == PEER_DB_WATCH;
    bool needs_rate = work->pattern == PEER_MIXED || work->pattern == PEER_DB_WATCH;
    if (!work->word || work->port == 0 || work->size < sizeof(struct peer_head) ||
        (needs_one && !has_database) || (needs_rate && work->rate == 0)) {
        usage();
    }
}

static void parse(struct peer_work *work, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        take_option(work, option);
    }
    take_word(work, argv[optind]);
}

/* ---- Both processes -------------------------------------------------------------------------- */

static void print(const struct peer_work *work, const struct peer_result *result)
{
    printf("{\"system\": \"%s\", \"work\": \"%s\", \"rate\": %.0f, \"bytes_per_second\": %.0f",
           peer_system.name, work->word, result->rate, result->rate * (double)work->size);
    peer_percentiles_print(result->latency, ", ");
    if (work->pattern == PEER_MIXED) {
        printf(", \"bulk_bytes_per_second\": %.0f", result->bulk_rate * (double)work->bulk);
    }
    printf(", \"arrived\": %lu, \"lost\": %lu, \"disordered\": %lu}\n", result->arrived,
           result->lost, result->disordered);
}

/* A thousand connections need as many descriptors; sleeps must end when they should. */
static void prepare_process(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    prctl(PR_SET_TIMERSLACK, 1L);
    signal(SIGPIPE, SIG_IGN);
    alarm(LONGEST_RUN);
}

/* To a processor of its own, the first or the last of those allowed, where there are two. */
static void pin_this_end(void)
{
    cpu_set_t allowed;
    cpu_set_t chosen;
    int first = -1;
    int last = -1;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || CPU_COUNT(&allowed) < 2) {
        return;
    }
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &allowed)) {
            first = first < 0 ? i : first;
            last = i;
        }
    }
    CPU_ZERO(&chosen);
    CPU_SET(this_end == PEER_NEAR ? first : last, &chosen);
    sched_setaffinity(0, sizeof(chosen), &chosen);
}

static pid_t start_far_end(const struct peer_work *work, struct peer_shared *shared)
{
    int ready[2];
    char byte;
    pid_t parent = getpid();

    if (pipe(ready) < 0) {
        peer_die("no pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        this_end = PEER_FAR;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
        close(ready[0]);
        alarm(LONGEST_RUN);
        if (work->pin) {
            pin_this_end();
        }
        peer_far_run(work, shared, ready[1]);
    }
    close(ready[1]);
    if (child < 0 || read(ready[0], &byte, 1) != 1) {
        _exit(1); /* the far end has said why */
    }
    close(ready[0]);
    return child;
}

int main(int argc, char **argv)
{
    static struct peer_result result;
    struct peer_work work = {.size = sizeof(struct peer_head),
                             .seconds = 0.5,
                             .warm_up = 0.2,
                             .in_flight = 1,
                             .connections = 1,
                             .bulk = 64 << 20,
                             .host = "127.0.0.1"};

    parse(&work, argc, argv);
    prepare_process();
    struct peer_shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        peer_die("no memory");
    }
    pid_t child = start_far_end(&work, shared);
    if (work.pin) {
        pin_this_end();
    }
    peer_near_run(&work, shared, &result);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    print(&work, &result);
    fflush(stdout);
    _exit(0); /* not one destructor of a library whose threads may be at work */
}
