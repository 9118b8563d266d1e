/*
 * The test of the hostile: a node under a limit of memory, a friend of it, those who mean well, and
 * those who do not.
 *
 *   hostile_driver PORTOLAN PEER STRANGER [--seed S] [--seconds T] [--turn-ms T] [--attack NAME]...
 *                  [--expect-p99 MS] [--limit-mb M] [--log LEVEL] [--log-to FILE] [--nice N]
 *
 *   hostile peer ---.                       .--- 16 pairs, calling all the time
 *                   +---> rain <--> snow    +--- guests, coming in one after the other
 *   hostile stranger'       '---------------'
 *
 * All the while: no call fails, no guest waits longer than a second, the node's memory and log stay
 * within their bounds, the database shows what it must, and at the end the node stops in order.
 */
#include "tests/hostile/clients.h"
#include "tests/hostile/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef PTL_QUICK
#define TURN_MS 700
#define SECONDS 30
#define LIMIT_MB 0 /* a sanitizer wants address space without end */
#else
#define TURN_MS 1000
#define SECONDS 50
#define LIMIT_MB 1024
#endif

#define SECRET "hostile-but-known"
#define READY_MS 30000
#define STOP_MS 10000
#define SEED_MS 40000    /* a seed is tried every 30 s at least */
#define LONG_SECONDS 100 /* a run of so many has time to wait for that */
#define ATTACKS_MAX 64
#define CHOSEN_MAX 16
#define SECONDS_MAX 86400 /* of a day: lines are counted by their own clock */
#define LINES_A_SECOND 100
#define COMPLAINTS_MAX 40 /* printed */
#define BLIND_EVERY_MS 20000
#define BLIND_MS 2500 /* the log is not read for so long */

enum { RAIN, SNOW, PEER, STRANGER, PROCESSES };
static const char *const process_names[] = {"rain", "snow", "the peer", "the stranger"};

/* What the well-behaved saw while an attack went on. */
struct account {
    char name[48];
    struct latencies latencies;
    uint64_t runs, complaints, lines;
    uint64_t memory; /* KiB, the most */
};

struct log_count {
    uint64_t lines, most; /* in all; in one second */
    uint32_t seconds[SECONDS_MAX];
};

struct driver {
    const char *programs[3]; /* PORTOLAN, PEER, STRANGER */
    uint64_t seed, seconds;
    unsigned turn_ms, expect_p99_ms, limit_mb;
    int nice;
    const char *log;
    FILE *log_to;
    char *chosen[CHOSEN_MAX];
    unsigned chosen_count;
    struct process processes[PROCESSES];
    struct log_count logs[2];
    uint16_t ports[2], lair;
    int lair_fd;
    struct clients clients;
    struct account accounts[ATTACKS_MAX];
    unsigned account_count;
    struct account *now[2]; /* of the peer's and the stranger's attack */
    uint64_t memory_most;   /* KiB */
    uint64_t looked_at;
    uint64_t blind_from;
    uint64_t complaints;
    uint64_t wrong;
};

static void complain(struct driver *driver, const char *who, const char *what)
{
    driver->complaints++;
    for (unsigned i = 0; i < 2; i++) {
        if (driver->now[i] != NULL) {
            driver->now[i]->complaints++;
        }
    }
    if (driver->complaints <= COMPLAINTS_MAX) {
        printf("  %s: %s [%s, %s]\n", who, what,
               driver->now[0] != NULL ? driver->now[0]->name : "-",
               driver->now[1] != NULL ? driver->now[1]->name : "-");
        fflush(stdout);
    }
}

static void told(void *data, const char *who, const char *what)
{
    complain(data, who, what);
}

