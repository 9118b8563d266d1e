#include "engine/port/tag.h"

#include "engine/port/port.h"

void ptl_handler_wish_free(const struct ptl_allocator *allocator, struct ptl_handler_wish *wish)
{
    ptl_free(allocator, wish->tag, wish->tag_size + 1);
    ptl_free(allocator, wish, sizeof(*wish));
}

static struct ptl_tag *find(struct ptl_port_more *more, const struct ptl_handler_wish *wish)
{
    for (uint32_t i = 0; i < more->tag_count; i++) {
        struct ptl_tag *tag = &more->tags[i];
        if (tag->text_size == wish->tag_size && memcmp(tag->text, wish->tag, wish->tag_size) == 0) {
            return tag;
        }
    }
    return NULL;
}

static void remove_tag(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                       struct ptl_tag *tag)
{
    uint32_t last = more->tag_count - 1;

    ptl_assert(more->tag_count > 0);

    ptl_free(allocator, tag->text, tag->text_size + 1);
    *tag = more->tags[last];
    more->tag_count = last;
}

/* Takes the tag's text over from `on`. */
static int add_tag(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                   struct ptl_handler_wish *wish)
{
    if (more->tag_count == more->tag_capacity) {
        size_t old = more->tag_capacity * sizeof(*more->tags);
        /* By one: ports have a handful of tags, and there may be a million ports. */
        struct ptl_tag *tags = ptl_grow(allocator, more->tags, old, old + sizeof(*tags));
        if (tags == NULL) {
            return PTL_ENOMEM;
        }
        more->tags = tags;
        more->tag_capacity++;
    }
    ptl_assert(more->tag_count < more->tag_capacity && wish->tag != NULL);
    more->tags[more->tag_count++] = (struct ptl_tag){
        .text = wish->tag,
        .text_size = wish->tag_size,
        .handler = wish->handler,
        .data = wish->data,
    };
    wish->tag = NULL;
    return PTL_OK;
}

int ptl_tag_set(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                struct ptl_handler_wish *wish)
{
    struct ptl_tag *tag = find(more, wish);

    if (wish->handler == NULL) {
        if (tag != NULL) {
            remove_tag(allocator, more, tag);
        }
        return PTL_OK;
    }
    if (tag == NULL) {
        return add_tag(allocator, more, wish);
    }
    tag->handler = wish->handler;
    tag->data = wish->data;
    return PTL_OK;
}

struct ptl_handler_wish *ptl_handler_wish_make(const struct ptl_allocator *allocator,
                                               const char *tag, ptl_handler_fn *handler, void *data)
{
    struct ptl_handler_wish *wish = ptl_alloc(allocator, sizeof(*wish));

    if (wish == NULL || tag == NULL) {
        if (wish != NULL) {
            wish->handler = handler;
            wish->data = data;
        }
        return wish;
    }
    wish->tag_size = (uint32_t)strlen(tag);
    wish->tag = ptl_alloc_raw(allocator, wish->tag_size + 1);
    if (wish->tag == NULL) {
        ptl_free(allocator, wish, sizeof(*wish));
        return NULL;
    }
    memcpy(wish->tag, tag, wish->tag_size + 1);
    wish->handler = handler;
    wish->data = data;
    return wish;
}

/* The port may be sent to as soon as it is made, so all its handlers have to be there by then. */
int ptl_tags_take(const struct ptl_allocator *allocator, struct ptl_port_more *more,
                  const struct ptl_port_tag tags[])
{
    int err = PTL_OK;

    for (; tags->tag != NULL && err == PTL_OK; tags++) {
        struct ptl_handler_wish *wish =
            ptl_handler_wish_make(allocator, tags->tag, tags->handler, tags->data);
        if (wish == NULL) {
            return PTL_ENOMEM;
        }
        bool twice = wish->handler == NULL || find(more, wish) != NULL;
        err = twice ? PTL_EINVAL : add_tag(allocator, more, wish);
        ptl_handler_wish_free(allocator, wish);
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
