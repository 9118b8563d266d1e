#include "tools/inquest.h"

#include <stdio.h>
#include <string.h>

static void ask_waiting(struct ptl_inquest *inquest);

static void tell(struct ptl_probe *probe, int err, const struct ptl_msg *reply)
{
    struct ptl_inquest *inquest = probe->inquest;

    inquest->open--;
    inquest->tell(inquest, probe, err, reply);
}

static void answered(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    tell(data, err, reply);
}

static void has_room(struct ptl_node *node, const struct ptl_port *to, void *data)
{
    struct ptl_inquest *inquest = data;

    (void)node;
    (void)to;
    inquest->waits = false;
    ask_waiting(inquest);
}

static int ask(struct ptl_inquest *inquest, struct ptl_probe *probe)
{
    struct ptl_node *node = inquest->client->node;
    struct ptl_msg *msg;

    int err = ptl_msg_make(node, &msg, "t", inquest->tag);
    if (err == 0) {
        err = ptl_call(node, &probe->to, msg, inquest->timeout_ms, true, answered, probe);
        ptl_msg_free(msg);
    }
    if (err == PTL_EFULL && ptl_on_room(node, &probe->to, has_room, inquest) == 0) {
        inquest->waits = true;
        return PTL_LATER;
    }
    return err;
}

/* In order, until there is no room; what `tell` adds meanwhile is asked by the same loop. */
static void ask_waiting(struct ptl_inquest *inquest)
{
    if (inquest->asking || inquest->waits) {
        return;
    }
    inquest->asking = true;
    while (inquest->first) {
        struct ptl_probe *probe = inquest->first;
        int err = ask(inquest, probe);
        if (err == PTL_LATER) {
            break;
        }
        inquest->first = probe->next;
        if (err < 0) {
            tell(probe, err, NULL);
        }
    }
    inquest->asking = false;
}

void ptl_inquest_ask(struct ptl_inquest *inquest, struct ptl_probe *probe, const char *node_id)
{
    char id[PTL_PORT_ID_MAX + 1];

    *probe = (struct ptl_probe){.inquest = inquest};
    inquest->open++;
    int size = snprintf(id, sizeof id, "%s#%s", node_id, inquest->port);
    int err = (size_t)size < sizeof id
                  ? ptl_port_parse(inquest->client->node, id, (size_t)size, &probe->to)
                  : PTL_ENAME;
    if (err < 0) {
        tell(probe, err, NULL);
        return;
    }
    if (inquest->first) {
        inquest->last->next = probe;
    } else {
        inquest->first = probe;
    }
    inquest->last = probe;
    ask_waiting(inquest);
}
