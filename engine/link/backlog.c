#include "engine/link/backlog.h"

#include "engine/link/frame.h"
#include "engine/link/outbox.h"
#include "engine/message/message.h"

/* The first chunk of a flow that waits is small, later ones are as large as what waits already: so
 * a flow takes little more than what it has to send. */
#define CHUNK_LEAST ((size_t)1024)
#define CHUNK_MOST ((size_t)65536)

/* Bodies from this size on stay where they are, if they can: a copy would be copied once more. */
#define BODY_HELD_MIN ((size_t)4096)

/* Frames; or one with a body that is held, or the pieces of such a one. */
struct ptl_backlog_item {
    struct ptl_backlog_item *next;
    const struct ptl_allocator *allocator;
    struct ptl_msg
        *held; /* not NULL: what is left of `body`, which lies there, is behind `bytes` */
    struct ptl_span body;
    size_t whole_size; /* it goes in pieces, together so many bytes; else 0 */
    size_t first_size; /* of `body`, that go with `bytes` */
    size_t capacity;   /* of `bytes` */
    size_t size, at;   /* bytes that are there, and that have left */
    uint32_t messages;
    uint8_t bytes[];
};

void ptl_backlog_init(struct ptl_backlog *backlog, uint32_t number)
{
    *backlog = (struct ptl_backlog){.number = number};
}

/* ---- Items --------------------------------------------------------------------------------- */

static struct ptl_backlog_item *make_item(const struct ptl_allocator *allocator, size_t capacity)
{
    struct ptl_backlog_item *item = ptl_alloc_raw(allocator, sizeof(*item) + capacity);

    if (item != NULL) {
        *item = (struct ptl_backlog_item){.allocator = allocator, .capacity = capacity};
    }
    return item;
}

static void free_item(struct ptl_backlog_item *item)
{
    ptl_msg_free(item->held);
    ptl_free(item->allocator, item, sizeof(*item) + item->capacity);
}

static void append(struct ptl_backlog *backlog, struct ptl_backlog_item *item)
{
    *(backlog->last == NULL ? &backlog->first : &backlog->last->next) = item;
    backlog->last = item;
}

static void put_bytes(struct ptl_backlog_item *item, struct ptl_span bytes)
{
    ptl_assert(bytes.size <= item->capacity - item->size);
    if (bytes.size != 0) {
        ptl_copy(item->bytes + item->size, bytes.bytes, bytes.size);
        item->size += bytes.size;
    }
}

/* ---- Appending ----------------------------------------------------------------------------- */

/* Whether a frame of that size fits the chunk at the end wholly. */
static bool fits_last(const struct ptl_backlog *backlog, size_t size)
{
    const struct ptl_backlog_item *last = backlog->last;

    return last != NULL && last->held == NULL && last->capacity - last->size >= size;
}

/* The chunk at the end, if a frame of that size fits it wholly, or one more.  NULL: no memory. */
static struct ptl_backlog_item *chunk_for(struct ptl_backlog *backlog,
                                          const struct ptl_allocator *allocator, size_t size)
{
    if (fits_last(backlog, size)) {
        return backlog->last;
    }
    size_t capacity = backlog->size < CHUNK_LEAST  ? CHUNK_LEAST
                      : backlog->size > CHUNK_MOST ? CHUNK_MOST
                                                   : backlog->size;
    struct ptl_backlog_item *item = make_item(allocator, capacity < size ? size : capacity);
    if (item != NULL) {
        append(backlog, item);
    }
    return item;
}

static int put_copied(struct ptl_backlog *backlog, const struct ptl_allocator *allocator,
                      const struct ptl_backlog_frame *frame)
{
    struct ptl_backlog_item *item =
        chunk_for(backlog, allocator, frame->head.size + frame->body.size);

    if (item == NULL) {
        return PTL_ENOMEM;
    }
    put_bytes(item, frame->head);
    put_bytes(item, frame->body);
    item->messages += frame->is_message;
    return PTL_OK;
}

/* Whether the message can be held in place of the body. */
static bool is_held(const struct ptl_backlog_frame *frame)
{
    const struct ptl_msg *whole = frame->whole;

    return whole != NULL && whole->holds != 0 && frame->body.size <= whole->size &&
           frame->body.bytes == whole->body + whole->size - frame->body.size;
}

