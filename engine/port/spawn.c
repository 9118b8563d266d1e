#include "engine/port/spawn.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/function.h"
#include "engine/port/outside.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/port/spawn_init.h"
#include "engine/port/spawner.h"
#include "engine/shard/node.h"

/* Whether the request names a function that is registered. */
static bool find_function(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = ptl_cursor_of(op->body);
    uint8_t room[PTL_STRING_NAME_ROOM];
    struct ptl_function function;
    struct ptl_span name;

    if (!ptl_spawn_name(&cursor, room, &name)) {
        ptl_log(shard->node, PTL_LOG_WARN, "a request to spawn names no function: ignored");
        return false;
    }
    if (!ptl_node_function(shard->node, name, &function)) {
        ptl_log(shard->node, PTL_LOG_WARN, "a request to spawn '%.*s': %s", (int)name.size,
                (const char *)name.bytes, ptl_err_text(PTL_ENOFUNC));
        return false;
    }
    return true;
}

/* One that another node has asked for counts as its own. */
static int make_port(struct ptl_shard *shard, const struct ptl_op *op, uint32_t *slot,
                     uint32_t *generation)
{
    struct ptl_port_options options = {.size = sizeof(options), .ignore_unhandled = true};
    struct ptl_spawner *spawner = NULL;

    int err = op->node.size == 0 ? PTL_OK : ptl_spawner_take(shard, op->node, &spawner);
    if (err < 0) {
        return err;
    }
    err = ptl_slot_take(&shard->ports->table, &options, op->name, slot, generation);
    if (err < 0) {
        if (spawner != NULL) {
            ptl_spawner_give(shard, spawner);
        }
        return err;
    }
    /* It has a name, and so has `more`. */
    ptl_slot_find(&shard->ports->table, *slot, *generation)->more->spawner = spawner;
    return PTL_OK;
}

void ptl_spawn_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_op init = *op;

    if (!find_function(shard, op)) {
        return;
    }
    int err = make_port(shard, op, &init.slot, &init.generation);
    if (err < 0) {
        ptl_log(shard->node, PTL_LOG_WARN, "a port '%.*s' could not be spawned%s%.*s: %s",
                (int)op->name.size, (const char *)op->name.bytes, op->node.size != 0 ? " by " : "",
                (int)op->node.size, op->node.size != 0 ? (const char *)op->node.bytes : "",
                ptl_err_text(err));
        return;
    }
    init.to = PTL_TO_SLOT;
    ptl_port_take(shard, &init);
}

/* The function's name, then the values given to it. */
static int write_request(struct ptl_node *node, struct ptl_msg **request, const char *function,
                         const struct ptl_msg *msg)
{
    if (msg == NULL) {
        return ptl_msg_make(node, request, "t", function);
    }
    return ptl_msg_make(node, request, "tm", function, msg);
}

int ptl_spawn(struct ptl_node *node, const char *node_id, const char *function,
              const struct ptl_msg *msg, struct ptl_port *port)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    unsigned index = shard == NULL ? PTL_SHARDS_MAX : shard->index;
    char name[PTL_NAME_SPAWNED_SIZE];
    struct ptl_msg *request;

    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    if (msg != NULL && msg->size > node->options.message_bytes_max) {
        return PTL_ESIZE;
    }
    uint64_t counter =
        shard != NULL ? ++shard->ports->spawn_counter : atomic_fetch_add(&node->last_id, 1) + 1;
    ptl_name_spawned(&node->self, index, counter, name);
    int err = ptl_port_at(&node->self, ptl_span_text(node_id), ptl_span(name, sizeof(name)), port);
    if (err == PTL_OK) {
        err = write_request(node, &request, function, msg);
    }
    if (err < 0) {
        return err;
    }
    if (port->kind == PTL_PORT_REMOTE &&
        node->port_outside->refuses(node, ptl_port_node(port), request->size)) {
        ptl_msg_free(request);
        return PTL_ESIZE;
    }
    struct ptl_op op = {
        .kind = PTL_OP_SPAWN,
        .body = ptl_span(request->body, request->size),
        .count = request->count,
        .whole = request,
    };
    err = ptl_note_full(node, port, ptl_route(node, port, &op, PTL_WAY_CONTROL));
    ptl_msg_free(request);
    return err;
}
