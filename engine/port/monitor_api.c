#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/monitor.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

static void free_made(struct ptl_node *node, unsigned home, struct ptl_monitoring *monitoring)
{
    ptl_assert(monitoring->observation == NULL); /* it was never added */
    if (monitoring->prefix != NULL) {
        ptl_keep_no_more(&node->shards[home], monitoring->prefix->size);
        ptl_msg_free(monitoring->prefix);
    }
    ptl_free(node->allocator, monitoring->to, sizeof(*monitoring->to));
    ptl_free(node->allocator, monitoring, sizeof(*monitoring));
}

static int keep_prefix(struct ptl_shard *home, struct ptl_monitoring *monitoring,
                       const struct ptl_msg *prefix)
{
    if (prefix->size > home->node->options.message_bytes_max) {
        return PTL_ESIZE;
    }
    if (!ptl_keep(home, prefix->size)) {
        return PTL_ELIMIT;
    }
    monitoring->prefix = ptl_msg_keep(prefix);
    if (monitoring->prefix == NULL) {
        ptl_keep_no_more(home, prefix->size);
        return PTL_ENOMEM;
    }
    return PTL_OK;
}

/* `home`: the shard that it will be added to. */
static int fill(struct ptl_node *node, unsigned home, struct ptl_monitoring *monitoring,
                const struct ptl_port *to, const struct ptl_msg *prefix)
{
    struct ptl_port own;

    if (to != NULL) {
        to = ptl_port_own_view(&node->self, to, &own);
        if (to == NULL) {
            return PTL_EINVAL;
        }
        monitoring->to = ptl_alloc(node->allocator, sizeof(*monitoring->to));
        if (monitoring->to == NULL) {
            return PTL_ENOMEM;
        }
        *monitoring->to = *to;
    }
    return prefix != NULL ? keep_prefix(&node->shards[home], monitoring, prefix) : PTL_OK;
}

/* `since` UINT64_MAX: of now. */
static int start(struct ptl_node *node, struct ptl_monitoring *monitoring, unsigned place,
                 uint64_t since, struct ptl_monitor *monitor)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    struct ptl_monitor named = {.id = monitoring->id, .shard = place};
    int err;

    if (shard != NULL) {
        named.shard = shard->index;
        monitoring->owner = shard->ports->self;
        monitoring->generation = shard->ports->self == NULL ? 0 : shard->ports->self->generation;
        monitoring->epoch = since != UINT64_MAX ? since : ptl_epoch_of(shard, &monitoring->target);
        err = ptl_monitoring_add(shard, monitoring);
    } else {
        struct ptl_op op = {
            .kind = PTL_OP_MONITOR,
            .to = PTL_TO_SHARD,
            .as.handed = {.monitoring = monitoring, .bytes = sizeof(*monitoring)},
        };
        monitoring->epoch = ptl_epoch_outside(node, &monitoring->target);
        monitoring->outside = true;
        /* Also while a failure is being told. */
        err = ptl_control_has_room(node, &monitoring->target, sizeof(op))
                  ? ptl_submit(node, place, &op, PTL_WAY_CONTROL)
                  : PTL_EFULL;
    }
    /* By value: handed over, the monitoring may have fired and be freed by now. */
    if (err == PTL_OK && monitor != NULL) {
        *monitor = named;
    }
    return err;
}

/* Who is told. */
struct listener {
    uint8_t kind;         /* enum ptl_monitor_kind */
    ptl_monitor_fn *tell; /* a callback */
    void *data;
    ptl_release_fn *release;
    const struct ptl_port *to; /* or a port: by a message, or killed */
    const struct ptl_msg *prefix;
};

/*
 * From a handler the monitor is of the handler's shard, else of the shard that has the target, or
 * the link to it: there it keeps its place behind what the thread has sent.
 */
static int monitor_port(struct ptl_node *node, const struct ptl_port *port,
                        const struct listener *listener, uint64_t since,
                        struct ptl_monitor *monitor)
{
    struct ptl_port own;

    port = ptl_port_own_view(&node->self, port, &own);
    if (port == NULL) {
        return PTL_EINVAL;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    unsigned place = ptl_place_of(node, port);
    struct ptl_monitoring *monitoring =
        ptl_monitoring_make(&node->shards[place], listener->kind, port);
    if (monitoring == NULL) {
        return PTL_ENOMEM;
    }
    monitoring->tell = listener->tell;
    monitoring->data = listener->data;
    monitoring->release = listener->release;
    const struct ptl_shard *here = ptl_shard_here(node);
    unsigned home = here == NULL ? place : here->index;
    int err = fill(node, home, monitoring, listener->to, listener->prefix);
    if (err == PTL_OK) {
        err = start(node, monitoring, place, since, monitor);
    }
    if (err < 0) {
        free_made(node, home, monitoring);
    }
    return ptl_note_full(node, port, err);
}

int ptl_monitor_owned(struct ptl_node *node, const struct ptl_port *port, ptl_monitor_fn *tell,
                      void *data, ptl_release_fn *release, struct ptl_monitor *monitor)
{
    struct listener listener = {
        .kind = PTL_MONITOR_CALLBACK, .tell = tell, .data = data, .release = release};

    return monitor_port(node, port, &listener, UINT64_MAX, monitor);
}

int ptl_monitor(struct ptl_node *node, const struct ptl_port *port, ptl_monitor_fn *tell,
                void *data, struct ptl_monitor *monitor)
{
    return ptl_monitor_owned(node, port, tell, data, NULL, monitor);
}

int ptl_monitor_since(struct ptl_node *node, const struct ptl_port *port, ptl_monitor_fn *tell,
                      void *data, uint64_t since)
{
    struct listener listener = {.kind = PTL_MONITOR_CALLBACK, .tell = tell, .data = data};

    return monitor_port(node, port, &listener, since, NULL);
}

int ptl_monitor_message(struct ptl_node *node, const struct ptl_port *port,
                        const struct ptl_port *to, const struct ptl_msg *prefix,
                        struct ptl_monitor *monitor)
{
    struct listener listener = {.kind = PTL_MONITOR_MESSAGE, .to = to, .prefix = prefix};

    return monitor_port(node, port, &listener, UINT64_MAX, monitor);
}

int ptl_monitor_kill(struct ptl_node *node, const struct ptl_port *port,
                     const struct ptl_port *victim, struct ptl_monitor *monitor)
{
    struct listener listener = {.kind = PTL_MONITOR_KILL, .to = victim};

    if (victim->kind != PTL_PORT_NONE && ptl_port_name(victim).size == 0) {
        return PTL_EINVAL; /* a node port is not to be killed */
    }
    return monitor_port(node, port, &listener, UINT64_MAX, monitor);
}

void ptl_unmonitor(struct ptl_node *node, const struct ptl_monitor *monitor)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    if (monitor->id == 0 || monitor->shard >= node->shard_count) {
        return;
    }
    if (shard != NULL && shard->index == monitor->shard) {
        ptl_monitoring_take_back(shard, monitor->id);
        return;
    }
    struct ptl_op op = {.kind = PTL_OP_UNMONITOR, .to = PTL_TO_SHARD, .as.monitor = monitor->id};
    if (ptl_submit(node, monitor->shard, &op, PTL_WAY_OWN) < 0) {
        ptl_log(node, PTL_LOG_ERROR, "out of memory: a monitor could not be taken back");
    }
}
