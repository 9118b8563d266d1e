/*
 * tests/common/cbor_said.h - what an item of CBOR says, as libcbor reads it: an oracle that shares
 * nothing with io/cbor.c.  Only where there is libcbor.
 */
#pragma once

#include "io/buffer.h"

/*
 * Write what the one item in `bytes` says as text into `out`, in a form of our own in which two
 * items are the same when they are for plain CBOR (io/cbor.h).  False: libcbor cannot read it.
 */
bool cbor_said(struct ptl_buffer *out, struct ptl_span bytes);
