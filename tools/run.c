#include "tools/common.h"
#include "tools/config/effective.h"
#include "tools/config/reload.h"
#include "tools/config/warnings.h"
#include "tools/http/serve.h"
#include "tools/last_signal.h"
#include "tools/rules_file.h"
#include "tools/services.h"
#include "tools/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The one line that says what there is: scripts wait for it. */
static int print_ready(struct ptl_node *node)
{
    printf("portolan: ready node=%s addresses=", ptl_node_id(node));
    for (unsigned i = 0; ptl_node_address(node, i); i++) {
        printf("%s%s", i > 0 ? "," : "", ptl_node_address(node, i));
    }
    printf(" shards=%u\n", ptl_node_shards(node));
    return fflush(stdout) == 0 ? 0 : -errno;
}

/* Whether there is something that SIGHUP has read again. */
static bool may_reload(const struct ptl_options *options)
{
    return options->config || options->cert || options->tls_cert || options->rules;
}

/* Take a signal.  SIGHUP has the node look at its files again, if it has some; others are taken and
 * said to be of no effect.  False: it ends the node. */
static bool take_signal(struct ptl_running *running, const struct ptl_supervisor *supervisor,
                        int signals)
{
    struct signalfd_siginfo info;
    char line[80];

    if (read(signals, &info, sizeof info) != (ssize_t)sizeof info) {
        return true; /* interrupted */
    }
    if (info.ssi_signo == SIGHUP && may_reload(running->start)) {
        ptl_supervisor_reloading(supervisor);
        ptl_config_reload(running);
        ptl_supervisor_reloaded(supervisor);
    } else if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2) {
        snprintf(line, sizeof line, "SIG%s: there is nothing to reload, the node goes on",
                 sigabbrev_np((int)info.ssi_signo));
        ptl_journal_log(running->journal, PTL_LOG_INFO, line);
    }
    return info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT;
}

/* Whether standard output takes a line, or never will; false when a signal ends the node first. */
static bool wait_for_output(struct ptl_running *running, const struct ptl_supervisor *supervisor,
                            int signals)
{
    struct pollfd fds[] = {
        {.fd = STDOUT_FILENO, .events = POLLOUT},
        {.fd = signals, .events = POLLIN},
    };

    for (;;) {
        int count = poll(fds, 2, -1);
        if (count > 0 && fds[0].revents != 0) {
            return true;
        }
        if (count > 0 && !take_signal(running, supervisor, signals)) {
            return false;
        }
    }
}

/* Each connection takes a descriptor: as many as the system lets this process have. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* where it fails the node has what it had */
    }
}

static void tell_limit(struct ptl_journal *journal)
{
    struct rlimit limit;
    char line[80];

    if (journal->level >= PTL_LOG_INFO && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        snprintf(line, sizeof line, "at most %llu open files, one a connection",
                 (unsigned long long)limit.rlim_cur);
        ptl_journal_log(journal, PTL_LOG_INFO, line);
    }
}

static void log_warning(void *data, const char *warning)
{
    ptl_journal_log(data, PTL_LOG_WARN, warning);
}

/* Which configuration it is, so that nodes can be compared by their logs. */
static void tell_configuration(const struct ptl_options *options, struct ptl_journal *journal)
{
    char line[PTL_JOURNAL_LINE_MAX];
    char digest[PTL_DIGEST_TEXT_SIZE];

    if (!options->config) {
        return;
    }
    ptl_config_warn(options, log_warning, journal);
    if (ptl_config_digest(options->settings, digest)) {
        snprintf(line, sizeof line, "configuration %s%s%s, digest %s", options->config,
                 options->profile ? ", profile " : "", options->profile ? options->profile : "",
                 digest);
        ptl_journal_log(journal, PTL_LOG_INFO, line);
    }
}

static void print_mistake(void *data, const char *mistake)
{
    (void)data;
    ptl_complain(PTL_EXIT_START, "%s", mistake);
}

/* Before anybody can ask it for something. */
static int set_rules(struct ptl_running *running)
{
    const char *path = running->start->rules;

    if (!path) {
        return PTL_EXIT_OK;
    }
    int code = ptl_rules_file_read(path, false, print_mistake, NULL, &running->rules);
    if (code == PTL_EXIT_OK) {
        ptl_node_set_rules(running->node, running->rules.rules);
        ptl_permit_set(&running->permit, running->rules.rules);
    }
    return code;
}

/* Until a signal ends the node. */
static void obey(struct ptl_running *running, struct ptl_supervisor *supervisor, int signals)
{
    struct pollfd fd = {.fd = signals, .events = POLLIN};
    bool goes_on = true;

    while (goes_on) {
        int count = poll(&fd, 1, ptl_supervisor_tell(supervisor));
        goes_on = count <= 0 || take_signal(running, supervisor, signals);
    }
}

