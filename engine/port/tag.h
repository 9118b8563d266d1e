/*
 * engine/port/tag.h - the handlers that a port has for tags, and a wish to change them.
 */
#pragma once

#include "engine/message/message.h"
#include "engine/portolan.h"
#include "io/alloc.h"

struct ptl_port_more;

/* Handles one tag. */
struct ptl_tag {
    char *text; /* heap, text_size + 1 bytes */
    uint32_t text_size;
    ptl_handler_fn *handler;
    void *data;
};

/* A wish to set a handler, on its way to the port's shard. */
struct ptl_handler_wish {
    char *tag; /* NULL: the default handler; else tag_size + 1 bytes */
    uint32_t tag_size;
    ptl_handler_fn *handler; /* NULL: take it back */
    void *data;
};

/* Make a wish; `tag` NULL: of the default handler.  NULL: no memory.  Thread: any.  And free it. */
struct ptl_handler_wish *ptl_handler_wish_make(const struct ptl_allocator *allocator,
                                               const char *tag, ptl_handler_fn *handler,
                                               void *data);
void ptl_handler_wish_free(const struct ptl_allocator *allocator, struct ptl_handler_wish *wish);

/* Carry out a wish that has a tag; it stays the caller's, without its text.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_tag_set(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                               struct ptl_handler_wish *wish);

/* Give a port that is being made its handlers of tags.  Errors: PTL_ENOMEM, PTL_EINVAL (one twice).
 * Thread: any.  What was set meanwhile is there also after an error. */
PTL_MUST_CHECK int ptl_tags_take(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                                 const struct ptl_port_tag tags[]);

/*
 * The one of `count` tags that the message begins with; NULL: none.  Here, since it is called for
 * every message to a port that has tags.
 */
static inline const struct ptl_tag *ptl_tag_find(const struct ptl_tag tags[], uint32_t count,
                                                 const struct ptl_msg *msg)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    if (ptl_next(&cursor, &value) < 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (ptl_string_is(&value, ptl_span(tags[i].text, tags[i].text_size))) {
            return &tags[i];
        }
    }
    return NULL;
}

/* Free a port's handlers of tags. */
void ptl_tags_drop(const struct ptl_allocator *allocator, struct ptl_port_more *more);
