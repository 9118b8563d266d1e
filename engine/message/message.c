#include "engine/message/message.h"

#include "engine/message/flat.h"
#include "engine/message/name.h"
#include "io/json.h"

_Static_assert(PTL_DEPTH_MAX == PTL_CBOR_DEPTH_MAX, "one limit, named on two floors");

/* ---- Holding ------------------------------------------------------------------------------ */

static void begin_message(struct ptl_msg *msg, const struct ptl_allocator *allocator, size_t size,
                          uint32_t count)
{
    msg->body = (const uint8_t *)(msg + 1);
    msg->size = size;
    msg->count = count;
    msg->allocator = allocator;
    atomic_init(&msg->holds, 1);
}

int ptl_msg_from(const struct ptl_allocator *allocator, struct ptl_span body, uint32_t count,
                 struct ptl_msg **msg)
{
    struct ptl_msg *made = ptl_alloc_raw(allocator, ptl_msg_footprint(body.size));

    if (made == NULL) {
        return PTL_ENOMEM;
    }
    begin_message(made, allocator, body.size, count);
    if (body.size > 0) {
        memcpy(made + 1, body.bytes, body.size);
    }
    *msg = made;
    return 0;
}

/*
 * A message of somebody's stack or ring becomes one of its own; one that has holds is only counted.
 */
struct ptl_msg *ptl_msg_keep(const struct ptl_msg *msg)
{
    /* Not a change of the message: the count of holds is the library's own. */
    struct ptl_msg *held = (struct ptl_msg *)(uintptr_t)msg;
    struct ptl_msg *copy = NULL;

    if (atomic_load_explicit(&held->holds, memory_order_relaxed) > 0) {
        /* Relaxed: the caller has a hold, so the message cannot go meanwhile. */
        uint32_t before = atomic_fetch_add_explicit(&held->holds, 1, memory_order_relaxed);
        ptl_assert(before > 0 && before < UINT32_MAX); /* a count that wraps frees it under all */
        return held;
    }
    const struct ptl_allocator *allocator =
        msg->allocator != NULL ? msg->allocator : ptl_allocator_libc();
    return ptl_msg_from(allocator, ptl_msg_body(msg), msg->count, &copy) == 0 ? copy : NULL;
}

void ptl_msg_free(struct ptl_msg *msg)
{
    if (msg == NULL) {
        return;
    }
    /* Release: what we have read of it comes before the memory is used again. Acquire: so does
     * what all others have read, for the one who frees it. */
    uint32_t before = atomic_fetch_sub_explicit(&msg->holds, 1, memory_order_acq_rel);
    ptl_assert(before > 0); /* a borrowed message is not the receiver's to free */
    if (before == 1) {
        ptl_free(msg->allocator, msg, ptl_msg_footprint(msg->size));
    }
}

/* ---- The writer's memory ------------------------------------------------------------------ */

/*
 * Bytes grow from the front of the scratch, open containers from its back, until they meet; then
 * what needs room moves to a block.  `bytes` is NULL while the bytes are in the scratch, so that a
 * writer may be moved; in a block they stand behind room for a struct ptl_msg, so that finishing
 * copies nothing.
 * `open` is NULL while the containers are in the scratch.
 */
#define LEVEL_MAP (UINT64_C(1) << 63) /* keys and values in turn; the rest: how many are to come */
#define LEVEL_SIZE sizeof(uint64_t)
#define BLOCK_FIRST 512

static int fail(struct ptl_writer *writer, int err)
{
    if (writer->err == 0) {
        writer->err = err;
    }
    return writer->err;
}

void ptl_writer_init(struct ptl_writer *writer, const struct ptl_node *node)
{
    ptl_writer_begin(writer,
                     node != NULL ? ptl_identity_of(node)->allocator : ptl_allocator_libc());
}

static void *block_of(const struct ptl_writer *writer)
{
    return writer->bytes == NULL ? NULL : writer->bytes - sizeof(struct ptl_msg);
}

void ptl_writer_free(struct ptl_writer *writer)
{
    if (writer->bytes != NULL) {
        ptl_free(writer->allocator, block_of(writer), ptl_msg_footprint(writer->capacity));
    }
    ptl_free(writer->allocator, writer->open, writer->open_capacity * LEVEL_SIZE);
}

void ptl_writer_drop(struct ptl_writer *writer)
{
    ptl_writer_end(writer);
    ptl_writer_begin(writer, writer->allocator);
}

