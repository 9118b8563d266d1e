/*
 * io/utf8.h - is this UTF-8?  In one piece or in many.
 */
#pragma once

#include "io/base.h"
#include "io/buffer.h"

/* Where a check stands between two pieces.  Zero is the beginning. */
struct ptl_utf8 {
    uint8_t wanted; /* continuation bytes still to come */
    uint8_t low;    /* the next of them is at least this */
    uint8_t high;   /* and at most this */
};

/* Check one more piece.  false: not UTF-8, whatever follows. */
bool ptl_utf8_feed(struct ptl_utf8 *check, struct ptl_span piece);

/* Whether what was fed so far ends with a whole character. */
static inline bool ptl_utf8_whole(const struct ptl_utf8 *check)
{
    return check->wanted == 0;
}

/* Whether all of it is UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool ptl_utf8_valid(struct ptl_span text);

/* How many bytes at the beginning are ASCII. */
size_t ptl_utf8_ascii(struct ptl_span text);

/* Write one character (at most U+10FFFF); returns its bytes, 1 to 4. */
size_t ptl_utf8_put(uint8_t out[4], uint32_t character);

/*
 * Write bytes as the characters U+0000 to U+00FF to `room`, which has twice their size.  Returns
 * what was written.  Owns: `room`.
 */
struct ptl_span ptl_utf8_widen(struct ptl_span bytes, uint8_t *room);

/* Append bytes as the characters U+0000 to U+00FF.  Errors: PTL_ENOMEM, PTL_ESIZE. */
int ptl_utf8_from_latin1(struct ptl_buffer *out, struct ptl_span bytes);