static void timed(void *data, uint64_t microseconds)
{
    struct driver *driver = data;

    for (unsigned i = 0; i < 2; i++) {
        if (driver->now[i] != NULL) {
            latencies_add(&driver->now[i]->latencies, microseconds);
        }
    }
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* "2026-01-31T23:59:59.123Z info ..." */
static void count_line(struct driver *driver, unsigned node, const char *line)
{
    struct log_count *log = &driver->logs[node];
    unsigned hours, minutes, seconds;

    log->lines++;
    for (unsigned i = 0; i < 2; i++) {
        if (driver->now[i] != NULL) {
            driver->now[i]->lines++;
        }
    }
    if (driver->log_to != NULL) {
        fprintf(driver->log_to, "%s %s\n", process_names[node], line);
    }
    if (sscanf(line, "%*4u-%*2u-%*2uT%2u:%2u:%2u", &hours, &minutes, &seconds) == 3) {
        uint32_t *count = &log->seconds[(hours * 3600 + minutes * 60 + seconds) % SECONDS_MAX];
        log->most = ++*count > log->most ? *count : log->most;
    } else {
        printf("  %s says: %s\n", process_names[node], line);
    }
}

static struct account *account_of(struct driver *driver, const char *name)
{
    for (unsigned i = 0; i < driver->account_count; i++) {
        if (strcmp(driver->accounts[i].name, name) == 0) {
            return &driver->accounts[i];
        }
    }
    ptl_assert(driver->account_count < ATTACKS_MAX);
    struct account *account = &driver->accounts[driver->account_count++];
    snprintf(account->name, sizeof(account->name), "%s", name);
    return account;
}

static void take_line(struct process *process, bool error, const char *line, void *data)
{
    struct driver *driver = data;
    unsigned index = (unsigned)(process - driver->processes);
    const char *address;

    if (index >= PEER && error) {
        printf("  %s says: %s\n", process_names[index], line);
    } else if (index >= PEER) {
        driver->now[index - PEER] = account_of(driver, line);
        driver->now[index - PEER]->runs++;
    } else if (error) {
        count_line(driver, index, line);
    } else if ((address = strstr(line, "addresses=127.0.0.1:")) != NULL) {
        driver->ports[index] = (uint16_t)strtoul(address + 20, NULL, 10);
    }
}

/* ---- Looking at everything ------------------------------------------------------------------ */

static void look_at_memory(struct driver *driver)
{
    uint64_t now = wire_now_ms();

    if (now - driver->looked_at < 100) {
        return;
    }
    driver->looked_at = now;
    uint64_t memory = process_memory(&driver->processes[RAIN], "VmRSS");
    driver->memory_most = memory > driver->memory_most ? memory : driver->memory_most;
    for (unsigned i = 0; i < 2; i++) {
        if (driver->now[i] != NULL && memory > driver->now[i]->memory) {
            driver->now[i]->memory = memory;
        }
    }
}

/* Nobody reads the victim's log just now. */
static bool is_blind(const struct driver *driver)
{
    uint64_t since = wire_now_ms() - driver->blind_from;

    return driver->blind_from != 0 && since % BLIND_EVERY_MS > BLIND_EVERY_MS - BLIND_MS;
}

static void look(struct driver *driver)
{
    struct pollfd polls[2 * PROCESSES + CLIENTS_POLLS_MAX];
    unsigned count = 0;

    for (; count < 2 * PROCESSES; count++) {
        struct process *process = &driver->processes[count / 2];
        int fd = count % 2 == 0 ? process->out.fd : process->error.fd;
        bool unread = count == 2 * RAIN + 1 && is_blind(driver);
        polls[count] =
            (struct pollfd){.fd = process->pid == 0 || unread ? -1 : fd, .events = POLLIN};
    }
    bool talking = driver->clients.secret != NULL;
    count += talking ? clients_polls(&driver->clients, polls + count) : 0;
    (void)poll(polls, count, 2);
    for (unsigned i = 0; i < 2 * PROCESSES; i++) {
        struct process *process = &driver->processes[i / 2];
        if (polls[i].fd >= 0 && polls[i].revents != 0) {
            process_read(process, i % 2 == 0 ? &process->out : &process->error);
        }
    }
    if (talking) {
        clients_work(&driver->clients, polls + (size_t)2 * PROCESSES);
    }
    look_at_memory(driver);
}

static _Noreturn void give_up(struct driver *driver, const char *why)
{
    printf("hostile: FAILED: %s; again: --seed %llu\n", why, (unsigned long long)driver->seed);
    for (unsigned i = 0; i < PROCESSES; i++) {
        process_drop(&driver->processes[i]);
    }
    exit(1);
}

static void look_until(struct driver *driver, bool (*done)(struct driver *), unsigned limit_ms,
                       const char *what)
{
    uint64_t until = wire_now_ms() + limit_ms;

    while (!done(driver)) {
        look(driver);
        for (unsigned i = RAIN; i <= SNOW; i++) {
            if (driver->processes[i].pid != 0 && process_ended(&driver->processes[i])) {
                printf("%s ended with status %d\n", process_names[i], driver->processes[i].status);
                give_up(driver, "a node has ended");
            }
        }
        if (wire_now_ms() > until) {
            give_up(driver, what);
        }
    }
}

/* ---- Starting ------------------------------------------------------------------------------- */

static uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
        perror("hostile: no free port");
        exit(2);
    }
    close(fd);
    return ntohs(at.sin_port);
}

