#include "engine/message/message.h"

#include "io/json.h"

#include <stdlib.h>

uint32_t ptl_msg_count(const struct ptl_msg *msg)
{
    return msg->count;
}

size_t ptl_msg_size(const struct ptl_msg *msg)
{
    return msg->size;
}

struct ptl_cursor ptl_msg_begin(const struct ptl_msg *msg)
{
    return ptl_cursor_of(ptl_msg_body(msg));
}

/* ---- One value ---------------------------------------------------------------------------- */

static void set_integer(struct ptl_value *value, const struct ptl_cbor_item *item)
{
    bool fits = item->argument <= INT64_MAX;

    if (fits) {
        int64_t natural = (int64_t)item->argument;
        value->type = PTL_INT;
        value->integer = item->major == PTL_CBOR_UINT ? natural : -1 - natural;
    } else if (item->major == PTL_CBOR_UINT) {
        value->type = PTL_UINT;
        value->natural = item->argument;
    } else {
        /* Below -2^63: no integer of C takes it, and no real peer sends it. */
        value->type = PTL_FLOAT;
        value->real = -1.0 - (double)item->argument;
    }
}

/* false: not a simple value of plain CBOR. */
static bool set_simple(struct ptl_value *value, const struct ptl_cbor_item *item)
{
    switch (item->info) {
    case PTL_CBOR_FALSE & 31:
    case PTL_CBOR_TRUE & 31:
        value->type = PTL_BOOL;
        value->boolean = item->info == (PTL_CBOR_TRUE & 31);
        return true;
    case PTL_CBOR_NULL & 31:
        value->type = PTL_NULL;
        return true;
    case PTL_CBOR_SINGLE & 31:
    case PTL_CBOR_DOUBLE & 31:
        value->type = PTL_FLOAT;
        value->real = ptl_cbor_real(item);
        return true;
    default:
        return false;
    }
}

/* Nobody is told of more elements than there are bytes for. */
static bool set_container(struct ptl_value *value, const struct ptl_cbor_item *item, size_t left)
{
    bool map = item->major == PTL_CBOR_MAP;

    if (item->argument > (map ? left / 2 : left) || item->argument > UINT32_MAX) {
        return false;
    }
    value->type = map ? PTL_MAP : PTL_ARRAY;
    value->count = (uint32_t)item->argument;
    return true;
}

/*
 * One value, or the head of a container, whose elements come next. Whatever lies there, nothing
 * behind `end` is read: messages of programs are checked nowhere else.
 */
int ptl_next(struct ptl_cursor *cursor, struct ptl_value *value)
{
    struct ptl_cbor_item item;
    ptl_assert(cursor->at <= cursor->end);
    size_t head = ptl_cbor_read(cursor->at, cursor->end, &item);

    if (head == 0 || item.info == 31) {
        return PTL_EEND;
    }
    const uint8_t *at = cursor->at + head;
    size_t left = (size_t)(cursor->end - at);
    bool good = item.major != PTL_CBOR_TAG;
    switch (item.major) {
    case PTL_CBOR_UINT:
    case PTL_CBOR_NEGATIVE:
        set_integer(value, &item);
        break;
    case PTL_CBOR_BYTES:
    case PTL_CBOR_TEXT:
        good = item.argument <= left;
        if (good) {
            value->type = item.major == PTL_CBOR_BYTES ? PTL_BYTES : PTL_TEXT;
            value->string.chars = (const char *)at;
            value->string.size = (size_t)item.argument;
            at += item.argument;
        }
        break;
    case PTL_CBOR_ARRAY:
    case PTL_CBOR_MAP:
        good = set_container(value, &item, left);
        break;
    case PTL_CBOR_SIMPLE:
        good = set_simple(value, &item);
        break;
    default:
        break;
    }
    if (!good) {
        return PTL_EEND;
    }
    ptl_assert(at <= cursor->end);
    cursor->at = at;
    return 0;
}

int ptl_skip(struct ptl_cursor *cursor)
{
    const uint8_t *at = ptl_cbor_skip(cursor->at, cursor->end, 1);

    if (at == NULL) {
        return PTL_EEND;
    }
    cursor->at = at;
    return 0;
}

