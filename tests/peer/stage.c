#include "tests/peer/stage.h"

#include "tests/peer/values.h"

static uint64_t sunk; /* by the one sink; its own shard counts */

/* Send to the port that the `index`th value names, and forget the message. */
static int pass_on(struct ptl_node *node, const struct ptl_msg *msg, uint32_t index, int err,
                   struct ptl_msg *answer)
{
    struct ptl_port to;

    if (err < 0) {
        return err;
    }
    err = peer_port_at(node, msg, index, &to);
    if (err == PTL_OK) {
        err = ptl_send(node, &to, answer);
    }
    ptl_msg_free(answer);
    return err == PTL_EFULL ? PTL_LATER : err;
}

static int echo_to_first(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_msg *answer = NULL;

    (void)data;
    int err = peer_rest_of(node, NULL, msg, 1, &answer);
    return pass_on(node, msg, 0, err, answer);
}

static int echo_to_last(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_msg *answer = NULL;

    (void)data;
    int err = peer_part_of(node, "echo", msg, 1, 1, &answer);
    return pass_on(node, msg, ptl_msg_count(msg) - 1, err, answer);
}

static int swallow(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    return PTL_OK;
}

static int sink(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)node;
    (void)msg;
    (void)data;
    sunk++;
    return PTL_OK;
}

static int tell_sunk(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_msg *answer = NULL;

    (void)data;
    int err = ptl_msg_make(node, &answer, "u", sunk);
    return pass_on(node, msg, 1, err, answer);
}

static int make_strict(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct ptl_port_options options = {.size = sizeof(options)};
    struct ptl_msg *answer = NULL;
    struct ptl_port made;

    (void)data;
    int err = ptl_port_new(node, &options, &made);
    if (err == PTL_OK) {
        err = ptl_msg_make(node, &answer, "tp", "strict", &made);
    }
    return pass_on(node, msg, 1, err, answer);
}

static int init_echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_msg *answer = NULL;
    struct ptl_writer writer;
    struct ptl_port self;

    (void)data;
    (void)ptl_self(node, &self);
    int err = ptl_port_on(node, &self, NULL, echo_to_first, NULL);
    if (err < 0 || (err = ptl_skip(&cursor)) < 0) {
        return err;
    }
    ptl_writer_init(&writer, node);
    ptl_put_text(&writer, "spawned", 7);
    ptl_put_port(&writer, &self);
    (void)peer_put_values(&writer, &cursor, ptl_msg_count(msg) - 1);
    err = ptl_writer_finish(&writer, &answer);
    return pass_on(node, msg, 0, err, answer);
}

static void release_msg(void *data)
{
    ptl_msg_free(data);
}

/* `data` is the message that the port was spawned with. */
static int demo_ping(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    const struct ptl_msg *init = data;
    struct ptl_cursor given = ptl_msg_begin(init);
    struct ptl_cursor asked = ptl_msg_begin(msg);
    struct ptl_msg *answer = NULL;
    struct ptl_writer writer;

    if (ptl_msg_count(msg) < 2 || ptl_skip(&given) < 0 || ptl_skip(&asked) < 0) {
        return PTL_EEND;
    }
    ptl_writer_init(&writer, node);
    ptl_put_text(&writer, "pong", 4);
    (void)peer_put_values(&writer, &given, ptl_msg_count(init) - 1);
    (void)peer_put_values(&writer, &asked, ptl_msg_count(msg) - 2);
    int err = ptl_writer_finish(&writer, &answer);
    return pass_on(node, msg, ptl_msg_count(msg) - 1, err, answer);
}

static int demo_boom(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    (void)data;
    return ptl_fail(node, "boom!");
}

static int init_demo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_msg *kept = ptl_msg_keep(msg);
    struct ptl_port self, spawner;

    (void)data;
    if (kept == NULL) {
        return PTL_ENOMEM;
    }
    (void)ptl_self(node, &self);
    int err = ptl_port_own(node, release_msg, kept);
    if (err < 0) {
        ptl_msg_free(kept);
        return err;
    }
    err = ptl_port_on(node, &self, "ping", demo_ping, kept);
    if (err == PTL_OK) {
        err = ptl_port_on(node, &self, "boom", demo_boom, NULL);
    }
    if (err == PTL_OK) {
        err = peer_port_at(node, msg, 0, &spawner);
    }
    return err < 0 ? err : ptl_monitor_kill(node, &spawner, &self, NULL);
}

static int make_port(struct ptl_node *node, const char *name, const char *tag,
                     ptl_handler_fn *tagged, ptl_handler_fn *handler)
{
    const struct ptl_port_options options = {
        .size = sizeof(options),
        .name = name,
        .handler = handler,
    };
    struct ptl_port port;

    int err = ptl_port_new(node, &options, &port);
    return err < 0 || tag == NULL ? err : ptl_port_on(node, &port, tag, tagged, NULL);
}

int peer_stage_make(struct ptl_node *node)
{
    static const struct {
        const char *name;
        const char *tag;
        ptl_handler_fn *tagged;
        ptl_handler_fn *handler;
    } ports[] = {
        /* The first two are what the real node had named its echo port. */
        {"OXLCs8TAtb", "echo", echo_to_last, NULL},
        {"NiIIYiPisb", "echo", echo_to_last, NULL},
        {"echo", "echo", echo_to_last, echo_to_first},
        {"log", NULL, NULL, swallow},
        {"sink", "count", tell_sunk, sink},
        {"target", NULL, NULL, swallow},
        {"target2", NULL, NULL, swallow},
        {"target3", NULL, NULL, swallow},
        {"factory", "strict", make_strict, NULL},
    };
    int err = PTL_OK;

    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]) && err == PTL_OK; i++) {
        err = make_port(node, ports[i].name, ports[i].tag, ports[i].tagged, ports[i].handler);
    }
    if (err == PTL_OK) {
        err = ptl_register(node, "AEMPTest::Init::echo", init_echo, NULL);
    }
    return err < 0 ? err : ptl_register(node, "Demo::init", init_demo, NULL);
}
