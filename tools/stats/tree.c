#include "tools/stats/tree.h"

#include <stdlib.h>
#include <string.h>

static void put_object(struct ptl_writer *writer, json_t *object)
{
    const char *key;
    json_t *value;

    ptl_put_map(writer, (uint32_t)json_object_size(object));
    json_object_foreach(object, key, value)
    {
        ptl_put_text(writer, key, strlen(key));
        ptl_tree_put(writer, value);
    }
}

static void put_array(struct ptl_writer *writer, const json_t *array)
{
    size_t index;
    json_t *value;

    ptl_put_array(writer, (uint32_t)json_array_size(array));
    json_array_foreach(array, index, value)
    {
        ptl_tree_put(writer, value);
    }
}

void ptl_tree_put(struct ptl_writer *writer, const json_t *value)
{
    if (json_is_object(value)) {
        put_object(writer, (json_t *)(uintptr_t)value);
    } else if (json_is_array(value)) {
        put_array(writer, value);
    } else if (json_is_string(value)) {
        ptl_put_text(writer, json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        ptl_put_int(writer, json_integer_value(value));
    } else if (json_is_real(value)) {
        ptl_put_float(writer, json_real_value(value));
    } else if (json_is_boolean(value)) {
        ptl_put_bool(writer, json_is_true(value));
    } else {
        ptl_put_null(writer);
    }
}

json_t *ptl_tree_of(const struct ptl_msg *msg)
{
    char *text = ptl_msg_json(msg);
    json_t *array = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
    json_t *first = json_incref(json_array_get(array, 0));

    free(text);
    json_decref(array);
    return first;
}
