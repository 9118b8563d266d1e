#include "engine/message/flat.h"

#include "engine/message/message.h"
#include "engine/message/name.h"

static inline bool is_integer(const struct ptl_argument *argument)
{
    return argument->type == PTL_ARGUMENT_UINT || argument->type == PTL_ARGUMENT_INT;
}

static inline bool is_natural(const struct ptl_argument *argument)
{
    return argument->type == PTL_ARGUMENT_UINT ||
           (argument->type == PTL_ARGUMENT_INT && argument->integer >= 0);
}

static inline bool is_pointer(const struct ptl_argument *argument, enum ptl_argument_type type,
                              enum ptl_argument_type or_type)
{
    return (argument->type == type || argument->type == or_type) && argument->pointer != NULL;
}

static inline int fitting(char letter, const struct ptl_argument *next)
{
    switch (letter) {
    case 'n':
        return 0;
    case 'b':
    case 'i':
        return is_integer(next) ? 1 : -1;
    case 'u':
        return is_natural(next) ? 1 : -1;
    case 'f':
        return is_integer(next) || next->type == PTL_ARGUMENT_FLOAT ? 1 : -1;
    case 't':
        return is_pointer(next, PTL_ARGUMENT_CHARS, PTL_ARGUMENT_CHARS) ? 1 : -1;
    case 'T':
    case 'y':
        return (next->type == PTL_ARGUMENT_CHARS || next->type == PTL_ARGUMENT_BYTES) &&
                       is_natural(&next[1]) && (next->pointer != NULL || next[1].natural == 0)
                   ? 2
                   : -1;
    case 'p':
        return is_pointer(next, PTL_ARGUMENT_PORT, PTL_ARGUMENT_PORT_AT) ? 1 : -1;
    case 'm':
        return is_pointer(next, PTL_ARGUMENT_MSG, PTL_ARGUMENT_MSG) ? 1 : -1;
    default:
        return -1;
    }
}

int ptl_format_fitting(char letter, const struct ptl_argument *next)
{
    return fitting(letter, next);
}

/* ---- One value ----------------------------------------------------------------------------- */

/* The string that a letter stands for, whose argument fits. */
static inline struct ptl_span string_of(char letter, const struct ptl_argument *next)
{
    if (letter == 't') {
        return ptl_span(next->pointer, strlen(next->pointer));
    }
    return letter == 'p' ? ptl_port_span(next->pointer)
                         : ptl_span(next->pointer, (size_t)next[1].natural);
}

/* The head of an integer: below 0 it is -1 less the number. */
static inline unsigned integer_of(const struct ptl_argument *argument, uint64_t *head)
{
    bool below = argument->type == PTL_ARGUMENT_INT && argument->integer < 0;

    *head = below ? ~argument->natural : argument->natural;
    return below ? PTL_CBOR_NEGATIVE : PTL_CBOR_UINT;
}

double ptl_format_float(const struct ptl_argument *argument)
{
    return argument->type == PTL_ARGUMENT_FLOAT ? argument->real
           : argument->type == PTL_ARGUMENT_INT ? (double)argument->integer
                                                : (double)argument->natural;
}

static inline uint8_t *write_string(uint8_t *to, const uint8_t *end, unsigned major,
                                    struct ptl_span string)
{
    size_t room = (size_t)(end - to);

    if (string.size > room || ptl_cbor_head_size(string.size) > room - string.size) {
        return NULL;
    }
    to += ptl_cbor_head(to, major, string.size);
    ptl_copy(to, string.bytes, string.size);
    return to + string.size;
}

static inline uint8_t *write_text(uint8_t *to, const uint8_t *end, struct ptl_span text)
{
    return ptl_utf8_valid(text) ? write_string(to, end, PTL_CBOR_TEXT, text) : NULL;
}

static inline uint8_t *write_integer(uint8_t *to, const struct ptl_argument *argument)
{
    uint64_t head;
    unsigned major = integer_of(argument, &head);

    return to + ptl_cbor_head(to, major, head);
}

static inline uint8_t *write_msg(uint8_t *to, const uint8_t *end, const struct ptl_msg *msg)
{
    if (msg->size > (size_t)(end - to)) {
        return NULL;
    }
    ptl_copy(to, msg->body, msg->size);
    return to + msg->size;
}

/* One value whose argument fits.  NULL: there is no room, or a text is not UTF-8. */
static inline uint8_t *write_one(uint8_t *to, const uint8_t *end, char letter,
                                 const struct ptl_argument *next)
{
    if (letter == 'y') {
        return write_string(to, end, PTL_CBOR_BYTES, string_of(letter, next));
    }
    if (letter == 'm') {
        return write_msg(to, end, next->pointer);
    }
    if (letter == 't' || letter == 'T' || letter == 'p') {
        return write_text(to, end, string_of(letter, next));
    }
    if (end - to < PTL_CBOR_HEAD_MAX) { /* what all others have at most */
        return NULL;
    }
    switch (letter) {
    case 'n':
        *to = PTL_CBOR_NULL;
        return to + 1;
    case 'b':
        *to = next->natural != 0 ? PTL_CBOR_TRUE : PTL_CBOR_FALSE;
        return to + 1;
    case 'f':
        return to + ptl_cbor_float(to, ptl_format_float(next));
    default:
        return write_integer(to, next);
    }
}

/* ---- All of them --------------------------------------------------------------------------- */

uint8_t *ptl_flat_write(uint8_t *to, const uint8_t *end, const char *format,
                        const struct ptl_argument arguments[], uint32_t *count)
{
    const struct ptl_argument *next = arguments;
    uint64_t values = 0;

    for (; *format != 0; format++) {
        int taken = fitting(*format, next);
        uint8_t *behind = taken < 0 ? NULL : write_one(to, end, *format, next);
        if (behind == NULL) {
            return NULL;
        }
        to = behind;
        values += *format == 'm' ? ((const struct ptl_msg *)next->pointer)->count : 1;
        next += taken;
    }
    *count = (uint32_t)values;
    return next->type == PTL_ARGUMENT_END && values <= UINT32_MAX ? to : NULL;
}
