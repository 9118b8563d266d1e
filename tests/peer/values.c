#include "tests/peer/values.h"

#include <string.h>

/* Write one value's head; how many values follow that belong to it. */
static uint64_t put_head(struct ptl_writer *writer, const struct ptl_value *value)
{
    switch (value->type) {
    case PTL_NULL:
        ptl_put_null(writer);
        break;
    case PTL_BOOL:
        ptl_put_bool(writer, value->boolean);
        break;
    case PTL_INT:
        ptl_put_int(writer, value->integer);
        break;
    case PTL_UINT:
        ptl_put_uint(writer, value->natural);
        break;
    case PTL_FLOAT:
        ptl_put_float(writer, value->real);
        break;
    case PTL_BYTES:
        ptl_put_bytes(writer, value->string.chars, value->string.size);
        break;
    case PTL_TEXT:
        ptl_put_text(writer, value->string.chars, value->string.size);
        break;
    case PTL_ARRAY:
        ptl_put_array(writer, value->count);
        return value->count;
    case PTL_MAP:
        ptl_put_map(writer, value->count);
        return 2 * (uint64_t)value->count;
    }
    return 0;
}

int peer_put_values(struct ptl_writer *writer, struct ptl_cursor *cursor, uint64_t count)
{
    int err = PTL_OK;

    for (struct ptl_value value; count > 0 && err == PTL_OK; count--) {
        err = ptl_next(cursor, &value);
        if (err == PTL_OK) {
            count += put_head(writer, &value);
        }
    }
    return err;
}

int peer_part_of(struct ptl_node *node, const char *tag, const struct ptl_msg *msg, uint32_t skip,
                 uint32_t drop, struct ptl_msg **part)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_writer writer;

    if (ptl_msg_count(msg) < skip + drop) {
        return PTL_EEND;
    }
    for (uint32_t i = 0; i < skip; i++) {
        (void)ptl_skip(&cursor);
    }
    ptl_writer_init(&writer, node);
    if (tag != NULL) {
        ptl_put_text(&writer, tag, strlen(tag));
    }
    int err = peer_put_values(&writer, &cursor, ptl_msg_count(msg) - skip - drop);
    if (err < 0) {
        ptl_writer_drop(&writer);
        return err;
    }
    return ptl_writer_finish(&writer, part);
}

int peer_rest_of(struct ptl_node *node, const char *tag, const struct ptl_msg *msg, uint32_t skip,
                 struct ptl_msg **rest)
{
    return peer_part_of(node, tag, msg, skip, 0, rest);
}

int peer_port_at(struct ptl_node *node, const struct ptl_msg *msg, uint32_t index,
                 struct ptl_port *port)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value = {.type = PTL_NULL};
    int err = PTL_OK;

    for (uint32_t i = 0; i < index && err == PTL_OK; i++) {
        err = ptl_skip(&cursor);
    }
    if (err == PTL_OK) {
        err = ptl_next(&cursor, &value);
    }
    if (err < 0) {
        return err;
    }
    if (value.type != PTL_TEXT && value.type != PTL_BYTES) {
        return PTL_ETYPE;
    }
    return ptl_port_parse(node, value.string.chars, value.string.size, port);
}
