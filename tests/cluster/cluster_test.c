/*
 * The database of a cluster: two global nodes and an ordinary one, or two halves that are cut from
 * each other and joined again.  Nodes that are to be killed are processes of their own: this
 * program, started as  cluster_test --victim ID ordinary|global SHARDS [SEED].
 */
#include "tests/common/db_witness.h"
#include "tests/common/listener.h"
#include "tests/cuts/proxy.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef PTL_QUICK
#define CHANGES 2000
#else
#define CHANGES 20000
#endif

#define VICTIM_KEYS 100

static const char *const loopback[] = {"127.0.0.1:0", NULL};

/* A node that listens at `bind` (NULL: anywhere) and has these seeds (NULL: none). */
static struct ptl_node *start(const char *id, bool ordinary, const char *bind, const char *seed,
                              const char *second_seed)
{
    const char *const binds[] = {bind, NULL};
    const char *const seeds[] = {seed, second_seed, NULL};
    struct ptl_node_options options = witness_options(id);

    options.binds = bind != NULL ? binds : loopback;
    options.seeds = seeds;
    options.ordinary = ordinary;
    return witness_start(&options);
}

static const char *address(struct ptl_node *node)
{
    return ptl_node_address(node, 0);
}

/* An address that nobody listens at yet. */
static const char *free_address(void)
{
    static char text[32];

    listener_unused(text);
    return text;
}

/* ---- Copies on all nodes -------------------------------------------------------------------- */

#define NODES 4

static struct ptl_node *nodes[NODES];
static struct db_copy copies[NODES];
static unsigned node_count;

static void watch_all(const char *family)
{
    for (unsigned i = 0; i < node_count; i++) {
        db_copy_watch(&copies[i], nodes[i], family);
    }
}

static void until_all(const char *text)
{
    for (unsigned i = 0; i < node_count; i++) {
        db_copy_until(&copies[i], text);
    }
}

/* All copies are the same, and what a question finds on every node. */
static void until_all_agree(void)
{
    for (unsigned i = 1; i < node_count; i++) {
        db_copy_until_same(&copies[0], &copies[i]);
    }
    for (unsigned i = 0; i < node_count; i++) {
        db_copy_until(&copies[i], db_family(nodes[i], "fam"));
    }
}

static void stop_all(void)
{
    for (unsigned i = 0; i < node_count; i++) {
        assert_int_equal(witness_stop(nodes[i], 5000), 0);
        if (copies[i].node != NULL) {
            db_copy_drop(&copies[i]);
        }
    }
    node_count = 0;
}

/* Two global nodes and an ordinary one, which has both as its seeds. */
static void start_three(void)
{
    nodes[0] = start("rain", false, NULL, NULL, NULL);
    nodes[1] = start("snow", false, NULL, address(nodes[0]), NULL);
    nodes[2] = start("hail", true, NULL, address(nodes[0]), address(nodes[1]));
    node_count = 3;
    assert_true(ptl_node_is_global(nodes[0]) && ptl_node_is_global(nodes[1]));
}

/* ---- Three nodes ---------------------------------------------------------------------------- */

static void what_any_node_sets_is_seen_by_watchers_on_every_other(void **state)
{
    (void)state;
    start_three();
    watch_all("fam");
    db_set(nodes[0], "fam", "rain", "1");
    db_set(nodes[1], "fam", "snow", "2");
    db_set(nodes[2], "fam", "hail", "3");
    until_all("hail=3 rain=1 snow=2");
    assert_false(ptl_node_is_global(nodes[2]));
    db_set(nodes[2], "fam", "hail", "[4]");
    until_all("hail=[4] rain=1 snow=2");
    db_del(nodes[0], "fam", "rain");
    db_set(nodes[1], "fam", "snow", "null");
    until_all("hail=[4] snow=null");
    until_all_agree();
    for (unsigned i = 0; i < 3; i++) {
        struct ptl_port port = witness_listener(nodes[i], "port");
        db_register(nodes[i], "fam", &port, "5");
        for (unsigned j = 0; j < 3; j++) {
            db_copy_until_key(&copies[j], ptl_port_id(&port), true);
        }
        witness_kill(nodes[i], &port, "");
        until_all("hail=[4] snow=null");
    }
    stop_all();
}

