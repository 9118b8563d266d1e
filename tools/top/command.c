/*
 * portolan top - how all nodes of the network fare: on a terminal as long as one looks, else as
 * tables.
 */
#include "tools/client.h"
#include "tools/stats/sight.h"
#include "tools/top/cluster.h"
#include "tools/top/screen.h"
#include "tools/top/terminal.h"
#include "tools/top/view.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVERY_MS 2000
#define LEAST_MS 100 /* between two rounds: who looks shall not be the load */

static unsigned every_of(const struct ptl_options *options)
{
    unsigned every_ms = options->every_ms == 0 ? EVERY_MS : options->every_ms;

    return every_ms < LEAST_MS ? LEAST_MS : every_ms;
}

/* ---- Tables --------------------------------------------------------------------------------- */

/* Wait for something new.  Returns 0, or the exit code that ends this. */
static int wait_for_news(struct ptl_client *client, struct ptl_cluster *cluster, int left_ms)
{
    struct pollfd fds[] = {
        {.fd = client->signals, .events = POLLIN},
        {.fd = ptl_cluster_event(cluster), .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = 0}, /* nobody reads it any more */
    };
    struct signalfd_siginfo info;

    if (poll(fds, 3, left_ms) <= 0) {
        return 0;
    }
    if ((fds[0].revents & POLLIN) &&
        read(client->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        return 128 + (int)info.ssi_signo;
    }
    return fds[2].revents != 0 ? ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(EPIPE))
                               : 0;
}

static int print(const struct ptl_cluster_view *view, bool is_first)
{
    fputs(is_first ? "" : "\n", stdout);
    ptl_view_print(view, 0, stdout);
    return fflush(stdout) == 0 && !ferror(stdout)
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
}

/* The rates of a table need two rounds, so the first one is printed behind the second. */
static int print_rounds(struct ptl_client *client, struct ptl_cluster *cluster, uint64_t count)
{
    uint64_t until = ptl_sight_now_ms() + client->options->timeout_ms;
    struct ptl_cluster_view view;
    uint64_t printed = 0;
    int code = PTL_EXIT_OK;

    while (code == PTL_EXIT_OK && (count == 0 || printed < count)) {
        if (!ptl_cluster_look(cluster, &view)) {
            return ptl_complain(PTL_EXIT_OTHER, "no memory");
        }
        uint64_t now = view.now_ms;
        if (view.rounds > printed + 1) {
            code = print(&view, printed == 0);
            printed++;
        } else if (view.is_over) {
            code = ptl_complain(PTL_EXIT_OTHER, "no memory");
        } else if (view.rounds == 0 && now >= until) {
            code = ptl_complain(PTL_EXIT_REACH,
                                "no answer within %g s: has the node lost the "
                                "network? (or raise --timeout)",
                                client->options->timeout_ms / 1000.0);
        } else {
            code = wait_for_news(client, cluster, view.rounds == 0 ? (int)(until - now) : -1);
        }
        ptl_cluster_view_drop(cluster, &view);
    }
    return code;
}

/* ---- The command ---------------------------------------------------------------------------- */

struct top {
    struct ptl_cluster *cluster;
    uint64_t count;
    bool is_live;
};

static int show(struct ptl_client *client)
{
    struct top *top = client->data;
    unsigned every_ms = every_of(client->options);

    int err = ptl_cluster_begin(client, every_ms, !top->is_live, &top->cluster);
    if (err < 0) {
        return ptl_complain_refused("watch the network", err);
    }
    int code = top->is_live ? ptl_screen_show(client, top->cluster) : -1;
    return code >= 0 ? code : print_rounds(client, top->cluster, top->count);
}

int ptl_command_top(const struct ptl_options *options)
{
    struct top top = {.count = options->once ? 1 : options->count};

    if (options->argument_count > 0) {
        return ptl_complain(PTL_EXIT_USAGE, "top takes no argument '%s': see portolan --help",
                            options->arguments[0]);
    }
    top.is_live = top.count == 0 && ptl_terminal_is_there();
    if (top.is_live && options->log && isatty(STDERR_FILENO)) {
        return ptl_complain(PTL_EXIT_USAGE, "the log would be written over: send it to 2>FILE");
    }
    int code = ptl_client_run(options, NULL, show, &top);
    ptl_cluster_free(top.cluster);
    return code;
}
