/*
 * engine/shard/op.h - what travels between shards, waits at ports, and comes from the program's
 * threads.
 *
 * An *op* is how code sees an operation: a kind, a destination, spans.  A *record* is the same,
 * packed into one run of bytes that stands in a ring or in a block of memory.  A body is packed
 * along while it is small; a large one is a message that the record holds.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#include <stddef.h>

struct ptl_after;
struct ptl_connection;
struct ptl_follower;
struct ptl_handler_wish;
struct ptl_link_listener;
struct ptl_monitoring;
struct ptl_msg;
struct ptl_registration;
struct ptl_survey_part;
struct ptl_waiter;

/* Behind each kind: what it says beside its destination, in `as`, and what its body is. */
enum ptl_op_kind {
    /* Kinds that belong to a port's flow and keep their place in it. */
    PTL_OP_MESSAGE,  /* body: the values */
    PTL_OP_KILL,     /* body: the reason */
    PTL_OP_HANDLER,  /* handed.wish */
    PTL_OP_OBSERVE,  /* observer */
    PTL_OP_SPAWN,    /* name: of the port to be; body: function, values */
    PTL_OP_EVENT,    /* follower: who is told; body: changes */
    PTL_OP_REGISTER, /* handed.registration */
    /* About ports, for a shard. */
    PTL_OP_UNOBSERVE, /* observer */
    PTL_OP_DOWN,      /* down; body: the reason */
    /* About links and what is full, from the owner to all shards. */
    PTL_OP_LINK_DOWN, /* node; failure; body: the reason */
    PTL_OP_FULL,      /* node, or a port's name: send nothing there until there is room */
    PTL_OP_ROOM,      /* the same: there is room again */
    /* From the program's threads, or between shards where order does not matter. */
    PTL_OP_HANDOVER,  /* handed.connection */
    PTL_OP_MONITOR,   /* handed.monitoring */
    PTL_OP_UNMONITOR, /* monitor: whose end it is */
    PTL_OP_TIMER,     /* handed.after */
    PTL_OP_UNTIMER,   /* timer: whose end it is */
    PTL_OP_ON_ROOM,   /* handed.waiter */
    PTL_OP_ON_LINK,   /* handed.listener */
    PTL_OP_FOLLOW,    /* handed.follower */
    PTL_OP_SURVEY,    /* handed.survey: this shard's part of it */
    /* About the database. */
    PTL_OP_DIRECTORY, /* words; node and body as these say */
};

#define PTL_OP_KINDS (PTL_OP_DIRECTORY + 1)

/* The destination of the op is one of these. */
enum ptl_to {
    PTL_TO_SHARD, /* the shard itself */
    PTL_TO_SLOT,  /* a port of this node by slot and generation */
    PTL_TO_NAME,  /* a port of this node by its chosen name */
    PTL_TO_NODE,  /* a port of another node: node, name */
};

/* Another shard (or this one) that wants to know when a port is gone. */
struct ptl_observer {
    uint64_t observation; /* its number for that */
    uint32_t shard;
};

/*
 * The two as one number, which is not 0: a shard counts its observations from one.  It is what
 * another node knows the observer by.
 */
static inline uint64_t ptl_observer_number(struct ptl_observer observer)
{
    return observer.observation << 6 | observer.shard;
}

static inline struct ptl_observer ptl_observer_of(uint64_t number)
{
    return (struct ptl_observer){.observation = number >> 6, .shard = (uint32_t)number & 63};
}

/* A port that was observed is gone. */
struct ptl_op_down {
    uint64_t observation;
    uint64_t failure; /* the number of the link's failure that it is told of; 0: of none */
};

/* A link has failed. */
struct ptl_op_failure {
    uint64_t number; /* among those of its owner's links */
    uint32_t owner;  /* a shard */
};

/* Something that changes hands: it is the receiver's, or freed by whoever drops the op. */
struct ptl_op_handed {
    union {
        struct ptl_handler_wish *wish;
        struct ptl_registration *registration;
        struct ptl_connection *connection;
        struct ptl_monitoring *monitoring;
        struct ptl_after *after;
        struct ptl_waiter *waiter;
        struct ptl_link_listener *listener;
        struct ptl_follower *follower;
        struct ptl_survey_part *survey;
    };
    uint32_t bytes; /* of it, where it counts as waiting room: see ptl_op_bytes() */
};

/* What the database says in words of its own: only the directory room knows what they mean. */
struct ptl_op_words {
    uint64_t large;
    uint32_t small;
    uint16_t flags;
    uint16_t kind;
};