static void key_of_several_nodes_shows_the_same_everywhere(void **state)
{
    (void)state;
    start_three();
    watch_all("fam");
    db_set(nodes[1], "fam", "key", "\"snow\"");
    until_all("key=\"snow\"");
    db_set(nodes[0], "fam", "key", "\"rain\"");
    until_all("key=\"rain\"");
    db_set(nodes[2], "fam", "key", "\"hail\"");
    until_all("key=\"hail\"");
    db_del(nodes[0], "fam", "key");
    db_set(nodes[1], "fam", "key", "\"more snow\"");
    db_del(nodes[2], "fam", "key");
    until_all("key=\"more snow\"");
    db_del(nodes[1], "fam", "key");
    until_all("");
    stop_all();
}

static void copies_of_a_busy_family_agree(void **state)
{
    char key[32], json[32];

    (void)state;
    start_three();
    watch_all("fam");
    for (int i = 0; i < CHANGES; i++) {
        snprintf(key, sizeof(key), "key%d", i * 7919 % 101);
        snprintf(json, sizeof(json), "%d", i);
        if (i % 7 == 0) {
            db_del(nodes[i % 3], "fam", key);
        } else {
            db_set(nodes[i % 3], "fam", key, json);
        }
    }
    for (unsigned i = 0; i < 3; i++) { /* behind all else that this node has set */
        snprintf(key, sizeof(key), "end%u", i);
        db_set(nodes[i], "fam", key, "1");
    }
    for (unsigned i = 0; i < 3; i++) {
        db_copy_until_key(&copies[i], "end0", true);
        db_copy_until_key(&copies[i], "end1", true);
        db_copy_until_key(&copies[i], "end2", true);
    }
    until_all_agree();
    stop_all();
}

static void network_knows_all_its_nodes(void **state)
{
    char text[256];

    (void)state;
    start_three();
    watch_all("'l");
    snprintf(text, sizeof(text), "hail=[\"%s\"] rain=[\"%s\"] snow=[\"%s\"]", address(nodes[2]),
             address(nodes[0]), address(nodes[1]));
    until_all(text);
    stop_all();
    start_three();
    watch_all("'g");
    until_all("rain=null snow=null");
    stop_all();
}

/* ---- A node is killed ----------------------------------------------------------------------- */

struct victim {
    pid_t pid;
    char address[64];
};

extern char **environ;

