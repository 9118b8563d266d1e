/*
 * io/json.h - JSON (RFC 8259): finding ends, into plain CBOR and back.
 *
 *   text of a peer --scan--> one valid JSON text --to CBOR--> plain CBOR --from CBOR--> JSON
 *
 * The scanner checks everything, so that a broken stream is known at the broken byte; what it
 * let pass is transcoded without further checks.  One thing is taken that JSON does not have: the
 * words inf and nan, with or without a minus, since real nodes send them.
 *
 * Thread: any, one at a time.  Spec: AEMP section 3; RFC 8259.
 */
#pragma once

#include "io/base.h"
#include "io/buffer.h"
#include "io/cbor.h"

/*
 * Where a scan stands.  Every byte is looked at once, however the bytes are cut.  Only
 * io/json_scan.c touches the fields, except `size`.
 */
struct ptl_json_scan {
    uint32_t depth;
    uint32_t depth_max;
    uint8_t state;
    uint8_t matched; /* characters of `word` seen */
    bool key;        /* the string being read is a key */
    struct ptl_utf8 utf8;
    const char *word; /* the rest of a literal, or what is still to come of \uXXXX */
    size_t size;      /* bytes of the text so far, white space before it excluded */
    size_t size_max;  /* more is PTL_ESIZE */
    uint8_t maps[PTL_CBOR_DEPTH_MAX / 8 + 2]; /* one bit a level: it is an object */
};

/* How many bytes at the beginning stand for themselves in a JSON string: no controls, '"', '\'. */
size_t ptl_json_run(struct ptl_span text);

/* Begin.  `depth_max` containers may be open at once: at most PTL_CBOR_DEPTH_MAX + 1. */
void ptl_json_scan_init(struct ptl_json_scan *scan, uint32_t depth_max, size_t size_max);

/*
 * Look at more bytes.  1: a text has ended, and `input` begins behind it; 0: all is used up.
 * `size` tells whether a text has begun.  A number at top level ends at the first byte that is
 * not of a number, so at the earliest with the next feed.  After 1 the next call begins the next
 * text.  Errors: PTL_ESYNTAX, PTL_EDEPTH, PTL_ESIZE.
 */
PTL_MUST_CHECK int ptl_json_scan_feed(struct ptl_json_scan *scan, struct ptl_span *input);

/* No more bytes will come.  1: a number ended with them; 0: nothing was open; or PTL_ESYNTAX. */
PTL_MUST_CHECK int ptl_json_scan_end(struct ptl_json_scan *scan);

/* 0 if `text` is exactly one JSON text; else PTL_ESYNTAX or PTL_EDEPTH. */
PTL_MUST_CHECK int ptl_json_check(struct ptl_span text, uint32_t depth_max);

/*
 * Append one JSON text that was scanned or checked as plain CBOR: whole numbers of -2^64 to 2^64-1
 * as integers, others as floats; strings as text, a lone surrogate as U+FFFD; repeated keys stay.
 * What was not checked costs no more than a wrong value or an error.
 * Errors: PTL_ENOMEM, PTL_ESIZE; PTL_ESYNTAX, PTL_EDEPTH.
 */
PTL_MUST_CHECK int ptl_json_to_cbor(struct ptl_buffer *out, struct ptl_span text,
                                    uint32_t depth_max);

/*
 * Append plain values as JSON, with commas between them and no brackets around.  Byte strings are
 * written as the characters U+0000 to U+00FF, NaN and infinities as null, floats with as few of 15
 * to 17 digits as read back the same.
 * Errors: PTL_ENOMEM, PTL_ESIZE; PTL_ESYNTAX or PTL_EDEPTH if the values are not plain.
 */
PTL_MUST_CHECK int ptl_json_from_cbor(struct ptl_buffer *out, struct ptl_span values);

/*
 * Append one JSON string, quotes included: `text` is UTF-8, other bytes are U+0000 to U+00FF.
 * Returns `out->err`.
 */
int ptl_json_string(struct ptl_buffer *out, struct ptl_span string, bool text);