/* What an op of its kind says; nothing for those whose body says all. */
union ptl_op_payload {
    struct ptl_observer observer;
    struct ptl_op_down down;
    struct ptl_op_failure failure;
    struct ptl_op_handed handed;
    struct ptl_op_words words;
    uint64_t follower, monitor, timer; /* IDs */
};

struct ptl_op {
    uint8_t kind; /* enum ptl_op_kind */
    uint8_t to;   /* enum ptl_to */
    uint32_t slot, generation;
    uint32_t count;              /* values in the body */
    uint64_t told;               /* to another node: failures that the issuer had been told of */
    union ptl_op_payload as;     /* what the kind says */
    struct ptl_span node, name;  /* at most 255 bytes each */
    struct ptl_span body;        /* values, as plain CBOR */
    const struct ptl_msg *whole; /* not NULL: the message whose body this is */
};

/*
 * A packed op: this head, `told` if it is marked so, as much payload as the kind has, the node's
 * ID, the port's name, and the body or the pointer to the held message.
 *
 * A small message for a port of this node, which is what nearly all records are, has the first 12
 * bytes of the head, the port's name if it is a chosen one, and its values: to a slot it is 32
 * bytes with a value of 16.
 *
 * Only engine/shard/op.c and the functions below know the fields.
 */
struct ptl_record {
    uint16_t units; /* of 8 bytes: the size of all; ring.c writes it too */
    uint8_t kind;
    uint8_t to;    /* enum ptl_to, and PTL_RECORD_... */
    uint32_t slot; /* 24 bits; of a small message, the number of its values above them; and, where
                    * it goes to a name, the length of that in their place */
    uint32_t generation; /* of a small message to a name: the key that it is found by */
    uint8_t node_size;
    uint8_t name_size;
    uint16_t unused;
    uint32_t count;
    uint32_t body_size; /* packed along; PTL_RECORD_HELD: a pointer to a message stands instead */
};

#define PTL_RECORD_UNIT 8
#define PTL_RECORD_SMALL_HEAD offsetof(struct ptl_record, node_size)
#define PTL_RECORD_SLOT_BITS 24

_Static_assert(sizeof(struct ptl_record) == 24, "what each op costs in a ring");
_Static_assert(PTL_RECORD_SMALL_HEAD == 12, "what each small message costs");

/* In `to` beside where to. */
#define PTL_RECORD_TOLD 0x80
#define PTL_RECORD_SMALL 0x40
#define PTL_RECORD_UNUSED(to) ((to) >> 2 & 7) /* bytes behind the values of a small message */
#define PTL_RECORD_TO 0x03

#define PTL_RECORD_HELD UINT32_MAX

/* A record in memory of its own, for lists and queues. */
struct ptl_parcel {
    struct ptl_parcel *next;
    uint64_t bytes[]; /* the record */
};

/* Bodies up to this size are packed into the record; larger ones are held. */
#define PTL_OP_INLINE_MAX 1024

/* The largest record: head, two names, a body. */
#define PTL_RECORD_MAX 1664

