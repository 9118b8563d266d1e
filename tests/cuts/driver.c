/*
 * The test of the cuts: two nodes, each a process, and the proxy between them.
 *
 *   cuts_driver PEER --shards N [--flood MESSAGES] [--cuts N] [--messages EACH] [--seed S]
 *
 * First a flood without a cut: all must arrive, no monitor may fire.  Then so many cuts, with so
 * many messages each.  Then all that is still to be sent, and the end of all ports.  The nodes
 * check what they are promised (cuts.h); this program sees that nothing hangs.
 */
#include "tests/common/random.h"
#include "tests/cuts/proxy.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef PTL_QUICK
#define FLOOD 100000
#define CUTS 20
#define MESSAGES 20000
#else
#define FLOOD 1000000
#define CUTS 100
#define MESSAGES 100000
#endif

#define PATIENCE_MS 120000 /* for what hangs: a million messages take seconds, or a busy minute */

#define MESSAGE_BYTES 240 /* on the wire, about, in the mean */
#define LOOK_MS 10

struct peer {
    pid_t pid;
    int to, from;    /* pipes */
    char line[4096]; /* being read */
    size_t line_size;
    char ports[2048]; /* as its ready line had them */
    char answer[256]; /* the last one */
    unsigned answers; /* how many */
};

struct driver {
    const char *program;
    const char *framing; /* NULL: the default */
    unsigned shards;
    long flood, cuts, messages;
    uint64_t seed;
    struct sim_random random;
    struct proxy *proxy;
    struct peer peers[2];
    uint64_t waiting_since;
    char awaited[64]; /* what an answer begins with; what was asked before may be answered late */
    unsigned cut_count[PROXY_KINDS];
};

static const char *const names[2] = {"cuts/left", "cuts/right"};

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void tell(struct peer *peer, const char *line)
{
    if (write(peer->to, line, strlen(line)) < 0) {
        perror("cuts: a node's input");
    }
}

