#include "tools/bench/load.h"

#include "tools/bench/embedded.h"
#include "tools/bench/streams.h"
#include "tools/bench/words.h"
#include "tools/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define STOP_MS 2000

/* ---- Nodes of ours ------------------------------------------------------------------------- */

/* "ID", or "ID/1" and so on where there are several. */
static void name_link(const struct ptl_bench_load *load, const char *first, unsigned number,
                      char id[PTL_NODE_ID_MAX])
{
    if (load->options->links > 1) {
        snprintf(id, PTL_NODE_ID_MAX, "%.180s/%u", first, number);
    } else {
        snprintf(id, PTL_NODE_ID_MAX, "%s", first);
    }
}

/* The other end is our own link too. */
static void use_embedded(struct ptl_bench_load *load)
{
    struct ptl_bench_link *link = &load->links[load->link_count++];

    link->node = load->embedded;
    load->embedded = NULL;
    snprintf(link->id, sizeof link->id, "%s", ptl_node_id(link->node));
    snprintf(link->seed_id, sizeof link->seed_id, "%s", ptl_node_id(link->node));
}

static int start_links(struct ptl_bench_load *load)
{
    const struct ptl_options *options = &load->options->common;
    struct ptl_bench_linking linking = {
        .options = options,
        .seeds = &load->seeds,
        .behind = load->behind,
        .signals = load->signals,
        .secret = &load->secret,
        .journal = &load->journal,
    };
    char first[PTL_NODE_ID_MAX];
    char id[PTL_NODE_ID_MAX];
    int code = PTL_EXIT_OK;

    ptl_client_make_id(first);
    snprintf(load->run, sizeof load->run, "%s", strrchr(first, '/') + 1);
    snprintf(load->family, sizeof load->family, "%s%s", PTL_BENCH_FAMILY, load->run);
    load->links = calloc(load->options->links, sizeof *load->links);
    if (!load->links) {
        return ptl_complain(PTL_EXIT_OTHER, "no memory for %llu links",
                            (unsigned long long)load->options->links);
    }
    if (load->options->embedded == PTL_BENCH_TWO_PORTS) {
        use_embedded(load);
        return PTL_EXIT_OK;
    }
    while (code == PTL_EXIT_OK && load->link_count < load->options->links) {
        name_link(load, options->node ? options->node : first, load->link_count, id);
        code = ptl_bench_link_start(&load->links[load->link_count++], &linking, id);
    }
    return code;
}

/* ---- Targets ------------------------------------------------------------------------------- */

static int find_target(struct ptl_bench_load *load, const char *id)
{
    struct ptl_bench_target throwaway;
    unsigned timeout_ms = load->options->common.timeout_ms;
    int code = ptl_bench_target_find(&load->targets[load->target_count++], load->links[0].node, id,
                                     timeout_ms);

    for (unsigned i = 1; code == PTL_EXIT_OK && i < load->link_count; i++) {
        code = ptl_bench_target_find(&throwaway, load->links[i].node, id, timeout_ms);
    }
    return code;
}

static int find_targets(struct ptl_bench_load *load)
{
    const struct ptl_list *wanted = &load->options->targets;
    int code = PTL_EXIT_OK;

    if (wanted->count == 0) {
        return find_target(load, load->links[0].seed_id);
    }
    for (size_t i = 0; code == PTL_EXIT_OK && i < wanted->count; i++) {
        code = find_target(load, wanted->items[i]);
    }
    return code;
}

static int target_is_gone(struct ptl_node *node, const struct ptl_port *port,
                          const struct ptl_msg *reason, void *data)
{
    struct ptl_bench_load *load = data;
    char *json = ptl_msg_json(reason);
    uint64_t one = 1;

    (void)node;
    pthread_mutex_lock(&load->lock);
    if (!load->is_gone) {
        load->is_gone = true;
        snprintf(load->gone, sizeof load->gone, "%s is gone: %s", ptl_port_id(port),
                 json ? json : "(no memory)");
    }
    pthread_mutex_unlock(&load->lock);
    free(json);
    while (write(load->event, &one, sizeof one) < 0 && errno == EINTR) {
    }
    return 0;
}

bool ptl_bench_load_is_gone(struct ptl_bench_load *load, char why[512])
{
    pthread_mutex_lock(&load->lock);
    bool is_gone = load->is_gone;
    if (is_gone) {
        memcpy(why, load->gone, sizeof load->gone);
    }
    pthread_mutex_unlock(&load->lock);
    return is_gone;
}

