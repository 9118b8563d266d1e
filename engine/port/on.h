/*
 * engine/port/on.h - which handler a port has for which tag.
 */
#pragma once

#include "engine/portolan.h"

struct ptl_port_more;
struct ptl_shard;
struct ptl_slot;

/* A wish to set a handler, on its way to the port's shard. */
struct ptl_on {
    char *tag; /* NULL: the default handler; else tag_size + 1 bytes */
    uint32_t tag_size;
    ptl_handler_fn *handler; /* NULL: take it back */
    void *data;
};

/* Carry it out.  Owns: `on` is freed.  Errors: PTL_ENOMEM.  Thread: the shard's. */
PTL_MUST_CHECK int ptl_on_set(struct ptl_shard *shard, struct ptl_slot *slot, struct ptl_on *on);

/* Give a port that is being made its handlers of tags.  Errors: PTL_ENOMEM, PTL_EINVAL (one twice).
 * Thread: any.  What was set meanwhile is there also after an error. */
PTL_MUST_CHECK int ptl_tags_take(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                                 const struct ptl_port_tag tags[]);

/* Free a port's handlers of tags. */
void ptl_tags_drop(const struct ptl_allocator *allocator, struct ptl_port_more *more);

/* Free one that will not be carried out. */
void ptl_on_free(struct ptl_shard *shard, struct ptl_on *on);
