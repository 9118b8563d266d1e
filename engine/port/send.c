#include "engine/port/send.h"

#include "engine/message/flat.h"
#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/outside.h"
#include "engine/port/pending.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"
#include "engine/shard/post_small.h"

uint64_t ptl_epoch_of(struct ptl_shard *shard, const struct ptl_port *port)
{
    uint64_t pending = ptl_port_pending_failure(shard->ports->self, port);
    uint64_t told = shard->ports->told[ptl_place_of(shard->node, port)];

    /* A port that has not yet run its notice of a failure still issues from before it. */
    return pending - 1 < told ? pending - 1 : told;
}

uint64_t ptl_epoch_outside(const struct ptl_node *node, const struct ptl_port *port)
{
    return port->kind == PTL_PORT_REMOTE
               ? atomic_load(&node->shards[ptl_place_of(node, port)].ports->told_outside)
               : 0;
}

int ptl_submit(struct ptl_node *node, unsigned to, const struct ptl_op *op, enum ptl_way way)
{
    struct ptl_shard *shard = &node->shards[to];
    size_t room = node->options.inbox_room;

    ptl_assert(to < node->shard_count);
    room += way == PTL_WAY_CONTROL ? PTL_CONTROL_SHARE(room) : 0;
    if (way != PTL_WAY_OWN &&
        atomic_load_explicit(&shard->inbox.weight, memory_order_relaxed) > room) {
        return PTL_EFULL;
    }
    /* Looked at and added to without a lock: threads that do so at once may exceed it by one op
     * each. */
    struct ptl_parcel *parcel = ptl_parcel_make(op, node->allocator);
    if (parcel == NULL) {
        return PTL_ENOMEM;
    }
    ptl_shard_hand(shard, parcel, ptl_shard_here(node));
    return PTL_OK;
}

/* What an op takes up where it has to wait. */
static uint64_t weight_of(const struct ptl_op *op)
{
    return sizeof(*op) + op->body.size + ptl_op_handed_bytes(op);
}

/* Whether what is full lets it pass; `shard` NULL: a thread of the program asks. */
static inline bool may_pass(struct ptl_shard *shard, struct ptl_shard *place,
                            const struct ptl_port *port, uint64_t size, enum ptl_way way)
{
    if (way == PTL_WAY_OWN) {
        return true;
    }
    if (way == PTL_WAY_CONTROL) {
        return shard != NULL ? ptl_full_lets_control(shard, port, size)
                             : ptl_full_lets_control_outside(place, port, size);
    }
    if (shard != NULL) { /* mostly nothing is full: then the port need not be looked at */
        return !ptl_full_any(&shard->ports->full) || !ptl_is_full(shard, port);
    }
    return !ptl_is_full_outside(place, port);
}

/*
 * What is full is heard of once a turn.  A handler that sends more than this in one turn looks for
 * itself, or it would fill a queue without limit while its shard is not listening.
 */
#define SENT_UNTOLD_MAX ((uint64_t)256 << 10)

static inline bool has_room(struct ptl_shard *shard, const struct ptl_port *port, uint64_t size,
                            enum ptl_way way)
{
    if (!may_pass(shard, NULL, port, size, way)) {
        return false;
    }
    shard->ports->sent_in_turn += size;
    return shard->ports->sent_in_turn <= SENT_UNTOLD_MAX ||
           may_pass(NULL, &shard->node->shards[ptl_place_of(shard->node, port)], port, size, way);
}

bool ptl_control_has_room(struct ptl_node *node, const struct ptl_port *port, uint64_t size)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    return shard != NULL ? has_room(shard, port, size, PTL_WAY_CONTROL)
                         : may_pass(NULL, &node->shards[ptl_place_of(node, port)], port, size,
                                    PTL_WAY_CONTROL);
}

/* Of all kills only one ever waits at a port of ours: a full one can always be killed. */
static bool minds_fullness(const struct ptl_op *op, const struct ptl_port *port)
{
    return op->kind != PTL_OP_KILL || port->kind == PTL_PORT_REMOTE;
}

static int route_outside(struct ptl_node *node, const struct ptl_port *port, struct ptl_op *op,
                         enum ptl_way way)
{
    unsigned place = ptl_place_of(node, port);

    if (minds_fullness(op, port) &&
        !may_pass(NULL, &node->shards[place], port, weight_of(op), way)) {
        return PTL_EFULL;
    }
    op->told = ptl_epoch_outside(node, port);
    if (op->told == PTL_TELLING_OUTSIDE) {
        return PTL_EFULL;
    }
    return ptl_submit(node, place, op, way);
}

