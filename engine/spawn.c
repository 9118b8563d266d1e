#include "engine/spawn.h"

#include "engine/message.h"
#include "engine/name.h"
#include "engine/node.h"
#include "engine/send.h"

static int init_port(struct ptl_shard *shard, struct ptl_slot *slot,
                     const struct ptl_function *function, const struct ptl_msg *msg)
{
    shard->self = slot;
    shard->fail_text[0] = 0;
    int err = function->init(shard->node, msg, function->data);
    shard->self = NULL;
    return err;
}

static void kill_failed(struct ptl_shard *shard, struct ptl_slot *slot, int err)
{
    struct ptl_msg *reason;
    const char *text = shard->fail_text[0] != 0 ? shard->fail_text : ptl_err_text(err);

    if (ptl_msg_make(shard->node, &reason, "tt", "die", text) < 0) {
        reason = NULL;
    }
    ptl_port_die(shard, slot, reason);
    ptl_msg_free(reason);
}

void ptl_spawn_take(struct ptl_shard *shard, const struct ptl_op *op)
{
    struct ptl_cursor cursor = {.at = op->body.bytes, .end = op->body.bytes + op->body.size};
    struct ptl_port_options options = {.size = sizeof(options), .ignore_unhandled = true};
    uint8_t room[PTL_STRING_NAME_ROOM];
    struct ptl_value value;
    struct ptl_span name;
    struct ptl_function function;
    uint32_t index, generation;

    if (op->count == 0 || ptl_next(&cursor, &value) < 0 ||
        ptl_string_name(&value, room, &name) < 0) {
        ptl_log(shard->node, PTL_LOG_WARN, "a request to spawn names no function: ignored");
        return;
    }
    if (!ptl_node_function(shard->node, name, &function)) {
        ptl_log(shard->node, PTL_LOG_WARN, "a request to spawn '%.*s': %s", (int)name.size,
                (const char *)name.bytes, ptl_err_text(PTL_ENOFUNC));
        return;
    }
    int err = ptl_slot_take(&shard->ports, &options, op->name, &index, &generation);
    if (err < 0) {
        ptl_log(shard->node, PTL_LOG_WARN, "a port '%.*s' could not be spawned: %s",
                (int)op->name.size, (const char *)op->name.bytes, ptl_err_text(err));
        return;
    }
    struct ptl_slot *slot = ptl_slot_find(&shard->ports, index, generation);
    struct ptl_msg values =
        ptl_msg_borrow(ptl_span(cursor.at, (size_t)(cursor.end - cursor.at)), op->count - 1);
    values.allocator = shard->allocator;
    err = init_port(shard, slot, &function, &values);
    if (err < 0) {
        kill_failed(shard, slot, err);
    }
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
        shard != NULL ? ++shard->spawn_counter : atomic_fetch_add(&node->last_id, 1) + 1;
    ptl_name_spawned(&node->self, index, counter, name);
    int err = ptl_port_at(&node->self, ptl_span_text(node_id), ptl_span(name, sizeof(name)), port);
    if (err == PTL_OK) {
        err = write_request(node, &request, function, msg);
    }
    if (err < 0) {
        return err;
    }
    struct ptl_op op = {
        .kind = PTL_OP_SPAWN,
        .body = ptl_span(request->body, request->size),
        .count = request->count,
        .whole = request,
    };
    err = ptl_route(node, port, &op, true);
    ptl_msg_free(request);
    return err;
}
