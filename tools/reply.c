#include "tools/reply.h"

/* Put one value's head; how many values follow that belong to it. */
static uint64_t put_head(struct ptl_writer *writer, const struct ptl_value *value)
{
    switch (value->type) {
    case PTL_NULL:
        ptl_put_null(writer);
        return 0;
    case PTL_BOOL:
        ptl_put_bool(writer, value->boolean);
        return 0;
    case PTL_INT:
        ptl_put_int(writer, value->integer);
        return 0;
    case PTL_UINT:
        ptl_put_uint(writer, value->natural);
        return 0;
    case PTL_FLOAT:
        ptl_put_float(writer, value->real);
        return 0;
    case PTL_BYTES:
        ptl_put_bytes(writer, value->string.chars, value->string.size);
        return 0;
    case PTL_TEXT:
        ptl_put_text(writer, value->string.chars, value->string.size);
        return 0;
    case PTL_ARRAY:
        ptl_put_array(writer, value->count);
        return value->count;
    case PTL_MAP:
        ptl_put_map(writer, value->count);
        return 2 * (uint64_t)value->count;
    }
    return 0;
}

/* Heads come in order, so this is flat. */
int ptl_reply_values(struct ptl_writer *writer, struct ptl_cursor *cursor, uint64_t count)
{
    while (count > 0) {
        struct ptl_value value;
        int err = ptl_next(cursor, &value);
        if (err < 0) {
            return err;
        }
        count += put_head(writer, &value);
        count--;
    }
    return 0;
}

bool ptl_reply_port(struct ptl_node *node, struct ptl_cursor *cursor, struct ptl_port *port)
{
    struct ptl_value value;

    if (ptl_next(cursor, &value) < 0 || (value.type != PTL_TEXT && value.type != PTL_BYTES)) {
        return false;
    }
    return ptl_port_parse(node, value.string.chars, value.string.size, port) == 0;
}
