#include "engine/send.h"

#include "engine/message.h"
#include "engine/name.h"
#include "engine/node.h"

unsigned ptl_place_of(const struct ptl_node *node, const struct ptl_port *port)
{
    switch (port->kind) {
    case PTL_PORT_REMOTE:
        return ptl_shard_of(port->node_hash, node->shard_count);
    case PTL_PORT_NODE:
        return 0;
    default:
        return port->shard;
    }
}

void ptl_op_address(struct ptl_op *op, const struct ptl_port *port)
{
    switch (port->kind) {
    case PTL_PORT_REMOTE:
        op->to = PTL_TO_NODE;
        op->node = ptl_port_node(port);
        op->name = ptl_port_name(port);
        break;
    case PTL_PORT_SLOT:
        op->to = PTL_TO_SLOT;
        op->slot = port->slot;
        op->generation = port->generation;
        break;
    default:
        op->to = PTL_TO_NAME;
        op->name = ptl_port_name(port);
        break;
    }
}

uint64_t ptl_epoch_of(struct ptl_shard *shard, const struct ptl_port *port)
{
    uint64_t pending = ptl_port_pending_failure(shard->self, port);
    uint64_t told = shard->told[ptl_place_of(shard->node, port)];

    /* A port that has not yet run its notice of a failure still issues from before it. */
    return pending - 1 < told ? pending - 1 : told;
}

uint64_t ptl_epoch_outside(const struct ptl_node *node, const struct ptl_port *port)
{
    return port->kind == PTL_PORT_REMOTE
               ? atomic_load(&node->shards[ptl_place_of(node, port)].told_outside)
               : 0;
}

int ptl_submit(struct ptl_node *node, unsigned to, const struct ptl_op *op, bool control)
{
    struct ptl_shard *shard = &node->shards[to];

    if (!control && atomic_load_explicit(&shard->inbox.weight, memory_order_relaxed) >
                        node->options.inbox_room) {
        return PTL_EFULL;
    }
    struct ptl_parcel *parcel = ptl_parcel_make(op, node->allocator);
    if (parcel == NULL) {
        return PTL_ENOMEM;
    }
    ptl_shard_hand(shard, parcel, ptl_shard_here(node));
    return PTL_OK;
}

static int route_outside(struct ptl_node *node, const struct ptl_port *port, struct ptl_op *op,
                         bool control)
{
    unsigned place = ptl_place_of(node, port);

    if (!control && ptl_is_full_outside(&node->shards[place], port)) {
        return PTL_EFULL;
    }
    op->epoch = ptl_epoch_outside(node, port);
    if (op->epoch == PTL_TELLING_OUTSIDE) {
        return PTL_EFULL;
    }
    return ptl_submit(node, place, op, control);
}

/*
 * What is full is told once a turn.  A handler that sends more than this in one turn looks for
 * itself, or it would fill a queue without limit while its shard is not listening.
 */
#define SENT_UNTOLD_MAX ((uint64_t)256 << 10)

static bool is_full(struct ptl_shard *shard, const struct ptl_port *port, uint64_t size)
{
    if (ptl_is_full(shard, port)) {
        return true;
    }
    shard->sent_in_turn += size + sizeof(struct ptl_op);
    return shard->sent_in_turn > SENT_UNTOLD_MAX &&
           ptl_is_full_outside(&shard->node->shards[ptl_place_of(shard->node, port)], port);
}

int ptl_route(struct ptl_node *node, const struct ptl_port *port, struct ptl_op *op, bool control)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    unsigned place = ptl_place_of(node, port);

    ptl_op_address(op, port);
    if (shard == NULL) {
        return route_outside(node, port, op, control);
    }
    if (!control && is_full(shard, port, op->body.size)) {
        return PTL_EFULL;
    }
    if (port->kind == PTL_PORT_REMOTE) {
        op->epoch = ptl_epoch_of(shard, port);
        if (place == shard->index) {
            return ptl_link_take(shard, op);
        }
    } else if (port->kind == PTL_PORT_NODE) {
        place = shard->index;
    }
    return ptl_shard_post(shard, place, op, control);
}

/* Remember where a handler found no room, so that PTL_LATER knows what to wait for. */
static int note_full(struct ptl_node *node, const struct ptl_port *port, int err)
{
    if (err == PTL_EFULL) {
        struct ptl_shard *shard = ptl_shard_here(node);
        if (shard != NULL) {
            shard->full_target = *port;
        }
    }
    return err;
}

/* Whether the node of that port has said that it takes nothing so large. */
static bool is_refused(struct ptl_node *node, const struct ptl_port *to, size_t size)
{
    return to->kind == PTL_PORT_REMOTE && ptl_peer_refuses(node, ptl_port_node(to), size);
}

int ptl_send_body(struct ptl_node *node, const struct ptl_port *to, struct ptl_span body,
                  uint32_t count, const struct ptl_msg *whole)
{
    struct ptl_port own;

    to = ptl_port_own_view(&node->self, to, &own);
    if (to == NULL) {
        return PTL_EINVAL;
    }
    if (body.size > node->options.message_bytes_max) {
        return PTL_ESIZE;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    struct ptl_shard *shard = ptl_shard_here(node);
    if (shard != NULL && to->kind == PTL_PORT_SLOT && body.size <= PTL_OP_INLINE_MAX) {
        return note_full(node, to,
                         is_full(shard, to, body.size)
                             ? PTL_EFULL
                             : ptl_shard_post_message(shard, to, body, count));
    }
    if (is_refused(node, to, body.size)) {
        return PTL_ESIZE;
    }
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .count = count,
        .body = body,
        .whole = whole,
    };
    return note_full(node, to, ptl_route(node, to, &op, false));
}

int ptl_send(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg)
{
    return ptl_send_body(node, to, ptl_span(msg->body, msg->size), msg->count, msg);
}

int ptl_sendv(struct ptl_node *node, const struct ptl_port *to, const char *format,
              const struct ptl_argument arguments[])
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, node);
    int err = ptl_putv(&writer, format, arguments);
    if (err == PTL_OK) {
        err = ptl_send_body(node, to, ptl_writer_body(&writer), writer.count, NULL);
    }
    ptl_writer_drop(&writer);
    return err;
}

int ptl_kill(struct ptl_node *node, const struct ptl_port *port, const struct ptl_msg *reason)
{
    struct ptl_port own;

    port = ptl_port_own_view(&node->self, port, &own);
    if (port == NULL || ptl_port_name(port).size == 0) {
        return PTL_EINVAL;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    if (reason != NULL &&
        (reason->size > node->options.message_bytes_max || is_refused(node, port, reason->size))) {
        return PTL_ESIZE; /* a peer with our limit would end the link instead */
    }
    struct ptl_op op = {.kind = PTL_OP_KILL};
    if (reason != NULL) {
        op.body = ptl_span(reason->body, reason->size);
        op.count = reason->count;
        op.whole = reason;
    }
    return ptl_route(node, port, &op, true);
}