static size_t scratch_levels(const struct ptl_writer *writer)
{
    return writer->open == NULL ? writer->depth * LEVEL_SIZE : 0;
}

static int grow_bytes(struct ptl_writer *writer, size_t size)
{
    size_t capacity = writer->bytes == NULL ? BLOCK_FIRST : 2 * writer->capacity;

    if (size > SIZE_MAX / 4 - writer->size) {
        return fail(writer, PTL_ESIZE);
    }
    if (capacity < writer->size + size) {
        capacity = writer->size + size;
    }
    size_t old = writer->bytes == NULL ? 0 : ptl_msg_footprint(writer->capacity);
    uint8_t *block =
        ptl_grow(writer->allocator, block_of(writer), old, ptl_msg_footprint(capacity));
    if (block == NULL) {
        return fail(writer, PTL_ENOMEM);
    }
    /* It comes from the scratch: open containers stay there as long as they fit. */
    if (writer->bytes == NULL) {
        memcpy(block + sizeof(struct ptl_msg), writer->scratch, writer->size);
    }
    writer->bytes = block + sizeof(struct ptl_msg);
    writer->capacity = capacity;
    return 0;
}

static uint8_t *reserve_anywhere(struct ptl_writer *writer, size_t size)
{
    size_t taken = writer->bytes == NULL ? scratch_levels(writer) : 0;

    ptl_assert(writer->size + taken <= writer->capacity); /* bytes and levels have not met */

    if (size > writer->capacity - taken - writer->size && grow_bytes(writer, size) < 0) {
        return NULL;
    }
    return (writer->bytes == NULL ? writer->scratch : writer->bytes) + writer->size;
}

/* Room for `size` bytes at the end, or NULL.  Mostly the scratch does for a whole message. */
static inline uint8_t *reserve(struct ptl_writer *writer, size_t size)
{
    if (writer->bytes == NULL && writer->depth == 0 &&
        size <= sizeof writer->scratch - writer->size) {
        return writer->scratch + writer->size;
    }
    return reserve_anywhere(writer, size);
}

/* The innermost container: LEVEL_MAP, and how many elements are still to come, keys counted too. */
static uint64_t load_level(const struct ptl_writer *writer)
{
    uint64_t level;

    ptl_assert(writer->depth > 0 && writer->depth <= PTL_DEPTH_MAX);

    if (writer->open != NULL) {
        return writer->open[writer->depth - 1];
    }
    memcpy(&level, writer->scratch + sizeof writer->scratch - writer->depth * LEVEL_SIZE,
           LEVEL_SIZE);
    return level;
}

static void store_level(struct ptl_writer *writer, uint64_t level)
{
    if (writer->open != NULL) {
        writer->open[writer->depth - 1] = level;
        return;
    }
    memcpy(writer->scratch + sizeof writer->scratch - writer->depth * LEVEL_SIZE, &level,
           LEVEL_SIZE);
}

/* From the scratch into a block that is large enough for all. */
static int move_levels(struct ptl_writer *writer)
{
    uint64_t *open = ptl_alloc_raw(writer->allocator, PTL_DEPTH_MAX * LEVEL_SIZE);

    if (open == NULL) {
        return fail(writer, PTL_ENOMEM);
    }
    /* load_level() reads the innermost one, so `depth` walks over all of them; `open` is set
     * last. */
    uint32_t depth = writer->depth;
    for (writer->depth = 1; writer->depth <= depth; writer->depth++) {
        open[writer->depth - 1] = load_level(writer);
    }
    writer->depth = depth;
    writer->open = open;
    writer->open_capacity = PTL_DEPTH_MAX;
    return 0;
}

/* Once levels have gone to a block of their own they stay there, and need no room any more. */
static int push_level(struct ptl_writer *writer, uint64_t level)
{
    size_t used = writer->bytes == NULL ? writer->size : 0;

    if (writer->depth == PTL_DEPTH_MAX) {
        return fail(writer, PTL_EDEPTH);
    }
    if (writer->open == NULL && used + (writer->depth + 1) * LEVEL_SIZE > sizeof writer->scratch &&
        move_levels(writer) < 0) {
        return writer->err;
    }
    writer->depth++;
    store_level(writer, level);
    return 0;
}

/* ---- Values ------------------------------------------------------------------------------- */

/* Within a container keys are strings. */
static bool may_put_inside(struct ptl_writer *writer, bool string)
{
    if (!string) {
        uint64_t level = load_level(writer);
        if ((level & LEVEL_MAP) != 0 && level % 2 == 0) {
            fail(writer, PTL_EINVAL);
        }
    }
    return writer->err == 0;
}