int ptl_next_span(struct ptl_cursor *cursor, struct ptl_span *value)
{
    const uint8_t *first = cursor->at;
    int err = ptl_skip(cursor);

    if (err == 0) {
        *value = ptl_span(first, (size_t)(cursor->at - first));
    }
    return err;
}

static bool is_string(const struct ptl_value *value)
{
    return value->type == PTL_BYTES || value->type == PTL_TEXT;
}

/* Looks ahead with a copy: who expects a string and finds none may read the value another way. */
int ptl_next_string(struct ptl_cursor *cursor, struct ptl_span *string)
{
    struct ptl_cursor ahead = *cursor;
    struct ptl_value value;
    int err = ptl_next(&ahead, &value);

    if (err < 0) {
        return err;
    }
    if (!is_string(&value)) {
        return PTL_ETYPE;
    }
    *string = ptl_span(value.string.chars, value.string.size);
    *cursor = ahead;
    return 0;
}

int ptl_string_name(const struct ptl_value *value, uint8_t room[static PTL_STRING_NAME_ROOM],
                    struct ptl_span *name)
{
    if (!is_string(value)) {
        return PTL_ETYPE;
    }
    *name = ptl_span(value->string.chars, value->string.size);
    if (value->type == PTL_TEXT || name->size > PTL_STRING_NAME_MAX ||
        ptl_utf8_ascii(*name) == name->size) {
        return 0;
    }
    *name = ptl_utf8_widen(*name, room);
    ptl_assert(name->size <= PTL_STRING_NAME_ROOM); /* no byte becomes more than two */
    return 0;
}

/* Whether UTF-8 `text` says what `bytes` say as the characters U+0000 to U+00FF. */
static bool equal_latin1(struct ptl_span text, struct ptl_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t character[4];
        size_t size = ptl_utf8_put(character, bytes.bytes[i]);
        if (text.size < size || memcmp(text.bytes, character, size) != 0) {
            return false;
        }
        text = ptl_span_skip(text, size);
    }
    return text.size == 0;
}

bool ptl_string_is(const struct ptl_value *value, struct ptl_span text)
{
    if (!is_string(value)) {
        return false;
    }
    struct ptl_span string = ptl_span(value->string.chars, value->string.size);
    if (ptl_span_equal(string, text)) {
        return true;
    }
    /* In UTF-8 what is not ASCII is longer: most differ by that alone. */
    return value->type == PTL_BYTES && text.size > string.size && equal_latin1(text, string);
}

bool ptl_msg_is(const struct ptl_msg *msg, const char *tag)
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    struct ptl_value value;

    return ptl_next(&cursor, &value) == 0 && ptl_string_is(&value, ptl_span_text(tag));
}

/* ---- Many values -------------------------------------------------------------------------- */

/*
 * A number that came as a string.  Real nodes send what was once used as a string so.  false: the
 * string is no number.
 */
static bool number_of_string(struct ptl_value *value)
{
    uint8_t bytes[64];
    /* Without an allocator: 48 characters of JSON never become more than 64 bytes of CBOR. */
    struct ptl_buffer plain = {.bytes = bytes, .capacity = sizeof bytes, .size_max = sizeof bytes};
    struct ptl_span text = ptl_span(value->string.chars, value->string.size);

    if (text.size == 0 || text.size > 48 || ptl_json_check(text, 0) < 0 ||
        ptl_json_to_cbor(&plain, text, 0) < 0) {
        return false;
    }
    struct ptl_cursor cursor = ptl_cursor_of(ptl_buffer_span(&plain));
    return ptl_next(&cursor, value) == 0 && value->type != PTL_TEXT;
}

/* What integers are to be, whatever they came as.  PTL_ETYPE: it is not one. */
static int to_integer(struct ptl_value *value)
{
    if (is_string(value) && !number_of_string(value)) {
        return PTL_ETYPE;
    }
    if (value->type == PTL_INT || value->type == PTL_UINT) {
        return 0;
    }
    /* A float that is a whole number is one. NaN compares with nothing, so it is refused, too. */
    if (value->type != PTL_FLOAT || !(value->real >= -0x1p63 && value->real < 0x1p63) ||
        (double)(int64_t)value->real != value->real) {
        return PTL_ETYPE;
    }
    value->integer = (int64_t)value->real;
    value->type = PTL_INT;
    return 0;
}