int ptl_route(struct ptl_node *node, const struct ptl_port *port, struct ptl_op *op,
              enum ptl_way way)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    unsigned place = ptl_place_of(node, port);

    ptl_op_address(op, port);
    if (shard == NULL) {
        return route_outside(node, port, op, way);
    }
    if (minds_fullness(op, port) && !has_room(shard, port, weight_of(op), way)) {
        return PTL_EFULL;
    }
    if (port->kind == PTL_PORT_REMOTE) {
        op->told = ptl_epoch_of(shard, port);
        if (place == shard->index) {
            return node->port_outside->take(shard, op);
        }
    } else if (port->kind == PTL_PORT_NODE) {
        place = shard->index;
    }
    return ptl_shard_post(shard, place, op, way != PTL_WAY_MESSAGE);
}

int ptl_route_untold(struct ptl_shard *shard, struct ptl_untold *untold,
                     const struct ptl_port *port, struct ptl_op *op)
{
    untold->to = ptl_place_of(shard->node, port);
    if (!ptl_is_linked_here(shard, port) && ptl_untold_wait_for(shard, untold->to)) {
        return PTL_EFULL;
    }
    return ptl_route(shard->node, port, op, PTL_WAY_OWN);
}

int ptl_note_full(struct ptl_node *node, const struct ptl_port *port, int err)
{
    if (err == PTL_EFULL) {
        struct ptl_shard *shard = ptl_shard_here(node);
        if (shard != NULL) {
            ptl_bottleneck_at_port(&shard->ports->bottleneck, port);
            ptl_count(&shard->counts.refused, 1);
        } else {
            struct ptl_counts *counts = &node->shards[ptl_place_of(node, port)].counts;
            atomic_fetch_add_explicit(&counts->refused_outside, 1, memory_order_relaxed);
        }
    }
    return err;
}

bool ptl_keep(struct ptl_shard *shard, uint64_t size)
{
    if (atomic_fetch_add(&shard->ports->kept, size) < shard->node->options.kept_room) {
        return true;
    }
    atomic_fetch_sub(&shard->ports->kept, size);
    return false;
}

void ptl_keep_no_more(struct ptl_shard *shard, uint64_t size)
{
    atomic_fetch_sub(&shard->ports->kept, size);
}

/* Whether the node of that port has said that it takes nothing so large. */
static bool is_refused(struct ptl_node *node, const struct ptl_port *to, size_t size)
{
    return to->kind == PTL_PORT_REMOTE &&
           node->port_outside->refuses(node, ptl_port_node(to), size);
}

bool ptl_is_too_large(struct ptl_node *node, const struct ptl_port *to, size_t size)
{
    return size > node->options.message_bytes_max || is_refused(node, to, size);
}

static PTL_HOT_INLINE bool has_room_for_small(struct ptl_shard *shard, const struct ptl_port *to,
                                              struct ptl_span body)
{
    return has_room(shard, to, sizeof(struct ptl_op) + body.size, PTL_WAY_MESSAGE);
}

/* From a handler to a port that was resolved when it was parsed: its record is all it costs. */
static PTL_HOT_INLINE int send_small(struct ptl_shard *shard, const struct ptl_port *to,
                                     struct ptl_span body, uint32_t count)
{
    return has_room_for_small(shard, to, body) ? ptl_shard_post_small(shard, to, body, count)
                                               : PTL_EFULL;
}

PTL_APART static int send_small_named(struct ptl_shard *shard, const struct ptl_port *to,
                                      struct ptl_span body, uint32_t count)
{
    return has_room_for_small(shard, to, body) ? ptl_shard_post_small_named(shard, to, body, count)
                                               : PTL_EFULL;
}

/*
 * From a handler to a port of another node whose link this shard owns, and that is not full.
 * False: it is not that, and goes the long way.
 */
static bool send_outside(struct ptl_shard *shard, const struct ptl_port *to, struct ptl_span body,
                         uint32_t count)
{
    struct ptl_shard_ports *ports = shard->ports;
    uint64_t size = sizeof(struct ptl_op) + body.size;

    if (to->kind != PTL_PORT_REMOTE || (ptl_full_any(&ports->full) && ptl_is_full(shard, to)) ||
        ports->sent_in_turn + size > SENT_UNTOLD_MAX ||
        (ports->self != NULL && ports->self->more != NULL &&
         ptl_port_pending_failure(ports->self, to) != UINT64_MAX) ||
        !shard->node->port_outside->send(shard, to, ports->told[shard->index], body, count)) {
        return false;
    }
    ports->sent_in_turn += size;
    return true;
}

