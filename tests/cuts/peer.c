/*
 * One node of the test: does what its standard input says, a line a command, and answers each with
 * a line on standard output.
 *
 *   cuts_peer NODE SHARDS              -> ready HOST:PORT SINK... WATCHER...
 *   other NODE HOST:PORT SINK... WATCHER...   begin    -> begun
 *   allow COUNT                        so many messages in all; once sent -> spent COUNT
 *   check                              every stream asks its sink -> whole
 *   rest                               send no more -> resting
 *   end                                kill the sinks -> ended
 *   stop                               stop the node -> stopped, with the figures
 *   show                               where everything is, on stderr
 */
#include "tests/common/sealed.h"
#include "tests/cuts/cuts.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 5 /* how often what is waited for is looked at */
#define STOP_MS 5000

/* A machine that is busy with other things as well may keep a node waiting for seconds. */
#ifdef PTL_QUICK
#define SILENCE_MS 8000
#define HANDSHAKE_MS 10000
#else
#define SILENCE_MS 3000
#define HANDSHAKE_MS 3000
#endif

static const char *own_name = "?";
static _Atomic int64_t memory_out; /* bytes */

void cuts_fail(const char *format, ...)
{
    va_list arguments;
    char text[512];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s: BROKEN: %s\n", own_name, text);
    _exit(1);
}

void cuts_must(int err, const char *what)
{
    if (err < 0) {
        cuts_fail("%s: %s", what, ptl_err_text(err));
    }
}

struct ptl_port cuts_port(struct cuts_stage *stage, unsigned shard, ptl_handler_fn *handler,
                          ptl_release_fn *release, void *data)
{
    const struct ptl_port_options options = {
        .size = sizeof(options),
        .handler = handler,
        .release = release,
        .data = data,
        .shard_plus_one = shard + 1,
    };
    struct ptl_port port;

    cuts_must(ptl_port_new(stage->node, &options, &port), "ptl_port_new");
    return port;
}

static void *resize(void *user, void *block, size_t old_size, size_t new_size)
{
    (void)user;
    if (new_size == 0) {
        free(block);
        atomic_fetch_sub_explicit(&memory_out, (int64_t)old_size, memory_order_relaxed);
        return NULL;
    }
    void *moved = realloc(block, new_size);
    if (moved != NULL) {
        atomic_fetch_add_explicit(&memory_out, (int64_t)new_size - (int64_t)old_size,
                                  memory_order_relaxed);
    }
    return moved;
}

static void log_line(void *data, enum ptl_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    (void)data;
    fprintf(stderr, "%s: %s: %s\n", own_name, names[level], line);
}

/* `framing` NULL is the default. */
static void start(struct cuts_stage *stage, const char *name, unsigned shards, const char *framing)
{
    static const struct ptl_allocator counting = {.resize = resize};
    const char *binds[] = {"127.0.0.1:0", NULL};
    const char *level = getenv("CUTS_LOG");
    struct ptl_node_options options = {
        .size = sizeof(options),
        .id = name,
        .binds = binds,
        .secret = "cut and come again",
        .secret_size = 18,
        .framings = framing,
        .shards = shards,
        .log_level = level == NULL ? PTL_LOG_ERROR : (enum ptl_log_level)atoi(level),
        .log = log_line,
        .allocator = &counting,
        /* Little may wait for a link: else most messages would be lost unsent with every cut. */
        .link_room = (size_t)256 << 10,
        .inbox_room = (size_t)256 << 10,
        .silence_ms = SILENCE_MS,
        .handshake_ms = HANDSHAKE_MS, /* a cut may swallow a handshake */
    };

    stage->shards = shards;
    sealed_dress(&options);
    cuts_must(ptl_node_start(&options, &stage->node), "ptl_node_start");
    cuts_sinks_make(stage);
    cuts_watchers_make(stage);
    printf("ready %s", ptl_node_address(stage->node, 0));
    for (unsigned i = 0; i < shards; i++) {
        printf(" %s", ptl_port_id(&stage->sinks[i]));
    }
    for (unsigned i = 0; i < shards; i++) {
        printf(" %s", ptl_port_id(&stage->watchers[i]));
    }
    printf("\n");
}

/* ---- Commands ------------------------------------------------------------------------------- */

