/*
 * io/cbor.h - CBOR (RFC 8949): writing heads, finding ends, making it plain.
 *
 *   bytes of a peer --scan--> one well-formed item --plain already?--> used in place
 *                                                  '--normalise--> plain CBOR
 *
 * *Plain* CBOR is what the engine keeps: definite lengths, no tags, no half floats, no undefined,
 * no simple values but false, true and null; map keys are byte or text strings; text is valid
 * UTF-8; containers nest at most PTL_CBOR_DEPTH_MAX deep; no container has more than UINT32_MAX
 * elements or pairs.  Heads may be longer than necessary.  Whoever reads plain CBOR needs no error
 * handling but an end of bytes.
 *
 * Thread: any, one at a time.  Spec: docs/architecture.md, "Messages"; AEMP section 3.
 */
#pragma once

#include "io/base.h"
#include "io/buffer.h"
#include "io/utf8.h"

#define PTL_CBOR_DEPTH_MAX 500
#define PTL_CBOR_HEAD_MAX 9 /* bytes of a head */

enum ptl_cbor_major {
    PTL_CBOR_UINT,
    PTL_CBOR_NEGATIVE, /* the value is -1 - argument */
    PTL_CBOR_BYTES,
    PTL_CBOR_TEXT,
    PTL_CBOR_ARRAY,
    PTL_CBOR_MAP,
    PTL_CBOR_TAG,
    PTL_CBOR_SIMPLE, /* and floats: by `info` */
};

enum {
    PTL_CBOR_FALSE = 0xf4,
    PTL_CBOR_TRUE = 0xf5,
    PTL_CBOR_NULL = 0xf6,
    PTL_CBOR_UNDEFINED = 0xf7,
    PTL_CBOR_HALF = 0xf9,
    PTL_CBOR_SINGLE = 0xfa,
    PTL_CBOR_DOUBLE = 0xfb,
    PTL_CBOR_BREAK = 0xff,
};

/* ---- Writing ------------------------------------------------------------------------------ */