/* Whether a value may stand here: errors stick. */
static inline bool may_put(struct ptl_writer *writer, bool string)
{
    return writer->err == 0 && (writer->depth == 0 || may_put_inside(writer, string));
}

/* With a value of containers these are complete perhaps, from the innermost on. */
static void end_containers(struct ptl_writer *writer)
{
    while (writer->depth > 0) {
        uint64_t level = load_level(writer) - 1;
        ptl_assert((level & ~LEVEL_MAP) !=
                   (UINT64_MAX & ~LEVEL_MAP)); /* it was open: some were to come */
        store_level(writer, level);
        if ((level & ~LEVEL_MAP) > 0) {
            return;
        }
        writer->depth--;
    }
}

/* A value is complete, and with it perhaps the containers around it. */
static inline int end_value(struct ptl_writer *writer)
{
    if (writer->depth > 0) {
        end_containers(writer);
        if (writer->depth > 0) {
            return 0;
        }
    }
    /* A packet counts its name among its elements, so one number must be left for that. */
    if (writer->count == UINT32_MAX - 1) {
        return fail(writer, PTL_ESIZE);
    }
    writer->count++;
    return 0;
}

static int put_head(struct ptl_writer *writer, unsigned major, uint64_t argument)
{
    uint8_t *room = may_put(writer, false) ? reserve(writer, PTL_CBOR_HEAD_MAX) : NULL;

    if (room == NULL) {
        return writer->err;
    }
    writer->size += ptl_cbor_head(room, major, argument);
    return end_value(writer);
}

static int put_string(struct ptl_writer *writer, unsigned major, const void *bytes, size_t size)
{
    if (!may_put(writer, true)) {
        return writer->err;
    }
    if (size > SIZE_MAX / 4) {
        return fail(writer, PTL_ESIZE);
    }
    /* An eighth of the address space is no message; below that no sum of sizes overflows. */
    uint8_t *room = reserve(writer, ptl_cbor_head_size(size) + size);
    if (room == NULL) {
        return writer->err;
    }
    size_t head = ptl_cbor_head(room, major, size);
    ptl_copy(room + head, bytes, size);
    writer->size += head + size;
    return end_value(writer);
}

int ptl_put_null(struct ptl_writer *writer)
{
    return put_head(writer, PTL_CBOR_SIMPLE, PTL_CBOR_NULL & 31);
}

int ptl_put_bool(struct ptl_writer *writer, bool value)
{
    return put_head(writer, PTL_CBOR_SIMPLE, (value ? PTL_CBOR_TRUE : PTL_CBOR_FALSE) & 31);
}

int ptl_put_int(struct ptl_writer *writer, int64_t value)
{
    return value < 0 ? put_head(writer, PTL_CBOR_NEGATIVE, (uint64_t)(-1 - value))
                     : put_head(writer, PTL_CBOR_UINT, (uint64_t)value);
}

int ptl_put_uint(struct ptl_writer *writer, uint64_t value)
{
    return put_head(writer, PTL_CBOR_UINT, value);
}

int ptl_put_float(struct ptl_writer *writer, double value)
{
    uint8_t *room = may_put(writer, false) ? reserve(writer, PTL_CBOR_HEAD_MAX) : NULL;

    if (room == NULL) {
        return writer->err;
    }
    writer->size += ptl_cbor_float(room, value);
    return end_value(writer);
}

int ptl_put_bytes(struct ptl_writer *writer, const void *bytes, size_t size)
{
    return put_string(writer, PTL_CBOR_BYTES, bytes, size);
}

int ptl_put_text(struct ptl_writer *writer, const char *text, size_t size)
{
    if (!ptl_utf8_valid(ptl_span(text, size))) {
        return fail(writer, PTL_ESYNTAX);
    }
    return put_string(writer, PTL_CBOR_TEXT, text, size);
}

int ptl_put_port(struct ptl_writer *writer, const struct ptl_port *port)
{
    struct ptl_span id = ptl_port_span(port);

    /* A node ID is any string; one that is not UTF-8 can only go as the bytes it is. */
    return put_string(writer, ptl_utf8_valid(id) ? PTL_CBOR_TEXT : PTL_CBOR_BYTES, id.bytes,
                      id.size);
}