/* The message that has the body, or a copy of that.  NULL: no memory. */
static struct ptl_msg *hold(const struct ptl_allocator *allocator,
                            const struct ptl_backlog_frame *frame, struct ptl_span *body)
{
    struct ptl_msg *copy;

    *body = frame->body;
    if (is_held(frame)) {
        return ptl_msg_keep(frame->whole);
    }
    if (ptl_msg_from(allocator, frame->body, frame->count, &copy) < 0) {
        return NULL;
    }
    *body = ptl_msg_body(copy);
    return copy;
}

static int put_held(struct ptl_backlog *backlog, const struct ptl_allocator *allocator,
                    const struct ptl_backlog_frame *frame)
{
    struct ptl_backlog_item *item = make_item(allocator, frame->head.size);

    if (item == NULL) {
        return PTL_ENOMEM;
    }
    item->held = hold(allocator, frame, &item->body);
    if (item->held == NULL) {
        free_item(item);
        return PTL_ENOMEM;
    }
    put_bytes(item, frame->head);
    item->whole_size = frame->whole_size;
    item->first_size = frame->whole_size != 0 ? frame->first_size : frame->body.size;
    item->messages = frame->is_message;
    append(backlog, item);
    backlog->large += item->whole_size != 0 ? frame->body.size : 0;
    return PTL_OK;
}

int ptl_backlog_put(struct ptl_backlog *backlog, const struct ptl_allocator *allocator,
                    const struct ptl_backlog_frame *frame)
{
    bool stays = frame->whole_size != 0 || (frame->body.size >= BODY_HELD_MIN && is_held(frame));
    int err = stays ? put_held(backlog, allocator, frame) : put_copied(backlog, allocator, frame);

    if (err == PTL_OK) {
        backlog->size += frame->head.size + frame->body.size;
    }
    return err;
}

bool ptl_backlog_message(struct ptl_backlog *backlog, struct ptl_span head, struct ptl_span body)
{
    size_t size = head.size + body.size;

    if (!fits_last(backlog, size)) {
        return false;
    }
    put_bytes(backlog->last, head);
    put_bytes(backlog->last, body);
    backlog->last->messages++;
    backlog->size += size;
    return true;
}

/* ---- Leaving ------------------------------------------------------------------------------- */

static size_t frame_size(const uint8_t *frame)
{
    return PTL_FRAME_START + ((size_t)frame[2] | (size_t)frame[3] << 8);
}

/* Whether it needs its flow's number before it can stand behind frames of another. */
static bool needs_number(const uint8_t *frame, uint32_t number, uint32_t current)
{
    return (frame[0] & PTL_FRAME_KIND_BITS) < PTL_FRAME_REQUESTS && number != current;
}

/* The first bytes of a frame, with that number. */
static struct ptl_span number_frame(const uint8_t *frame, uint32_t number,
                                    uint8_t out[static PTL_FRAME_START + 4])
{
    size_t length = frame_size(frame) - PTL_FRAME_START + 4;

    ptl_assert(length <= PTL_FRAME_LENGTH_MAX && (frame[0] & PTL_FRAME_HAS_FLOW) == 0);
    out[0] = frame[0] | PTL_FRAME_HAS_FLOW;
    out[1] = frame[1];
    out[2] = (uint8_t)length;
    out[3] = (uint8_t)(length >> 8);
    for (unsigned i = 0; i < 4; i++) {
        out[PTL_FRAME_START + i] = (uint8_t)(number >> (8 * i));
    }
    return ptl_span(out, PTL_FRAME_START + 4);
}

/*
 * Frames at `at` that may be moved as they are: so many bytes of them, whole ones, at least one if
 * that may.  Once the flow is the current one, all that fit are.
 */
static size_t plain_frames(const uint8_t *at, size_t size, size_t bytes_max, uint32_t number,
                           uint32_t current)
{
    size_t bytes = 0;

    if (number == current && size <= bytes_max) {
        return size;
    }
    while (bytes < size && bytes < bytes_max && !needs_number(at + bytes, number, current)) {
        bytes += frame_size(at + bytes);
    }
    return bytes;
}

