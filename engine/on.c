#include "engine/on.h"

#include "engine/message.h"
#include "engine/node.h"
#include "engine/send.h"

static void free_on(const struct ptl_allocator *allocator, struct ptl_on *on)
{
    ptl_free(allocator, on->tag, on->tag_size + 1);
    ptl_free(allocator, on, sizeof(*on));
}

void ptl_on_free(struct ptl_shard *shard, struct ptl_on *on)
{
    free_on(shard->allocator, on);
}

static struct ptl_tag *find(struct ptl_port_more *more, const struct ptl_on *on)
{
    for (uint32_t i = 0; i < more->tag_count; i++) {
        struct ptl_tag *tag = &more->tags[i];
        if (tag->text_size == on->tag_size && memcmp(tag->text, on->tag, on->tag_size) == 0) {
            return tag;
        }
    }
    return NULL;
}

static void remove_tag(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                       struct ptl_tag *tag)
{
    uint32_t last = more->tag_count - 1;

    ptl_free(allocator, tag->text, tag->text_size + 1);
    *tag = more->tags[last];
    more->tag_count = last;
}

/* Takes the tag's text over from `on`. */
static int add_tag(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                   struct ptl_on *on)
{
    if (more->tag_count == more->tag_capacity) {
        size_t old = more->tag_capacity * sizeof(*more->tags);
        struct ptl_tag *tags = ptl_grow(allocator, more->tags, old, old + sizeof(*tags));
        if (tags == NULL) {
            return PTL_ENOMEM;
        }
        more->tags = tags;
        more->tag_capacity++;
    }
    more->tags[more->tag_count++] = (struct ptl_tag){
        .text = on->tag,
        .text_size = on->tag_size,
        .handler = on->handler,
        .data = on->data,
    };
    on->tag = NULL;
    return PTL_OK;
}

static int set_tag(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_on *on)
{
    struct ptl_port_more *more = ptl_port_more(shard, slot);
    if (more == NULL) {
        return PTL_ENOMEM;
    }
    struct ptl_tag *tag = find(more, on);
    if (on->handler == NULL) {
        if (tag != NULL) {
            remove_tag(shard->allocator, more, tag);
        }
        return PTL_OK;
    }
    if (tag == NULL) {
        return add_tag(shard->allocator, more, on);
    }
    tag->handler = on->handler;
    tag->data = on->data;
    return PTL_OK;
}

int ptl_on_set(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_on *on)
{
    int err = PTL_OK;

    if (on->tag == NULL) {
        /* `release` keeps the data that the port was made with. */
        slot->handler = on->handler;
        slot->handler_data = on->data;
    } else {
        err = set_tag(shard, slot, on);
    }
    free_on(shard->allocator, on);
    return err;
}

static struct ptl_on *make_on(const struct ptl_allocator *allocator, const char *tag,
                              ptl_handler_fn *handler, void *data)
{
    struct ptl_on *on = ptl_alloc(allocator, sizeof(*on));

    if (on == NULL || tag == NULL) {
        if (on != NULL) {
            on->handler = handler;
            on->data = data;
        }
        return on;
    }
    on->tag_size = (uint32_t)strlen(tag);
    on->tag = ptl_alloc_raw(allocator, on->tag_size + 1);
    if (on->tag == NULL) {
        ptl_free(allocator, on, sizeof(*on));
        return NULL;
    }
    memcpy(on->tag, tag, on->tag_size + 1);
    on->handler = handler;
    on->data = data;
    return on;
}

int ptl_port_on(struct ptl_node *node, const struct ptl_port *port, const char *tag,
                ptl_handler_fn *handler, void *data)
{
    struct ptl_port own;
    port = ptl_port_own_view(&node->self, port, &own);
    if (port == NULL || (port->kind != PTL_PORT_SLOT && port->kind != PTL_PORT_NAMED)) {
        return PTL_EINVAL;
    }
    struct ptl_on *on = make_on(node->allocator, tag, handler, data);
    if (on == NULL) {
        return PTL_ENOMEM;
    }
    struct ptl_shard *shard = ptl_shard_here(node);
    struct ptl_slot *self = shard == NULL ? NULL : shard->self;
    if (self != NULL && port->shard == shard->index &&
        (port->kind == PTL_PORT_SLOT
             ? self->index == port->slot && self->generation == port->generation
             : self == ptl_slot_named(&shard->ports, ptl_port_name(port)))) {
        /* A port's own handlers take effect at once: the next message finds them. */
        return ptl_on_set(shard, self, on);
    }
    struct ptl_op op = {
        .kind = PTL_OP_ON,
        .pointer = on,
        .carried = ptl_carried(sizeof(*on) + on->tag_size),
    };
    int err = ptl_note_full(node, port, ptl_route(node, port, &op, PTL_WAY_CONTROL));
    if (err < 0) {
        free_on(node->allocator, on);
    }
    return err;
}
