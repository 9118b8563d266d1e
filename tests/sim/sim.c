/*
 * The simulator: sim [--seed S] [--seeds N] [--verbose] [--twice] [--expect PROPERTY[,PROPERTY]...]
 *
 * Runs N seeds from S on.  A seed that fails prints one line: the command that replays it with full
 * logs.  With --twice every seed is run again and must leave the same trace.  With --expect a bug
 * has been planted: some seed must fail, the first one by one of these properties.
 */
#include "io/hash.h"
#include "tests/sim/database.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CALM_DURATION (12 * SIM_SECOND)
#define REST_DURATION (14 * SIM_SECOND)
#define AGREE_DURATION (45 * SIM_SECOND) /* the longest pause between two attempts, and some more */
#define ANSWER_DURATION (2 * SIM_SECOND)
#define ANSWERS_DURATION_MAX (600 * SIM_SECOND)
#define SEEDS_MAX 1000000

/* What a seed counts; of many the median is printed, so that a run of nothing is seen. */
enum figure {
    DELIVERED, /* messages */
    FAULTS,
    ACCEPTED, /* changes of the database */
    TOLD,     /* changes, to those who watch */
    FIGURES
};

struct outcome {
    uint64_t figures[FIGURES];
    uint64_t hash, bytes_peak, turns;
    bool failed;
    enum sim_property property;
    char text[512];
};

static const char *program;
static uint64_t current_seed;

/* ---- One seed -------------------------------------------------------------------------------- */

/*
 * Nothing changes any more: all must come to agree about the database.  Not, however, when other
 * nodes than these have become global: they may have no way to the others left.
 */
static void agree(struct sim_world *world, unsigned globals)
{
    struct sim_database *database = world->workload->database;
    uint64_t until = sim_network_now(world->network) + AGREE_DURATION;
    char text[256];
    while (!world->checker.failed && (sim_model_globals(database) & ~globals) == 0 &&
           !sim_model_agrees(database, text, sizeof text)) {
        uint64_t now = sim_network_now(world->network);
        if (now >= until) {
            sim_checker_fail(&world->checker, SIM_G7_DATABASE, "%s", text);
            return;
        }
        sim_world_run(world, now + SIM_SECOND);
    }
}

static void ask_all(struct sim_world *world)
{
    for (unsigned i = 0; i < world->node_count && !world->checker.failed; i++) {
        sim_questions_ask_all(world->workload->database, &world->nodes[i]);
    }
    sim_world_run(world, sim_network_now(world->network) + ANSWER_DURATION);
    /* Many answers may have to go through a narrow window, one after the other. */
    uint64_t until = sim_network_now(world->network) + ANSWERS_DURATION_MAX;
    while (!world->checker.failed && sim_network_now(world->network) < until &&
           !sim_questions_are_told(world->workload->database)) {
        sim_world_run(world, sim_network_now(world->network) + SIM_SECOND);
    }
}

static void stop_all(struct sim_world *world)
{
    unsigned first = (unsigned)sim_random_below(world->random, world->node_count);
    unsigned globals = sim_model_globals(world->workload->database);
    for (unsigned i = 0; i < world->node_count && !world->checker.failed; i++) {
        struct sim_node *node = &world->nodes[(first + i) % world->node_count];
        sim_workload_burst(world->workload, node);
        /* The burst of ports begins with a message to each: let that arrive. */
        sim_world_run(world, sim_network_now(world->network) + SIM_MILLISECOND);
        struct sim_life life = sim_node_life(node);
        sim_world_stop(world, node);
        sim_world_run(world, sim_network_now(world->network) + 2 * SIM_SECOND);
        if (!world->checker.failed) {
            sim_workload_check_flushed(world->workload, life);
        }
        agree(world, globals);
    }
    if (!world->checker.failed && sim_network_open_ends(world->network) != 0) {
        sim_checker_fail(&world->checker, SIM_G9_END, "%u streams are still open",
                         sim_network_open_ends(world->network));
    }
}

