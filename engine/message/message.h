/*
 * engine/message/message.h - what a message is inside: plain CBOR (io/cbor.h) and who holds it.
 *
 * The body is the concatenation of the values' encodings, from the sender's writer to the
 * receiver's handler; nothing on the way decodes it.  A message is either *made* (a block of its
 * own, counted holds, the bytes follow the struct) or *borrowed* (a struct on somebody's stack
 * that points at bytes in a ring or a receive buffer, good for one call).
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"
#include "io/cbor.h"

#include <stdatomic.h>

struct ptl_msg {
    const uint8_t *body;
    size_t size;
    uint32_t count;                        /* values in `body` */
    _Atomic uint32_t holds;                /* 0: borrowed */
    const struct ptl_allocator *allocator; /* of this block; borrowed: of copies, NULL is libc */
    /* the body follows here when the message was made */
};

/* A message around somebody's bytes: `count` plain values.  Lives as long as they do. */
static inline struct ptl_msg ptl_msg_borrow(struct ptl_span body, uint32_t count)
{
    return (struct ptl_msg){.body = body.bytes, .size = body.size, .count = count};
}

static inline struct ptl_span ptl_msg_body(const struct ptl_msg *msg)
{
    return ptl_span(msg->body, msg->size);
}

/*
 * Copy `count` plain values into a message with one hold.  Errors: PTL_ENOMEM.
 * Owns: the caller, until ptl_msg_free().
 */
PTL_MUST_CHECK int ptl_msg_from(const struct ptl_allocator *allocator, struct ptl_span body,
                                uint32_t count, struct ptl_msg **msg);

/* What one message of that body size takes of the allocator, for accounts of memory. */
static inline size_t ptl_msg_footprint(size_t body_size)
{
    return sizeof(struct ptl_msg) + body_size;
}

/* ---- Writing with a known allocator ------------------------------------------------------- */

/* As ptl_writer_init(). */
static inline void ptl_writer_begin(struct ptl_writer *writer,
                                    const struct ptl_allocator *allocator)
{
    writer->allocator = allocator;
    writer->bytes = NULL;
    writer->size = 0;
    writer->capacity = sizeof writer->scratch;
    writer->count = 0;
    writer->err = 0;
    writer->depth = 0;
    writer->open = NULL;
    writer->open_capacity = 0;
}

/* Free what a writer has that is not used any more: mostly it has nothing. */
void ptl_writer_free(struct ptl_writer *writer);

static inline void ptl_writer_end(struct ptl_writer *writer)
{
    if (writer->bytes != NULL || writer->open != NULL) {
        ptl_writer_free(writer);
    }
}

/* `count` plain values, in place.  Returns the writer's error. */
int ptl_put_plain(struct ptl_writer *writer, struct ptl_span values, uint32_t count);

/*
 * What has been written, whole containers or not, without making a message of it.
 * Owns: the writer; good until its next call.
 */
static inline struct ptl_span ptl_writer_body(const struct ptl_writer *writer)
{
    return ptl_span(writer->bytes == NULL ? writer->scratch : writer->bytes, writer->size);
}

/* ---- Reading ------------------------------------------------------------------------------ */

static inline struct ptl_cursor ptl_cursor_of(struct ptl_span values)
{
    return (struct ptl_cursor){.at = values.bytes, .end = values.bytes + values.size};
}

/* The bytes of the next value, which is stepped over.  Errors: PTL_EEND. */
PTL_MUST_CHECK int ptl_next_span(struct ptl_cursor *cursor, struct ptl_span *value);

/* The next value if it is a string (bytes or text), which is stepped over.  Errors: PTL_EEND,
 * PTL_ETYPE (and the cursor stays). */
PTL_MUST_CHECK int ptl_next_string(struct ptl_cursor *cursor, struct ptl_span *string);

/* Bytes of the longest string that ptl_string_name() needs to rewrite, and of what it becomes. */
#define PTL_STRING_NAME_MAX UINT8_MAX
#define PTL_STRING_NAME_ROOM (2 * PTL_STRING_NAME_MAX)

/*
 * What a string (bytes or text) says where it is a name, in UTF-8: bytes above 127 in a byte
 * string are the characters U+0080 to U+00FF, which are written to `room`; all else is used where
 * it lies.  A string too long for any name stays as it is.  Errors: PTL_ETYPE.
 * Owns: *name lies in the value or in `room`.  Spec: AEMP protocol 3.
 */
PTL_MUST_CHECK int ptl_string_name(const struct ptl_value *value,
                                   uint8_t room[static PTL_STRING_NAME_ROOM],
                                   struct ptl_span *name);

/* Whether a value is the string `text`, as bytes of the same characters or the very same bytes. */
bool ptl_string_is(const struct ptl_value *value, struct ptl_span text);
