#include "engine/shard/op.h"

#include "engine/message/message.h"
#include "engine/portolan.h"

/* What most messages do not need. */
struct long_part {
    uint64_t epoch;
    union {
        uint64_t number;
        void *pointer;
    };
    uint32_t watcher;
    uint32_t carried;
};

#define HELD PTL_RECORD_HELD

_Static_assert(sizeof(struct ptl_record) % 8 == 0, "the long part is aligned");
_Static_assert(sizeof(struct ptl_record) + sizeof(struct long_part) + 255 + 255 +
                       PTL_OP_INLINE_MAX + 8 <=
                   PTL_RECORD_MAX,
               "the largest record holds two names and an inline body");

/* Kinds that carry a pointer; the others carry a number. */
static bool has_pointer(uint8_t kind)
{
    switch (kind) {
    case PTL_OP_ON:
    case PTL_OP_HANDOVER:
    case PTL_OP_MONITOR:
    case PTL_OP_TIMER:
    case PTL_OP_ON_ROOM:
    case PTL_OP_ON_LINK:
    case PTL_OP_REGISTER:
    case PTL_OP_FOLLOW:
        return true;
    default:
        return false;
    }
}

static bool is_large(const struct ptl_op *op)
{
    return op->body.size > PTL_OP_INLINE_MAX;
}

static bool is_long(const struct ptl_op *op)
{
    return op->epoch != 0 || op->number != 0 || op->watcher != 0 || has_pointer(op->kind);
}

/* Where the names begin. */
static uint8_t *tail_of(struct ptl_record *record)
{
    size_t head = sizeof(*record);

    head += (record->to & PTL_RECORD_LONG) != 0 ? sizeof(struct long_part) : 0;
    return (uint8_t *)record + head;
}

uint32_t ptl_op_size(const struct ptl_op *op)
{
    size_t size = sizeof(struct ptl_record) + op->node.size + op->name.size;

    size += is_long(op) ? sizeof(struct long_part) : 0;

    size += is_large(op) ? sizeof(struct ptl_msg *) : op->body.size;
    return (uint32_t)((size + 7) & ~(size_t)7);
}

uint64_t ptl_op_held(const struct ptl_op *op)
{
    return (is_large(op) ? op->body.size : 0) + op->carried;
}

int ptl_op_prepare(struct ptl_op *op, const struct ptl_allocator *allocator, struct ptl_msg **made)
{
    *made = NULL;
    if (!is_large(op)) {
        return PTL_OK;
    }
    if (op->whole != NULL) {
        *made = ptl_msg_keep(op->whole);
        if (*made == NULL) {
            return PTL_ENOMEM;
        }
    } else {
        int err = ptl_msg_from(allocator, op->body, op->count, made);
        if (err < 0) {
            return err;
        }
    }
    op->whole = *made;
    op->body = ptl_span((*made)->body, (*made)->size);
    return PTL_OK;
}

void ptl_op_pack(const struct ptl_op *op, void *place)
{
    struct ptl_record *record = place;

    ptl_assert(op->node.size <= UINT8_MAX && op->name.size <= UINT8_MAX);
    *record = (struct ptl_record){
        .size = ptl_op_size(op),
        .kind = op->kind,
        .to = (uint8_t)(op->to | (is_long(op) ? PTL_RECORD_LONG : 0)),
        .node_size = (uint8_t)op->node.size,
        .name_size = (uint8_t)op->name.size,
        .slot = op->slot,
        .generation = op->generation,
        .count = op->count,
        .body_size = is_large(op) ? HELD : (uint32_t)op->body.size,
    };
    if (is_long(op)) {
        struct long_part *more = (struct long_part *)(record + 1);
        *more = (struct long_part){
            .epoch = op->epoch,
            .watcher = op->watcher,
            .carried = op->carried,
        };
        if (has_pointer(op->kind)) {
            more->pointer = op->pointer;
        } else {
            more->number = op->number;
        }
    }
    uint8_t *tail = tail_of(record);
    if (op->node.size != 0) {
        memcpy(tail, op->node.bytes, op->node.size);
    }
    tail += op->node.size;
    if (op->name.size != 0) {
        memcpy(tail, op->name.bytes, op->name.size);
    }
    tail += op->name.size;
    if (is_large(op)) {
        ptl_assert(op->whole != NULL && op->whole->holds != 0);
        const struct ptl_msg *held = ptl_msg_keep(op->whole);
        memcpy(tail, &held, sizeof(held));
    } else if (op->body.size != 0) {
        memcpy(tail, op->body.bytes, op->body.size);
    }
}

