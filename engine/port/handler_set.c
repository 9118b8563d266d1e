#include "engine/port/handler_set.h"

#include "engine/message/message.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/port/tag.h"
#include "engine/shard/node.h"

int ptl_handler_set(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_handler_wish *wish)
{
    int err = PTL_OK;

    if (wish->tag == NULL) {
        /* `release` keeps the data that the port was made with. */
        slot->handler = wish->handler;
        slot->handler_data = wish->data;
    } else {
        struct ptl_port_more *more = ptl_port_more(shard, slot);
        err = more == NULL ? PTL_ENOMEM : ptl_tag_set(shard->allocator, more, wish);
    }
    ptl_handler_wish_free(shard->allocator, wish);
    return err;
}

/* On the port's own shard: at once, so that no message from elsewhere comes between. */
static int set_here(struct ptl_shard *shard, const struct ptl_port *port,
                    struct ptl_handler_wish *wish)
{
    struct ptl_slot *slot = port->kind == PTL_PORT_SLOT
                                ? ptl_slot_find(&shard->ports->table, port->slot, port->generation)
                                : ptl_slot_named(&shard->ports->table, ptl_port_name(port));

    if (slot == NULL) { /* as a message to it: nobody takes it */
        ptl_handler_wish_free(shard->allocator, wish);
        return PTL_OK;
    }
    return ptl_handler_set(shard, slot, wish);
}

int ptl_port_on(struct ptl_node *node, const struct ptl_port *port, const char *tag,
                ptl_handler_fn *handler, void *data)
{
    struct ptl_port own;
    port = ptl_port_own_view(&node->self, port, &own);
    if (port == NULL || (port->kind != PTL_PORT_SLOT && port->kind != PTL_PORT_NAMED)) {
        return PTL_EINVAL;
    }
    struct ptl_handler_wish *wish = ptl_handler_wish_make(node->allocator, tag, handler, data);
    if (wish == NULL) {
        return PTL_ENOMEM;
    }
    struct ptl_shard *shard = ptl_shard_here(node);
    if (shard != NULL && port->shard == shard->index) {
        return set_here(shard, port, wish);
    }
    struct ptl_op op = {
        .kind = PTL_OP_HANDLER,
        .as.handed = {.wish = wish, .bytes = ptl_op_bytes(sizeof(*wish) + wish->tag_size)},
    };
    int err = ptl_note_full(node, port, ptl_route(node, port, &op, PTL_WAY_CONTROL));
    if (err < 0) {
        ptl_handler_wish_free(node->allocator, wish);
    }
    return err;
}
