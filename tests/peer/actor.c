/*
 * A node that does on request what programs do with the public interface, so that a peer on the
 * wire can have it kill, monitor, spawn, call and send at the peer.
 *
 * Its well-known port "actor" takes
 *   ["kill", PORT, REASON...]                 ptl_kill()
 *   ["monitor", PORT, REPLY]                  REPLY gets ["gone", REASON...]
 *   ["unmonitor"]                             the last monitor is taken back
 *   ["spawn", NODE, FUNCTION, REPLY, V...]    REPLY gets ["spawned", PORT], then as with "monitor"
 *   ["call", PORT, REPLY, V...]              REPLY gets ["answer", V...] or ["no answer", ERROR]
 *   ["flood", PORT, COUNT, SIZE]              PORT gets [1, TEXT] to [COUNT, TEXT] in order
 *   ["after", MILLISECONDS, REPLY]            REPLY gets ["after"]
 * and what database_acts.h lists.  With --stage it also has the ports that real nodes had when they
 * were recorded: see stage.h.
 */
#include "engine/portolan.h"
#include "tests/peer/database_acts.h"
#include "tests/peer/stage.h"
#include "tests/peer/values.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MS = 20000, SEEDS_MAX = 4 };

static struct ptl_monitor last_monitor;
static char text[1 << 20];
static int64_t flooded; /* how many of the flood under way were sent */

static int act_kill(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port;
    struct ptl_msg *reason;

    (void)data;
    int err = ptl_msg_read(node, msg, "*p", &port);
    if (err == PTL_OK) {
        err = peer_rest_of(node, NULL, msg, 2, &reason);
    }
    if (err == PTL_OK) {
        err = ptl_kill(node, &port, reason);
        ptl_msg_free(reason);
    }
    return err;
}

static int watch(struct ptl_node *node, const struct ptl_port *port, const struct ptl_port *reply)
{
    struct ptl_msg *prefix;

    int err = ptl_msg_make(node, &prefix, "t", "gone");
    if (err == PTL_OK) {
        err = ptl_monitor_message(node, port, reply, prefix, &last_monitor);
        ptl_msg_free(prefix);
    }
    return err;
}

static int act_monitor(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port, reply;

    (void)data;
    int err = ptl_msg_read(node, msg, "*pp", &port, &reply);
    return err < 0 ? err : watch(node, &port, &reply);
}

static int act_unmonitor(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    ptl_unmonitor(node, &last_monitor);
    return PTL_OK;
}

static int act_spawn(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const char *target, *function;
    size_t target_size, function_size;
    char names[2][256];
    struct ptl_port reply, spawned;
    struct ptl_msg *values;

    (void)data;
    int err =
        ptl_msg_read(node, msg, "*ssp", &target, &target_size, &function, &function_size, &reply);
    if (err == PTL_OK) {
        err = peer_rest_of(node, NULL, msg, 4, &values);
    }
    if (err < 0) {
        return err;
    }
    snprintf(names[0], sizeof(names[0]), "%.*s", (int)target_size, target);
    snprintf(names[1], sizeof(names[1]), "%.*s", (int)function_size, function);
    err = ptl_spawn(node, names[0], names[1], values, &spawned);
    ptl_msg_free(values);
    if (err == PTL_OK) {
        err = ptl_sendf(node, &reply, "tp", "spawned", &spawned);
    }
    return err < 0 ? err : watch(node, &spawned, &reply);
}

static void tell_answer(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_port *port = data;
    int sent;

    if (err == PTL_OK) {
        sent = ptl_sendf(node, port, "tm", "answer", reply);
    } else {
        sent = ptl_sendf(node, port, "tt", "no answer", ptl_err_name(err));
    }
    if (sent < 0) {
        fprintf(stderr, "actor: cannot pass an answer on: %s\n", ptl_err_text(sent));
    }
    free(port);
}

static int act_call(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port;
    struct ptl_port *reply = malloc(sizeof(*reply));
    struct ptl_msg *question = NULL;

    (void)data;
    int err = reply == NULL ? PTL_ENOMEM : ptl_msg_read(node, msg, "*pp", &port, reply);
    if (err == PTL_OK) {
        err = peer_rest_of(node, NULL, msg, 3, &question);
    }
    if (err == PTL_OK) {
        err = ptl_call(node, &port, question, CALL_MS, true, tell_answer, reply);
        ptl_msg_free(question);
    }
    if (err < 0) {
        free(reply);
    }
    return err;
}