static bool rain_is_ready(struct driver *driver)
{
    return driver->ports[RAIN] != 0;
}

static bool snow_is_ready(struct driver *driver)
{
    return driver->ports[SNOW] != 0;
}

static bool all_are_up(struct driver *driver)
{
    return clients_up(&driver->clients) && clients_know_all(&driver->clients);
}

/* A node of its own process.  `own`: the arguments that only this one has, NULL at the end. */
static void start_node(struct driver *driver, unsigned which, const char *id, unsigned seed_port,
                       const struct process_options *options, char *const own[])
{
    char seed[32];
    char *arguments[32] = {(char *)driver->programs[0],
                           "run",
                           "--node",
                           (char *)id,
                           "--bind",
                           "127.0.0.1:0",
                           "--seed",
                           seed,
                           "--secret",
                           SECRET,
                           "--shards",
                           "2",
                           "--service",
                           "echo",
                           "--log",
                           (char *)driver->log};
    unsigned count = 16;

    for (; *own != NULL; own++) {
        arguments[count++] = *own;
    }
    snprintf(seed, sizeof(seed), "127.0.0.1:%u", seed_port);
    process_start(&driver->processes[which], arguments, options, take_line, driver);
}

static void start_rain(struct driver *driver)
{
    static char *const own[] = {"--service", "sink", "--max-message", "4194304", NULL};
    struct process_options options = {
        .address_space = (uint64_t)driver->limit_mb << 20,
        .files_soft = 256,
        .files_hard = 2048,
        .nice = driver->nice,
    };

    driver->lair = free_port();
    start_node(driver, RAIN, ATTACK_VICTIM, driver->lair, &options, own);
    look_until(driver, rain_is_ready, READY_MS, "the node does not start");
    printf("idle: %llu MiB resident, %llu MiB of address space\n",
           (unsigned long long)process_memory(&driver->processes[RAIN], "VmRSS") / 1024,
           (unsigned long long)process_memory(&driver->processes[RAIN], "VmPeak") / 1024);
}

static void start_snow(struct driver *driver)
{
    static char *const own[] = {"--max-message", "65536", NULL};
    struct process_options options = {.nice = driver->nice};

    start_node(driver, SNOW, ATTACK_FRIEND, driver->ports[RAIN], &options, own);
    look_until(driver, snow_is_ready, READY_MS, "the friend does not start");
}

static void start_clients(struct driver *driver)
{
    struct clients *clients = &driver->clients;

    clients->port = driver->ports[RAIN];
    clients->friend_port = driver->ports[SNOW];
    clients->secret = SECRET;
    clients->tell = told;
    clients->time = timed;
    clients->data = driver;
    sim_random_seed(&clients->random, driver->seed);
    clients_begin(clients);
    look_until(driver, all_are_up, READY_MS, "those who mean well are not let in");
}