PTL_APART static int send_any(struct ptl_node *node, const struct ptl_port *to,
                              struct ptl_span body, uint32_t count, const struct ptl_msg *whole)
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
    if (is_refused(node, to, body.size)) {
        return PTL_ESIZE;
    }
    struct ptl_op op = {
        .kind = PTL_OP_MESSAGE,
        .count = count,
        .body = body,
        .whole = whole,
    };
    return ptl_note_full(node, to, ptl_route(node, to, &op, PTL_WAY_MESSAGE));
}

int ptl_send_body(struct ptl_node *node, const struct ptl_port *to, struct ptl_span body,
                  uint32_t count, const struct ptl_msg *whole)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    int err;

    if (shard == NULL || !ptl_is_small(body.size, count) ||
        body.size > node->options.message_bytes_max || ptl_node_stopping(node)) {
        return send_any(node, to, body, count, whole);
    }
    if (ptl_port_is_slot_here(&node->self, to)) {
        err = send_small(shard, to, body, count);
    } else if (ptl_port_is_named_here(&node->self, to)) {
        err = send_small_named(shard, to, body, count);
    } else if (send_outside(shard, to, body, count)) {
        return PTL_OK;
    } else {
        return send_any(node, to, body, count, whole);
    }
    return err == PTL_OK ? PTL_OK : ptl_note_full(node, to, err);
}

int ptl_send(struct ptl_node *node, const struct ptl_port *to, const struct ptl_msg *msg)
{
    return ptl_send_body(node, to, ptl_span(msg->body, msg->size), msg->count, msg);
}

/* Values of so many bytes are held by whoever has to keep them, and not copied. */
#define LARGE_MIN ((size_t)4096)

/* What was written becomes a message, where it lies. */
static int send_large(struct ptl_node *node, const struct ptl_port *to, struct ptl_writer *writer)
{
    struct ptl_msg *msg;
    int err = ptl_writer_finish(writer, &msg);

    if (err == PTL_OK) {
        err = ptl_send(node, to, msg);
        ptl_msg_free(msg);
    }
    return err;
}

/* Of a format that says more, or of values that are more. */
#define NOT_FLAT 1

/* From a handler to a port of this node by its slot: written where they wait for it. */
static int send_flat_here(struct ptl_shard *shard, const struct ptl_port *to, const char *format,
                          const struct ptl_argument arguments[])
{
    uint8_t *body = ptl_shard_post_begin(shard, to);
    uint32_t count;

    if (body == NULL) {
        return NOT_FLAT; /* there may be room for less */
    }
    const uint8_t *end = ptl_flat_write(body, body + PTL_OP_INLINE_MAX, format, arguments, &count);
    size_t size = (size_t)(end - body);
    if (end == NULL || count > PTL_SMALL_COUNT_MAX ||
        size > shard->node->options.message_bytes_max) {
        return NOT_FLAT;
    }
    if (!has_room(shard, to, sizeof(struct ptl_op) + size, PTL_WAY_MESSAGE)) {
        return ptl_note_full(shard->node, to, PTL_EFULL);
    }
    ptl_shard_post_end(shard, to, body, size, count);
    return PTL_OK;
}

/* From a handler to another one. */
static int send_flat(struct ptl_node *node, const struct ptl_port *to, const char *format,
                     const struct ptl_argument arguments[])
{
    uint8_t body[PTL_OP_INLINE_MAX];
    uint32_t count;
    const uint8_t *end = ptl_flat_write(body, body + sizeof(body), format, arguments, &count);

    return end == NULL ? NOT_FLAT
                       : ptl_send_body(node, to, ptl_span(body, (size_t)(end - body)), count, NULL);
}

static int send_written(struct ptl_node *node, const struct ptl_port *to, const char *format,
                        const struct ptl_argument arguments[])
{
    struct ptl_writer writer;

    ptl_writer_begin(&writer, node->allocator);
    int err = ptl_putv(&writer, format, arguments);
    if (err == PTL_OK && ptl_writer_body(&writer).size >= LARGE_MIN) {
        return send_large(node, to, &writer);
    }
    if (err == PTL_OK) {
        err = ptl_send_body(node, to, ptl_writer_body(&writer), writer.count, NULL);
    }
    ptl_writer_end(&writer);
    return err;
}

int ptl_sendv(struct ptl_node *node, const struct ptl_port *to, const char *format,
              const struct ptl_argument arguments[])
{
    struct ptl_shard *shard = ptl_shard_here(node);
    int err = NOT_FLAT;

    if (shard != NULL && ptl_port_is_slot_here(&node->self, to) && !ptl_node_stopping(node)) {
        err = send_flat_here(shard, to, format, arguments);
    } else if (shard != NULL) {
        err = send_flat(node, to, format, arguments);
    }
    return err == NOT_FLAT ? send_written(node, to, format, arguments) : err;
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
    return ptl_note_full(node, port, ptl_route(node, port, &op, PTL_WAY_CONTROL));
}