/* One without elements ends at once, and stands on no level; its depth counts all the same. */
static int put_container(struct ptl_writer *writer, unsigned major, uint64_t level, uint32_t count)
{
    uint8_t *room = may_put(writer, false) ? reserve(writer, PTL_CBOR_HEAD_MAX) : NULL;

    if (room == NULL) {
        return writer->err;
    }
    writer->size += ptl_cbor_head(room, major, count);
    if (count > 0) {
        return push_level(writer, level);
    }
    return writer->depth == PTL_DEPTH_MAX ? fail(writer, PTL_EDEPTH) : end_value(writer);
}

int ptl_put_array(struct ptl_writer *writer, uint32_t count)
{
    return put_container(writer, PTL_CBOR_ARRAY, count, count);
}

int ptl_put_map(struct ptl_writer *writer, uint32_t count)
{
    return put_container(writer, PTL_CBOR_MAP, LEVEL_MAP | (uint64_t)count << 1, count);
}

/* ---- Many values at once ------------------------------------------------------------------ */

/* Inside a container every value counts, may be a key, and nests deeper by what is around it. */
static int count_values(struct ptl_writer *writer, struct ptl_span values, uint32_t count)
{
    const uint8_t *at = values.bytes;
    const uint8_t *end = at + values.size;

    if (ptl_cbor_plain_end(at, end, count, PTL_DEPTH_MAX - writer->depth) == NULL) {
        return fail(writer, PTL_EDEPTH);
    }
    for (uint32_t i = 0; i < count; i++) {
        unsigned major = *at >> 5;
        if (!may_put(writer, major == PTL_CBOR_BYTES || major == PTL_CBOR_TEXT)) {
            return writer->err;
        }
        at = ptl_cbor_skip(at, end, 1);
        ptl_assert(at != NULL); /* they are plain, as was seen above */
        if (end_value(writer) < 0) {
            return writer->err;
        }
    }
    return 0;
}

/* Outside of containers nothing of the values is looked at: they go in with one copy. */
int ptl_put_plain(struct ptl_writer *writer, struct ptl_span values, uint32_t count)
{
    if (writer->err != 0 || count == 0) {
        return writer->err;
    }
    uint8_t *room = reserve(writer, values.size);
    if (room == NULL) {
        return writer->err;
    }
    memcpy(room, values.bytes, values.size);
    writer->size += values.size;
    if (writer->depth > 0) {
        return count_values(writer, values, count);
    }
    if (count > UINT32_MAX - 1 - writer->count) {
        return fail(writer, PTL_ESIZE);
    }
    writer->count += count;
    return 0;
}

int ptl_put_values(struct ptl_writer *writer, const struct ptl_msg *msg)
{
    return ptl_put_plain(writer, ptl_msg_body(msg), msg->count);
}

/*
 * Read whole before any of it counts: what is wrong at its end must not leave half a value behind.
 */
int ptl_put_json(struct ptl_writer *writer, const char *json, size_t size)
{
    struct ptl_span text = ptl_span(json, size);
    uint32_t depth_max = PTL_DEPTH_MAX - writer->depth;
    struct ptl_buffer plain;

    if (writer->err != 0) {
        return writer->err;
    }
    int err = ptl_json_check(text, depth_max);
    if (err < 0) {
        return fail(writer, err);
    }
    ptl_buffer_init(&plain, writer->allocator, SIZE_MAX / 4);
    err = ptl_json_to_cbor(&plain, text, depth_max);
    if (err < 0) {
        fail(writer, err);
    } else {
        ptl_put_plain(writer, ptl_buffer_span(&plain), 1);
    }
    ptl_buffer_drop(&plain);
    return writer->err;
}

/* ---- A format and its arguments ----------------------------------------------------------- */

/* Step over a letter's arguments; returns how many values it stands for, or PTL_EINVAL. */
static int64_t skip_arguments(const struct ptl_argument **next, char letter)
{
    int arguments = ptl_format_fitting(letter, *next);

    if (arguments < 0) {
        return PTL_EINVAL;
    }
    int64_t values = letter == 'm' ? ((const struct ptl_msg *)(*next)->pointer)->count : 1;
    *next += arguments;
    return values;
}

/* How many values stand before the bracket that closes what `format` is in. */
static int64_t count_format(const char *format, const struct ptl_argument *next)
{
    int64_t count = 0;
    unsigned depth = 0;

    for (;; format++) {
        if (*format == ']' || *format == '}') {
            if (depth == 0) {
                return count;
            }
            depth--;
            continue;
        }
        bool opens = *format == '[' || *format == '{';
        int64_t values = opens ? 1 : skip_arguments(&next, *format);
        if (values < 0) {
            return values;
        }
        count += depth == 0 ? values : 0;
        depth += opens;
    }
}