/* The bytes of something that is handed over; UINT32_MAX stands for all that is larger. */
static inline uint32_t ptl_op_bytes(size_t size)
{
    return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

/* The packed size in bytes, a multiple of 8. */
uint32_t ptl_op_size(const struct ptl_op *op);

/* The bytes of what changes hands with the op; 0 when nothing does. */
uint32_t ptl_op_handed_bytes(const struct ptl_op *op);

/* Bytes that the record of this op would refer to; 0 when all is packed along. */
uint64_t ptl_op_held(const struct ptl_op *op);

/*
 * Make sure that packing cannot fail: a body too large to be packed becomes a message
 * (`*made`, to be freed by the caller after packing; NULL when none was needed).
 * Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_op_prepare(struct ptl_op *op, const struct ptl_allocator *allocator,
                                  struct ptl_msg **made);

/* Write the op to `record`, which has ptl_op_size() bytes.  Takes a hold on op->whole if large. */
void ptl_op_pack(const struct ptl_op *op, void *record);

/* See a record as an op; its spans point into the record. */
void ptl_op_unpack(const void *record, struct ptl_op *op);

/* ---- Small messages -------------------------------------------------------------------------- */

/* What a small message has at most: more values than that are packed as any other op. */
#define PTL_SMALL_COUNT_MAX UINT32_C(255)

static inline bool ptl_is_small(size_t body_size, uint32_t count)
{
    return body_size <= PTL_OP_INLINE_MAX && count <= PTL_SMALL_COUNT_MAX;
}

/* The size of its record, a multiple of 8: `size` is that of its values, and of the name. */
static inline uint32_t ptl_small_size(size_t size)
{
    return (uint32_t)((PTL_RECORD_SMALL_HEAD + size + PTL_RECORD_UNIT - 1) &
                      ~(size_t)(PTL_RECORD_UNIT - 1));
}

/* Write the head of one to `place`, which has ptl_small_size() of its body; returns where that is
 * to be written. */
static inline uint8_t *ptl_small_begin(void *place, uint32_t slot, uint32_t generation,
                                       size_t body_size, uint32_t count)
{
    struct ptl_record *record = (struct ptl_record *)place;
    uint32_t size = ptl_small_size(body_size);
    uint32_t unused = size - (uint32_t)(PTL_RECORD_SMALL_HEAD + body_size);

    record->units = (uint16_t)(size / PTL_RECORD_UNIT);
    record->kind = PTL_OP_MESSAGE;
    record->to = (uint8_t)(PTL_TO_SLOT | unused << 2 | PTL_RECORD_SMALL);
    record->slot = slot | count << PTL_RECORD_SLOT_BITS;
    record->generation = generation;
    return (uint8_t *)place + PTL_RECORD_SMALL_HEAD;
}

/* The same for one to a chosen name of at most 255 bytes, found by that key. */
static inline void ptl_small_pack_named(void *place, struct ptl_span name, uint32_t key,
                                        struct ptl_span body, uint32_t count)
{
    struct ptl_record *record = (struct ptl_record *)place;
    uint8_t *at = (uint8_t *)place + PTL_RECORD_SMALL_HEAD;
    uint32_t size = ptl_small_size(name.size + body.size);
    uint32_t unused = size - (uint32_t)(PTL_RECORD_SMALL_HEAD + name.size + body.size);

    record->units = (uint16_t)(size / PTL_RECORD_UNIT);
    record->kind = PTL_OP_MESSAGE;
    record->to = (uint8_t)(PTL_TO_NAME | unused << 2 | PTL_RECORD_SMALL);
    record->slot = (uint32_t)name.size | count << PTL_RECORD_SLOT_BITS;
    record->generation = key;
    ptl_copy(at, name.bytes, name.size);
    ptl_copy(at + name.size, body.bytes, body.size);
}

/* Whether a record is one; and what it says. */
static inline bool ptl_record_is_small(const struct ptl_record *record)
{
    return (record->to & PTL_RECORD_SMALL) != 0;
}

static inline bool ptl_small_is_named(const struct ptl_record *record)
{
    return (record->to & PTL_RECORD_TO) == PTL_TO_NAME;
}

static inline uint32_t ptl_small_slot(const struct ptl_record *record)
{
    return record->slot & ((UINT32_C(1) << PTL_RECORD_SLOT_BITS) - 1);
}

static inline uint32_t ptl_small_count(const struct ptl_record *record)
{
    return record->slot >> PTL_RECORD_SLOT_BITS;
}

/* Where it goes to a name: that. */
static inline struct ptl_span ptl_small_name(const struct ptl_record *record)
{
    return ptl_span((const uint8_t *)record + PTL_RECORD_SMALL_HEAD, ptl_small_slot(record));
}

static inline size_t ptl_small_name_size(const struct ptl_record *record)
{
    return ptl_small_is_named(record) ? ptl_small_slot(record) : 0;
}

static inline const uint8_t *ptl_small_body(const struct ptl_record *record)
{
    return (const uint8_t *)record + PTL_RECORD_SMALL_HEAD + ptl_small_name_size(record);
}

static inline size_t ptl_small_body_size(const struct ptl_record *record)
{
    return record->units * (size_t)PTL_RECORD_UNIT - PTL_RECORD_SMALL_HEAD -
           ptl_small_name_size(record) - PTL_RECORD_UNUSED(record->to);
}

/* ---- Records --------------------------------------------------------------------------------- */

/* The record is done with: lets go of the message that it holds; tells what it referred to. */
uint64_t ptl_op_done(const void *record);

/*
 * A record of its own for this op (whatever it points to is copied or held).
 * NULL: no memory.  Owns: the caller, until ptl_parcel_free().
 */
struct ptl_parcel *ptl_parcel_make(const struct ptl_op *op, const struct ptl_allocator *allocator);

/* Free such a record, and let go of the message that it holds. */
void ptl_parcel_free(struct ptl_parcel *record, const struct ptl_allocator *allocator);

/* Whether it is a message for a port, and neither a request to a node port nor anything else. */
bool ptl_parcel_is_for_port(const struct ptl_parcel *record);

/* What it weighs in a queue: its own bytes and those of the message that it holds. */
uint64_t ptl_parcel_weight(const struct ptl_parcel *record);