/* Beside the pattern's own; one that is gone before the end ends the run. */
static int spawn_watchers_at(struct ptl_bench_load *load, const struct ptl_bench_target *target)
{
    struct ptl_msg *msg;
    struct ptl_port port;
    int err = ptl_msg_make(target->node, &msg, "pt", &target->anchor, (const char *)load->family);

    for (uint64_t i = 1; err == 0 && i < load->options->watchers; i++) {
        err = ptl_spawn(target->node, target->id, PTL_BENCH_WATCHER, msg, &port);
        if (err == 0) {
            err = ptl_monitor(target->node, &port, target_is_gone, load, NULL);
        }
    }
    ptl_msg_free(msg);
    return err < 0 ? ptl_complain_refused("spawn watchers", err) : PTL_EXIT_OK;
}

static int spawn_watchers(struct ptl_bench_load *load)
{
    int code = PTL_EXIT_OK;

    for (unsigned i = 0; code == PTL_EXIT_OK && i < load->target_count; i++) {
        code = spawn_watchers_at(load, &load->targets[i]);
    }
    return code;
}

/* Every node of ours watches every target: each has a link of its own to it. */
static int watch_targets(struct ptl_bench_load *load)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < load->link_count; i++) {
        for (unsigned k = 0; err == 0 && k < load->target_count; k++) {
            err = ptl_monitor(load->links[i].node, &load->targets[k].service, target_is_gone, load,
                              NULL);
        }
    }
    return err < 0 ? ptl_complain_refused("watch the targets", err) : PTL_EXIT_OK;
}

static int begin_run(struct ptl_bench_load *load)
{
    int code = PTL_EXIT_OK;

    for (unsigned i = 0; code == PTL_EXIT_OK && i < load->target_count; i++) {
        code = ptl_bench_target_begin(&load->targets[i], load->run, &load->lanes[0].self);
    }
    return code;
}

/* ---- Life ---------------------------------------------------------------------------------- */

/* Each link takes a descriptor at both ends of this process. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_world(struct ptl_bench_load *load)
{
    raise_limit();
    ptl_client_seeds(&load->options->common, &load->seeds);
    int code = ptl_secret_find(&load->options->common, &load->secret);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    load->signals = ptl_signals_open(false);
    load->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return load->signals >= 0 && load->event >= 0
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_OTHER, "no more files may be opened: %s", strerror(errno));
}

typedef int step_fn(struct ptl_bench_load *load);

static int take_steps(struct ptl_bench_load *load, step_fn *const steps[])
{
    int code = PTL_EXIT_OK;

    for (size_t i = 0; code == PTL_EXIT_OK && steps[i]; i++) {
        code = steps[i](load);
    }
    return code;
}

int ptl_bench_load_reach(struct ptl_bench_load *load, const struct ptl_bench_options *options,
                         const struct ptl_list *seeds)
{
    static step_fn *const steps[] = {ptl_bench_embedded_start, start_links, find_targets, NULL};

    *load = (struct ptl_bench_load){.options = options, .signals = -1, .event = -1};
    pthread_mutex_init(&load->lock, NULL);
    ptl_journal_init(&load->journal, options->common.log);
    int code = open_world(load);
    if (seeds) {
        load->behind = load->seeds.items[0];
        load->seeds = *seeds;
    }
    return code == PTL_EXIT_OK ? take_steps(load, steps) : code;
}

int ptl_bench_load_open(struct ptl_bench_load *load, const struct ptl_bench_options *options)
{
    static step_fn *const steps[] = {
        ptl_bench_lanes_make, begin_run,     ptl_bench_streams_open,
        spawn_watchers,       watch_targets, NULL,
    };
    int code = ptl_bench_load_reach(load, options, NULL);

    return code == PTL_EXIT_OK ? take_steps(load, steps) : code;
}

void ptl_bench_load_stop(struct ptl_bench_load *load)
{
    for (unsigned i = 0; i < load->target_count; i++) {
        ptl_bench_target_end(&load->targets[i]);
    }
    load->target_count = 0;
    for (unsigned i = 0; i < load->link_count; i++) {
        if (load->links[i].node) {
            ptl_node_stop(load->links[i].node, STOP_MS);
            load->links[i].node = NULL;
        }
    }
    if (load->embedded) {
        ptl_node_stop(load->embedded, STOP_MS);
        load->embedded = NULL;
    }
}

void ptl_bench_load_close(struct ptl_bench_load *load)
{
    ptl_bench_load_stop(load);
    for (unsigned i = 0; i < load->lane_count; i++) {
        ptl_bench_lane_free(&load->lanes[i]);
    }
    free(load->lanes);
    free(load->deeds);
    free(load->links);
    ptl_journal_close(&load->journal);
    if (load->signals >= 0) {
        close(load->signals);
    }
    if (load->event >= 0) {
        close(load->event);
    }
}
