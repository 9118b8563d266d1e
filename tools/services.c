#include "tools/services.h"

#include <stdlib.h>
#include <string.h>

const char ptl_service_names[] = "echo, sink, portolan::echo";

/* Put one value's head; how many values follow that belong to it. */
static uint64_t put_head(struct ptl_writer *writer, const struct ptl_value *value)
{
    switch (value->type) {
    case PTL_NULL:
        ptl_put_null(writer);
        return 0;
    case PTL_BOOL:
        ptl_put_bool(writer, value->boolean);
        return 0;
    case PTL_INT:
        ptl_put_int(writer, value->integer);
        return 0;
    case PTL_UINT:
        ptl_put_uint(writer, value->natural);
        return 0;
    case PTL_FLOAT:
        ptl_put_float(writer, value->real);
        return 0;
    case PTL_BYTES:
        ptl_put_bytes(writer, value->string.chars, value->string.size);
        return 0;
    case PTL_TEXT:
        ptl_put_text(writer, value->string.chars, value->string.size);
        return 0;
    case PTL_ARRAY:
        ptl_put_array(writer, value->count);
        return value->count;
    case PTL_MAP:
        ptl_put_map(writer, value->count);
        return 2 * (uint64_t)value->count;
    }
    return 0;
}

/* Copy the next `count` values with all that is in them.  Heads come in order, so this is flat. */
static int put_values(struct ptl_writer *writer, struct ptl_cursor *cursor, uint64_t count)
{
    while (count > 0) {
        struct ptl_value value;
        int err = ptl_next(cursor, &value);
        if (err < 0) {
            return err;
        }
        count += put_head(writer, &value);
        count--;
    }
    return 0;
}

/* The port that a value names; false when it names none. */
static bool read_port(struct ptl_node *node, struct ptl_cursor *cursor, struct ptl_port *port)
{
    struct ptl_value value;

    if (ptl_next(cursor, &value) < 0 || (value.type != PTL_TEXT && value.type != PTL_BYTES)) {
        return false;
    }
    return ptl_port_parse(node, value.string.chars, value.string.size, port) == 0;
}

/* Where a sender's room is at its end the message waits at its port; nothing else holds it up. */
static int send_or_wait(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg)
{
    return ptl_send(node, to, msg) == PTL_EFULL ? PTL_LATER : 0;
}

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
    if (put_values(&writer, &cursor, count - 2) < 0 || !read_port(node, &cursor, &to)) {
        ptl_writer_drop(&writer);
        return 0;
    }
    if (ptl_writer_finish(&writer, &answer) < 0) {
        return 0;
    }
    int result = send_or_wait(node, &to, answer);
    ptl_msg_free(answer);
    return result;
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

    if (ptl_msg_count(msg) != 2 || ptl_skip(&cursor) < 0 || !read_port(node, &cursor, &to)) {
        return sink_count(node, msg, data);
    }
    if (ptl_msg_make(node, &answer, "u", sink->count) < 0) {
        return 0;
    }
    int result = send_or_wait(node, &to, answer);
    ptl_msg_free(answer);
    return result;
}

static int start_echo(struct ptl_node *node)
{
    struct ptl_port_options options = {.size = sizeof options, .name = "echo", .handler = echo};
    struct ptl_port port;

    return ptl_port_new(node, &options, &port);
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
    return ptl_port_on(node, &port, "count", sink_answer, sink);
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

    for (size_t i = 0; err == 0 && i < sizeof services / sizeof services[0]; i++) {
        if (is_wanted(services[i].name, names)) {
            err = services[i].start(node);
        }
    }
    return err;
}
