#include "engine/shard/op.h"

#include "engine/message/message.h"
#include "engine/message/name.h"
#include "engine/portolan.h"
#include "engine/shard/ring.h"

#define HELD PTL_RECORD_HELD

/* Parts of a record begin at multiples of this, up to the names. */
#define ALIGNMENT PTL_RECORD_UNIT

/* ---- What each kind says -------------------------------------------------------------------- */

/* Of a payload as much goes into the record as its kind has. */
static const uint8_t payload_sizes[PTL_OP_KINDS] = {
    [PTL_OP_MESSAGE] = 0,
    [PTL_OP_KILL] = 0,
    [PTL_OP_HANDLER] = sizeof(struct ptl_op_handed),
    [PTL_OP_OBSERVE] = sizeof(struct ptl_observer),
    [PTL_OP_SPAWN] = 0,
    [PTL_OP_EVENT] = sizeof(uint64_t),
    [PTL_OP_REGISTER] = sizeof(struct ptl_op_handed),
    [PTL_OP_UNOBSERVE] = sizeof(struct ptl_observer),
    [PTL_OP_DOWN] = sizeof(struct ptl_op_down),
    [PTL_OP_LINK_DOWN] = sizeof(struct ptl_op_failure),
    [PTL_OP_FULL] = 0,
    [PTL_OP_ROOM] = 0,
    [PTL_OP_HANDOVER] = sizeof(struct ptl_op_handed),
    [PTL_OP_MONITOR] = sizeof(struct ptl_op_handed),
    [PTL_OP_UNMONITOR] = sizeof(uint64_t),
    [PTL_OP_TIMER] = sizeof(struct ptl_op_handed),
    [PTL_OP_UNTIMER] = sizeof(uint64_t),
    [PTL_OP_ON_ROOM] = sizeof(struct ptl_op_handed),
    [PTL_OP_ON_LINK] = sizeof(struct ptl_op_handed),
    [PTL_OP_FOLLOW] = sizeof(struct ptl_op_handed),
    [PTL_OP_SURVEY] = sizeof(struct ptl_op_handed),
    [PTL_OP_DIRECTORY] = sizeof(struct ptl_op_words),
};

_Static_assert(PTL_RECORD_UNIT == PTL_RING_UNIT, "a ring and a record count in the same units");
_Static_assert(PTL_SLOTS_MAX == UINT32_C(1) << PTL_RECORD_SLOT_BITS, "a slot fits its bits");
_Static_assert(sizeof(struct ptl_record) % ALIGNMENT == 0, "what follows the head is aligned");
_Static_assert(sizeof(union ptl_op_payload) == 16, "no payload makes all ops and records longer");
_Static_assert(sizeof(struct ptl_observer) == 16 && sizeof(struct ptl_op_down) == 16 &&
                   sizeof(struct ptl_op_failure) == 16 && sizeof(struct ptl_op_handed) == 16 &&
                   sizeof(struct ptl_op_words) == 16,
               "what follows a payload is aligned");
_Static_assert(sizeof(struct ptl_record) + sizeof(uint64_t) + sizeof(union ptl_op_payload) + 255 +
                       255 + PTL_OP_INLINE_MAX + ALIGNMENT <=
                   PTL_RECORD_MAX,
               "the largest record holds two names and an inline body");

/* Kinds by which something changes hands. */
static bool hands_over(uint8_t kind)
{
    switch ((enum ptl_op_kind)kind) {
    case PTL_OP_HANDLER:
    case PTL_OP_REGISTER:
    case PTL_OP_HANDOVER:
    case PTL_OP_MONITOR:
    case PTL_OP_TIMER:
    case PTL_OP_ON_ROOM:
    case PTL_OP_ON_LINK:
    case PTL_OP_FOLLOW:
    case PTL_OP_SURVEY:
        return true;
    case PTL_OP_MESSAGE:
    case PTL_OP_KILL:
    case PTL_OP_OBSERVE:
    case PTL_OP_SPAWN:
    case PTL_OP_EVENT:
    case PTL_OP_UNOBSERVE:
    case PTL_OP_DOWN:
    case PTL_OP_LINK_DOWN:
    case PTL_OP_FULL:
    case PTL_OP_ROOM:
    case PTL_OP_UNMONITOR:
    case PTL_OP_UNTIMER:
    case PTL_OP_DIRECTORY:
        return false;
    }
    ptl_unreachable("an op of no kind");
}

