#include "tools/client.h"
#include "tools/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hold {
    struct ptl_client *client;
    char *json; /* what is set */
};

/* What the seed shows: ours, or that of a node whose ID is lower. */
static int shown(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    struct hold *hold = data;
    char **arguments = hold->client->options->arguments;
    char line[PTL_JOURNAL_LINE_MAX];

    (void)node;
    if (change->event != PTL_DB_ADDED && change->event != PTL_DB_CHANGED) {
        return 0;
    }
    char *json = ptl_value_json(change->value);
    bool ours = json && strcmp(json, hold->json) == 0;
    if (ours) {
        snprintf(line, sizeof line, "holding %s %s", arguments[1], arguments[2]);
    } else {
        snprintf(line, sizeof line, "%s %s is set by another node too, whose value shows: %s",
                 arguments[1], arguments[2], json ? json : "(no memory)");
    }
    free(json);
    ptl_journal_log(&hold->client->journal, ours ? PTL_LOG_INFO : PTL_LOG_WARN, line);
    return 0;
}

static int make_value(struct ptl_client *client, struct ptl_msg **value)
{
    if (client->options->argument_count > 3) {
        return ptl_client_message(client, 3, value);
    }
    int err = ptl_msg_make(client->node, value, "n");
    return err < 0 ? ptl_complain_refused("make a value", err) : PTL_EXIT_OK;
}

static int hold_entry(struct ptl_client *client)
{
    struct hold *hold = client->data;
    char **arguments = client->options->arguments;
    struct ptl_msg *value;

    int code = make_value(client, &value);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    hold->client = client;
    hold->json = ptl_value_json(value);
    int err = hold->json ? ptl_db_set(client->node, arguments[1], arguments[2], value) : PTL_ENOMEM;
    ptl_msg_free(value);
    if (err == 0) {
        err = ptl_db_watch_key(client->node, arguments[1], arguments[2], shown, hold, NULL);
    }
    return err < 0 ? ptl_complain_refused("set", err) : ptl_client_wait(client, 0);
}

int ptl_command_db_hold(const struct ptl_options *options)
{
    struct hold hold = {NULL, NULL};

    int code = ptl_client_run(options, NULL, hold_entry, &hold);
    free(hold.json);
    return code;
}
