#include "tests/hostile/attack.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES_PER_MS 32000 /* what leaves at most */
#define BYTES_AT_ONCE 262144
#define OPEN_MS 3000
#define TURN_MS 2000
#define ATTACKS_MAX 64

struct program {
    struct attack_ground ground;
    const struct attack *attacks;
    unsigned count;
    unsigned turn_ms;
    uint64_t seed, seconds;
    bool chosen[ATTACKS_MAX];
    bool some_chosen;
};

bool attack_goes_on(const struct attack_ground *ground)
{
    return wire_now_ms() < ground->end_at;
}

void attack_pause(unsigned milliseconds)
{
    struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};

    nanosleep(&time, NULL);
}

const char *attack_name(struct attack_ground *ground, const char *prefix)
{
    static char names[8][64];
    static unsigned next;
    char *name = names[next++ % 8];

    /* Of this run alone: a node remembers names for a while. */
    snprintf(name, sizeof(names[0]), "%s-%llx-%llu", prefix,
             (unsigned long long)sim_random_next(&ground->random),
             (unsigned long long)++ground->number);
    return name;
}

const char *attack_innocent(struct attack_ground *ground, bool guests)
{
    static char names[8][64];
    static unsigned next;
    char *name = names[next++ % 8];
    unsigned count = 2 * ATTACK_PAIRS + 1 + (guests ? ATTACK_GUESTS : 0);
    unsigned which = (unsigned)sim_random_below(&ground->random, count);

    if (which < 2 * ATTACK_PAIRS) {
        snprintf(name, sizeof(names[0]), "pair-%u-%c", which / 2, "ab"[which % 2]);
    } else if (which == 2 * ATTACK_PAIRS) {
        snprintf(name, sizeof(names[0]), "%s", ATTACK_FRIEND);
    } else {
        snprintf(name, sizeof(names[0]), "guest-%u", which - 2 * ATTACK_PAIRS - 1);
    }
    return name;
}

/* ---- Connections ---------------------------------------------------------------------------- */

bool attack_open(struct attack_ground *ground, struct wire *wire, const char *id,
                 enum wire_style style)
{
    struct wire_options options = {
        .port = ground->port,
        .source = 2 + (unsigned)sim_random_below(&ground->random, 40),
        .id = id,
        .secret = ground->secret,
        .style = style,
    };
    uint64_t until = wire_now_ms() + OPEN_MS;

    wire_dial(wire, &options, &ground->random);
    while (wire->state < WIRE_UP && wire_now_ms() < until && attack_goes_on(ground)) {
        wire_poll(wire, 1, 50);
    }
    if (wire->state != WIRE_UP) {
        wire_close(wire, false);
        return false;
    }
    return true;
}

/* How many bytes may leave now; waits until some may. */
static size_t allow(struct attack_ground *ground, size_t wanted)
{
    for (;;) {
        uint64_t now = wire_now_ms();
        ground->allowance += (now - ground->filled_at) * BYTES_PER_MS;
        ground->filled_at = now;
        if (ground->allowance > BYTES_AT_ONCE) {
            ground->allowance = BYTES_AT_ONCE;
        }
        if (ground->allowance > 0) {
            return ground->allowance < wanted ? (size_t)ground->allowance : wanted;
        }
        attack_pause(1);
    }
}

/* Let no more than `size` leave: what is behind it waits in another buffer. */
static void push_some(struct attack_ground *ground, struct wire *wire, size_t size)
{
    size_t end = wire->out.size;

    wire->out.size = wire->out_at + size;
    size_t before = wire->out_at;
    wire_poll(wire, 1, 20);
    if (wire->out.size == 0) { /* it has all left, and the buffer begins anew */
        ground->allowance -= size;
        wire->out_at = before + size;
    } else {
        ground->allowance -= wire->out_at - before;
    }
    wire->out.size = end;
    if (wire->out_at == end) {
        ptl_buffer_clear(&wire->out);
        wire->out_at = 0;
    }
}

bool attack_push(struct attack_ground *ground, struct wire *wire)
{
    while (wire_unsent(wire) != 0) {
        if (wire->state != WIRE_UP || !attack_goes_on(ground)) {
            return false;
        }
        push_some(ground, wire, allow(ground, wire_unsent(wire)));
    }
    return wire->state == WIRE_UP;
}

void attack_linger(struct attack_ground *ground, struct wire *wires, unsigned count,
                   unsigned milliseconds)
{
    uint64_t until = wire_now_ms() + milliseconds;

    while (wire_now_ms() < until && attack_goes_on(ground)) {
        bool some = false;
        for (unsigned i = 0; i < count; i++) {
            some = some || (wires[i].state != WIRE_NONE && wires[i].fd >= 0);
        }
        if (!some) {
            return;
        }
        wire_poll(wires, count, 20);
    }
}

/* ---- The program ---------------------------------------------------------------------------- */

static void begin(struct program *program, const struct attack *attack)
{
    struct attack_ground *ground = &program->ground;

    printf("%s\n", attack->name);
    fflush(stdout);
    ground->end_at = wire_now_ms() + program->turn_ms;
    attack->run(ground);
}

static void run_all(struct program *program)
{
    uint64_t until = wire_now_ms() + program->seconds * 1000;

    for (unsigned i = 0; i < program->count; i++) {
        if (program->chosen[i] || !program->some_chosen) {
            begin(program, &program->attacks[i]);
        }
    }
    while (wire_now_ms() < until) {
        unsigned i = (unsigned)sim_random_below(&program->ground.random, program->count);
        if (program->chosen[i] || !program->some_chosen) {
            begin(program, &program->attacks[i]);
        }
    }
}

static void choose(struct program *program, const char *name)
{
    program->some_chosen = true;
    for (unsigned i = 0; i < program->count; i++) {
        if (strcmp(program->attacks[i].name, name) == 0) {
            program->chosen[i] = true;
            return;
        }
    }
    fprintf(stderr, "hostile: there is no attack '%s'\n", name);
    exit(2);
}

static void list(const struct program *program)
{
    for (unsigned i = 0; i < program->count; i++) {
        printf("%s\n", program->attacks[i].name);
    }
    exit(0);
}

static void read_options(struct program *program, int argc, char *argv[])
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"secret", required_argument, NULL, 'k'},
        {"seed", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 't'},
        {"attack", required_argument, NULL, 'a'},
        {"turn-ms", required_argument, NULL, 'm'},
        {"lair", required_argument, NULL, 'l'},
        {"list", no_argument, NULL, 'L'},
        {NULL, 0, NULL, 0},
    };

    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (letter) {
        case 'p':
            program->ground.port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'l':
            program->ground.lair = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            program->ground.secret = optarg;
            break;
        case 's':
            program->seed = strtoull(optarg, NULL, 10);
            break;
        case 't':
            program->seconds = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            program->turn_ms = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'a':
            choose(program, optarg);
            break;
        case 'L':
            list(program);
            break;
        default:
            exit(2);
        }
    }
}

int attack_main(int argc, char *argv[], const struct attack attacks[], unsigned count)
{
    struct program program = {.attacks = attacks, .count = count, .turn_ms = TURN_MS};

    ptl_assert(count <= ATTACKS_MAX);
    signal(SIGPIPE, SIG_IGN);
    read_options(&program, argc, argv);
    sim_random_seed(&program.ground.random, program.seed);
    program.ground.filled_at = wire_now_ms();
    run_all(&program);
    return 0;
}
