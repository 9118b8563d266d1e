#include "tools/services.h"

#include "tools/network_service.h"
#include "tools/reply.h"

#include <stdlib.h>
#include <string.h>

const char ptl_service_names[] = "echo, sink, portolan::echo";

static int echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    uint32_t count = ptl_msg_count(msg);
    struct ptl_writer writer;
    struct ptl_msg *answer;
    struct ptl_port to;

    (void)data;
    if (count < 2 || ptl_skip(&cursor) < 0) {
        return 0;
    }
    ptl_writer_init(&writer, node);
    if (ptl_reply_values(&writer, &cursor, count - 2) < 0 || !ptl_reply_port(node, &cursor, &to)) {
        ptl_writer_drop(&writer);
        return 0;
    }
    if (ptl_writer_finish(&writer, &answer) < 0) {
        return 0;
    }
    return ptl_reply_send(node, &to, answer);
}

struct sink {
    uint64_t count; /* messages but for questions; only the port's own shard counts */
};

static int sink_count(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct sink *sink = data;

    (void)node;
    (void)msg;
    sink->count++;
    return 0;
}

static int sink_answer(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct sink *sink = data;
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_msg *answer;
    struct ptl_port to;

    if (ptl_msg_count(msg) != 2 || ptl_skip(&cursor) < 0 || !ptl_reply_port(node, &cursor, &to)) {
        return sink_count(node, msg, data);
    }
    if (ptl_msg_make(node, &answer, "u", sink->count) < 0) {
        return 0;
    }
    return ptl_reply_send(node, &to, answer);
}

static int start_echo(struct ptl_node *node)
{
    struct ptl_port_options options = {.size = sizeof options, .name = "echo", .handler = echo};
    struct ptl_port port;

    int err = ptl_port_new(node, &options, &port);
    return err < 0 ? err : ptl_db_register(node, "echo", &port, NULL);
}

static int start_sink(struct ptl_node *node)
{
    struct sink *sink = calloc(1, sizeof *sink);
    struct ptl_port port;

    if (!sink) {
        return PTL_ENOMEM;
    }
    struct ptl_port_options options = {
        .size = sizeof options,
        .name = "sink",
        .handler = sink_count,
        .data = sink,
        .release = free,
    };
    int err = ptl_port_new(node, &options, &port);
    if (err < 0) {
        free(sink);
        return err;
    }
    err = ptl_port_on(node, &port, "count", sink_answer, sink);
    return err < 0 ? err : ptl_db_register(node, "sink", &port, NULL);
}

/* The spawned port itself runs this: it becomes an echo port. */
static int init_echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port self;

    (void)msg;
    (void)data;
    return ptl_self(node, &self) ? ptl_port_on(node, &self, NULL, echo, NULL) : PTL_EINVAL;
}

/* What is spawned costs nothing until somebody does, so it is always there. */
static int start_nothing(struct ptl_node *node)
{
    (void)node;
    return 0;
}

static const struct {
    const char *name;
    int (*start)(struct ptl_node *node);
} services[] = {
    {"echo", start_echo},
    {"sink", start_sink},
    {"portolan::echo", start_nothing},
};

bool ptl_service_exists(const char *name)
{
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (strcmp(services[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const char *name, const char *const names[])
{
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

int ptl_services_start(struct ptl_node *node, const char *const names[])
{
    int err = ptl_register(node, "portolan::echo", init_echo, NULL);

    if (err == 0) {
        err = ptl_network_service_start(node);
    }
    for (size_t i = 0; err == 0 && i < sizeof services / sizeof services[0]; i++) {
        if (is_wanted(services[i].name, names)) {
            err = services[i].start(node);
        }
    }
    return err;
}