/* Whether this program has one of the attacks that were chosen. */
static bool has_chosen(struct driver *driver, const char *program)
{
    char command[4096], line[128];
    bool found = false;

    snprintf(command, sizeof(command), "'%s' --list", program);
    FILE *list = popen(command, "r");
    while (list != NULL && fgets(line, sizeof(line), list) != NULL) {
        line[strcspn(line, "\n")] = 0;
        for (unsigned i = 0; i < driver->chosen_count; i++) {
            found = found || strcmp(driver->chosen[i], line) == 0;
        }
    }
    if (list != NULL) {
        pclose(list);
    }
    return found;
}

static void start_attacker(struct driver *driver, unsigned index)
{
    char texts[5][32];
    const char *program = driver->programs[index - PEER + 1];
    struct process_options options = {.nice = 19};
    char *arguments[32] = {(char *)program, "--port",    texts[0], "--seed", texts[1], "--seconds",
                           texts[2],        "--turn-ms", texts[3], "--lair", texts[4]};
    unsigned count = 11;

    if (driver->chosen_count != 0 && !has_chosen(driver, program)) {
        return;
    }
    snprintf(texts[0], sizeof(texts[0]), "%u", driver->ports[RAIN]);
    snprintf(texts[1], sizeof(texts[1]), "%llu", (unsigned long long)(driver->seed + index));
    snprintf(texts[2], sizeof(texts[2]), "%llu", (unsigned long long)driver->seconds);
    snprintf(texts[3], sizeof(texts[3]), "%u", driver->turn_ms);
    snprintf(texts[4], sizeof(texts[4]), "%u", driver->lair);
    if (index == PEER) {
        arguments[count++] = "--secret";
        arguments[count++] = SECRET;
    }
    for (unsigned i = 0; i < driver->chosen_count; i++) {
        if (count + 3 < sizeof(arguments) / sizeof(arguments[0])) {
            arguments[count++] = "--attack";
            arguments[count++] = driver->chosen[i];
        }
    }
    process_start(&driver->processes[index], arguments, &options, take_line, driver);
}

/* ---- The report ----------------------------------------------------------------------------- */

static double ms(uint32_t microseconds)
{
    return microseconds / 1000.0;
}

static void report_accounts(struct driver *driver)
{
    printf("%-34s %5s %7s %8s %8s %8s %5s %7s %6s\n", "attack", "runs", "calls", "p50 ms", "p99 ms",
           "max ms", "wrong", "lines", "MiB");
    for (unsigned i = 0; i < driver->account_count; i++) {
        struct account *account = &driver->accounts[i];
        printf("%-34s %5llu %7zu %8.2f %8.2f %8.2f %5llu %7llu %6llu\n", account->name,
               (unsigned long long)account->runs, account->latencies.count,
               ms(latencies_at(&account->latencies, 500)),
               ms(latencies_at(&account->latencies, 990)),
               ms(latencies_at(&account->latencies, 1000)), (unsigned long long)account->complaints,
               (unsigned long long)account->lines, (unsigned long long)account->memory / 1024);
    }
}

static uint32_t report_pairs(struct driver *driver, uint64_t *failed)
{
    struct latencies all = {0};
    uint32_t worst = 0;

    printf("%-34s %13s %8s %8s %8s %5s\n", "pair", "calls", "p50 ms", "p99 ms", "max ms", "wrong");
    for (unsigned i = 0; i < CLIENTS_PAIRS_MAX; i++) {
        struct pair *pair = &driver->clients.pairs[i];
        uint32_t p99 = latencies_at(&pair->latencies, 990);
        char name[80];
        snprintf(name, sizeof(name), "%s, %s at %s", pair->id[0], pair->id[1], pair->node);
        printf("%-34s %13zu %8.2f %8.2f %8.2f %5llu\n", name, pair->latencies.count,
               ms(latencies_at(&pair->latencies, 500)), ms(p99),
               ms(latencies_at(&pair->latencies, 1000)), (unsigned long long)pair->failed);
        latencies_take(&all, &pair->latencies);
        *failed += pair->failed;
        worst = p99 > worst ? p99 : worst;
    }
    printf("%-34s %13zu %8.2f %8.2f %8.2f %5llu\n", "all", all.count, ms(latencies_at(&all, 500)),
           ms(latencies_at(&all, 990)), ms(latencies_at(&all, 1000)), (unsigned long long)*failed);
    free(all.values);
    return worst;
}

