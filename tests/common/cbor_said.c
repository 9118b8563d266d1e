#include "tests/common/cbor_said.h"

#ifdef PTL_HAVE_LIBCBOR
#include "io/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cbor.h>

static void print(struct ptl_buffer *out, const char *format, ...)
{
    char text[64];
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ptl_buffer_append(out, text, (size_t)size);
}

/* Text that is not UTF-8 counts as bytes. */
static void describe_string(struct ptl_buffer *out, const cbor_item_t *item)
{
    bool text = cbor_isa_string(item);
    bool whole = text ? cbor_string_is_definite(item) : cbor_bytestring_is_definite(item);
    size_t chunks = whole  ? 1
                    : text ? cbor_string_chunk_count(item)
                           : cbor_bytestring_chunk_count(item);
    cbor_item_t **parts = whole  ? NULL
                          : text ? cbor_string_chunks_handle(item)
                                 : cbor_bytestring_chunks_handle(item);
    struct ptl_buffer bytes;

    ptl_buffer_init(&bytes, ptl_allocator_libc(), SIZE_MAX);
    for (size_t i = 0; i < chunks; i++) {
        const cbor_item_t *part = whole ? item : parts[i];
        ptl_buffer_append(&bytes, text ? cbor_string_handle(part) : cbor_bytestring_handle(part),
                          text ? cbor_string_length(part) : cbor_bytestring_length(part));
    }
    print(out, text && ptl_utf8_valid(ptl_buffer_span(&bytes)) ? "t" : "b");
    for (size_t i = 0; i < bytes.size; i++) {
        print(out, "%02x", bytes.bytes[i]);
    }
    ptl_buffer_drop(&bytes);
}

static void describe_natural(struct ptl_buffer *out, const cbor_item_t *item)
{
    print(out, cbor_isa_negint(item) ? "~%llu" : "%llu", (unsigned long long)cbor_get_int(item));
}

static bool is_float(const cbor_item_t *item)
{
    return cbor_isa_float_ctrl(item) && !cbor_float_ctrl_is_ctrl(item);
}

static const char *simple_name(const cbor_item_t *item)
{
    switch (cbor_ctrl_value(item)) {
    case CBOR_CTRL_TRUE:
        return "true";
    case CBOR_CTRL_FALSE:
        return "false";
    default:
        return "null";
    }
}

static void describe_simple(struct ptl_buffer *out, const cbor_item_t *item)
{
    if (is_float(item)) {
        double value = cbor_float_get_float(item);
        print(out, isnan(value) ? "fnan" : "f%.17g", value);
    } else {
        print(out, "%s", simple_name(item));
    }
}

/* A number in as few of 15 to 17 digits as read back the same; without an exponent below 1e17,
 * while printf() goes by the digits. */
static void write_real(char text[40], double value)
{
    int digits = 15;

    do {
        snprintf(text, 40, "%.*g", digits, value);
    } while (strtod(text, NULL) != value && ++digits <= 17);
    if (fabs(value) >= 1 && fabs(value) < 1e17 && strchr(text, 'e') != NULL) {
        snprintf(text, 40, "%.0f", value); /* so few digits of a number so large: it is whole */
    }
}

/* A key that is no string becomes its JSON text, or says which kind of container it is. */
static void describe_key(struct ptl_buffer *out, const cbor_item_t *item)
{
    char text[40];

    if (cbor_isa_tag(item)) {
        describe_key(out, item->metadata.tag_metadata.tagged_item);
        return;
    }
    if (cbor_isa_string(item) || cbor_isa_bytestring(item)) {
        describe_string(out, item);
        return;
    }
    if (cbor_isa_array(item) || cbor_isa_map(item)) {
        snprintf(text, sizeof text, "%s", cbor_isa_array(item) ? "array" : "map");
    } else if (is_float(item) && isfinite(cbor_float_get_float(item))) {
        write_real(text, cbor_float_get_float(item));
    } else if (cbor_isa_float_ctrl(item)) {
        snprintf(text, sizeof text, "%s", is_float(item) ? "null" : simple_name(item));
    } else if (cbor_isa_negint(item) && cbor_get_int(item) == UINT64_MAX) {
        snprintf(text, sizeof text, "-18446744073709551616");
    } else {
        snprintf(text, sizeof text, "%s%llu", cbor_isa_negint(item) ? "-" : "",
                 (unsigned long long)cbor_get_int(item) + cbor_isa_negint(item));
    }
    print(out, "t");
    for (size_t i = 0; text[i] != '\0'; i++) {
        print(out, "%02x", text[i]);
    }
}

static void describe(struct ptl_buffer *out, const cbor_item_t *item)
{
    switch (cbor_typeof(item)) {
    case CBOR_TYPE_UINT:
    case CBOR_TYPE_NEGINT:
        describe_natural(out, item);
        break;
    case CBOR_TYPE_BYTESTRING:
    case CBOR_TYPE_STRING:
        describe_string(out, item);
        break;
    case CBOR_TYPE_ARRAY:
        print(out, "[");
        for (size_t i = 0; i < cbor_array_size(item); i++) {
            describe(out, cbor_array_handle(item)[i]);
            print(out, ",");
        }
        print(out, "]");
        break;
    case CBOR_TYPE_MAP:
        print(out, "{");
        for (size_t i = 0; i < cbor_map_size(item); i++) {
            describe_key(out, cbor_map_handle(item)[i].key);
            print(out, ":");
            describe(out, cbor_map_handle(item)[i].value);
        }
        print(out, "}");
        break;
    case CBOR_TYPE_TAG:
        describe(out, item->metadata.tag_metadata.tagged_item);
        break;
    case CBOR_TYPE_FLOAT_CTRL:
        describe_simple(out, item);
        break;
    }
}

bool cbor_said(struct ptl_buffer *out, struct ptl_span bytes)
{
    struct cbor_load_result result;
    cbor_item_t *item = cbor_load(bytes.bytes, bytes.size, &result);

    if (item == NULL) {
        return false;
    }
    ptl_buffer_clear(out);
    describe(out, item);
    cbor_decref(&item);
    return result.read == bytes.size;
}
#endif