static struct ptl_msg *held_message(const struct ptl_record *record)
{
    struct ptl_msg *held;

    ptl_assert(record->body_size == HELD);
    memcpy(&held, tail_of((struct ptl_record *)record) + record->node_size + record->name_size,
           sizeof(held));
    return held;
}

void ptl_op_unpack(const void *place, struct ptl_op *op)
{
    const struct ptl_record *record = place;
    const uint8_t *tail = tail_of((struct ptl_record *)record);
    static const struct long_part none;
    const struct long_part *more =
        (record->to & PTL_RECORD_LONG) != 0 ? (const struct long_part *)(record + 1) : &none;

    op->kind = record->kind;
    op->to = (uint8_t)(record->to & ~PTL_RECORD_LONG);
    op->slot = record->slot;
    op->generation = record->generation;
    op->watcher = more->watcher;
    op->count = record->count;
    op->carried = more->carried;
    op->epoch = more->epoch;
    op->number = has_pointer(record->kind) ? 0 : more->number;
    op->pointer = has_pointer(record->kind) ? more->pointer : NULL;
    op->node = ptl_span(tail, record->node_size);
    op->name = ptl_span(tail + record->node_size, record->name_size);
    if (record->body_size == HELD) {
        op->whole = held_message(record);
        op->body = ptl_span(op->whole->body, op->whole->size);
    } else {
        op->whole = NULL;
        op->body = ptl_span(tail + record->node_size + record->name_size, record->body_size);
    }
}

static uint64_t carried_by(const struct ptl_record *record)
{
    return (record->to & PTL_RECORD_LONG) != 0 ? ((const struct long_part *)(record + 1))->carried
                                               : 0;
}

uint64_t ptl_op_done(const void *place)
{
    const struct ptl_record *record = place;

    if (record->body_size != HELD) {
        return carried_by(record);
    }
    struct ptl_msg *held = held_message(record);
    uint64_t size = held->size;
    ptl_msg_free(held);
    return size + carried_by(record);
}

static const struct ptl_record *head_of(const struct ptl_parcel *parcel)
{
    const void *bytes = parcel->bytes;
    return bytes;
}

struct ptl_parcel *ptl_parcel_make(const struct ptl_op *op, const struct ptl_allocator *allocator)
{
    struct ptl_op prepared = *op;
    struct ptl_msg *made;

    if (ptl_op_prepare(&prepared, allocator, &made) < 0) {
        return NULL;
    }
    struct ptl_parcel *record = ptl_alloc_raw(allocator, sizeof(*record) + ptl_op_size(&prepared));
    if (record != NULL) {
        record->next = NULL;
        ptl_op_pack(&prepared, record->bytes);
    }
    ptl_msg_free(made);
    return record;
}

void ptl_parcel_free(struct ptl_parcel *record, const struct ptl_allocator *allocator)
{
    if (record != NULL) {
        ptl_op_done(record->bytes);
        ptl_free(allocator, record, sizeof(*record) + head_of(record)->size);
    }
}

uint64_t ptl_parcel_weight(const struct ptl_parcel *record)
{
    const struct ptl_record *head = head_of(record);
    uint64_t held = head->body_size == HELD ? held_message(head)->size : 0;

    return sizeof(*record) + head->size + held + carried_by(head);
}
