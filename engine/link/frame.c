#include "engine/link/frame.h"

#include "io/utf8.h"

/* What stands in a frame of a kind, in this order. */
enum {
    NUMBER = 1, /* u32 */
    TAG = 2,    /* u64 */
    WHOLE = 4,  /* u64 whole, u32 count */
    CODE = 8,   /* u16 */
    PORT = 16,
    VALUES = 32,
    GRANTS = 64,
    PIECE = 128,
};

static const uint8_t fields_of[PTL_FRAME_REQUESTS] = {
    [PTL_FRAME_OPEN] = NUMBER | PORT,  [PTL_FRAME_CLOSE] = NUMBER,  [PTL_FRAME_CLOSED] = NUMBER,
    [PTL_FRAME_CREDIT] = GRANTS,       [PTL_FRAME_ERROR] = CODE,    [PTL_FRAME_MESSAGE] = VALUES,
    [PTL_FRAME_FIRST] = WHOLE | PIECE, [PTL_FRAME_PIECE] = PIECE,   [PTL_FRAME_KILL] = VALUES,
    [PTL_FRAME_MONITOR] = TAG | PORT,  [PTL_FRAME_UNMONITOR] = TAG, [PTL_FRAME_DOWN] = TAG | VALUES,
    [PTL_FRAME_SPAWN] = VALUES,
};

static unsigned fields(unsigned kind)
{
    return kind < PTL_FRAME_REQUESTS ? fields_of[kind] : VALUES;
}

static bool is_of_flow(unsigned kind)
{
    return kind >= PTL_FRAME_MESSAGE && kind < PTL_FRAME_REQUESTS;
}

