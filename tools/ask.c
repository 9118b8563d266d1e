#include "tools/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAWN_SETTLE_MS 20 /* from one shard of a node to another and back takes far less */

/* The client commands: each opens a client, asks one thing of the network and waits. */

/* ---- What all of them wait for ------------------------------------------------------------ */

/* The node has answered a request that went behind everything else on the same stream. */
static void answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_client *client = data;

    (void)node;
    if (err == 0) {
        ptl_client_done(client, PTL_EXIT_OK, NULL, NULL);
    } else if (reply) {
        ptl_client_gone(client, reply, false);
    } else {
        ptl_client_done(client, PTL_EXIT_REACH, NULL, strdup(ptl_err_text(err)));
    }
}

/*
 * Ask the node itself for the time: ["time", REPLYPORT], which every AEMP node answers.  `node_id`
 * ends at a '#' or at its end.
 */
static int ask_node(struct ptl_client *client, const char *node_id, ptl_reply_fn *tell)
{
    struct ptl_port node_port;
    struct ptl_msg *msg;

    int err = ptl_port_parse(client->node, node_id, strcspn(node_id, "#"), &node_port);
    if (err == 0) {
        err = ptl_msg_make(client->node, &msg, "t", "time");
    }
    if (err == 0) {
        err = ptl_call(client->node, &node_port, msg, 0, true, tell, client);
        ptl_msg_free(msg);
    }
    return err < 0 ? ptl_complain_refused("ask the node", err) : PTL_EXIT_OK;
}

/* ---- snd ----------------------------------------------------------------------------------- */

static int send_message(struct ptl_client *client)
{
    struct ptl_msg *msg;

    int code = ptl_client_message(client, 1, &msg);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    int err = ptl_send(client->node, &client->port, msg);
    ptl_msg_free(msg);
    if (err < 0) {
        return ptl_complain_refused("send", err);
    }
    code = ask_node(client, ptl_port_id(&client->port), answered);
    return code == PTL_EXIT_OK ? ptl_client_wait(client, client->options->timeout_ms) : code;
}

/* ---- cal ----------------------------------------------------------------------------------- */

static void print_message(struct ptl_client *client, const struct ptl_msg *msg)
{
    char *json = ptl_msg_json(msg);

    ptl_client_done(client, json ? PTL_EXIT_OK : PTL_EXIT_OTHER, json, NULL);
}

static void replied(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_client *client = data;

    if (err == 0) {
        print_message(client, reply);
    } else {
        answered(node, err, reply, data);
    }
}

static int call_port(struct ptl_client *client)
{
    struct ptl_msg *msg;

    int code = ptl_client_message(client, 1, &msg);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    int err = ptl_call(client->node, &client->port, msg, 0, true, replied, client);
    ptl_msg_free(msg);
    return err < 0 ? ptl_complain_refused("call", err)
                   : ptl_client_wait(client, client->options->timeout_ms);
}

/* ---- mon ----------------------------------------------------------------------------------- */

/* That a port dies is what was asked for; that there is none, or no node, or that rules do not
 * allow it, is not. */
static int monitored(struct ptl_node *node, const struct ptl_port *port,
                     const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    if (ptl_client_is_failure(reason)) {
        ptl_client_gone(data, reason, true);
    } else {
        print_message(data, reason);
    }
    return 0;
}

/* Whoever waits for the monitor to be in place sees it in the log. */
static void watching(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_client *client = data;
    char line[PTL_PORT_ID_MAX + 16];

    (void)node;
    (void)reply; /* when the node is gone, the monitor itself tells */
    if (err == 0) {
        snprintf(line, sizeof line, "monitoring %s", ptl_port_id(&client->port));
        ptl_journal_log(&client->journal, PTL_LOG_INFO, line);
    }
}

static int monitor_port(struct ptl_client *client)
{
    int err = ptl_monitor(client->node, &client->port, monitored, client, NULL);
    if (err < 0) {
        return ptl_complain_refused("monitor", err);
    }
    int code = ask_node(client, ptl_port_id(&client->port), watching);
    return code == PTL_EXIT_OK ? ptl_client_wait(client, 0) : code;
}

/* ---- spawn --------------------------------------------------------------------------------- */

static int spawned_died(struct ptl_node *node, const struct ptl_port *port,
                        const struct ptl_msg *reason, void *data)
{
    (void)node;
    (void)port;
    ptl_client_gone(data, reason, false);
    return 0;
}

static int spawn_settled(struct ptl_node *node, void *data)
{
    struct ptl_client *client = data;

    (void)node;
    ptl_client_done(client, PTL_EXIT_OK, strdup(ptl_port_id(&client->port)), NULL);
    return 0;
}

/*
 * The node has taken the request.  Its answer may overtake that of the new port, which lives on
 * another shard there, so bad news gets a moment to arrive.
 */
static void spawn_answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    if (err < 0) {
        answered(node, err, reply, data);
    } else if (ptl_after(node, SPAWN_SETTLE_MS, spawn_settled, data, NULL) < 0) {
        spawn_settled(node, data);
    }
}

static int spawn_port(struct ptl_client *client)
{
    char **arguments = client->options->arguments;
    struct ptl_msg *msg;

    int code = ptl_client_message(client, 2, &msg);
    if (code != PTL_EXIT_OK) {
        return code;
    }
    int err = ptl_spawn(client->node, arguments[0], arguments[1], msg, &client->port);
    ptl_msg_free(msg);
    if (err == 0) {
        err = ptl_monitor(client->node, &client->port, spawned_died, client, NULL);
    }
    if (err < 0) {
        return ptl_complain_refused("spawn", err);
    }
    code = ask_node(client, arguments[0], spawn_answered);
    return code == PTL_EXIT_OK ? ptl_client_wait(client, client->options->timeout_ms) : code;
}

/* ---- The commands -------------------------------------------------------------------------- */

int ptl_command_snd(const struct ptl_options *options)
{
    return options->argument_count < 1
               ? ptl_complain_form("snd PORT [ARG...]")
               : ptl_client_run(options, ptl_client_parse_port, send_message, NULL);
}

int ptl_command_cal(const struct ptl_options *options)
{
    return options->argument_count < 1
               ? ptl_complain_form("cal PORT [ARG...]")
               : ptl_client_run(options, ptl_client_parse_port, call_port, NULL);
}

int ptl_command_mon(const struct ptl_options *options)
{
    return options->argument_count != 1
               ? ptl_complain_form("mon PORT")
               : ptl_client_run(options, ptl_client_parse_port, monitor_port, NULL);
}

int ptl_command_spawn(const struct ptl_options *options)
{
    return options->argument_count < 2 ? ptl_complain_form("spawn NODE FUNC [ARG...]")
                                       : ptl_client_run(options, NULL, spawn_port, NULL);
}