/* Into a place of 4 or 8 bytes. */
static int read_int(struct ptl_value *value, const struct ptl_argument *place)
{
    if (to_integer(value) < 0 || value->type != PTL_INT) {
        return PTL_ETYPE;
    }
    if (place->size == sizeof(int64_t)) {
        memcpy((void *)(uintptr_t)place->pointer, &value->integer, sizeof(int64_t));
        return 0;
    }
    ptl_assert(place->size == sizeof(int32_t)); /* format.h has places of no other size */
    int32_t narrow = (int32_t)value->integer;
    if (narrow != value->integer) {
        return PTL_ETYPE;
    }
    memcpy((void *)(uintptr_t)place->pointer, &narrow, sizeof(narrow));
    return 0;
}

static int read_uint(struct ptl_value *value, const struct ptl_argument *place)
{
    if (to_integer(value) < 0 || (value->type == PTL_INT && value->integer < 0)) {
        return PTL_ETYPE;
    }
    uint64_t wide = value->type == PTL_INT ? (uint64_t)value->integer : value->natural;
    uint32_t narrow = (uint32_t)wide;

    ptl_assert(place->size == sizeof(wide) || place->size == sizeof(narrow));
    if (place->size == sizeof(wide)) {
        memcpy((void *)(uintptr_t)place->pointer, &wide, sizeof(wide));
    } else if (narrow == wide) {
        memcpy((void *)(uintptr_t)place->pointer, &narrow, sizeof(narrow));
    } else {
        return PTL_ETYPE;
    }
    return 0;
}

static int read_float(struct ptl_value *value, double *out)
{
    if (is_string(value) && !number_of_string(value)) {
        return PTL_ETYPE;
    }
    switch (value->type) {
    case PTL_INT:
        *out = (double)value->integer;
        return 0;
    case PTL_UINT:
        *out = (double)value->natural;
        return 0;
    case PTL_FLOAT:
        *out = value->real;
        return 0;
    default:
        return PTL_ETYPE;
    }
}

/* Perl's truth: a real node sends 1 for true, and 0 or an empty string for false. */
static int read_bool(const struct ptl_value *value, bool *out)
{
    if (value->type == PTL_BOOL) {
        *out = value->boolean;
        return 0;
    }
    if (value->type == PTL_INT && (value->integer == 0 || value->integer == 1)) {
        *out = value->integer != 0;
        return 0;
    }
    if (is_string(value) && value->string.size == 0) {
        *out = false;
        return 0;
    }
    if (is_string(value) && value->string.size == 1 &&
        (value->string.chars[0] == '0' || value->string.chars[0] == '1')) {
        *out = value->string.chars[0] == '1';
        return 0;
    }
    return PTL_ETYPE;
}

/* A port ID of bytes above 127 is Latin-1; our IDs are UTF-8. */
static int read_port(const struct ptl_node *node, const struct ptl_value *value,
                     struct ptl_port *port)
{
    uint8_t room[PTL_STRING_NAME_ROOM];
    struct ptl_span id;
    int err = ptl_string_name(value, room, &id);

    return err < 0 ? err : ptl_port_parse(node, (const char *)id.bytes, id.size, port);
}

/* Step over the elements of a container whose head was read. */
static int skip_elements(struct ptl_cursor *cursor, const struct ptl_value *value)
{
    uint64_t count = value->type == PTL_ARRAY ? value->count
                     : value->type == PTL_MAP ? 2 * (uint64_t)value->count
                                              : 0;
    const uint8_t *at = ptl_cbor_skip(cursor->at, cursor->end, count);

    if (at == NULL) {
        return PTL_EEND;
    }
    cursor->at = at;
    return 0;
}

static int read_string(const struct ptl_value *value, const char **chars, size_t *size)
{
    if (!is_string(value)) {
        return PTL_ETYPE;
    }
    *chars = value->string.chars;
    *size = value->string.size;
    return 0;
}