static void live(struct sim_world *world)
{
    struct sim_network *network = world->network;
    /* Some seeds begin in the storm, some with everybody linked. */
    if (sim_random_chance(world->random, 500)) {
        sim_world_run(world, sim_network_now(network) + SIM_SECOND);
    }
    sim_workload_go(world->workload);
    sim_world_storm(world, sim_random_between(world->random, 6, 12) * SIM_SECOND);
    sim_database_storm(world->workload->database);
    sim_world_run(world, world->calm_at);
    sim_workload_calm(world->workload);
    sim_world_run(world, sim_network_now(network) + CALM_DURATION);
    sim_workload_finish(world->workload);
    sim_world_run(world, sim_network_now(network) + REST_DURATION);
    agree(world, UINT_MAX);
    ask_all(world);
    if (!world->checker.failed) {
        sim_checker_rest(&world->checker);
        sim_world_check_links(world);
    }
    if (!world->checker.failed) {
        stop_all(world);
    }
}

/* A failed run is cut off where it failed. */
static void crash_rest(struct sim_world *world)
{
    for (unsigned i = 0; i < world->node_count; i++) {
        if (world->nodes[i].node != NULL) {
            sim_world_crash(world, &world->nodes[i]);
        }
    }
}

static struct outcome run_seed(uint64_t seed, bool verbose)
{
    struct sim_world world;
    struct outcome outcome = {0};

    current_seed = seed;
    ptl_hash_fix(seed);
    sim_world_init(&world, seed, verbose);
    live(&world);
    outcome.failed = world.checker.failed;
    outcome.property = world.checker.property;
    memcpy(outcome.text, world.checker.text, sizeof outcome.text);
    outcome.figures[DELIVERED] = world.checker.delivered;
    outcome.figures[FAULTS] = sim_world_faults(&world);
    outcome.hash = sim_network_hash(world.network);
    outcome.turns = world.turns;
    outcome.figures[ACCEPTED] = world.workload->database->accepted;
    outcome.figures[TOLD] = world.workload->database->told;
    for (unsigned i = 0; i < world.node_count; i++) {
        if (world.nodes[i].bytes_peak > outcome.bytes_peak) {
            outcome.bytes_peak = world.nodes[i].bytes_peak;
        }
    }
    crash_rest(&world);
    sim_world_drop(&world);
    return outcome;
}

/* ---- Many seeds ------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t median(uint64_t values[], size_t count)
{
    qsort(values, count, sizeof values[0], compare);
    return count == 0 ? 0 : values[count / 2];
}

static void print_replay(uint64_t seed)
{
    printf("replay: %s --seed %llu --verbose\n", program, (unsigned long long)seed);
    fflush(stdout);
}

/* An assertion of the engine, or worse: say at least which seed it was. */
static void on_crash(int number)
{
    char line[512];
    int size = snprintf(line, sizeof line, "\nreplay: %s --seed %llu --verbose\n", program,
                        (unsigned long long)current_seed);
    if (write(STDOUT_FILENO, line, (size_t)size) < 0) {
        _exit(3);
    }
    signal(number, SIG_DFL);
    raise(number);
}

struct options {
    uint64_t seed;
    uint64_t seeds;
    bool verbose;
    bool twice;
    const char *expect;
};

static bool expected(const char *list, enum sim_property property)
{
    const char *name = sim_property_name(property);
    size_t size = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += size) {
        if ((at == list || at[-1] == ',') && (at[size] == '\0' || at[size] == ',')) {
            return true;
        }
    }
    return false;
}

static int judge_planted(const struct options *options, const struct outcome *outcome,
                         uint64_t seed)
{
    bool fitting = expected(options->expect, outcome->property);
    printf("the planted bug is caught by seed %llu: %s: %s\n", (unsigned long long)seed,
           sim_property_name(outcome->property), outcome->text);
    if (!fitting) {
        printf("but %s was expected\n", options->expect);
    }
    return fitting ? 0 : 1;
}

