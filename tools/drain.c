#include "tools/client.h"
#include "tools/drain_service.h"

#include <stdio.h>
#include <string.h>

static int parse_service(struct ptl_client *client)
{
    char id[PTL_PORT_ID_MAX + 1];

    snprintf(id, sizeof id, "%s#%s", client->options->arguments[0], PTL_DRAIN_SERVICE);
    if (strchr(client->options->arguments[0], '#') ||
        ptl_port_parse(client->node, id, strlen(id), &client->port) < 0) {
        return ptl_complain(PTL_EXIT_USAGE, "'%s' is no node's ID", client->options->arguments[0]);
    }
    return PTL_EXIT_OK;
}

/* It has begun: the port's end is awaited, which comes when the node has nothing left. */
static int drained(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason,
                   void *data)
{
    (void)node;
    (void)port;
    (void)reason;
    ptl_client_done(data, PTL_EXIT_OK, NULL, NULL);
    return 0;
}

static void begun(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    struct ptl_client *client = data;

    if (err == 0) {
        err = ptl_monitor(node, &client->port, drained, client, NULL);
        reply = NULL;
    }
    if (reply && ptl_msg_is(reply, "no_such_port")) {
        ptl_client_done(client, PTL_EXIT_GONE, NULL,
                        strdup("the node has no such service: start it with --service drain"));
    } else if (reply) {
        ptl_client_gone(client, reply, false);
    } else if (err < 0) {
        ptl_client_done(client, PTL_EXIT_REACH, NULL, strdup(ptl_err_text(err)));
    }
}

static int ask(struct ptl_client *client)
{
    struct ptl_msg *msg;

    int err = ptl_msg_make(client->node, &msg, "t", "drain");
    if (err == 0) {
        err = ptl_call(client->node, &client->port, msg, client->options->timeout_ms, true, begun,
                       client);
        ptl_msg_free(msg);
    }
    return err < 0 ? ptl_complain_refused("ask the node", err) : ptl_client_wait(client, 0);
}

int ptl_command_drain(const struct ptl_options *options)
{
    return options->argument_count != 1 ? ptl_complain_form("drain NODE")
                                        : ptl_client_run(options, parse_service, ask, NULL);
}
