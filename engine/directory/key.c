#include "engine/directory/key.h"

#include <stdio.h>

int ptl_key_of(const struct ptl_value *value, uint8_t room[static PTL_KEY_ROOM],
               struct ptl_span *name)
{
    if (value->type == PTL_INT) {
        int size = snprintf((char *)room, PTL_KEY_ROOM, "%lld", (long long)value->integer);
        *name = ptl_span(room, (size_t)size);
        return PTL_OK;
    }
    if (value->type != PTL_TEXT && value->type != PTL_BYTES) {
        return PTL_ETYPE;
    }
    *name = ptl_span(value->string.chars, value->string.size);
    if (name->size == 0) {
        return PTL_EINVAL;
    }
    if (name->size > PTL_DB_KEY_MAX) {
        return PTL_ESIZE;
    }
    if (value->type == PTL_BYTES && ptl_utf8_ascii(*name) != name->size) {
        ptl_assert(2 * name->size <= PTL_KEY_ROOM);
        *name = ptl_utf8_widen(*name, room);
    }
    return name->size > PTL_DB_KEY_MAX ? PTL_ESIZE : PTL_OK;
}

int ptl_key_next(struct ptl_cursor *cursor, uint8_t room[static PTL_KEY_ROOM],
                 struct ptl_span *name)
{
    struct ptl_cursor ahead = *cursor;
    struct ptl_value value;
    int err = ptl_next(&ahead, &value);

    if (err < 0) {
        return err;
    }
    if (value.type == PTL_ARRAY || value.type == PTL_MAP) {
        /* Stepped over whole, so that whatever comes behind it is read right. */
        err = ptl_skip(cursor);
        return err < 0 ? err : PTL_ETYPE;
    }
    *cursor = ahead;
    return ptl_key_of(&value, room, name);
}

bool ptl_key_valid(struct ptl_span key)
{
    return key.size > 0 && key.size <= PTL_DB_KEY_MAX && ptl_utf8_valid(key);
}

void ptl_key_put(struct ptl_buffer *out, struct ptl_span name)
{
    bool ascii = ptl_utf8_ascii(name) == name.size;

    ptl_cbor_put_string(out, ascii ? PTL_CBOR_BYTES : PTL_CBOR_TEXT, name);
}
