/*
 * perf/redis_hset.c - the yardstick for sets in the database: Redis's HSET over one loopback
 * connection, 100,000 fields like "key:012345" of one hash, each with a value of 16 bytes.
 *
 *   set         64 at a time into a hash that is empty when a round of all fields begins; the next
 *               64 are written before the answers to these are read, so that the server never waits
 *   overwrite   the same fields again, with other values
 *   ping_pong   one HSET at a time, from the write until its answer has been read
 *
 * Starts a redis-server of its own that keeps nothing on disk, and stops it at the end.  Without
 * redis-server it says so on standard error and measures nothing.
 *
 * Prints one JSON object a measurement, as perf/run reads it: redis_hset [SECONDS [REPETITIONS]]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS 100000
#define KEY_STEP 61803 /* has no divisor in common with KEYS: every key comes once in a round */
#define PIPELINE 64
#define START_TRIES 500 /* 10 ms apart */
#define TRIPS_MAX 1000000

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- The server --------------------------------------------------------------------------- */

static struct {
    pid_t process;
    struct sockaddr_in address;
    char folder[64]; /* where it would write */
} server;

static void stop_server(void)
{
    if (server.process > 0) {
        kill(server.process, SIGTERM);
        waitpid(server.process, NULL, 0);
        server.process = 0;
    }
    rmdir(server.folder);
}

static void die(const char *what)
{
    perror(what);
    stop_server();
    exit(1);
}

/* Somebody else could take the port before the server does: then it ends, and so do we. */
static void choose_address(void)
{
    socklen_t size = sizeof(server.address);
    int taken = socket(AF_INET, SOCK_STREAM, 0);

    server.address.sin_family = AF_INET;
    server.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(taken, (struct sockaddr *)&server.address, size) < 0 ||
        getsockname(taken, (struct sockaddr *)&server.address, &size) < 0) {
        die("choosing a port");
    }
    close(taken);
}

static void become_server(void)
{
    char port[8];

    snprintf(port, sizeof(port), "%u", (unsigned)ntohs(server.address.sin_port));
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (freopen("/dev/null", "w", stdout) == NULL) {
        _exit(1);
    }
    execlp("redis-server", "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "",
           "--appendonly", "no", "--dir", server.folder, "--daemonize", "no", (char *)NULL);
    _exit(errno == ENOENT ? 127 : 1);
}

/* A connection to a fresh server; -1 when there is no such program. */
static int start_server(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    const int on = 1;
    int status;

    snprintf(server.folder, sizeof(server.folder), "/tmp/redis_hset.XXXXXX");
    if (mkdtemp(server.folder) == NULL) {
        die("a folder");
    }
    choose_address();
    server.process = fork();
    if (server.process == 0) {
        become_server();
    }
    for (int i = 0; i < START_TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&server.address, sizeof(server.address)) == 0) {
            rmdir(server.folder); /* it is in there: whatever ends us leaves nothing behind */
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            return fd;
        }
        close(fd);
        nanosleep(&pause, NULL);
        if (waitpid(server.process, &status, WNOHANG) == server.process) {
            server.process = 0;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
                return -1;
            }
            break;
        }
    }
    errno = ECONNREFUSED;
    die("starting redis-server");
    return -1;
}

/* ---- Commands ----------------------------------------------------------------------------- */

static const char pattern[] =
    "*4\r\n$4\r\nHSET\r\n$3\r\nfam\r\n$10\r\nkey:000000\r\n$16\r\n0000000000000000\r\n";

#define COMMAND (sizeof(pattern) - 1)
#define KEY_END (COMMAND - 25)
#define VALUE_AT (COMMAND - 18)

static uint32_t next_key(uint32_t key)
{
    return (key + KEY_STEP) % KEYS;
}

