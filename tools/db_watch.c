#include "tools/client.h"
#include "tools/db.h"
#include "tools/db_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The watch belongs to a port, so that it can be held up: while too many lines wait for whoever
 * reads them, the port's first message is one that is put off, and the database keeps what has
 * changed meanwhile as it is by then.
 */
struct watch {
    struct ptl_client *client;
    struct ptl_lines lines;
    struct ptl_port port;
    uint64_t left; /* lines to the end; 0: no end */
    bool held_up;
    bool ended;
};

static const char *event_name(enum ptl_db_event event)
{
    switch (event) {
    case PTL_DB_ADDED:
        return "added";
    case PTL_DB_CHANGED:
        return "changed";
    case PTL_DB_DELETED:
        return "deleted";
    case PTL_DB_RESET:
        return "reset";
    case PTL_DB_COPIED:
        break; /* no line, but one in the log */
    }
    return "";
}

/* {"event":"added","key":KEY,"value":VALUE}, or NULL when there is no memory. */
static char *make_line(const struct ptl_db_change *change)
{
    const char *name = event_name(change->event);
    struct ptl_msg *msg = NULL;
    int err = 0;

    if (change->event == PTL_DB_RESET) {
        err = ptl_msg_make(NULL, &msg, "{tt}", "event", name);
    } else if (change->event == PTL_DB_DELETED) {
        err =
            ptl_msg_make(NULL, &msg, "{tttT}", "event", name, "key", change->key, change->key_size);
    } else {
        err = ptl_msg_make(NULL, &msg, "{tttTtm}", "event", name, "key", change->key,
                           change->key_size, "value", change->value);
    }
    if (err < 0) {
        return NULL;
    }
    char *line = ptl_value_json(msg);
    ptl_msg_free(msg);
    return line;
}

static void hold_up_when_full(struct ptl_node *node, struct watch *watch)
{
    if (!watch->held_up && ptl_lines_full(&watch->lines)) {
        watch->held_up = ptl_sendf(node, &watch->port, "t", "wait") == 0;
    }
}

static void log_copied(struct watch *watch)
{
    char line[PTL_JOURNAL_LINE_MAX];

    snprintf(line, sizeof line, "watching %s", watch->client->options->arguments[1]);
    ptl_journal_log(&watch->client->journal, PTL_LOG_INFO, line);
}

static int changed(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    struct watch *watch = data;

    if (watch->ended) {
        return 0;
    }
    if (change->event == PTL_DB_COPIED) {
        log_copied(watch);
        return 0;
    }
    char *line = make_line(change);
    bool good = line && ptl_client_add_line(watch->client, line);
    free(line);
    if (!good) {
        watch->ended = true;
        ptl_client_done(watch->client, PTL_EXIT_OTHER, NULL, strdup("no memory for a line"));
    } else if (watch->left > 0 && --watch->left == 0) {
        watch->ended = true;
        ptl_client_done(watch->client, PTL_EXIT_OK, NULL, NULL);
    }
    hold_up_when_full(node, watch);
    return 0;
}

static int begin(struct ptl_node *node, struct watch *watch)
{
    const struct ptl_options *options = watch->client->options;
    const char *family = options->arguments[1];

    if (options->argument_count > 2) {
        return ptl_db_watch_key(node, family, options->arguments[2], changed, watch, NULL);
    }
    if (options->prefix && options->prefix[0] != '\0') {
        return ptl_db_watch_prefix(node, family, options->prefix, changed, watch, NULL);
    }
    return ptl_db_watch(node, family, changed, watch, NULL);
}

static int handle(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct watch *watch = data;

    if (ptl_msg_is(msg, "begin")) {
        int err = begin(node, watch);
        if (err < 0) {
            ptl_client_done(watch->client, PTL_EXIT_OTHER, NULL, strdup(ptl_err_text(err)));
        }
        return 0;
    }
    if (ptl_lines_full(&watch->lines)) {
        return PTL_LATER;
    }
    watch->held_up = false;
    return 0;
}

static int start_watch(struct ptl_client *client)
{
    struct watch *watch = client->data;
    struct ptl_port_options port_options = {
        .size = sizeof port_options,
        .handler = handle,
        .data = watch,
    };

    watch->client = client;
    client->lines = &watch->lines;
    int err = ptl_port_new(client->node, &port_options, &watch->port);
    if (err == 0) {
        err = ptl_sendf(client->node, &watch->port, "t", "begin");
    }
    return err < 0 ? ptl_complain_refused("watch", err) : ptl_client_wait(client, 0);
}

int ptl_command_db_watch(const struct ptl_options *options)
{
    const char *prefix = options->prefix;
    struct watch watch = {.left = options->count};

    if (prefix && options->argument_count > 2) {
        return ptl_complain(PTL_EXIT_USAGE, "a key and --prefix are given: choose one");
    }
    const char *fault = prefix && prefix[0] != '\0' ? ptl_db_key_fault(prefix) : NULL;
    if (fault) {
        return ptl_complain(PTL_EXIT_USAGE, "no key begins with '%s': %s", prefix, fault);
    }
    ptl_lines_init(&watch.lines);
    int code = ptl_client_run(options, NULL, start_watch, &watch);
    ptl_lines_free(&watch.lines);
    return code;
}
