#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/port/node_ports.h"
#include "engine/port/port.h"
#include "engine/port/send.h"
#include "engine/port/shard_ports.h"
#include "engine/shard/node.h"

#include <stdarg.h>
#include <stdio.h>

/* Chosen names that look node-made would be taken for those. */
static int check_name(const struct ptl_node *node, struct ptl_span name)
{
    struct ptl_port port;

    if (ptl_port_at(&node->self, ptl_span(node->self.id, node->self.id_size), name, &port) < 0) {
        return PTL_ENAME;
    }
    return port.kind == PTL_PORT_NAMED ? PTL_OK : PTL_ENAME;
}

static int choose_shard(struct ptl_node *node, const struct ptl_port_options *options,
                        struct ptl_span name, unsigned *shard)
{
    const struct ptl_shard *here = ptl_shard_here(node);

    if (name.size != 0) {
        int err = check_name(node, name);
        *shard = ptl_shard_of(ptl_name_hash(name), node->shard_count);
        return err;
    }
    if (options->shard_plus_one != 0) {
        *shard = options->shard_plus_one - 1;
        return *shard < node->shard_count ? PTL_OK : PTL_EINVAL;
    }
    *shard = here != NULL ? here->index
                          : atomic_fetch_add(&node->ports->next_shard, 1) % node->shard_count;
    return PTL_OK;
}

int ptl_port_new(struct ptl_node *node, const struct ptl_port_options *options,
                 struct ptl_port *port)
{
    struct ptl_span name = ptl_span(NULL, 0);
    uint32_t slot, generation;
    unsigned shard;

    if (options->size != sizeof(*options)) {
        return PTL_EINVAL;
    }
    if (ptl_node_stopping(node)) {
        return PTL_ESTOPPED;
    }
    if (options->name != NULL) {
        name = ptl_span_text(options->name);
        if (name.size == 0) {
            return PTL_ENAME;
        }
    }
    int err = choose_shard(node, options, name, &shard);
    if (err == PTL_OK) {
        err = ptl_slot_take(&node->shards[shard].ports->table, options, name, &slot, &generation);
    }
    if (err < 0) {
        return err;
    }
    if (name.size != 0) {
        return ptl_port_at(&node->self, ptl_span(node->self.id, node->self.id_size), name, port);
    }
    ptl_port_make(&node->self, shard, slot, generation, port);
    return PTL_OK;
}

bool ptl_self(struct ptl_node *node, struct ptl_port *port)
{
    const struct ptl_shard *shard = ptl_shard_here(node);
    const struct ptl_slot *self = shard == NULL ? NULL : shard->ports->self;

    if (self == NULL) {
        return false;
    }
    if (self->more != NULL && self->more->name != NULL) {
        return ptl_port_at(&node->self, ptl_span(node->self.id, node->self.id_size),
                           ptl_span(self->more->name, self->more->name_size), port) == PTL_OK;
    }
    ptl_port_make(&node->self, shard->index, self->index, self->generation, port);
    return true;
}

int ptl_fail(struct ptl_node *node, const char *format, ...)
{
    struct ptl_shard *shard = ptl_shard_here(node);
    va_list arguments;

    if (shard != NULL) {
        va_start(arguments, format);
        vsnprintf(shard->ports->fail_text, sizeof(shard->ports->fail_text), format, arguments);
        va_end(arguments);
    }
    return PTL_EHANDLER;
}

/* A resource of the application. */
struct resource {
    struct ptl_belonging belonging;
    ptl_release_fn *release;
    void *data;
};

static void end_resource(struct ptl_shard *shard, struct ptl_belonging *belonging)
{
    struct resource *resource = ptl_container(belonging, struct resource, belonging);

    resource->release(resource->data);
    ptl_free(shard->allocator, resource, sizeof(*resource));
}

int ptl_port_own(struct ptl_node *node, ptl_release_fn *release, void *data)
{
    struct ptl_shard *shard = ptl_shard_here(node);

    if (shard == NULL || shard->ports->self == NULL) {
        return PTL_EINVAL;
    }
    struct ptl_port_more *more = ptl_port_more(shard, shard->ports->self);
    struct resource *resource =
        more == NULL ? NULL : ptl_alloc(shard->allocator, sizeof(*resource));
    if (resource == NULL) {
        return PTL_ENOMEM;
    }
    resource->release = release;
    resource->data = data;
    resource->belonging.end = end_resource;
    ptl_belonging_add(&more->belongings, &resource->belonging);
    return PTL_OK;
}