/* What a letter is put into; PTL_ARGUMENT_END: into nothing. */
static int place_of(char letter, enum ptl_argument_type *type)
{
    static const char letters[] = "*.biufspv";
    static const enum ptl_argument_type types[] = {
        PTL_ARGUMENT_END,      PTL_ARGUMENT_END,     PTL_ARGUMENT_BOOL_AT,
        PTL_ARGUMENT_INT_AT,   PTL_ARGUMENT_UINT_AT, PTL_ARGUMENT_FLOAT_AT,
        PTL_ARGUMENT_CHARS_AT, PTL_ARGUMENT_PORT_AT, PTL_ARGUMENT_VALUE_AT,
    };
    _Static_assert(sizeof(types) / sizeof(types[0]) == sizeof(letters) - 1, "one for each letter");

    const char *at = letter == 0 ? NULL : strchr(letters, letter);

    *type = at == NULL ? PTL_ARGUMENT_END : types[at - letters];
    return at == NULL ? PTL_EINVAL : PTL_OK;
}

static bool is_size_at(const struct ptl_argument *place)
{
    return place->type == PTL_ARGUMENT_UINT_AT && place->size == sizeof(size_t) &&
           place->pointer != NULL;
}

/* How many places the letter takes of those that are left, or PTL_EINVAL. */
static int places_of(char letter, const struct ptl_argument *places)
{
    enum ptl_argument_type type;

    if (place_of(letter, &type) < 0) {
        return PTL_EINVAL;
    }
    if (type == PTL_ARGUMENT_END) {
        return 0;
    }
    if (places->type != type || places->pointer == NULL) {
        return PTL_EINVAL;
    }
    if (type != PTL_ARGUMENT_CHARS_AT) {
        return 1;
    }
    return is_size_at(&places[1]) ? 2 : PTL_EINVAL;
}

static int read_letter(const struct ptl_node *node, struct ptl_cursor *cursor, char letter,
                       const struct ptl_argument *places)
{
    void *place = (void *)(uintptr_t)places->pointer; /* the program's, given without const */
    struct ptl_value value;
    int err = ptl_next(cursor, &value);

    if (err == 0) {
        err = skip_elements(cursor, &value);
    }
    if (err < 0) {
        return err;
    }
    switch (letter) {
    case 'b':
        return read_bool(&value, place);
    case 'i':
        return read_int(&value, places);
    case 'u':
        return read_uint(&value, places);
    case 'f':
        return read_float(&value, place);
    case 's':
        return read_string(&value, place, (void *)(uintptr_t)places[1].pointer);
    case 'p':
        return read_port(node, &value, place);
    case 'v':
        *(struct ptl_value *)place = value;
        return 0;
    default: /* '*' */
        return 0;
    }
}

int ptl_msg_readv(const struct ptl_node *node, const struct ptl_msg *msg, const char *format,
                  const struct ptl_argument places[])
{
    struct ptl_cursor cursor = ptl_msg_begin(msg);
    int err = 0;

    for (; *format != 0 && err == 0; format++) {
        /* Each letter is compared with its place before anything is read: a format that does not
         * fit is the same mistake whatever message comes. */
        int taken = places_of(*format, places);
        if (taken < 0) {
            return PTL_EINVAL;
        }
        if (*format == '.') {
            err = cursor.at == cursor.end ? 0 : PTL_ETYPE;
        } else {
            err = read_letter(node, &cursor, *format, places);
        }
        places += taken;
    }
    return err == 0 && places->type != PTL_ARGUMENT_END ? PTL_EINVAL : err;
}

/* ---- As text ------------------------------------------------------------------------------ */

char *ptl_msg_json(const struct ptl_msg *msg)
{
    struct ptl_buffer out;

    /* libc's blocks, whatever the node uses: free() is the caller's only way. */
    ptl_buffer_init(&out, ptl_allocator_libc(), SIZE_MAX / 4);
    ptl_buffer_byte(&out, '[');
    int err = ptl_json_from_cbor(&out, ptl_msg_body(msg));
    ptl_buffer_byte(&out, ']');
    ptl_buffer_byte(&out, 0);
    if (err < 0 || out.err < 0) {
        ptl_buffer_drop(&out);
        return NULL;
    }
    return (char *)out.bytes;
}
