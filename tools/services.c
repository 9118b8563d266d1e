#include "tools/services.h"

#include "tools/bench/service.h"
#include "tools/drain_service.h"
#include "tools/network_service.h"
#include "tools/replies.h"
#include "tools/reply.h"
#include "tools/stats/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char ptl_service_names[] = "echo, sink, bench, drain, portolan::echo";

/*
 * A reply may be a request to another echo, or to this one, which has two values less.  So what one
 * message leads to is bounded by how many there are, and how large it is.
 */
#define ECHO_WORK_MAX ((uint64_t)256 << 20)

static bool is_too_much(const struct ptl_msg *msg)
{
    return ptl_msg_count(msg) * (uint64_t)ptl_msg_size(msg) > ECHO_WORK_MAX;
}

static bool is_self(struct ptl_node *node, const struct ptl_port *to)
{
    struct ptl_port self;

    return ptl_self(node, &self) && ptl_port_equal(&self, to);
}

static int echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    uint32_t count = ptl_msg_count(msg);
    struct ptl_writer writer;
    struct ptl_msg *answer;
    struct ptl_port to;

    if (count < 2 || is_too_much(msg) || ptl_skip(&cursor) < 0) {
        return 0;
    }
    ptl_writer_init(&writer, node);
    if (ptl_reply_values(&writer, &cursor, count - 2) < 0 || !ptl_reply_port(node, &cursor, &to) ||
        is_self(node, &to)) {
        ptl_writer_drop(&writer);
        return 0;
    }
    if (ptl_writer_finish(&writer, &answer) < 0) {
        return 0;
    }
    return ptl_reply_send(node, data, &to, answer);
}

struct sink {
    struct ptl_replies *replies;
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
    return ptl_reply_send(node, sink->replies, &to, answer);
}

static void release_replies(void *data)
{
    ptl_replies_free(data);
}

/* Make the port of a service.  Owns: the port has `data`; when none is made it is released. */
static int make_port(struct ptl_node *node, const char *name, ptl_handler_fn *handler, void *data,
                     ptl_release_fn *release, struct ptl_port *port)
{
    struct ptl_port_options options = {
        .size = sizeof options,
        .name = name,
        .handler = handler,
        .data = data,
        .release = release,
    };
    int err = ptl_port_new(node, &options, port);

    if (err < 0) {
        release(data);
    }
    return err;
}

static int start_echo(struct ptl_node *node, struct ptl_journal *journal)
{
    struct ptl_replies *replies = ptl_replies_make("echo", journal);
    struct ptl_port port;

    if (!replies) {
        return PTL_ENOMEM;
    }
    int err = make_port(node, "echo", echo, replies, release_replies, &port);
    return err < 0 ? err : ptl_db_register(node, "echo", &port, NULL);
}

static void release_sink(void *data)
{
    struct sink *sink = data;

    ptl_replies_free(sink->replies);
    free(sink);
}

static struct sink *make_sink(struct ptl_journal *journal)
{
    struct sink *sink = calloc(1, sizeof *sink);

    if (sink) {
        sink->replies = ptl_replies_make("sink", journal);
    }
    if (sink && !sink->replies) {
        free(sink);
        sink = NULL;
    }
    return sink;
}

static int start_sink(struct ptl_node *node, struct ptl_journal *journal)
{
    struct sink *sink = make_sink(journal);
    struct ptl_port port;

    if (!sink) {
        return PTL_ENOMEM;
    }
    int err = make_port(node, "sink", sink_count, sink, release_sink, &port);
    if (err < 0) {
        return err;
    }
    err = ptl_port_on(node, &port, "count", sink_answer, sink);
    return err < 0 ? err : ptl_db_register(node, "sink", &port, NULL);
}

/* The spawned port itself runs this: it becomes an echo port.  `data` is the journal. */
static int init_echo(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_replies *replies = ptl_replies_make("portolan::echo", data);
    struct ptl_port self;

    (void)msg;
    if (!replies) {
        return PTL_ENOMEM;
    }
    int err = ptl_port_own(node, release_replies, replies);
    if (err < 0) {
        release_replies(replies);
        return err;
    }
    return ptl_self(node, &self) ? ptl_port_on(node, &self, NULL, echo, replies) : PTL_EINVAL;
}

/* What is spawned costs nothing until somebody does, so it is always there. */
static int start_nothing(struct ptl_node *node, struct ptl_journal *journal)
{
    (void)node;
    (void)journal;
    return 0;
}

static const struct service {
    const char *name;
    int (*start)(struct ptl_node *node, struct ptl_journal *journal);
    bool stays; /* what it has registered cannot be taken back */
} services[] = {
    {"echo", start_echo, false},
    {"sink", start_sink, false},
    {"bench", ptl_bench_service_start, true},
    {PTL_DRAIN_SERVICE, ptl_drain_service_start, false},
    {"portolan::echo", start_nothing, true},
};

#define SERVICES (sizeof services / sizeof services[0])

bool ptl_service_exists(const char *name)
{
    for (size_t i = 0; i < SERVICES; i++) {
        if (strcmp(services[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *ptl_service_name(unsigned index)
{
    return index < SERVICES ? services[index].name : NULL;
}

bool ptl_service_stays(unsigned index)
{
    return services[index].stays;
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

unsigned ptl_services_named(const char *const names[])
{
    unsigned named = 0;

    for (unsigned i = 0; i < SERVICES; i++) {
        named |= is_wanted(services[i].name, names) ? 1u << i : 0;
    }
    return named;
}

int ptl_service_end(struct ptl_node *node, unsigned index)
{
    char id[PTL_PORT_ID_MAX + 1];
    struct ptl_port port;

    snprintf(id, sizeof id, "%s#%s", ptl_node_id(node), services[index].name);
    int err = ptl_port_parse(node, id, strlen(id), &port);
    return err < 0 ? err : ptl_kill(node, &port, NULL);
}

int ptl_service_start(struct ptl_node *node, struct ptl_journal *journal, unsigned index)
{
    return services[index].start(node, journal);
}

int ptl_services_start(struct ptl_node *node, struct ptl_journal *journal,
                       struct ptl_permit *permit, const char *const names[])
{
    unsigned named = ptl_services_named(names);
    int err = ptl_register(node, "portolan::echo", init_echo, journal);

    if (err == 0) {
        err = ptl_network_service_start(node, journal);
    }
    if (err == 0) {
        err = ptl_stats_service_start(node, journal, permit);
    }
    for (unsigned i = 0; err == 0 && i < SERVICES; i++) {
        if (named & 1u << i) {
            err = ptl_service_start(node, journal, i);
        }
    }
    return err;
}