static _Noreturn void fail(struct driver *driver, const char *what)
{
    fprintf(stderr,
            "cuts: FAILED: %s; again: --shards %u --flood %ld --cuts %ld --messages %ld "
            "--seed %llu\n",
            what, driver->shards, driver->flood, driver->cuts, driver->messages,
            (unsigned long long)driver->seed);
    for (unsigned i = 0; i < 2; i++) {
        tell(&driver->peers[i], "show\n");
    }
    sleep(1);                               /* for what they have to say */
    const char *hold = getenv("CUTS_HOLD"); /* for a debugger */
    if (hold != NULL) {
        sleep((unsigned)atoi(hold));
    }
    for (unsigned i = 0; i < 2; i++) {
        kill(driver->peers[i].pid, SIGKILL);
    }
    exit(1);
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static void start_peer(struct driver *driver, unsigned index)
{
    struct peer *peer = &driver->peers[index];
    int in[2], out[2];
    char shards[16];

    if (pipe(in) < 0 || pipe(out) < 0) {
        perror("cuts: pipe");
        exit(2);
    }
    snprintf(shards, sizeof(shards), "%u", driver->shards);
    peer->pid = fork();
    if (peer->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int fd = 3; fd < 64; fd++) {
            close(fd);
        }
        execl(driver->program, driver->program, names[index], shards, driver->framing,
              (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    peer->to = in[1];
    peer->from = out[0];
}

static void take_line(struct driver *driver, unsigned index)
{
    struct peer *peer = &driver->peers[index];
    unsigned port;
    int at;

    if (sscanf(peer->line, "ready 127.0.0.1:%u %n", &port, &at) == 1) {
        proxy_leads(driver->proxy, index, (uint16_t)port);
        snprintf(peer->ports, sizeof(peer->ports), "%s", peer->line + at);
    }
    if (strncmp(peer->line, "stopped", 7) == 0) {
        printf("%s: %s\n", names[index], peer->line);
        close(peer->from); /* it ends now */
        peer->from = -1;
    }
    if (strncmp(peer->line, driver->awaited, strlen(driver->awaited)) == 0) {
        snprintf(peer->answer, sizeof(peer->answer), "%.255s", peer->line);
        peer->answers++;
    }
}

static void read_peer(struct driver *driver, unsigned index)
{
    struct peer *peer = &driver->peers[index];
    char byte;

    /* A few lines in a test: a byte at a time will do. */
    if (read(peer->from, &byte, 1) != 1) {
        fail(driver, "a node has ended");
    }
    if (byte != '\n') {
        if (peer->line_size + 1 < sizeof(peer->line)) {
            peer->line[peer->line_size++] = byte;
        }
        return;
    }
    peer->line[peer->line_size] = 0;
    peer->line_size = 0;
    take_line(driver, index);
}

/* One look at everything. */
static void look(struct driver *driver)
{
    struct pollfd polls[PROXY_POLLS_MAX + 2];
    unsigned count = proxy_polls(driver->proxy, polls + 2);

    for (unsigned i = 0; i < 2; i++) {
        polls[i] = (struct pollfd){.fd = driver->peers[i].from, .events = POLLIN};
    }
    (void)poll(polls, count + 2, LOOK_MS);
    proxy_work(driver->proxy, polls + 2);
    for (unsigned i = 0; i < 2; i++) {
        if (polls[i].revents != 0) {
            read_peer(driver, i);
        }
    }
    if (now_ms() - driver->waiting_since > PATIENCE_MS) {
        fail(driver, "nothing comes to an end any more");
    }
}

/* For this answer of either. */
static void begin_to_wait(struct driver *driver, const char *answer)
{
    driver->peers[0].answers = driver->peers[1].answers = 0;
    snprintf(driver->awaited, sizeof(driver->awaited), "%s", answer);
    driver->waiting_since = now_ms();
}

static void tell_both(struct driver *driver, const char *line, const char *answer)
{
    begin_to_wait(driver, answer);
    tell(&driver->peers[0], line);
    tell(&driver->peers[1], line);
}

static bool both_answered(const struct driver *driver)
{
    return driver->peers[0].answers != 0 && driver->peers[1].answers != 0;
}

static void ask_both(struct driver *driver, const char *line, const char *answer)
{
    tell_both(driver, line, answer);
    while (!both_answered(driver)) {
        look(driver);
    }
}

static void start(struct driver *driver)
{
    char line[4096];

    driver->proxy = proxy_new();
    begin_to_wait(driver, "ready ");
    for (unsigned i = 0; i < 2; i++) {
        start_peer(driver, i);
    }
    while (!both_answered(driver)) {
        look(driver);
    }
    begin_to_wait(driver, "begun");
    for (unsigned i = 0; i < 2; i++) {
        snprintf(line, sizeof(line), "other %s 127.0.0.1:%u %s\n", names[1 - i],
                 proxy_port(driver->proxy, 1 - i), driver->peers[1 - i].ports);
        tell(&driver->peers[i], line);
    }
    while (!both_answered(driver)) {
        look(driver);
    }
}

/* ---- The test ------------------------------------------------------------------------------- */

/* Both nodes have had all; `calm`: and no monitor has fired. */
static void check(struct driver *driver, long expected, bool calm)
{
    long long received[2], runs[2];

    ask_both(driver, "check\n", "whole ");
    for (unsigned i = 0; i < 2; i++) {
        if (sscanf(driver->peers[i].answer, "whole %lld %lld", &received[i], &runs[i]) != 2) {
            fail(driver, "a strange answer");
        }
        if (calm && (runs[i] != 0 || received[i] != expected)) {
            fail(driver, "messages are missing, or monitors have fired, without a cut");
        }
    }
}

static void allow(struct driver *driver, long each)
{
    char line[64], answer[64];

    snprintf(line, sizeof(line), "allow %ld\n", each);
    snprintf(answer, sizeof(answer), "spent %ld", each);
    tell_both(driver, line, answer);
}

static struct proxy_cut draw(struct driver *driver)
{
    static const enum proxy_kind kinds[] = {
        PROXY_RESET,      PROXY_RESET,      PROXY_RESET,   PROXY_RESET,   PROXY_CLOSE,
        PROXY_CLOSE,      PROXY_CLOSE,      PROXY_CLOSE,   PROXY_CLOSE,   PROXY_CLOSE,
        PROXY_HALF_CLOSE, PROXY_HALF_CLOSE, PROXY_RESET,   PROXY_RESET,   PROXY_CLOSE,
        PROXY_CLOSE,      PROXY_CLOSE_ONE,  PROXY_SWALLOW, PROXY_SWALLOW, PROXY_SWALLOW_BOTH,
        PROXY_FREEZE,
    };
    struct sim_random *random = &driver->random;
    uint64_t mean = (uint64_t)driver->messages * MESSAGE_BYTES / 2;
    struct proxy_cut cut = {
        .kind = kinds[sim_random_below(random, sizeof(kinds) / sizeof(kinds[0]))],
        .to = (unsigned)sim_random_below(random, 2),
        .after = 1 + sim_random_below(random, 2 * mean),
        .refuse = true,
        .frozen_ms = 50 + (unsigned)sim_random_below(random, 400),
    };

    if (sim_random_chance(random, 150)) {
        cut.after = 1 + sim_random_below(random, 600); /* while they shake hands, or soon after */
    }
    if (sim_random_chance(random, 200)) {
        cut.away_ms = 1 + (unsigned)sim_random_below(random, 200);
    }
    return cut;
}

static void cut_all(struct driver *driver)
{
    for (long i = 0; i < driver->cuts; i++) {
        allow(driver, (driver->flood + (i + 1) * driver->messages) / 2);
        struct proxy_cut cut = draw(driver);
        driver->cut_count[cut.kind]++;
        proxy_plan(driver->proxy, &cut);
        while (proxy_planned(driver->proxy)) {
            look(driver);
            if (both_answered(driver)) {
                proxy_hurry(driver->proxy); /* all is sent, and the byte has not come */
            }
        }
    }
    while (!both_answered(driver)) {
        look(driver);
    }
}

static void finish(struct driver *driver)
{
    ask_both(driver, "rest\n", "resting");
    ask_both(driver, "end\n", "ended");
    ask_both(driver, "stop\n", "stopped");
    for (unsigned i = 0; i < 2; i++) {
        int status;
        waitpid(driver->peers[i].pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fail(driver, "a node ended badly");
        }
    }
    proxy_free(driver->proxy);
}

static void run(struct driver *driver)
{
    uint64_t began = now_ms();

    start(driver);
    allow(driver, driver->flood / 2);
    while (!both_answered(driver)) {
        look(driver);
    }
    check(driver, driver->flood / 2, true);
    printf("a flood of %ld messages: %llu ms\n", driver->flood,
           (unsigned long long)(now_ms() - began));
    fflush(stdout);
    began = now_ms();
    cut_all(driver);
    check(driver, 0, false);
    printf("%ld cuts with %ld messages each: %llu ms\n", driver->cuts, driver->messages,
           (unsigned long long)(now_ms() - began));
    printf("reset %u, closed %u, one end closed %u, half closed %u, swallowed %u, both ways %u, "
           "frozen %u\n",
           driver->cut_count[PROXY_RESET], driver->cut_count[PROXY_CLOSE],
           driver->cut_count[PROXY_CLOSE_ONE], driver->cut_count[PROXY_HALF_CLOSE],
           driver->cut_count[PROXY_SWALLOW], driver->cut_count[PROXY_SWALLOW_BOTH],
           driver->cut_count[PROXY_FREEZE]);
    finish(driver);
}

static void read_options(struct driver *driver, int argc, char *argv[])
{
    static const struct option known[] = {
        {"shards", required_argument, NULL, 'n'},
        {"flood", required_argument, NULL, 'f'},
        {"cuts", required_argument, NULL, 'c'},
        {"messages", required_argument, NULL, 'm'},
        {"seed", required_argument, NULL, 's'},
        {"framing", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };

    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (letter) {
        case 'n':
            driver->shards = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            driver->flood = strtol(optarg, NULL, 10);
            break;
        case 'c':
            driver->cuts = strtol(optarg, NULL, 10);
            break;
        case 'm':
            driver->messages = strtol(optarg, NULL, 10);
            break;
        case 's':
            driver->seed = strtoull(optarg, NULL, 10);
            break;
        case 'w':
            driver->framing = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (optind != argc - 1) {
        fprintf(stderr, "usage: cuts_driver PEER [OPTION...]\n");
        exit(2);
    }
    driver->program = argv[optind];
}

int main(int argc, char *argv[])
{
    struct driver driver = {.shards = 1, .flood = FLOOD, .cuts = CUTS, .messages = MESSAGES};
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    driver.seed = ((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000) % 1000000000;
    read_options(&driver, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    sim_random_seed(&driver.random, driver.seed);
    printf("seed %llu, %u shards\n", (unsigned long long)driver.seed, driver.shards);
    fflush(stdout);
    run(&driver);
    return 0;
}