/* Big-endian, as everything in CBOR. */
static inline void ptl_cbor_store(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = size; i > 0; i--) {
        out[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

static inline uint64_t ptl_cbor_load(const uint8_t *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static inline size_t ptl_cbor_head_size(uint64_t argument)
{
    return argument < 24            ? 1
           : argument <= UINT8_MAX  ? 2
           : argument <= UINT16_MAX ? 3
           : argument <= UINT32_MAX ? 5
                                    : 9;
}

/* Write the shortest head; returns its bytes, at most PTL_CBOR_HEAD_MAX. */
static inline size_t ptl_cbor_head(uint8_t *out, unsigned major, uint64_t argument)
{
    uint8_t kind = (uint8_t)(major << 5);

    if (argument < 24) {
        out[0] = kind | (uint8_t)argument;
        return 1;
    }
    if (argument <= UINT8_MAX) {
        out[0] = kind | 24;
        out[1] = (uint8_t)argument;
        return 2;
    }
    if (argument <= UINT16_MAX) {
        out[0] = kind | 25;
        ptl_cbor_store(out + 1, argument, 2);
        return 3;
    }
    if (argument <= UINT32_MAX) {
        out[0] = kind | 26;
        ptl_cbor_store(out + 1, argument, 4);
        return 5;
    }
    out[0] = kind | 27;
    ptl_cbor_store(out + 1, argument, 8);
    return 9;
}

/* Write a float: single precision where that is exact, else double.  Returns 5 or 9. */
size_t ptl_cbor_float(uint8_t out[PTL_CBOR_HEAD_MAX], double value);

/* Append a head, and for strings the bytes after it.  Errors: PTL_ENOMEM, PTL_ESIZE. */
int ptl_cbor_put_head(struct ptl_buffer *out, unsigned major, uint64_t argument);
int ptl_cbor_put_string(struct ptl_buffer *out, unsigned major, struct ptl_span string);

/*
 * A container whose count is known only at its end: open where it begins, close with the count
 * (pairs for a map).  Returns the place to close, which is good after an error too.
 */
size_t ptl_cbor_open(struct ptl_buffer *out);
int ptl_cbor_close(struct ptl_buffer *out, size_t place, unsigned major, uint32_t count);

/*
 * The JSON text of a number, a truth value or null (all else is null too); no NUL at the end.
 * Floats have as few of 15 to 17 digits as read back the same; NaN and infinities are null.
 * Returns its bytes.  Independent of the locale.
 */
#define PTL_CBOR_TEXT_MAX 40
struct ptl_cbor_item;
size_t ptl_cbor_text(char out[PTL_CBOR_TEXT_MAX], const struct ptl_cbor_item *item);

/* ---- Reading ------------------------------------------------------------------------------ */

/* One head, taken apart. */
struct ptl_cbor_item {
    uint64_t argument; /* value, length, count, tag, or the bits of a float */
    uint8_t major;     /* enum ptl_cbor_major */
    uint8_t info;      /* the low five bits of the first byte; 31: indefinite, or a break */
};

/*
 * Read the head at `at`.  Returns its bytes; 0 when the bytes end first or it is not a head at
 * all (info 28 to 30).
 */
size_t ptl_cbor_read(const uint8_t *at, const uint8_t *end, struct ptl_cbor_item *item);

/* The number in a SIMPLE item that is a half, single or double float (info 25, 26, 27). */
double ptl_cbor_real(const struct ptl_cbor_item *item);

/*
 * Step over `count` items.  Returns the byte after the last one; NULL unless all of them are
 * there and plain, nested at most `depth` deep: then look with the scanner what it is.  Fast, and
 * the stack it takes is bounded by `depth`.
 */
const uint8_t *ptl_cbor_plain_end(const uint8_t *at, const uint8_t *end, uint64_t count,
                                  unsigned depth);

/*
 * Step over `count` items of plain CBOR without looking whether they are.  NULL when the bytes
 * end first or are not plain; never reads behind `end`, takes no stack.
 */
const uint8_t *ptl_cbor_skip(const uint8_t *at, const uint8_t *end, uint64_t count);

/* ---- Scanning a stream -------------------------------------------------------------------- */

struct ptl_cbor_level; /* an open container; io/cbor_scan.c */

/*
 * Where a scan stands.  Every byte is looked at once, strings (but text) not at all, however the
 * bytes are cut.  Only io/cbor_scan.c touches the fields, except `plain` and `size`.
 */
struct ptl_cbor_scan {
    const struct ptl_allocator *allocator;
    struct ptl_cbor_level *levels; /* NULL until the first container */
    uint32_t level_capacity;
    uint32_t depth;
    uint32_t depth_max;
    uint8_t head[PTL_CBOR_HEAD_MAX]; /* a head that was cut */
    uint8_t head_size;
    bool plain;  /* the item is plain so far */
    bool tagged; /* a tag has been read: its item must follow */
    bool text;   /* the string being skipped is text */
    struct ptl_utf8 utf8;
    uint64_t skip;   /* bytes of a string still to come */
    size_t size;     /* bytes of the item so far */
    size_t size_max; /* more is PTL_ESIZE */
};

/* Begin.  `depth_max` containers may be open at once. */
void ptl_cbor_scan_init(struct ptl_cbor_scan *scan, const struct ptl_allocator *allocator,
                        uint32_t depth_max, size_t size_max);

/*
 * Look at more bytes.  1: an item has ended, and `input` begins behind it; 0: all is used up and
 * the item goes on.  After 1 the next call begins the next item (`plain` and `size` tell of the
 * last one until then).  Errors: PTL_ESYNTAX, PTL_EDEPTH, PTL_ENOMEM, PTL_ESIZE (as soon as an
 * announced length or count cannot fit); then only ptl_cbor_scan_drop() is left.
 */
PTL_MUST_CHECK int ptl_cbor_scan_feed(struct ptl_cbor_scan *scan, struct ptl_span *input);

void ptl_cbor_scan_drop(struct ptl_cbor_scan *scan);

/*
 * Append one well-formed item as plain CBOR.  Tags are dropped, indefinite lengths made definite,
 * half floats single; undefined and unknown simple values become null; text that is not UTF-8
 * becomes a byte string; a map key that is a number, a truth value or null becomes its JSON text,
 * a container as key the text "array" or "map".
 * Errors: PTL_ENOMEM, PTL_ESIZE; PTL_ESYNTAX and PTL_EDEPTH where a scan would have told them.
 */
PTL_MUST_CHECK int ptl_cbor_normalise(struct ptl_buffer *out, struct ptl_span item,
                                      uint32_t depth_max);