bool ptl_frame_goes_in_pieces(unsigned kind)
{
    return kind < PTL_FRAME_KINDS && (fields(kind) & VALUES) != 0;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static uint64_t load(const uint8_t *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = size; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

/* Take a number of `size` bytes off the front.  False: they are not there. */
static bool take(struct ptl_span *rest, size_t size, uint64_t *value)
{
    if (rest->size < size) {
        return false;
    }
    *value = load(rest->bytes, size);
    *rest = ptl_span_skip(*rest, size);
    return true;
}

/* Take `size` bytes off the front. */
static bool take_bytes(struct ptl_span *rest, size_t size, struct ptl_span *bytes)
{
    if (rest->size < size) {
        return false;
    }
    *bytes = ptl_span(rest->bytes, size);
    *rest = ptl_span_skip(*rest, size);
    return true;
}

static bool take_32(struct ptl_span *rest, uint32_t *number)
{
    uint64_t value;

    if (!take(rest, 4, &value)) {
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

bool ptl_frame_next_part(struct ptl_span *parts, uint8_t *type, struct ptl_span *part)
{
    if (parts->size < 2) {
        return false;
    }
    *type = parts->bytes[0];
    size_t size = parts->bytes[1];
    *parts = ptl_span_skip(*parts, 2);
    return take_bytes(parts, size, part);
}

static bool parts_fill(struct ptl_span parts)
{
    struct ptl_span part;
    uint8_t type;

    while (parts.size != 0) {
        if (!ptl_frame_next_part(&parts, &type, &part)) {
            return false;
        }
    }
    return true;
}

static bool take_parts(struct ptl_span *rest, struct ptl_span *parts)
{
    uint64_t size;

    return take(rest, 1, &size) && take_bytes(rest, size, parts) && parts_fill(*parts);
}

static bool take_port(struct ptl_span *rest, struct ptl_frame_port *port)
{
    uint64_t type, size;

    if (!take(rest, 1, &type)) {
        return false;
    }
    port->type = (uint8_t)type;
    if (type == PTL_FRAME_PORT_NODE) {
        return true;
    }
    if (type == PTL_FRAME_PORT_MADE) {
        return take(rest, 8, &port->number);
    }
    return type == PTL_FRAME_PORT_NAMED && take(rest, 1, &size) && size != 0 &&
           size <= PTL_PORT_NAME_MAX && take_bytes(rest, size, &port->name) &&
           ptl_utf8_valid(port->name);
}

static bool take_number(struct ptl_span *rest, unsigned has, struct ptl_frame *frame)
{
    uint64_t code;

    if ((has & CODE) == 0) {
        return take_32(rest, &frame->number);
    }
    if (!take(rest, 2, &code)) {
        return false;
    }
    frame->number = (uint32_t)code;
    return true;
}

/* The fields of a kind, in the order of the enumeration above. */
static bool take_fields(struct ptl_span *rest, unsigned has, struct ptl_frame *frame)
{
    if ((has & (NUMBER | CODE)) != 0 && !take_number(rest, has, frame)) {
        return false;
    }
    if ((has & (TAG | WHOLE)) != 0 && !take(rest, 8, &frame->tag)) {
        return false;
    }
    if ((has & WHOLE) != 0 && !take_32(rest, &frame->count)) {
        return false;
    }
    return (has & PORT) == 0 || take_port(rest, &frame->port);
}

/* What stands before the fields: flow, parts, count. */
static bool take_front(struct ptl_span *rest, const uint8_t *start, struct ptl_frame *frame)
{
    unsigned has = fields(frame->kind);

    if ((start[0] & PTL_FRAME_HAS_FLOW) != 0 &&
        (!is_of_flow(frame->kind) || !take_32(rest, &frame->flow))) {
        return false;
    }
    frame->has_flow = (start[0] & PTL_FRAME_HAS_FLOW) != 0;
    if ((start[0] & PTL_FRAME_HAS_PARTS) != 0 &&
        (frame->kind < PTL_FRAME_MESSAGE || !take_parts(rest, &frame->parts))) {
        return false;
    }
    frame->whole_kind = start[1];
    frame->count = (has & VALUES) != 0 ? start[1] : 0;
    return frame->count != PTL_FRAME_COUNT_BEHIND || take_32(rest, &frame->count);
}

/* What can be said of a body by its size. */
static enum ptl_frame_fault fault_of_body(const struct ptl_frame *frame)
{
    unsigned has = fields(frame->kind);
    size_t size = frame->body.size;

    if ((has & GRANTS) != 0) {
        return size != 0 && size % PTL_FRAME_CREDIT_SIZE == 0 ? PTL_FAULT_NONE : PTL_FAULT_HEAD;
    }
    if ((has & PIECE) != 0 && size == 0) {
        return PTL_FAULT_PIECES;
    }
    if ((has & WHOLE) != 0 &&
        (size >= frame->tag || !ptl_frame_goes_in_pieces(frame->whole_kind))) {
        return PTL_FAULT_PIECES;
    }
    return (has & (PIECE | VALUES)) != 0 && size > PTL_FRAME_VALUES_MAX ? PTL_FAULT_SIZE
                                                                        : PTL_FAULT_NONE;
}

size_t ptl_frame_read(struct ptl_span bytes, uint64_t known, struct ptl_frame *frame)
{
    if (bytes.size < PTL_FRAME_START) {
        *frame = (struct ptl_frame){0};
        return 0;
    }
    const uint8_t *start = bytes.bytes;
    size_t length = (size_t)load(start + 2, 2);

    *frame = (struct ptl_frame){.kind = start[0] & PTL_FRAME_KIND_BITS};
    if (frame->kind == PTL_FRAME_NONE || length > PTL_FRAME_LENGTH_MAX) {
        frame->fault = PTL_FAULT_HEAD;
        return 0;
    }
    if (bytes.size < PTL_FRAME_START + length) {
        return 0;
    }
    struct ptl_span rest = ptl_span(start + PTL_FRAME_START, length);
    if ((known & PTL_FRAME_BIT(frame->kind)) != 0) {
        bool good =
            take_front(&rest, start, frame) && take_fields(&rest, fields(frame->kind), frame);
        frame->body = rest;
        frame->fault = (uint8_t)(good ? fault_of_body(frame) : PTL_FAULT_HEAD);
    }
    return PTL_FRAME_START + length;
}

void ptl_frame_read_whole(unsigned kind, uint32_t count, struct ptl_span whole,
                          struct ptl_frame *frame)
{
    ptl_assert(ptl_frame_goes_in_pieces(kind));
    *frame = (struct ptl_frame){.kind = (uint8_t)kind, .count = count};
    bool good = take_fields(&whole, fields(kind), frame);
    frame->body = whole;
    frame->fault = (uint8_t)(good ? PTL_FAULT_NONE : PTL_FAULT_HEAD);
}

void ptl_frame_credit(struct ptl_span body, size_t index, uint32_t *flow, uint32_t *limit)
{
    ptl_assert(index < body.size / PTL_FRAME_CREDIT_SIZE);
    const uint8_t *at = body.bytes + index * PTL_FRAME_CREDIT_SIZE;

    *flow = (uint32_t)load(at, 4);
    *limit = (uint32_t)load(at + 4, 4);
}

/* ---- Writing ------------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
    return at + size;
}

static uint8_t *put_bytes(uint8_t *at, struct ptl_span bytes)
{
    if (bytes.size != 0) {
        memcpy(at, bytes.bytes, bytes.size);
    }
    return at + bytes.size;
}

static uint8_t *put_port(uint8_t *at, const struct ptl_frame_port *port)
{
    *at++ = port->type;
    if (port->type == PTL_FRAME_PORT_NODE) {
        return at;
    }
    if (port->type == PTL_FRAME_PORT_MADE) {
        return put(at, port->number, 8);
    }
    ptl_assert(port->name.size != 0 && port->name.size <= PTL_PORT_NAME_MAX);
    *at++ = (uint8_t)port->name.size;
    return put_bytes(at, port->name);
}

static uint8_t *put_fields(uint8_t *at, unsigned has, const struct ptl_frame *frame)
{
    if ((has & (NUMBER | CODE)) != 0) {
        at = put(at, frame->number, (has & CODE) != 0 ? 2 : 4);
    }
    if ((has & (TAG | WHOLE)) != 0) {
        at = put(at, frame->tag, 8);
    }
    if ((has & WHOLE) != 0) {
        at = put(at, frame->count, 4);
    }
    return (has & PORT) != 0 ? put_port(at, &frame->port) : at;
}

size_t ptl_frame_fields(const struct ptl_frame *frame, uint8_t out[static PTL_FRAME_FIELDS_MAX])
{
    return (size_t)(put_fields(out, fields(frame->kind), frame) - out);
}

size_t ptl_frame_head(const struct ptl_frame *frame, size_t body_size,
                      uint8_t out[static PTL_FRAME_HEAD_MAX])
{
    unsigned has = fields(frame->kind);
    bool count_behind = (has & VALUES) != 0 && frame->count >= PTL_FRAME_COUNT_BEHIND;
    uint8_t *at = out + PTL_FRAME_START;

    ptl_assert(frame->kind != PTL_FRAME_NONE && frame->kind < PTL_FRAME_KINDS);
    ptl_assert(!frame->has_flow || is_of_flow(frame->kind));
    ptl_assert(frame->parts.size <= PTL_FRAME_PARTS_MAX);
    if (frame->has_flow) {
        at = put(at, frame->flow, 4);
    }
    if (frame->parts.size != 0) {
        *at++ = (uint8_t)frame->parts.size;
        at = put_bytes(at, frame->parts);
    }
    if (count_behind) {
        at = put(at, frame->count, 4);
    }
    at = put_fields(at, has, frame);
    size_t size = (size_t)(at - out);
    size_t length = size - PTL_FRAME_START + body_size;
    ptl_assert(length <= PTL_FRAME_LENGTH_MAX);

    out[0] = (uint8_t)(frame->kind | (frame->parts.size != 0 ? PTL_FRAME_HAS_PARTS : 0) |
                       (frame->has_flow ? PTL_FRAME_HAS_FLOW : 0));
    out[1] = (has & WHOLE) != 0    ? frame->whole_kind
             : count_behind        ? PTL_FRAME_COUNT_BEHIND
             : (has & VALUES) != 0 ? (uint8_t)frame->count
                                   : 0;
    put(out + 2, length, 2);
    return size;
}

void ptl_frame_put_credit(uint8_t out[static PTL_FRAME_CREDIT_SIZE], uint32_t flow, uint32_t limit)
{
    put(put(out, flow, 4), limit, 4);
}