static int put_integer(struct ptl_writer *writer, const struct ptl_argument *argument)
{
    return argument->type == PTL_ARGUMENT_INT ? ptl_put_int(writer, argument->integer)
                                              : ptl_put_uint(writer, argument->natural);
}

/* One letter other than a bracket, with arguments that fit. */
static int put_argument(struct ptl_writer *writer, char letter, const struct ptl_argument *next)
{
    switch (letter) {
    case 'n':
        return ptl_put_null(writer);
    case 'b':
        return ptl_put_bool(writer, next->natural != 0);
    case 'i':
    case 'u':
        return put_integer(writer, next);
    case 'f':
        return ptl_put_float(writer, ptl_format_float(next));
    case 't':
        return ptl_put_text(writer, next->pointer, strlen(next->pointer));
    case 'T':
        return ptl_put_text(writer, next->pointer, next[1].natural);
    case 'y':
        return ptl_put_bytes(writer, next->pointer, next[1].natural);
    case 'p':
        return ptl_put_port(writer, next->pointer);
    case 'm':
        return ptl_put_values(writer, next->pointer);
    default:
        ptl_unreachable("a letter that fits is one of these");
    }
}

/* The bracket that opens a container whose elements `format` begins with. */
static int put_opening(struct ptl_writer *writer, char bracket, const char *format,
                       const struct ptl_argument *next)
{
    /* The head of a container says how many elements it has: they are counted ahead, which costs
     * a format nested d deep d looks at its innermost letters. */
    int64_t count = count_format(format, next);

    if (count < 0 || count > UINT32_MAX || (bracket == '{' && count % 2 != 0)) {
        return fail(writer, PTL_EINVAL);
    }
    return bracket == '{' ? ptl_put_map(writer, (uint32_t)(count / 2))
                          : ptl_put_array(writer, (uint32_t)count);
}

/*
 * Up to `close`; returns the place behind it, or NULL after an error.  A format is the program's
 * own text, so it may nest as it likes: the writer's limit of depth ends it.
 */
static const char *put_letters(struct ptl_writer *writer, const char *format, char close,
                               const struct ptl_argument **next)
{
    while (writer->err == 0) {
        char letter = *format++;
        if (letter == close) {
            return format;
        }
        int arguments = ptl_format_fitting(letter, *next);
        if (arguments >= 0) {
            put_argument(writer, letter, *next);
            *next += arguments;
        } else if (letter != '[' && letter != '{') {
            fail(writer, PTL_EINVAL);
        } else if (put_opening(writer, letter, format, *next) == 0) {
            format = put_letters(writer, format, letter == '[' ? ']' : '}', next);
        }
    }
    return NULL;
}

int ptl_putv(struct ptl_writer *writer, const char *format, const struct ptl_argument arguments[])
{
    const struct ptl_argument *next = arguments;

    if (put_letters(writer, format, 0, &next) != NULL && next->type != PTL_ARGUMENT_END) {
        fail(writer, PTL_EINVAL); /* a letter was forgotten */
    }
    return writer->err;
}

int ptl_msg_makev(const struct ptl_node *node, struct ptl_msg **msg, const char *format,
                  const struct ptl_argument arguments[])
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, node);
    ptl_putv(&writer, format, arguments);
    return ptl_writer_finish(&writer, msg);
}

/* ---- The end ------------------------------------------------------------------------------ */

/* The block becomes the message: its beginning was kept free for that. */
static int finish_block(struct ptl_writer *writer, struct ptl_msg **msg)
{
    ptl_assert(writer->size <= writer->capacity && writer->depth == 0);
    struct ptl_msg *made =
        ptl_grow(writer->allocator, block_of(writer), ptl_msg_footprint(writer->capacity),
                 ptl_msg_footprint(writer->size));

    if (made == NULL) {
        return PTL_ENOMEM;
    }
    begin_message(made, writer->allocator, writer->size, writer->count);
    writer->bytes = NULL;
    *msg = made;
    return 0;
}

int ptl_writer_finish(struct ptl_writer *writer, struct ptl_msg **msg)
{
    if (writer->depth > 0) {
        fail(writer, PTL_EINVAL);
    }
    int err = writer->err;
    if (err == 0 && writer->bytes != NULL) {
        err = finish_block(writer, msg);
    } else if (err == 0) {
        err = ptl_msg_from(writer->allocator, ptl_writer_body(writer), writer->count, msg);
    }
    ptl_writer_drop(writer);
    return err;
}
