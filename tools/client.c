#include "tools/client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LINK_MS_MAX 5000 /* a node that is there is found in milliseconds */
#define STOP_MS 1000

/* ---- Waiting ----------------------------------------------------------------------------- */

static void tell(struct ptl_client *client)
{
    uint64_t one = 1;

    while (write(client->event, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void ptl_client_done(struct ptl_client *client, enum ptl_exit code, char *text, char *complaint)
{
    pthread_mutex_lock(&client->lock);
    if (client->done) {
        free(text);
        free(complaint);
    } else {
        client->done = true;
        client->code = (int)code;
        client->text = text;
        client->complaint = complaint;
    }
    pthread_mutex_unlock(&client->lock);
    tell(client);
}

static void link_changed(struct ptl_node *node, const char *node_id, bool up,
                         const struct ptl_msg *reason, void *data)
{
    struct ptl_client *client = data;

    (void)node;
    (void)reason;
    if (up) {
        pthread_mutex_lock(&client->lock);
        if (!client->linked) {
            snprintf(client->seed_id, sizeof client->seed_id, "%s", node_id);
            client->linked = true;
        }
        pthread_mutex_unlock(&client->lock);
        tell(client);
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_true(struct ptl_client *client, const bool *fact)
{
    pthread_mutex_lock(&client->lock);
    bool value = *fact;
    pthread_mutex_unlock(&client->lock);
    return value;
}

/* Whether lines are to be written. */
static bool has_lines(struct ptl_client *client)
{
    return client->lines && ptl_lines_waiting(client->lines);
}

/* The number of the signal that has come, or 0. */
static int take_signal(struct ptl_client *client, short events)
{
    struct signalfd_siginfo info;

    return (events & POLLIN) && read(client->signals, &info, sizeof info) == (ssize_t)sizeof info
               ? (int)info.ssi_signo
               : 0;
}

/* Standard output takes more, or nobody reads it any more. */
static int take_output(struct ptl_client *client, short events)
{
    if (events & POLLOUT) {
        return ptl_lines_write(client->lines);
    }
    return events != 0 ? -EPIPE : 0;
}

/* One wait for whatever comes first.  Returns as wait_until() does; 0: look once more. */
static int wait_once(struct ptl_client *client, int left_ms)
{
    struct pollfd fds[] = {
        {.fd = client->event, .events = POLLIN},
        {.fd = client->signals, .events = POLLIN},
        {.fd = client->lines ? STDOUT_FILENO : -1, .events = has_lines(client) ? POLLOUT : 0},
    };
    uint64_t count;

    if (poll(fds, 3, left_ms) <= 0) {
        return 0;
    }
    if ((fds[0].revents & POLLIN) && read(client->event, &count, sizeof count) < 0 &&
        errno != EINTR) {
        return -errno;
    }
    int number = take_signal(client, fds[1].revents);
    return number > 0 ? number : take_output(client, fds[2].revents);
}

/*
 * Wait until `fact`, one of the client's, is true and all lines are written.  Returns 0,
 * PTL_ETIMEOUT, -errno of writing, or the number of the signal that ended the waiting.
 * `timeout_ms` 0 is no limit.
 */
static int wait_until(struct ptl_client *client, const bool *fact, unsigned timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;

    while (!is_true(client, fact) || has_lines(client)) {
        int64_t left = end - now_ms();
        if (timeout_ms > 0 && left <= 0) {
            return PTL_ETIMEOUT;
        }
        int result = wait_once(client, timeout_ms > 0 ? (int)left : -1);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* ---- Opening and closing ------------------------------------------------------------------ */

void ptl_client_seeds(const struct ptl_options *options, struct ptl_list *seeds)
{
    *seeds = options->seeds;
    if (seeds->count == 0) {
        seeds->items[seeds->count++] = PTL_DEFAULT_ADDRESS;
    }
}

void ptl_client_make_id(char id[PTL_NODE_ID_MAX])
{
    char host[PTL_NODE_ID_MAX];
    uint32_t random[2] = {0, 0};

    ptl_host_name(host);
    if (getrandom(random, sizeof random, 0) < 0) {
        random[0] = (uint32_t)getpid(); /* better than nothing: IDs differ on one host */
    }
    snprintf(id, PTL_NODE_ID_MAX, "%.160s/cli/%08x%08x", host, random[0], random[1]);
}

static int start(struct ptl_client *client)
{
    const char *id = client->options->node ? client->options->node : client->id;
    struct ptl_node_options node_options =
        ptl_common_options(client->options, id, &client->secret, &client->journal);

    node_options.seeds = client->seeds.items;
    node_options.shards = 1;
    node_options.ordinary = true; /* it asks its seed, and holds nothing itself */
    int err = ptl_node_start(&node_options, &client->node);
    if (err < 0) {
        client->node = NULL;
        return ptl_complain_start(&client->journal, err);
    }
    err = ptl_on_link(client->node, link_changed, client);
    return err < 0 ? ptl_complain(PTL_EXIT_OTHER, "cannot watch links: %s", ptl_err_text(err))
                   : PTL_EXIT_OK;
}

static int open_client(struct ptl_client *client)
{
    const struct ptl_options *options = client->options;

    client->signals = client->event = -1;
    client->doubt = "is the port alive?";
    pthread_mutex_init(&client->lock, NULL);
    ptl_journal_init(&client->journal, options->log);
    ptl_client_make_id(client->id);

    ptl_client_seeds(options, &client->seeds);
    int code = ptl_secret_find(options, &client->secret);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    client->signals = ptl_signals_open(false);
    client->event = eventfd(0, EFD_CLOEXEC);
    if (client->signals < 0 || client->event < 0) {
        return ptl_complain(PTL_EXIT_OTHER, "no more files may be opened: %s", strerror(errno));
    }
    return start(client);
}

static int link_up(struct ptl_client *client)
{
    unsigned given_ms = client->options->timeout_ms;
    unsigned limit_ms = given_ms < LINK_MS_MAX ? given_ms : LINK_MS_MAX;
    char line[PTL_JOURNAL_LINE_MAX];

    int result = wait_until(client, &client->linked, limit_ms);
    if (result > 0) {
        return 128 + result;
    }
    if (result == 0) {
        return PTL_EXIT_OK;
    }
    ptl_journal_held(&client->journal, "no answer: does a node run there, with the same secret?",
                     line);
    return ptl_complain(PTL_EXIT_REACH, "cannot reach %s within %g s: %s", client->seeds.items[0],
                        limit_ms / 1000.0, line);
}

static void close_client(struct ptl_client *client)
{
    if (client->node) {
        ptl_node_stop(client->node, STOP_MS);
    }
    ptl_journal_close(&client->journal);
    ptl_secret_drop(&client->secret);
    if (client->signals >= 0) {
        close(client->signals);
    }
    if (client->event >= 0) {
        close(client->event);
    }
    free(client->text);
    free(client->complaint);
}

int ptl_client_run(const struct ptl_options *options, ptl_client_step *prepare,
                   ptl_client_step *ask, void *data)
{
    struct ptl_client client = {.options = options, .data = data};

    int code = open_client(&client);
    if (code == PTL_EXIT_OK && prepare) {
        code = prepare(&client);
    }
    if (code == PTL_EXIT_OK) {
        code = link_up(&client);
    }
    if (code == PTL_EXIT_OK) {
        code = ask(&client);
    }
    close_client(&client);
    return code;
}

/* ---- Questions and answers ---------------------------------------------------------------- */

int ptl_client_parse_port(struct ptl_client *client)
{
    const char *text = client->options->arguments[0];

    int err = ptl_port_parse(client->node, text, strlen(text), &client->port);
    return err < 0 ? ptl_complain(PTL_EXIT_USAGE, "'%s' is not a port: %s", text, ptl_err_text(err))
                   : PTL_EXIT_OK;
}

/* Errors of a writer stick, so whether text is JSON is tried on another one. */
static bool is_json(const char *text)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    bool good = ptl_put_json(&writer, text, strlen(text)) == 0;
    ptl_writer_drop(&writer);
    return good;
}

int ptl_client_message(struct ptl_client *client, int index, struct ptl_msg **msg)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, client->node);
    for (; index < client->options->argument_count; index++) {
        const char *text = client->options->arguments[index];
        if (is_json(text)) {
            ptl_put_json(&writer, text, strlen(text));
        } else {
            ptl_put_string(&writer, text, strlen(text));
        }
    }
    int err = ptl_writer_finish(&writer, msg);
    return err < 0 ? ptl_complain(PTL_EXIT_OTHER, "cannot make a message: %s", ptl_err_text(err))
                   : PTL_EXIT_OK;
}

/* What a reason of the end of a monitor says, beside the program's own. */
static const struct {
    const char *word, *text;
    enum ptl_exit code;
} ends[] = {
    {"transport_error", "the node cannot be reached", PTL_EXIT_REACH},
    {"not_allowed", "the node's rules do not allow it", PTL_EXIT_DENIED},
    {"no_such_port", "the port is gone", PTL_EXIT_GONE},
    {NULL, "the port is gone", PTL_EXIT_GONE},
};

/* Its place among these: the last one, where the reason is none of them. */
static size_t find_end(const struct ptl_msg *reason)
{
    size_t i = 0;

    while (ends[i].word && !ptl_msg_is(reason, ends[i].word)) {
        i++;
    }
    return i;
}

bool ptl_client_is_failure(const struct ptl_msg *reason)
{
    return ends[find_end(reason)].word != NULL;
}

void ptl_client_gone(struct ptl_client *client, const struct ptl_msg *reason, bool print)
{
    char *json = ptl_msg_json(reason);
    char *complaint = NULL;
    size_t end = find_end(reason);

    if (asprintf(&complaint, "%s: %s", ends[end].text, json ? json : "(no memory)") < 0) {
        complaint = NULL;
    }
    if (!print) {
        free(json);
        json = NULL;
    }
    ptl_client_done(client, ends[end].code, json, complaint);
}

char *ptl_value_json(const struct ptl_msg *msg)
{
    char *json = ptl_msg_json(msg);

    if (json) {
        size_t size = strlen(json) - 2; /* the array of one value without its brackets */
        memmove(json, json + 1, size);
        json[size] = '\0';
    }
    return json;
}

void ptl_client_print_value(struct ptl_client *client, const struct ptl_msg *msg)
{
    char *json = ptl_value_json(msg);

    ptl_client_done(client, json ? PTL_EXIT_OK : PTL_EXIT_OTHER, json,
                    json ? NULL : strdup("no memory"));
}

bool ptl_client_add_line(struct ptl_client *client, const char *line)
{
    bool good = ptl_lines_add(client->lines, line);

    tell(client);
    return good;
}

static int print_answer(const struct ptl_client *client)
{
    if (client->text && (printf("%s\n", client->text) < 0 || fflush(stdout) != 0)) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
    }
    if (client->complaint) {
        ptl_complain((enum ptl_exit)client->code, "%s", client->complaint);
    }
    return client->code;
}

int ptl_client_wait(struct ptl_client *client, unsigned timeout_ms)
{
    int result = wait_until(client, &client->done, timeout_ms);

    if (result > 0) {
        return 128 + result;
    }
    if (result == PTL_ETIMEOUT) {
        return ptl_complain(PTL_EXIT_REACH, "no answer within %g s: %s (or raise --timeout)",
                            timeout_ms / 1000.0, client->doubt);
    }
    if (result < 0) {
        return ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(-result));
    }
    return print_answer(client); /* the answer is told once: nobody writes it any more */
}