static void start_victim(struct victim *victim, const char *id, bool ordinary, const char *seed)
{
    char shards[16], line[128] = "";
    int pipe_ends[2];
    posix_spawn_file_actions_t actions;

    snprintf(shards, sizeof(shards), "%u", witness_shards);
    char *const arguments[] = {"cluster_test",
                               "--victim",
                               (char *)(uintptr_t)id,
                               ordinary ? "ordinary" : "global",
                               shards,
                               (char *)(uintptr_t)seed,
                               NULL};
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    assert_int_equal(
        posix_spawn(&victim->pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    FILE *out = fdopen(pipe_ends[0], "r");
    assert_non_null(fgets(line, sizeof(line), out));
    assert_int_equal(sscanf(line, "ready %63s", victim->address), 1);
    fclose(out);
}

static void kill_victim(struct victim *victim)
{
    assert_int_equal(kill(victim->pid, SIGKILL), 0);
    assert_int_equal(waitpid(victim->pid, NULL, 0), victim->pid);
}

/* What the victim is: a node that has set keys and waits for its end. */
static int be_victim(char **argv)
{
    const char *const seeds[] = {argv[3], NULL};
    struct ptl_node *node;
    char key[PTL_NODE_ID_MAX + 16], pid[16];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    witness_shards = (unsigned)strtoul(argv[2], NULL, 10);
    struct ptl_node_options options = witness_options(argv[0]);
    options.ordinary = strcmp(argv[1], "ordinary") == 0;
    options.binds = loopback;
    options.seeds = seeds;
    options.log_level = PTL_LOG_ERROR;
    int err = ptl_node_start(&options, &node);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    for (int i = 0; i < VICTIM_KEYS && err == 0; i++) {
        snprintf(key, sizeof(key), "%s%02d", argv[0], i);
        err = db_try_set(node, "fam", key, pid);
    }
    if (err < 0) {
        fprintf(stderr, "victim: %s\n", ptl_err_text(err));
        return 1;
    }
    printf("ready %s\n", ptl_node_address(node, 0));
    fflush(stdout);
    for (;;) {
        pause();
    }
}

/* One that is told of a victim's end later than another has begun has all keys of either: the
 * values say which one it is. */
static void until_victim_has_set(struct db_copy *copy, const struct victim *victim)
{
    char text[VICTIM_KEYS * 32] = "";
    size_t size = 0;

    for (int i = 0; i < VICTIM_KEYS; i++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%svictim%02d=%d",
                                 i == 0 ? "" : " ", i, (int)victim->pid);
    }
    assert_true(size < sizeof(text));
    db_copy_until(copy, text);
}

/* All that it had set goes from all copies; how soon is measured elsewhere (perf/death). */
static void kill_until(struct victim *victim, const char *rest)
{
    kill_victim(victim);
    until_all(rest);
}

static void killed_nodes_entries_vanish_everywhere(void **state)
{
    struct victim victim;

    (void)state;
    start_three();
    watch_all("fam");
    db_set(nodes[2], "fam", "hail", "1");
    for (int i = 0; i < 4; i++) {
        start_victim(&victim, "victim", i % 2 == 0, address(nodes[i / 2]));
        for (unsigned j = 0; j < node_count; j++) {
            db_copy_until_count(&copies[j], VICTIM_KEYS + 1);
        }
        kill_until(&victim, "hail=1");
    }
    stop_all();
}

static void killed_node_is_gone_from_the_network(void **state)
{
    struct victim victim;

    (void)state;
    start_three();
    watch_all("'g");
    until_all("rain=null snow=null");
    start_victim(&victim, "victim", false, address(nodes[0]));
    until_all("rain=null snow=null victim=null");
    kill_until(&victim, "rain=null snow=null");
    stop_all();
}

static void node_killed_again_and_again_leaves_what_it_set_last(void **state)
{
    struct victim victim, again;

    (void)state;
    start_three();
    watch_all("fam");
    start_victim(&victim, "victim", true, address(nodes[0]));
    until_victim_has_set(&copies[2], &victim);
    kill_victim(&victim);
    start_victim(&victim, "victim", true, address(nodes[1])); /* of the same ID, elsewhere */
    until_victim_has_set(&copies[2], &victim);
    kill_victim(&victim);
    start_victim(&again, "victim", false, address(nodes[0])); /* and as a global node */
    for (unsigned i = 0; i < node_count; i++) {
        until_victim_has_set(&copies[i], &again);
    }
    until_all_agree();
    kill_until(&again, "");
    stop_all();
}

/* The ordinary node is attached to the victim; its other seed starts later. */
static void masters_death_under_load_leaves_the_right_copies(void **state)
{
    const char *later = free_address();
    struct victim master;
    char key[32], json[32];

    (void)state;
    start_victim(&master, "master", false, NULL);
    nodes[0] = start("hail", true, NULL, master.address, later);
    assert_int_equal(ptl_on_link(nodes[0], on_link, "links"), 0);
    assert_next("links", "up master");
    nodes[1] = start("snow", false, later, master.address, NULL);
    node_count = 2;
    watch_all("fam");
    for (unsigned i = 0; i < node_count; i++) {
        db_copy_until_count(&copies[i], VICTIM_KEYS);
    }
    witness_until("links", "up snow");
    for (int i = 0; i < CHANGES; i++) {
        if (i == CHANGES / 2) {
            kill_victim(&master);
        }
        snprintf(key, sizeof(key), "key%d", i * 7919 % 307);
        snprintf(json, sizeof(json), "%d", i);
        if (i % 5 == 0) {
            db_del(nodes[i % 2], "fam", key);
        } else {
            db_set(nodes[i % 2], "fam", key, json);
        }
    }
    db_set(nodes[0], "fam", "end0", "1");
    db_set(nodes[1], "fam", "end1", "1");
    for (unsigned i = 0; i < node_count; i++) {
        db_copy_until_key(&copies[i], "end0", true);
        db_copy_until_key(&copies[i], "end1", true);
        db_copy_until_key(&copies[i], "master00", false);
    }
    until_all_agree();
    stop_all();
}

/* Nobody takes over at once: what was watched stays as it was until somebody does. */
static void node_without_a_master_keeps_its_copy_until_the_next(void **state)
{
    const char *later = free_address();
    struct victim master;

    (void)state;
    start_victim(&master, "master", false, NULL);
    nodes[0] = start("hail", true, NULL, master.address, later);
    node_count = 1;
    watch_all("fam");
    db_set(nodes[0], "fam", "hail", "1");
    db_copy_until_count(&copies[0], VICTIM_KEYS + 1);
    assert_int_equal(ptl_on_link(nodes[0], on_link, "links"), 0);
    witness_until("links", "up master"); /* by now it would be told of the end */
    kill_victim(&master);
    witness_until("links", "down master");
    db_set(nodes[0], "fam", "meanwhile", "2");
    assert_int_equal(ptl_db_get(nodes[0], "fam", "snow", on_value, "answer"), 0);
    assert_silent("answer");
    nodes[1] = start("snow", false, later, NULL, NULL);
    db_set(nodes[1], "fam", "snow", "3");
    db_copy_until(&copies[0], "hail=1 meanwhile=2 snow=3");
    const char *answer = witness_next("answer"); /* asked before snow had set it, or after */
    assert_true(strcmp(answer, "3") == 0 || strcmp(answer, "PTL_ENOKEY") == 0);
    node_count = 2;
    db_copy_watch(&copies[1], nodes[1], "fam");
    until_all_agree();
    stop_all();
}

/* ---- Two halves ----------------------------------------------------------------------------- */

/* east1 and west1 through the first proxy, east2 and west2 through the second. */
static struct proxy *proxies[2];
static pthread_t proxy_thread;

enum wall { JOINED, RESET, SILENT, GONE };
static _Atomic enum wall wanted;

static void set_wall(enum wall wall)
{
    for (unsigned i = 0; i < 2; i++) {
        if (wall == JOINED) {
            proxy_join(proxies[i]);
        } else {
            proxy_part(proxies[i], wall == RESET ? PROXY_RESET : PROXY_SWALLOW_BOTH);
        }
    }
    witness_note("wall", "set");
}

static void *run_proxies(void *data)
{
    static struct pollfd polls[2 * PROXY_POLLS_MAX];
    enum wall wall = JOINED;

    (void)data;
    for (enum wall next; (next = atomic_load(&wanted)) != GONE;) {
        if (next != wall) {
            wall = next;
            set_wall(wall);
        }
        unsigned first = proxy_polls(proxies[0], polls);
        unsigned second = proxy_polls(proxies[1], polls + first);
        (void)poll(polls, first + second, 5);
        proxy_work(proxies[0], polls);
        proxy_work(proxies[1], polls + first);
    }
    return NULL;
}

static void want_wall(enum wall wall)
{
    atomic_store(&wanted, wall);
    assert_next("wall", "set");
}

/* The address that leads through a proxy. */
static const char *through(unsigned proxy, unsigned to)
{
    static char texts[2][2][32];

    snprintf(texts[proxy][to], sizeof(texts[proxy][to]), "127.0.0.1:%u",
             proxy_port(proxies[proxy], to));
    return texts[proxy][to];
}

/* One node of a half: others find it through its proxy only. */
static struct ptl_node *start_in_half(const char *id, unsigned proxy, unsigned half, bool ordinary,
                                      const char *seed)
{
    const char *const announces[] = {through(proxy, half), NULL};
    const char *const seeds[] = {seed, NULL};
    struct ptl_node_options options = witness_options(id);

    options.binds = loopback;
    options.seeds = seeds;
    options.announces = announces;
    options.ordinary = ordinary;
    options.silence_ms = 2000;
    struct ptl_node *node = witness_start(&options);
    const char *port = strrchr(address(node), ':');
    proxy_leads(proxies[proxy], half, (uint16_t)strtoul(port + 1, NULL, 10));
    return node;
}

static void start_halves(bool with_ordinary)
{
    proxies[0] = proxy_new();
    proxies[1] = proxy_new();
    nodes[0] = start_in_half("east1", 0, 0, false, NULL);
    nodes[1] = start_in_half("east2", 1, 0, with_ordinary, address(nodes[0]));
    nodes[2] = start_in_half("west1", 0, 1, false, through(0, 0));
    nodes[3] = start_in_half("west2", 1, 1, with_ordinary, address(nodes[2]));
    node_count = 4;
    atomic_store(&wanted, JOINED);
    assert_int_equal(pthread_create(&proxy_thread, NULL, run_proxies, NULL), 0);
}

static void stop_halves(void)
{
    stop_all();
    atomic_store(&wanted, GONE);
    pthread_join(proxy_thread, NULL);
    proxy_free(proxies[0]);
    proxy_free(proxies[1]);
}

static void until_half(unsigned half, const char *text)
{
    db_copy_until(&copies[2 * half], text);
    db_copy_until(&copies[2 * half + 1], text);
}

static void part_and_join(enum wall wall)
{
    static const char *const ids[] = {"east1", "east2", "west1", "west2"};
    char json[16];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(json, sizeof(json), "%u", i);
        db_set(nodes[i], "fam", ids[i], json);
        db_set(nodes[i], "fam", "all", json);
    }
    until_all("all=0 east1=0 east2=1 west1=2 west2=3");
    want_wall(wall);
    until_half(0, "all=0 east1=0 east2=1");
    until_half(1, "all=2 west1=2 west2=3");
    db_set(nodes[0], "fam", "both", "\"east\"");
    db_set(nodes[3], "fam", "both", "\"west\"");
    db_del(nodes[1], "fam", "east2");
    db_del(nodes[0], "fam", "all");
    db_del(nodes[3], "fam", "west2");
    db_set(nodes[2], "fam", "west1", "[5]");
    until_half(0, "all=1 both=\"east\" east1=0");
    until_half(1, "all=2 both=\"west\" west1=[5]");
    want_wall(JOINED);
    until_all("all=1 both=\"east\" east1=0 west1=[5]");
    until_all_agree();
    db_del(nodes[0], "fam", "both");
    until_all("all=1 both=\"west\" east1=0 west1=[5]");
    db_del(nodes[3], "fam", "both");
    for (unsigned i = 0; i < 4; i++) {
        db_del(nodes[i], "fam", ids[i]);
        db_del(nodes[i], "fam", "all");
    }
    until_all("");
}