/* Of a chunk: one frame that needs its number, or some that do not. */
static int take_frames(struct ptl_backlog *backlog, struct ptl_outbox *outbox, uint32_t *current,
                       size_t bytes_max, struct ptl_backlog_step *step)
{
    struct ptl_backlog_item *item = backlog->first;
    const uint8_t *at = item->bytes + item->at;
    size_t bytes = plain_frames(at, item->size - item->at, bytes_max, backlog->number, *current);
    uint8_t numbered[PTL_FRAME_START + 4];
    struct ptl_span head = ptl_span(numbered, 0), rest = ptl_span(at, bytes);

    if (bytes == 0) {
        bytes = frame_size(at);
        head = number_frame(at, backlog->number, numbered);
        rest = ptl_span(at + PTL_FRAME_START, bytes - PTL_FRAME_START);
    }
    int err = ptl_outbox_frame(outbox, head, rest, NULL);
    if (err == PTL_OK) {
        *current = head.size != 0 ? backlog->number : *current;
        item->at += bytes;
        step->bytes = bytes;
    }
    return err;
}

/* The head of the piece that comes next, and how much of the body goes with it. */
static struct ptl_span next_head(const struct ptl_backlog *backlog, uint32_t current,
                                 uint8_t room[static PTL_FRAME_HEAD_MAX], size_t *part)
{
    const struct ptl_backlog_item *item = backlog->first;
    uint8_t numbered[PTL_FRAME_START + 4];

    if (item->at != 0) {
        struct ptl_frame frame = {
            .kind = PTL_FRAME_PIECE,
            .has_flow = backlog->number != current,
            .flow = backlog->number,
        };
        *part = item->body.size < PTL_FRAME_VALUES_MAX ? item->body.size : PTL_FRAME_VALUES_MAX;
        return ptl_span(room, ptl_frame_head(&frame, *part, room));
    }
    *part = item->first_size;
    if (!needs_number(item->bytes, backlog->number, current)) {
        return ptl_span(item->bytes, item->size);
    }
    struct ptl_span start = number_frame(item->bytes, backlog->number, numbered);
    ptl_assert(item->size + 4 <= PTL_FRAME_HEAD_MAX);
    memcpy(room, start.bytes, start.size);
    memcpy(room + start.size, item->bytes + PTL_FRAME_START, item->size - PTL_FRAME_START);
    return ptl_span(room, item->size + 4);
}

static int take_piece(struct ptl_backlog *backlog, struct ptl_outbox *outbox, uint32_t *current,
                      struct ptl_backlog_step *step)
{
    struct ptl_backlog_item *item = backlog->first;
    uint8_t room[PTL_FRAME_HEAD_MAX];
    size_t part;
    bool of_flow = (item->bytes[0] & PTL_FRAME_KIND_BITS) < PTL_FRAME_REQUESTS;
    struct ptl_span head = next_head(backlog, *current, room, &part);
    int err = ptl_outbox_frame(outbox, head, ptl_span(item->body.bytes, part), item->held);

    if (err == PTL_OK) {
        *current = of_flow ? backlog->number : *current;
        step->bytes = part + (item->at == 0 ? item->size : 0);
        backlog->large -= item->whole_size != 0 ? part : 0;
        item->body = ptl_span_skip(item->body, part);
        item->at = item->size;
    }
    return err;
}

size_t ptl_backlog_begins(const struct ptl_backlog *backlog)
{
    const struct ptl_backlog_item *item = backlog->first;

    return item != NULL && item->at == 0 ? item->whole_size : 0;
}

int ptl_backlog_take(struct ptl_backlog *backlog, struct ptl_outbox *outbox, uint32_t *current,
                     size_t bytes_max, struct ptl_backlog_step *step)
{
    struct ptl_backlog_item *item = backlog->first;

    *step = (struct ptl_backlog_step){.bytes = 0};
    int err = item->held != NULL ? take_piece(backlog, outbox, current, step)
                                 : take_frames(backlog, outbox, current, bytes_max, step);
    if (err < 0) {
        return err;
    }
    backlog->size -= step->bytes;
    if (item->at == item->size && item->body.size == 0) {
        step->whole_size = item->whole_size;
        step->messages = item->messages;
        backlog->first = item->next;
        backlog->last = item->next == NULL ? NULL : backlog->last;
        free_item(item);
    }
    return PTL_OK;
}

void ptl_backlog_drop(struct ptl_backlog *backlog)
{
    while (backlog->first != NULL) {
        struct ptl_backlog_item *first = backlog->first;
        backlog->first = first->next;
        free_item(first);
    }
    ptl_turns_leave(&backlog->turn);
    ptl_backlog_init(backlog, backlog->number);
}
