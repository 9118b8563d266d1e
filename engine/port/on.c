#include "engine/port/on.h"

#include "engine/message/message.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

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

static int set_tag(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                   struct ptl_on *on)
{
    struct ptl_tag *tag = find(more, on);

    if (on->handler == NULL) {
        if (tag != NULL) {
            remove_tag(allocator, more, tag);
        }
        return PTL_OK;
    }
    if (tag == NULL) {
        return add_tag(allocator, more, on);
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
        struct ptl_port_more *more = ptl_port_more(shard, slot);
        err = more == NULL ? PTL_ENOMEM : set_tag(shard->allocator, more, on);
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

/* The port may be sent to as soon as it is made, so all its handlers have to be there by then. */
int ptl_tags_take(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                  const struct ptl_port_tag tags[])
{
    int err = PTL_OK;

    for (; tags->tag != NULL && err == PTL_OK; tags++) {
        struct ptl_on *on = make_on(allocator, tags->tag, tags->handler, tags->data);
        if (on == NULL) {
            return PTL_ENOMEM;
        }
        bool twice = on->handler == NULL || find(more, on) != NULL;
        err = twice ? PTL_EINVAL : add_tag(allocator, more, on);
        free_on(allocator, on);
    }
    return err;
}

void ptl_tags_drop(const struct ptl_allocator *allocator, struct ptl_port_more *more)
{
    for (uint32_t i = 0; i < more->tag_count; i++) {
        ptl_free(allocator, more->tags[i].text, more->tags[i].text_size + 1);
    }
    ptl_free(allocator, more->tags, more->tag_capacity * sizeof(*more->tags));
    more->tags = NULL;
    more->tag_count = more->tag_capacity = 0;
}

/* On the port's own shard: at once, so that no message from elsewhere comes between. */
static int set_here(struct ptl_shard *shard, const struct ptl_port *port, struct ptl_on *on)
{
    struct ptl_slot *slot = port->kind == PTL_PORT_SLOT
                                ? ptl_slot_find(&shard->ports->table, port->slot, port->generation)
                                : ptl_slot_named(&shard->ports->table, ptl_port_name(port));

    if (slot == NULL) { /* as a message to it: nobody takes it */
        free_on(shard->allocator, on);
        return PTL_OK;
    }
    return ptl_on_set(shard, slot, on);
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
    if (shard != NULL && port->shard == shard->index) {
        return set_here(shard, port, on);
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
