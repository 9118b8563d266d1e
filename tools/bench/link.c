#include "tools/bench/link.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LINK_MS_MAX 5000 /* a node that is there is found in milliseconds */
#define SIGNAL_MS 50     /* how long a signal may wait for whoever waits for a link */

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

/* The signal that has come, or 0. */
static int take_signal(int signals)
{
    struct pollfd fd = {.fd = signals, .events = POLLIN};
    struct signalfd_siginfo info;

    return poll(&fd, 1, 0) > 0 && read(signals, &info, sizeof info) == (ssize_t)sizeof info
               ? (int)info.ssi_signo
               : 0;
}

/* Until a node is linked, for so long at most.  Whether it is. */
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
    const char *seed = linking->seeds->items[0];
    char line[PTL_JOURNAL_LINE_MAX];

    ptl_journal_held(linking->journal, "no answer: does a node run there, with the same secret?",
                     line);
    return linking->behind
               ? ptl_complain(PTL_EXIT_REACH,
                              "cannot reach %s, by way of the proxy of this process at %s, within "
                              "%g s: %s",
                              linking->behind, seed, limit_ms / 1000.0, line)
               : ptl_complain(PTL_EXIT_REACH, "cannot reach %s within %g s: %s", seed,
                              limit_ms / 1000.0, line);
}

/* Returns an exit code: that of a signal if one came first. */
static int await_link(struct ptl_bench_link *link, struct arrival *arrival,
                      const struct ptl_bench_linking *linking)
{
    unsigned given_ms = linking->options->timeout_ms;
    unsigned limit_ms = given_ms < LINK_MS_MAX ? given_ms : LINK_MS_MAX;
    unsigned slice_ms = 0;

    for (unsigned left_ms = limit_ms; left_ms > 0; left_ms -= slice_ms) {
        int signal = take_signal(linking->signals);
        if (signal != 0) {
            return 128 + signal;
        }
        slice_ms = left_ms < SIGNAL_MS ? left_ms : SIGNAL_MS;
        if (wait_for(arrival, slice_ms, link->seed_id)) {
            return PTL_EXIT_OK;
        }
    }
    return complain_unreached(linking, limit_ms);
}

int ptl_bench_link_start(struct ptl_bench_link *link, const struct ptl_bench_linking *linking,
                         const char *id)
{
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
    return await_link(link, arrival, linking);
}