static void expect(struct driver *driver, bool fact, const char *what)
{
    printf("%s  %s\n", fact ? "ok    " : "FAILED", what);
    driver->wrong += !fact;
}

static void report(struct driver *driver)
{
    struct guest *guest = &driver->clients.guest;
    uint64_t failed = 0;
    char text[100];

    report_accounts(driver);
    uint32_t worst = report_pairs(driver, &failed);
    printf("guests: %zu came in, p50 %.2f ms, p99 %.2f ms, max %.2f ms; %llu late, %llu never\n",
           guest->joins.count, ms(latencies_at(&guest->joins, 500)),
           ms(latencies_at(&guest->joins, 990)), ms(latencies_at(&guest->joins, 1000)),
           (unsigned long long)guest->late, (unsigned long long)guest->failed);
    printf(
        "memory: %llu MiB at most; log: %llu lines of rain, %llu in one second at most, and "
        "%llu of snow, %llu\n",
        (unsigned long long)driver->memory_most / 1024,
        (unsigned long long)driver->logs[RAIN].lines, (unsigned long long)driver->logs[RAIN].most,
        (unsigned long long)driver->logs[SNOW].lines, (unsigned long long)driver->logs[SNOW].most);
    expect(driver, failed == 0, "no call failed, no connection was lost");
    expect(driver, guest->failed == 0 && guest->joins.count != 0, "every guest came in");
    expect(driver, driver->clients.missed == 0, "the database shows what it must, and no lie");
    for (unsigned i = RAIN; i <= SNOW; i++) {
        snprintf(text, sizeof(text), "the log of %s: at most %u lines a second", process_names[i],
                 LINES_A_SECOND);
        expect(driver, driver->logs[i].most <= LINES_A_SECOND, text);
    }
    if (driver->limit_mb != 0) {
        snprintf(text, sizeof(text), "memory stays under %u MiB", driver->limit_mb);
        expect(driver, driver->memory_most / 1024 < driver->limit_mb, text);
    }
    if (driver->expect_p99_ms != 0) {
        snprintf(text, sizeof(text), "the 99th of 100 calls of every pair in %u ms",
                 driver->expect_p99_ms);
        expect(driver, worst <= driver->expect_p99_ms * 1000, text);
        expect(driver, guest->late == 0, "every guest came in within a second");
    }
}

/* ---- The test ------------------------------------------------------------------------------- */

static bool attackers_ended(struct driver *driver)
{
    return (driver->processes[PEER].pid == 0 || process_ended(&driver->processes[PEER])) &&
           (driver->processes[STRANGER].pid == 0 || process_ended(&driver->processes[STRANGER]));
}

static void check_attackers(struct driver *driver)
{
    for (unsigned i = PEER; i <= STRANGER; i++) {
        const struct process *process = &driver->processes[i];
        if (process->pid != 0 && process->status != 0) {
            printf("%s ended with status %d\n", process_names[i], process->status);
            driver->wrong++;
        }
    }
}

static bool clients_are_idle(struct driver *driver)
{
    return clients_idle(&driver->clients);
}

static void stay(struct driver *driver, unsigned milliseconds)
{
    uint64_t until = wire_now_ms() + milliseconds;

    while (wire_now_ms() < until) {
        look(driver);
    }
}

static bool somebody_dials(struct driver *driver)
{
    struct pollfd one = {.fd = driver->lair_fd, .events = POLLIN};

    return poll(&one, 1, 0) == 1;
}

