/*
 * tests/common/opening.h - what the tests of the handshake share: a node's options, and feeding in
 * steps.
 */
#pragma once

#include "io/handshake.h"

static inline struct ptl_span span(const char *text)
{
    return ptl_span_text(text);
}

static inline struct ptl_handshake_options options_of(const char *node_id)
{
    return (struct ptl_handshake_options){
        .node_id = ptl_span_text(node_id),
        .secret = ptl_span_text("geheim"),
        .framings = ptl_span_text("cbor,json"),
        .provider = ptl_span_text("portolan-0.1.0"),
        .incarnation = UINT64_C(0xfedcba9876543210),
        .features = 5,
    };
}

/*
 * Feed `bytes` as they come, `step` at a time, until the machine has ended or they have.  Returns
 * the first error, or how many bytes were used.
 */
static inline int feed_in_steps(struct ptl_handshake *handshake, struct ptl_span bytes, size_t step)
{
    size_t used = 0;
    size_t come = 0;

    while (ptl_handshake_state(handshake) < PTL_HANDSHAKE_UP) {
        int result = ptl_handshake_feed(handshake, ptl_span(bytes.bytes + used, come - used));
        if (result < 0) {
            return result;
        }
        if (result == 0 && come == bytes.size) {
            break;
        }
        if (result == 0) {
            come = bytes.size - come < step ? bytes.size : come + step;
        }
        used += (size_t)result;
    }
    return (int)used;
}