/* What all seeds came to. */
struct tally {
    uint64_t *figures[FIGURES]; /* a number a seed */
    uint64_t seeds;
    uint64_t peak, turns, hash;
    int failures;
};

static struct tally begin_tally(const struct options *options)
{
    struct tally tally = {0};
    for (unsigned i = 0; i < FIGURES; i++) {
        tally.figures[i] = calloc(options->seeds, sizeof *tally.figures[i]);
        if (tally.figures[i] == NULL) {
            abort();
        }
    }
    return tally;
}

static void free_tally(struct tally *tally)
{
    for (unsigned i = 0; i < FIGURES; i++) {
        free(tally->figures[i]);
    }
}

static void add_to_tally(struct tally *tally, const struct outcome *outcome)
{
    for (unsigned i = 0; i < FIGURES; i++) {
        tally->figures[i][tally->seeds] = outcome->figures[i];
    }
    tally->seeds++;
    tally->peak = outcome->bytes_peak > tally->peak ? outcome->bytes_peak : tally->peak;
    tally->turns += outcome->turns;
    tally->hash = tally->hash * 31 + outcome->hash;
    tally->failures += outcome->failed;
}

static unsigned long long middle(struct tally *tally, enum figure figure)
{
    return (unsigned long long)median(tally->figures[figure], tally->seeds);
}

static void print_tally(struct tally *tally)
{
    printf("%llu seeds, %d failed; median delivered %llu, median faults %llu, median changes of "
           "the database %llu, told %llu; turns %llu, highest memory of a node %llu bytes; "
           "trace %016llx\n",
           (unsigned long long)tally->seeds, tally->failures, middle(tally, DELIVERED),
           middle(tally, FAULTS), middle(tally, ACCEPTED), middle(tally, TOLD),
           (unsigned long long)tally->turns, (unsigned long long)tally->peak,
           (unsigned long long)tally->hash);
}

static struct outcome run_once_or_twice(const struct options *options, uint64_t seed)
{
    struct outcome outcome = run_seed(seed, options->verbose);
    if (options->twice && run_seed(seed, false).hash != outcome.hash && !outcome.failed) {
        outcome.failed = true;
        outcome.property = SIM_REST;
        snprintf(outcome.text, sizeof outcome.text, "another run of the seed went elsewhere");
    }
    return outcome;
}

static int run_all(const struct options *options)
{
    struct tally tally = begin_tally(options);

    for (uint64_t i = 0; i < options->seeds; i++) {
        uint64_t seed = options->seed + i;
        struct outcome outcome = run_once_or_twice(options, seed);
        add_to_tally(&tally, &outcome);
        if (outcome.failed && options->expect != NULL) {
            free_tally(&tally);
            return judge_planted(options, &outcome, seed);
        }
        if (outcome.failed) {
            printf("seed %llu: %s: %s; ", (unsigned long long)seed,
                   sim_property_name(outcome.property), outcome.text);
            print_replay(seed);
        }
    }
    print_tally(&tally);
    free_tally(&tally);
    if (options->expect != NULL) {
        printf("the planted bug was not caught\n");
        return 1;
    }
    return tally.failures > 0;
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "sim: not a number: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char *argv[])
{
    struct options options = {.seed = 1, .seeds = 1};
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            options.seed = number(argv[++i]);
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            options.seeds = number(argv[++i]);
        } else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc) {
            options.expect = argv[++i];
        } else if (strcmp(argv[i], "--twice") == 0) {
            options.twice = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else {
            fprintf(
                stderr,
                "usage: sim [--seed S] [--seeds N] [--verbose] [--twice] [--expect PROPERTY]\n");
            return 2;
        }
    }
    if (options.seeds == 0 || options.seeds > SEEDS_MAX) {
        fprintf(stderr, "sim: --seeds takes 1 to %d\n", SEEDS_MAX);
        return 2;
    }
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    return run_all(&options);
}
