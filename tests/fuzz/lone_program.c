#include "tests/fuzz/lone_program.h"

#include "io/base.h"

#include <stdio.h>

#define LARGE 20000 /* bytes: more than one frame of our own framing */

/* ---- Ports --------------------------------------------------------------------------------- */

/* The first value is the port to answer to, and goes back as well. */
static int echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port to;

    (void)data;
    if (ptl_msg_read(node, msg, "p", &to) == 0) {
        (void)!ptl_send(node, &to, msg);
    }
    return 0;
}

/* Each message at the second try. */
static int take_late(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    bool *is_late = data;

    (void)node, (void)msg;
    *is_late = !*is_late;
    return *is_late ? PTL_LATER : 0;
}

static int die(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg, (void)data;
    return ptl_fail(node, "it was too much");
}

static int spawned(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)data;
    if (ptl_msg_is(msg, "fail")) {
        return PTL_EINVAL;
    }
    return ptl_self(node, &self) ? ptl_port_on(node, &self, NULL, echo, NULL) : 0;
}

/* ---- Callbacks ----------------------------------------------------------------------------- */

static int ignore_end(struct ptl_node *node, const struct ptl_port *port,
                      const struct ptl_msg *reason, void *data)
{
    (void)node, (void)port, (void)reason, (void)data;
    return 0;
}

static void ignore_reply(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node, (void)err, (void)reply, (void)data;
}

static int ignore_change(struct ptl_node *node, const struct ptl_db_change *change, void *data)
{
    (void)node, (void)data;
    ptl_assert(change->key[change->key_size] == '\0');
    return 0;
}

static void greet_link(struct ptl_node *node, const char *node_id, bool up,
                       const struct ptl_msg *reason, void *data)
{
    (void)reason, (void)data;
    if (up) {
        lone_program_act(node, 0, node_id);
        lone_program_act(node, 1, node_id);
    }
}

/* ---- Beginning ----------------------------------------------------------------------------- */

static void make_port(struct ptl_node *node, const char *name, ptl_handler_fn *handler, void *data)
{
    struct ptl_port_options options = {
        .size = sizeof options, .name = name, .handler = handler, .data = data};
    struct ptl_port port;

    (void)!ptl_port_new(node, &options, &port);
}

void lone_program_start(struct ptl_node *node)
{
    static bool is_late;

    is_late = false;
    make_port(node, "echo", echo, NULL);
    make_port(node, "late", take_late, &is_late);
    make_port(node, "frail", die, NULL);
    (void)!ptl_register(node, "make", spawned, NULL);
    (void)!ptl_on_link(node, greet_link, NULL);
    (void)!ptl_db_set(node, "f", "k", NULL);
    (void)!ptl_db_watch(node, "f", ignore_change, NULL, NULL);
    (void)!ptl_db_watch(node, "'l", ignore_change, NULL, NULL);
}

/* ---- Acts ---------------------------------------------------------------------------------- */

static void send_large(struct ptl_node *node, const struct ptl_port *to)
{
    static const uint8_t bytes[LARGE];

    (void)!ptl_sendf(node, to, "y", bytes, sizeof bytes);
}

static void ask_database(struct ptl_node *node, unsigned act)
{
    switch (act) {
    case 6:
        (void)!ptl_db_get(node, "f", "k", ignore_reply, NULL);
        break;
    case 7:
        (void)!ptl_db_family(node, "g", ignore_reply, NULL);
        break;
    case 8:
        (void)!ptl_db_set(node, "f", "other", NULL);
        break;
    case 9:
        (void)!ptl_db_del(node, "f", "k");
        break;
    default:
        (void)!ptl_db_watch_prefix(node, "h", "a", ignore_change, NULL, NULL);
        break;
    }
}

void lone_program_act(struct ptl_node *node, unsigned act, const char *peer)
{
    char id[PTL_NODE_ID_MAX + 4];
    struct ptl_port port, made;

    snprintf(id, sizeof id, "%s#a", peer);
    if (ptl_port_parse(node, id, strlen(id), &port) < 0) {
        return; /* the peer's own name is too long for that */
    }
    switch (act % LONE_ACTS) {
    case 0:
        (void)!ptl_monitor(node, &port, ignore_end, NULL, NULL);
        break;
    case 1:
        (void)!ptl_sendf(node, &port, "ti", "hello", 1);
        break;
    case 2:
        send_large(node, &port);
        break;
    case 3:
        (void)ptl_kill(node, &port, NULL);
        break;
    case 4:
        (void)!ptl_spawn(node, peer, "make", NULL, &made);
        break;
    case 5:
        (void)!ptl_node_known(node, "far", "10.0.0.2:4040");
        break;
    case 11:
        if (ptl_port_parse(node, "far#a", 5, &port) == 0) {
            (void)!ptl_sendf(node, &port, "t", "are you there");
        }
        break;
    default:
        ask_database(node, act % LONE_ACTS);
        break;
    }
}
