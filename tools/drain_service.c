#include "tools/drain_service.h"

#include "tools/reply.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* The answer is accepted before the end begins, and so is delivered. */
static int drain(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_port to;

    if (ptl_msg_count(msg) != 2 || ptl_skip(&cursor) < 0 || !ptl_reply_port(node, &cursor, &to)) {
        return 0;
    }
    char line[PTL_PORT_ID_MAX + 40];
    snprintf(line, sizeof line, "drain: asked for by %s", ptl_port_id(&to));
    ptl_journal_log(data, PTL_LOG_INFO, line);
    int err = ptl_sendf(node, &to, "n");
    kill(getpid(), SIGTERM);
    return err == PTL_ENOMEM ? err : 0; /* who has no room for answers goes without */
}

int ptl_drain_service_start(struct ptl_node *node, struct ptl_journal *journal)
{
    const struct ptl_port_tag tags[] = {{"drain", drain, journal}, {NULL, NULL, NULL}};
    struct ptl_port port;
    struct ptl_port_options options = {
        .size = sizeof options, .name = PTL_DRAIN_SERVICE, .tags = tags, .ignore_unhandled = true};

    return ptl_port_new(node, &options, &port);
}