/* Whoever said at the seed's address that he is somebody else has not been believed. */
static void wait_for_dial(struct driver *driver)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(driver->lair)};
    int one = 1;

    driver->lair_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(driver->lair_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(driver->lair_fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(driver->lair_fd, 1) < 0) {
        perror("hostile: the seed's address");
        exit(2);
    }
    look_until(driver, somebody_dials, SEED_MS, "the node has given up its seed");
    close(driver->lair_fd);
    expect(driver, true, "the node goes on dialling its seed");
}

/* The node still serves, and stops in order. */
static void finish(struct driver *driver)
{
    memset(driver->now, 0, sizeof(driver->now));
    if (driver->seconds >= LONG_SECONDS) {
        wait_for_dial(driver);
    }
    driver->blind_from = 0;
    stay(driver, 1000);
    expect(driver, clients_up(&driver->clients), "all are still linked at the end");
    driver->clients.ending = true;
    look_until(driver, clients_are_idle, 2 * CLIENTS_CALL_MS, "calls do not come to their end");
    clients_end(&driver->clients);
    driver->clients.secret = NULL;
    uint64_t until = wire_now_ms() + STOP_MS;
    kill(driver->processes[RAIN].pid, SIGTERM);
    while (!process_ended(&driver->processes[RAIN]) && wire_now_ms() < until) {
        look(driver);
    }
    struct process *rain = &driver->processes[RAIN];
    expect(driver, rain->ended && WIFEXITED(rain->status) && WEXITSTATUS(rain->status) == 0,
           "the node stops in order");
}

static void run(struct driver *driver)
{
    start_rain(driver);
    start_snow(driver);
    start_clients(driver);
    stay(driver, 1000);
    driver->blind_from = wire_now_ms();
    start_attacker(driver, PEER);
    start_attacker(driver, STRANGER);
    look_until(driver, attackers_ended,
               (unsigned)driver->seconds * 1000 + ATTACKS_MAX * (driver->turn_ms + 5000),
               "the attackers come to no end");
    check_attackers(driver);
    report(driver);
    finish(driver);
    for (unsigned i = 0; i < PROCESSES; i++) {
        process_drop(&driver->processes[i]);
    }
}

static void read_options(struct driver *driver, int argc, char *argv[])
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},    {"seconds", required_argument, NULL, 't'},
        {"turn-ms", required_argument, NULL, 'm'}, {"attack", required_argument, NULL, 'a'},
        {"log", required_argument, NULL, 'l'},     {"expect-p99", required_argument, NULL, 'e'},
        {"nice", required_argument, NULL, 'n'},    {"limit-mb", required_argument, NULL, 'M'},
        {"log-to", required_argument, NULL, 'o'},  {NULL, 0, NULL, 0},
    };

    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (letter) {
        case 's':
            driver->seed = strtoull(optarg, NULL, 10);
            break;
        case 't':
            driver->seconds = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            driver->turn_ms = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'e':
            driver->expect_p99_ms = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'M':
            driver->limit_mb = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            driver->nice = atoi(optarg);
            break;
        case 'l':
            driver->log = optarg;
            break;
        case 'o':
            driver->log_to = fopen(optarg, "w");
            break;
        case 'a':
            if (driver->chosen_count < CHOSEN_MAX) {
                driver->chosen[driver->chosen_count++] = optarg;
            }
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 3) {
        fprintf(stderr, "usage: hostile_driver PORTOLAN PEER STRANGER [OPTION...]\n");
        exit(2);
    }
    memcpy(driver->programs, argv + optind, sizeof(driver->programs));
}

int main(int argc, char *argv[])
{
    static struct driver driver = {
        .seconds = SECONDS,
        .turn_ms = TURN_MS,
        .limit_mb = LIMIT_MB,
        .log = "info",
    };

    driver.seed = wire_now_us() % 1000000000;
    read_options(&driver, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (driver.nice != 0) {
        errno = 0;
        (void)!nice(driver.nice);
    }
    printf("seed %llu\n", (unsigned long long)driver.seed);
    fflush(stdout);
    run(&driver);
    return driver.wrong == 0 ? 0 : 1;
}