/* One flood at a time.  Without room the message stays first, and the flood goes on later. */
static int act_flood(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port port;
    int64_t count, size;

    (void)data;
    int err = ptl_msg_read(node, msg, "*pii", &port, &count, &size);
    if (err == PTL_OK && (size < 0 || size > (int64_t)sizeof(text))) {
        err = PTL_EINVAL;
    }
    while (err == PTL_OK && flooded < count) {
        err = ptl_sendf(node, &port, "iT", flooded + 1, text, (size_t)size);
        flooded += err == PTL_OK;
    }
    if (err == PTL_EFULL) {
        return PTL_LATER;
    }
    flooded = 0;
    return err;
}

static int act_after(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port reply;
    struct ptl_msg *tick;
    uint64_t delay_ms;

    (void)data;
    int err = ptl_msg_read(node, msg, "*up", &delay_ms, &reply);
    if (err == PTL_OK) {
        err = ptl_msg_make(node, &tick, "t", "after");
    }
    if (err == PTL_OK) {
        err = ptl_after_send(node, (unsigned)delay_ms, &reply, tick, NULL);
        ptl_msg_free(tick);
    }
    return err;
}

static int make_actor(struct ptl_node *node)
{
    static const struct {
        const char *tag;
        ptl_handler_fn *handler;
    } acts[] = {
        {"kill", act_kill},   {"monitor", act_monitor}, {"unmonitor", act_unmonitor},
        {"spawn", act_spawn}, {"call", act_call},       {"flood", act_flood},
        {"after", act_after},
    };
    const struct ptl_port_options options = {.size = sizeof(options), .name = "actor"};
    struct ptl_port actor;

    int err = ptl_port_new(node, &options, &actor);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]) && err == PTL_OK; i++) {
        err = ptl_port_on(node, &actor, acts[i].tag, acts[i].handler, NULL);
    }
    return err < 0 ? err : peer_database_acts(node, &actor);
}

/* Returns whether the stage is wanted too. */
static bool read_options(int argc, char *argv[], struct ptl_node_options *options)
{
    static const struct option known[] = {
        {"node", required_argument, NULL, 'n'},   {"bind", required_argument, NULL, 'b'},
        {"seed", required_argument, NULL, 's'},   {"secret", required_argument, NULL, 'k'},
        {"shards", required_argument, NULL, 'c'}, {"framing", required_argument, NULL, 'f'},
        {"stage", no_argument, NULL, 'S'},        {"ordinary", no_argument, NULL, 'o'},
        {"quiet", no_argument, NULL, 'q'},        {"entries", required_argument, NULL, 'e'},
        {"value", required_argument, NULL, 'v'},  {NULL, 0, NULL, 0},
    };
    static const char *binds[2], *seeds[SEEDS_MAX + 1];
    unsigned seed_count = 0;
    bool stage = false;

    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (letter) {
        case 'n':
            options->id = optarg;
            break;
        case 'b':
            binds[0] = optarg;
            options->binds = binds;
            break;
        case 's':
            if (seed_count == SEEDS_MAX) {
                exit(1);
            }
            seeds[seed_count++] = optarg;
            options->seeds = seeds;
            break;
        case 'k':
            options->secret = optarg;
            options->secret_size = strlen(optarg);
            break;
        case 'c':
            options->shards = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            options->framings = optarg;
            break;
        case 'S':
            stage = true;
            break;
        case 'o':
            options->ordinary = true;
            break;
        case 'q':
            options->log_level = PTL_LOG_WARN;
            break;
        case 'e':
            options->db_entries_max = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'v':
            options->db_value_bytes_max = strtoul(optarg, NULL, 10);
            break;
        default:
            exit(1);
        }
    }
    return stage;
}

int main(int argc, char *argv[])
{
    struct ptl_node_options options = {.size = sizeof(options), .log_level = PTL_LOG_DEBUG};
    struct ptl_node *node;
    sigset_t ends;
    int signal;

    memset(text, 'x', sizeof(text));
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    bool stage = read_options(argc, argv, &options);
    int err = ptl_node_make(&options, &node);
    if (err == PTL_OK) {
        err = make_actor(node);
    }
    if (err == PTL_OK && stage) {
        err = peer_stage_make(node);
    }
    if (err == PTL_OK) {
        err = ptl_node_open(node);
    }
    if (err < 0) {
        fprintf(stderr, "actor: cannot start: %s\n", ptl_err_text(err));
        return 2;
    }
    const char *address = ptl_node_address(node, 0);
    printf("portolan: ready node=%s addresses=%s shards=%u\n", ptl_node_id(node),
           address != NULL ? address : "", ptl_node_shards(node));
    fflush(stdout);
    sigwait(&ends, &signal);
    err = ptl_node_stop(node, 2000);
    return err < 0 ? 3 : 0;
}