/* Cut the next word off; NULL: there is none. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \n");
    size_t size = strcspn(word, " \n");

    *rest = word + size + (word[size] != 0);
    word[size] = 0;
    return size == 0 ? NULL : word;
}

static void read_ports(struct cuts_stage *stage, struct ptl_port ports[], char **line)
{
    for (unsigned i = 0; i < stage->shards; i++) {
        const char *id = next_word(line);
        if (id == NULL) {
            cuts_fail("a port is missing");
        }
        cuts_must(ptl_port_parse(stage->node, id, strlen(id), &ports[i]), id);
    }
}

static void meet(struct cuts_stage *stage, char *rest)
{
    const char *node = next_word(&rest);
    const char *address = next_word(&rest);

    cuts_must(ptl_node_known(stage->node, node, address), "ptl_node_known");
    read_ports(stage, stage->far_sinks, &rest);
    read_ports(stage, stage->far_watchers, &rest);
    cuts_streams_start(stage);
    cuts_makers_start(stage);
    printf("begun\n");
}

static void kill_sinks(struct cuts_stage *stage)
{
    struct ptl_msg *reason;

    cuts_must(ptl_msg_make(stage->node, &reason, "t", "the end"), "a reason");
    for (unsigned i = 0; i < stage->shards; i++) {
        cuts_must(ptl_kill(stage->node, &stage->sinks[i], reason), "ptl_kill");
    }
    ptl_msg_free(reason);
}

static void show(struct cuts_stage *stage)
{
    int64_t all, back, open = cuts_entries_open(&all, &back);

    fprintf(stderr,
            "%s: allowed %lld, sent %lld, received %lld, runs %lld, full %lld, mortals %lld, "
            "deaths %lld, monitors %lld, open %lld\n",
            own_name, (long long)atomic_load(&stage->allowed), (long long)atomic_load(&stage->sent),
            (long long)atomic_load(&stage->received), (long long)atomic_load(&stage->runs),
            (long long)atomic_load(&stage->full), (long long)atomic_load(&stage->mortals),
            (long long)atomic_load(&stage->deaths), (long long)all, (long long)open);
    cuts_streams_show(stage);
    cuts_sinks_show(stage);
}

static void stop(struct cuts_stage *stage)
{
    int64_t all, back;

    cuts_streams_join(stage);
    cuts_must(ptl_node_stop(stage->node, STOP_MS), "ptl_node_stop");
    if (cuts_entries_open(&all, &back) != 0) {
        cuts_fail("monitors that never fired");
    }
    if (atomic_load(&memory_out) != 0) {
        cuts_fail("%lld bytes leaked", (long long)atomic_load(&memory_out));
    }
    printf("stopped sent=%lld received=%lld runs=%lld full=%lld deaths=%lld monitors=%lld "
           "taken_back=%lld\n",
           (long long)atomic_load(&stage->sent), (long long)atomic_load(&stage->received),
           (long long)atomic_load(&stage->runs), (long long)atomic_load(&stage->full),
           (long long)atomic_load(&stage->deaths), (long long)all, (long long)back);
    cuts_streams_free(stage);
    cuts_entries_free();
}

/* What has been asked for and is still to be answered. */
struct waits {
    bool spent, whole, resting, ended;
};

/* Returns false once the node has stopped. */
static bool obey(struct cuts_stage *stage, struct waits *waits, char *rest)
{
    const char *command = next_word(&rest);

    if (command == NULL) {
        return true;
    }
    if (strcmp(command, "other") == 0) {
        meet(stage, rest);
    } else if (strcmp(command, "allow") == 0) {
        atomic_store(&stage->allowed, strtoll(next_word(&rest), NULL, 10));
        waits->spent = true;
    } else if (strcmp(command, "check") == 0) {
        atomic_fetch_add(&stage->round, 1);
        waits->whole = true;
    } else if (strcmp(command, "rest") == 0) {
        atomic_store(&stage->ended, true);
        waits->resting = true;
    } else if (strcmp(command, "end") == 0) {
        kill_sinks(stage);
        waits->ended = true;
    } else if (strcmp(command, "show") == 0) {
        show(stage);
    } else if (strcmp(command, "stop") == 0) {
        stop(stage);
        return false;
    } else {
        cuts_fail("what is \"%s\"?", command);
    }
    return true;
}

/* Answer what has come true. */
static void answer(struct cuts_stage *stage, struct waits *waits)
{
    int64_t sent = atomic_load(&stage->sent), all, back;

    if (waits->spent && sent == atomic_load(&stage->allowed)) {
        waits->spent = false;
        printf("spent %lld\n", (long long)sent);
    }
    if (waits->whole && cuts_sinks_whole(stage)) {
        waits->whole = false;
        printf("whole %lld %lld\n", (long long)atomic_load(&stage->received),
               (long long)atomic_load(&stage->runs));
    }
    if (waits->resting && atomic_load(&stage->mortals) == 0) {
        waits->resting = false;
        printf("resting\n");
    }
    if (waits->ended && cuts_entries_open(&all, &back) == 0) {
        waits->ended = false;
        printf("ended\n");
    }
}

static void run(struct cuts_stage *stage)
{
    struct waits waits = {0};
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char line[4096];

    setvbuf(stdin, NULL, _IONBF, 0); /* what poll() does not see must not wait in a buffer */
    for (;;) {
        if (poll(&in, 1, LOOK_MS) > 0) {
            if (fgets(line, sizeof(line), stdin) == NULL) {
                cuts_fail("the driver has gone");
            }
            if (!obey(stage, &waits, line)) {
                return;
            }
        }
        answer(stage, &waits);
    }
}

int main(int argc, char *argv[])
{
    static struct cuts_stage stage;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: cuts_peer NODE SHARDS [FRAMING]\n");
        return 2;
    }
    own_name = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    start(&stage, argv[1], (unsigned)strtoul(argv[2], NULL, 10), argv[3]);
    run(&stage);
    return 0;
}
