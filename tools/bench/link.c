#include "tools/bench/link.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LINK_MS_MAX 5000 /* a node that is there is found in milliseconds */

/* The node may tell of links as long as it lives, so what it tells goes into a block of its own. */
struct arrival {
    pthread_mutex_t lock;
    pthread_cond_t told;
    char id[PTL_NODE_ID_MAX + 1]; /* of the first node linked; empty: none yet */
};

static void link_changed(struct ptl_node *node, const char *node_id, bool up,
                         const struct ptl_msg *reason, void *data)
{
    struct arrival *arrival = data;

    (void)node;
    (void)reason;
    pthread_mutex_lock(&arrival->lock);
    if (up && arrival->id[0] == '\0') {
        snprintf(arrival->id, sizeof arrival->id, "%s", node_id);
        pthread_cond_signal(&arrival->told);
    }
    pthread_mutex_unlock(&arrival->lock);
}

static struct arrival *make_arrival(void)
{
    struct arrival *arrival = calloc(1, sizeof *arrival);
    pthread_condattr_t attributes;

    if (arrival) {
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_mutex_init(&arrival->lock, NULL);
        pthread_cond_init(&arrival->told, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    return arrival;
}

static bool wait_for(struct arrival *arrival, unsigned limit_ms, char id[PTL_NODE_ID_MAX + 1])
{
    struct timespec end;
    int err = 0;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += limit_ms / 1000;
    end.tv_nsec += (long)(limit_ms % 1000) * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&arrival->lock);
    while (arrival->id[0] == '\0' && err == 0) {
        err = pthread_cond_timedwait(&arrival->told, &arrival->lock, &end);
    }
    snprintf(id, PTL_NODE_ID_MAX + 1, "%s", arrival->id);
    pthread_mutex_unlock(&arrival->lock);
    return id[0] != '\0';
}

static int start_node(struct ptl_bench_link *link, const struct ptl_bench_linking *linking)
{
    struct ptl_node_options options =
        ptl_common_options(linking->options, link->id, linking->secret, linking->journal);

    options.seeds = linking->seeds->items;
    options.shards = options.shards > 0 ? options.shards : 1;
    options.ordinary = true; /* it holds nothing itself */
    int err = ptl_node_start(&options, &link->node);
    if (err < 0) {
        link->node = NULL;
        return ptl_complain_start(linking->journal, err);
    }
    return PTL_EXIT_OK;
}

static int complain_unreached(const struct ptl_bench_linking *linking, unsigned limit_ms)
{
    char line[PTL_JOURNAL_LINE_MAX];

    ptl_journal_held(linking->journal, "no answer: does a node run there, with the same secret?",
                     line);
    return ptl_complain(PTL_EXIT_REACH, "cannot reach %s within %g s: %s", linking->seeds->items[0],
                        limit_ms / 1000.0, line);
}

int ptl_bench_link_start(struct ptl_bench_link *link, const struct ptl_bench_linking *linking,
                         const char *id)
{
    unsigned given_ms = linking->options->timeout_ms;
    unsigned limit_ms = given_ms < LINK_MS_MAX ? given_ms : LINK_MS_MAX;
    struct arrival *arrival = make_arrival();

    snprintf(link->id, sizeof link->id, "%s", id);
    int code = arrival ? start_node(link, linking) : ptl_complain(PTL_EXIT_OTHER, "no memory");
    if (code != PTL_EXIT_OK) {
        free(arrival);
        return code;
    }
    int err = ptl_on_link_owned(link->node, link_changed, arrival, free);
    if (err < 0) {
        free(arrival);
        return ptl_complain_refused("watch links", err);
    }
    return wait_for(arrival, limit_ms, link->seed_id) ? PTL_EXIT_OK
                                                      : complain_unreached(linking, limit_ms);
}