static void halves_of_global_nodes_that_join_again_agree(void **state)
{
    (void)state;
    start_halves(false);
    watch_all("fam");
    part_and_join(RESET);
    part_and_join(SILENT);
    part_and_join(RESET);
    stop_halves();
}

static void halves_with_ordinary_nodes_that_join_again_agree(void **state)
{
    (void)state;
    start_halves(true);
    watch_all("fam");
    part_and_join(RESET);
    part_and_join(SILENT);
    stop_halves();
}

static void halves_parted_and_joined_under_load_agree(void **state)
{
    char key[32], json[32];

    (void)state;
    start_halves(false);
    watch_all("fam");
    for (int i = 0; i < CHANGES; i++) {
        if (i % (CHANGES / 10) == CHANGES / 20) {
            want_wall(RESET);
        } else if (i % (CHANGES / 10) == 0 && i > 0) {
            want_wall(JOINED);
        }
        snprintf(key, sizeof(key), "key%d", i * 7919 % 211);
        snprintf(json, sizeof(json), "%d", i);
        if (i % 9 == 0) {
            db_del(nodes[i % 4], "fam", key);
        } else {
            db_set(nodes[i % 4], "fam", key, json);
        }
    }
    want_wall(JOINED);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "end%u", i);
        db_set(nodes[i], "fam", key, "1");
    }
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < 4; j++) {
            snprintf(key, sizeof(key), "end%u", j);
            db_copy_until_key(&copies[i], key, true);
        }
    }
    until_all_agree();
    stop_halves();
}

int main(int argc, char **argv)
{
    static const unsigned shards[] = {1, 4, 0};
    const struct CMUnitTest tests[] = {
        WITNESSED(what_any_node_sets_is_seen_by_watchers_on_every_other),
        WITNESSED(key_of_several_nodes_shows_the_same_everywhere),
        WITNESSED(copies_of_a_busy_family_agree),
        WITNESSED(network_knows_all_its_nodes),
        WITNESSED(killed_nodes_entries_vanish_everywhere),
        WITNESSED(killed_node_is_gone_from_the_network),
        WITNESSED(node_killed_again_and_again_leaves_what_it_set_last),
        WITNESSED(masters_death_under_load_leaves_the_right_copies),
        WITNESSED(node_without_a_master_keeps_its_copy_until_the_next),
        WITNESSED(halves_of_global_nodes_that_join_again_agree),
        WITNESSED(halves_with_ordinary_nodes_that_join_again_agree),
        WITNESSED(halves_parted_and_joined_under_load_agree),
    };

    if (argc >= 5 && strcmp(argv[1], "--victim") == 0) {
        return be_victim(argv + 2);
    }
    return witness_main(argc, argv, "a cluster", tests, sizeof(tests) / sizeof(tests[0]), shards);
}