static void put_command(char *at, uint32_t key, uint64_t value)
{
    memcpy(at, pattern, COMMAND);
    for (char *digit = at + KEY_END; key > 0; key /= 10) {
        *--digit = (char)('0' + key % 10);
    }
    memcpy(at + VALUE_AT, &value, sizeof(value));
}

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written <= 0) {
            die("writing");
        }
        bytes += written;
        size -= (size_t)written;
    }
}

/* Read answers, each a number and so one line, until at most `left` of `waiting` are to come. */
static unsigned read_answers(int fd, unsigned waiting, unsigned left)
{
    char chunk[4096];

    while (waiting > left) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got <= 0) {
            die("reading");
        }
        for (ssize_t i = 0; i < got; i++) {
            if (chunk[i] == '-') {
                errno = EPROTO;
                die("an answer");
            }
            waiting -= chunk[i] == '\n';
        }
    }
    return waiting;
}

static void empty_hash(int fd)
{
    static const char command[] = "*2\r\n$3\r\nDEL\r\n$3\r\nfam\r\n";

    write_all(fd, command, sizeof(command) - 1);
    read_answers(fd, 1, 0);
}

/* ---- What is measured --------------------------------------------------------------------- */

/* Set every key once, the same value everywhere; returns the seconds that took. */
static double set_all(int fd, uint64_t value)
{
    static char commands[PIPELINE * COMMAND];
    double start = now();
    uint32_t key = 0;
    unsigned waiting = 0;

    for (unsigned left = KEYS; left > 0;) {
        unsigned count = left < PIPELINE ? left : PIPELINE;
        for (unsigned i = 0; i < count; i++) {
            put_command(commands + i * COMMAND, key, value);
            key = next_key(key);
        }
        write_all(fd, commands, count * COMMAND);
        waiting = read_answers(fd, waiting + count, count);
        left -= count;
    }
    read_answers(fd, waiting, 0);
    return now() - start;
}

static double measure_sets(int fd, double seconds, bool emptied)
{
    double taken = 0;
    uint64_t rounds = 0;

    while (taken < seconds) {
        if (emptied) {
            empty_hash(fd);
        }
        taken += set_all(fd, ++rounds);
    }
    return (double)rounds * KEYS / taken;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;

    return (x > y) - (x < y);
}

static void measure_trips(int fd, double seconds)
{
    static float microseconds[TRIPS_MAX];
    char command[COMMAND];
    size_t trips = 0;
    uint32_t key = 0;
    double start = now();
    double before = start;

    while (before < start + seconds && trips < TRIPS_MAX) {
        put_command(command, key, ~(uint64_t)trips);
        key = next_key(key);
        write_all(fd, command, COMMAND);
        read_answers(fd, 1, 0);
        double after = now();
        microseconds[trips++] = (float)((after - before) * 1e6);
        before = after;
    }
    qsort(microseconds, trips, sizeof(microseconds[0]), compare);
    printf("{\"name\": \"redis_hset/ping_pong\", \"items_per_second\": %.0f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f}\n",
           (double)trips / (before - start), (double)microseconds[trips / 2],
           (double)microseconds[trips * 99 / 100]);
}

static void report(const char *name, double rate)
{
    printf("{\"name\": \"redis_hset/%s\", \"items_per_second\": %.0f}\n", name, rate);
}

int main(int count, char *arguments[])
{
    double seconds = count > 1 ? atof(arguments[1]) : 1;
    int repetitions = count > 2 ? atoi(arguments[2]) : 3;

    signal(SIGPIPE, SIG_IGN);
    int fd = start_server();
    if (fd < 0) {
        fprintf(stderr, "redis_hset: redis-server is not installed: nothing is measured\n");
    }
    for (int i = 0; i < repetitions && fd >= 0; i++) {
        report("set", measure_sets(fd, seconds, true));
        report("overwrite", measure_sets(fd, seconds, false));
        measure_trips(fd, seconds);
        fflush(stdout);
    }
    stop_server();
    return 0;
}
