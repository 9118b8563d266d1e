/*
 * engine/directory/key.h - names of families, keys and nodes as they stand in requests.
 *
 * A peer writes them as bytes or as text, now and then as a number; they mean the same characters.
 * Inside they are UTF-8, and go out again as real nodes write them.  Spec: AEMP protocol 3, 7.
 */
#pragma once

#include "engine/message/message.h"

/* Room for the longest name in UTF-8, when it came as bytes. */
#define PTL_KEY_ROOM (2 * PTL_DB_KEY_MAX)

/*
 * The next value as a name, which is stepped over whatever it is.
 * Errors: PTL_EEND, PTL_ETYPE, PTL_ESIZE (more than PTL_DB_KEY_MAX bytes), PTL_EINVAL (empty).
 * Owns: *name lies in the value or in `room`.
 */
PTL_MUST_CHECK int ptl_key_next(struct ptl_cursor *cursor, uint8_t room[static PTL_KEY_ROOM],
                                struct ptl_span *name);

/* The same for a value whose head was read already. */
PTL_MUST_CHECK int ptl_key_of(const struct ptl_value *value, uint8_t room[static PTL_KEY_ROOM],
                              struct ptl_span *name);

/* Whether a program of this node may use this as a key. */
bool ptl_key_valid(struct ptl_span key);

/* Append a name: as bytes where it is ASCII, else as text. */
void ptl_key_put(struct ptl_buffer *out, struct ptl_span name);

/* As much of a name as a line in the log needs. */
static inline struct ptl_span ptl_key_shown(struct ptl_span name)
{
    return ptl_span(name.bytes, name.size < 40 ? name.size : 40);
}

/* What is left of some values. */
static inline struct ptl_span ptl_cursor_rest(const struct ptl_cursor *cursor)
{
    return ptl_span(cursor->at, (size_t)(cursor->end - cursor->at));
}