/* ---- The parts of a record ------------------------------------------------------------------- */

static bool is_large(const struct ptl_op *op)
{
    return op->body.size > PTL_OP_INLINE_MAX;
}

static bool has_told(const struct ptl_record *record)
{
    return (record->to & PTL_RECORD_TOLD) != 0;
}

/* Where the payload stands, behind `told` if that is there. */
static uint8_t *payload_of(const struct ptl_record *record)
{
    return (uint8_t *)(record + 1) + (has_told(record) ? sizeof(uint64_t) : 0);
}

/* Where the names begin. */
static uint8_t *names_of(const struct ptl_record *record)
{
    return payload_of(record) + payload_sizes[record->kind];
}

/* Where the body begins, or the pointer to the message that has it: not aligned. */
static uint8_t *body_of(const struct ptl_record *record)
{
    return names_of(record) + record->node_size + record->name_size;
}

/* The bytes of what the record hands over. */
static uint64_t handed_bytes(const struct ptl_record *record)
{
    struct ptl_op_handed handed;

    if (!hands_over(record->kind)) {
        return 0;
    }
    memcpy(&handed, payload_of(record), sizeof(handed));
    return handed.bytes;
}

uint32_t ptl_op_size(const struct ptl_op *op)
{
    ptl_assert(op->kind < PTL_OP_KINDS);
    size_t size = sizeof(struct ptl_record) + payload_sizes[op->kind];

    size += op->told != 0 ? sizeof(op->told) : 0;
    size += op->node.size + op->name.size;
    size += is_large(op) ? sizeof(struct ptl_msg *) : op->body.size;
    return (uint32_t)((size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
}

uint32_t ptl_op_handed_bytes(const struct ptl_op *op)
{
    return hands_over(op->kind) ? op->as.handed.bytes : 0;
}

/*
 * What a record refers to is bounded as if it lay in the ring: a large body and what is handed
 * over.
 */
uint64_t ptl_op_held(const struct ptl_op *op)
{
    return (is_large(op) ? op->body.size : 0) + (uint64_t)ptl_op_handed_bytes(op);
}

int ptl_op_prepare(struct ptl_op *op, const struct ptl_allocator *allocator, struct ptl_msg **made)
{
    *made = NULL;
    if (!is_large(op)) {
        return PTL_OK;
    }
    if (op->whole != NULL) {
        ptl_assert(op->body.size == op->whole->size); /* it is the body of this message */
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

/* ---- Packing, and seeing what was packed ----------------------------------------------------- */

/* By words: a payload is none, one or two, and a copy of no known size is a call. */
static uint8_t *copy_payload(void *to, const void *from, uint8_t kind)
{
    size_t size = payload_sizes[kind];

    ptl_assert(size % sizeof(uint64_t) == 0 && size <= 2 * sizeof(uint64_t));
    if (size >= sizeof(uint64_t)) {
        memcpy(to, from, sizeof(uint64_t));
    }
    if (size > sizeof(uint64_t)) {
        memcpy((uint8_t *)to + sizeof(uint64_t), (const uint8_t *)from + sizeof(uint64_t),
               sizeof(uint64_t));
    }
    return (uint8_t *)to + size;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
    if (size != 0) {
        memcpy(at, bytes, size);
    }
    return at + size;
}

void ptl_op_pack(const struct ptl_op *op, void *place)
{
    struct ptl_record *record = place;
    uint32_t size = ptl_op_size(op);

    ptl_assert(op->node.size <= UINT8_MAX && op->name.size <= UINT8_MAX);
    ptl_assert(size <= PTL_RECORD_MAX);
    *record = (struct ptl_record){
        .units = (uint16_t)(size / PTL_RECORD_UNIT),
        .kind = op->kind,
        .to = (uint8_t)(op->to | (op->told != 0 ? PTL_RECORD_TOLD : 0)),
        .node_size = (uint8_t)op->node.size,
        .name_size = (uint8_t)op->name.size,
        .slot = op->slot,
        .generation = op->generation,
        .count = op->count,
        .body_size = is_large(op) ? HELD : (uint32_t)op->body.size,
    };
    /* In the order in which payload_of(), names_of() and body_of() find them. */
    uint8_t *at = put((uint8_t *)(record + 1), &op->told, op->told != 0 ? sizeof(op->told) : 0);
    at = copy_payload(at, &op->as, op->kind);
    at = put(at, op->node.bytes, op->node.size);
    at = put(at, op->name.bytes, op->name.size);
    ptl_assert(at == body_of(record)); /* written as it is read */
    if (is_large(op)) {
        ptl_assert(op->whole != NULL && op->whole->holds != 0);
        const struct ptl_msg *held = ptl_msg_keep(op->whole); /* a made one: only counted */
        put(at, &held, sizeof(held));
    } else {
        put(at, op->body.bytes, op->body.size);
    }
}

/* By memcpy(): behind two names of any length the pointer is not aligned. */
static struct ptl_msg *held_message(const struct ptl_record *record)
{
    struct ptl_msg *held;

    ptl_assert(record->body_size == HELD);
    memcpy(&held, body_of(record), sizeof(held));
    return held;
}

static void unpack_small(const struct ptl_record *record, struct ptl_op *op)
{
    *op = (struct ptl_op){
        .kind = PTL_OP_MESSAGE,
        .to = record->to & PTL_RECORD_TO,
        .count = ptl_small_count(record),
        .body = ptl_span(ptl_small_body(record), ptl_small_body_size(record)),
    };
    if (ptl_small_is_named(record)) {
        op->name = ptl_small_name(record);
    } else {
        op->slot = ptl_small_slot(record);
        op->generation = record->generation;
    }
}

void ptl_op_unpack(const void *place, struct ptl_op *op)
{
    const struct ptl_record *record = place;

    ptl_assert(record->kind < PTL_OP_KINDS);
    if (ptl_record_is_small(record)) {
        unpack_small(record, op);
        return;
    }
    const uint8_t *names = names_of(record);
    *op = (struct ptl_op){
        .kind = record->kind,
        .to = record->to & PTL_RECORD_TO,
        .slot = record->slot,
        .generation = record->generation,
        .count = record->count,
        .node = ptl_span(names, record->node_size),
        .name = ptl_span(names + record->node_size, record->name_size),
    };
    if (has_told(record)) {
        memcpy(&op->told, record + 1, sizeof(op->told));
    }
    copy_payload(&op->as, payload_of(record), record->kind);
    if (record->body_size == HELD) {
        op->whole = held_message(record);
        op->body = ptl_span(op->whole->body, op->whole->size);
    } else {
        op->body = ptl_span(body_of(record), record->body_size);
    }
}

uint64_t ptl_op_done(const void *place)
{
    const struct ptl_record *record = place;

    if (ptl_record_is_small(record)) {
        return 0;
    }
    uint64_t bytes = handed_bytes(record);
    if (record->body_size == HELD) {
        struct ptl_msg *held = held_message(record);
        bytes += held->size;
        ptl_msg_free(held);
    }
    return bytes;
}

/* ---- Records in memory of their own: never small ones ---------------------------------------- */

static uint32_t size_of(const struct ptl_record *record)
{
    return record->units * (uint32_t)PTL_RECORD_UNIT;
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
    /* The record has its own hold by now; without a record this frees what was copied. */
    ptl_msg_free(made);
    return record;
}

void ptl_parcel_free(struct ptl_parcel *record, const struct ptl_allocator *allocator)
{
    if (record != NULL) {
        ptl_op_done(record->bytes);
        ptl_free(allocator, record, sizeof(*record) + size_of(head_of(record)));
    }
}

bool ptl_parcel_is_for_port(const struct ptl_parcel *record)
{
    struct ptl_op op;

    ptl_op_unpack(record->bytes, &op);
    return op.kind == PTL_OP_MESSAGE && op.name.size != 0;
}

uint64_t ptl_parcel_weight(const struct ptl_parcel *record)
{
    const struct ptl_record *head = head_of(record);
    uint64_t held = head->body_size == HELD ? held_message(head)->size : 0;

    return sizeof(*record) + size_of(head) + held + handed_bytes(head);
}