/* From a node that was made to one that may be stopped: its services first, so that they are there
 * before anybody can ask for them. */
static int serve(struct ptl_running *running, struct ptl_supervisor *supervisor, int signals)
{
    struct ptl_node *node = running->node;
    struct ptl_journal *journal = running->journal;
    int err = ptl_services_start(node, journal, &running->permit, running->start->services.items);

    if (err < 0) {
        return ptl_complain(PTL_EXIT_START, "cannot start a service: %s", ptl_err_text(err));
    }
    err = ptl_node_open(node);
    if (err < 0) {
        return ptl_complain_start(journal, err);
    }
    int code = ptl_http_serve(running->start, node, journal, &running->http);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    ptl_journal_release(journal);
    tell_limit(journal);
    tell_configuration(running->start, journal);
    err = ptl_supervisor_begin(supervisor, node);
    if (err < 0) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot be watched: %s", ptl_err_text(err));
    }
    if (!wait_for_output(running, supervisor, signals)) {
        return PTL_EXIT_OK;
    }
    err = print_ready(node);
    if (err < 0) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot write the ready line: %s", ptl_err_text(err));
    }
    obey(running, supervisor, signals);
    return PTL_EXIT_OK;
}

/* What is not delivered in the end has a line of the node's own. */
static int end(struct ptl_running *running, struct ptl_supervisor *supervisor, int code)
{
    char line[80];

    if (code == PTL_EXIT_OK) {
        snprintf(line, sizeof line, "drains, for %u ms at most", running->options.drain_ms);
        ptl_journal_log(running->journal, PTL_LOG_INFO, line);
    }
    ptl_supervisor_stopping(supervisor);
    ptl_last_signal();
    ptl_http_drain(running->http); /* which is served meanwhile */
    ptl_node_drain(running->node, running->options.drain_ms);
    ptl_http_stop(running->http);
    int result = ptl_node_stop(running->node, 0);
    ptl_http_free(running->http);
    ptl_supervisor_end(supervisor);
    if (code == PTL_EXIT_OK && result == 0) {
        ptl_journal_log(running->journal, PTL_LOG_INFO, "drained: all was delivered");
    }
    return code == PTL_EXIT_OK && result < 0 ? PTL_EXIT_LOST : code;
}

static int make_node(const struct ptl_options *options, const struct ptl_secret *secret,
                     struct ptl_journal *journal, struct ptl_node **node)
{
    char host[PTL_NODE_ID_MAX];

    ptl_host_name(host);
    const char *id = options->node ? options->node : host;
    struct ptl_node_options node_options = ptl_common_options(options, id, secret, journal);
    ptl_journal_set_format(journal, ptl_journal_format(options->log_format), id);
    node_options.binds = options->binds.items;
    node_options.seeds = options->seeds.items;
    node_options.announces = options->announces.count > 0 ? options->announces.items : NULL;
    node_options.ordinary = options->ordinary;
    journal->holding = true;
    raise_limit();
    int err = ptl_node_make(&node_options, node);
    return err < 0 ? ptl_complain_start(journal, err) : PTL_EXIT_OK;
}

static int start_and_serve(const struct ptl_options *options, struct ptl_secret *secret,
                           struct ptl_journal *journal)
{
    struct ptl_supervisor supervisor = {.is_there = false};
    struct ptl_running running;
    struct ptl_node *node;

    int signals = ptl_signals_open(true);
    if (signals < 0) {
        return ptl_complain(PTL_EXIT_OTHER, "no signals: %s", ptl_err_text(signals));
    }
    int code = make_node(options, secret, journal, &node);
    if (code == PTL_EXIT_OK) {
        ptl_running_init(&running, node, options, secret, journal);
        code = set_rules(&running);
        code = code == PTL_EXIT_OK ? serve(&running, &supervisor, signals) : code;
        code = end(&running, &supervisor, code);
        ptl_running_drop(&running);
        ptl_permit_drop(&running.permit);
        ptl_rules_file_drop(&running.rules);
    }
    close(signals);
    return code;
}

int ptl_command_run(const struct ptl_options *options)
{
    struct ptl_secret secret;
    struct ptl_journal journal;

    if (options->argument_count > 0) {
        return ptl_complain(PTL_EXIT_USAGE, "run takes no argument '%s': see portolan --help",
                            options->arguments[0]);
    }
    int code = ptl_secret_find(options, &secret);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    ptl_journal_init(&journal, options->log);
    code = start_and_serve(options, &secret, &journal);
    ptl_journal_close(&journal);
    ptl_secret_drop(&secret);
    return code;
}
