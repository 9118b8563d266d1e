#include "engine/op.h"

#include "engine/message.h"
#include "engine/portolan.h"

/* Followed by the node's ID, the port's name, and the body or the pointer to the held message. */
struct ptl_record {
    uint32_t size; /* of all, a multiple of 8; ring.c writes it too */
    uint8_t kind;
    uint8_t to;
    uint8_t node_size;
    uint8_t name_size;
    uint32_t slot, generation;
    uint32_t watcher;
    uint32_t count;
    uint32_t body_size; /* packed along; HELD: a pointer to a message stands instead */
    uint32_t spare;
    uint64_t epoch;
    union {
        uint64_t number;
        void *pointer;
    };
};

#define HELD UINT32_MAX

_Static_assert(sizeof(struct ptl_record) + 255 + 255 + PTL_OP_INLINE_MAX + 8 <= PTL_RECORD_MAX,
               "the largest record holds two names and an inline body");

/* Kinds that carry a pointer; the others carry a number. */
static bool has_pointer(uint8_t kind)
{
    switch (kind) {
    case PTL_OP_ON:
    case PTL_OP_NOTICE:
    case PTL_OP_HANDOVER:
    case PTL_OP_MONITOR:
    case PTL_OP_TIMER:
    case PTL_OP_ON_ROOM:
    case PTL_OP_ON_LINK:
        return true;
    default:
        return false;
    }
}

static bool is_large(const struct ptl_op *op)
{
    return op->body.size > PTL_OP_INLINE_MAX;
}

uint32_t ptl_op_size(const struct ptl_op *op)
{
    size_t size = sizeof(struct ptl_record) + op->node.size + op->name.size;

    size += is_large(op) ? sizeof(struct ptl_msg *) : op->body.size;
    return (uint32_t)((size + 7) & ~(size_t)7);
}

uint64_t ptl_op_held(const struct ptl_op *op)
{
    return is_large(op) ? op->body.size : 0;
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
    uint8_t *tail = (uint8_t *)(record + 1);

    ptl_assert(op->node.size <= UINT8_MAX && op->name.size <= UINT8_MAX);
    *record = (struct ptl_record){
        .size = ptl_op_size(op),
        .kind = op->kind,
        .to = op->to,
        .node_size = (uint8_t)op->node.size,
        .name_size = (uint8_t)op->name.size,
        .slot = op->slot,
        .generation = op->generation,
        .watcher = op->watcher,
        .count = op->count,
        .body_size = is_large(op) ? HELD : (uint32_t)op->body.size,
        .epoch = op->epoch,
    };
    if (has_pointer(op->kind)) {
        record->pointer = op->pointer;
    } else {
        record->number = op->number;
    }
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
    memcpy(&held, (const uint8_t *)(record + 1) + record->node_size + record->name_size,
           sizeof(held));
    return held;
}

void ptl_op_unpack(const void *place, struct ptl_op *op)
{
    const struct ptl_record *record = place;
    const uint8_t *tail = (const uint8_t *)(record + 1);

    op->kind = record->kind;
    op->to = record->to;
    op->slot = record->slot;
    op->generation = record->generation;
    op->watcher = record->watcher;
    op->count = record->count;
    op->epoch = record->epoch;
    op->number = has_pointer(record->kind) ? 0 : record->number;
    op->pointer = has_pointer(record->kind) ? record->pointer : NULL;
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

uint64_t ptl_op_done(const void *place)
{
    const struct ptl_record *record = place;

    if (record->body_size != HELD) {
        return 0;
    }
    struct ptl_msg *held = held_message(record);
    uint64_t size = held->size;
    ptl_msg_free(held);
    return size;
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
        ptl_free(allocator, record,
                 sizeof(*record) + ((const struct ptl_record *)record->bytes)->size);
    }
}

uint64_t ptl_parcel_weight(const struct ptl_parcel *record)
{
    const struct ptl_record *head = (const struct ptl_record *)record->bytes;
    uint64_t held = head->body_size == HELD ? held_message(head)->size : 0;

    return sizeof(*record) + head->size + held;
}
