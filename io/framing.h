/*
 * io/framing.h - how packets stand in a stream: one array after another, nothing between them.
 *
 *   ["echo", "hello", 1]     a packet: the name of a port at the receiving node, then the message
 *
 * A packet that lies whole in the input and is plain CBOR already is used where it lies: no copy,
 * no allocation.  All else (cut packets, JSON, CBOR that is not plain) goes through memory that
 * the decoder takes when it needs it and gives back when it is between packets.  It holds at most
 * message_bytes_max bytes of a cut packet, and as many of its plain form.
 *
 * Nodes of ours have a framing of their own beside these, which is known here by its name only.
 *
 * Thread: any, one at a time.  Spec: AEMP section 3.
 */
#pragma once

#include "io/base.h"
#include "io/buffer.h"
#include "io/cbor.h"

enum ptl_framing {
    PTL_FRAMING_CBOR,
    PTL_FRAMING_JSON,
    PTL_FRAMINGS_OF_PACKETS,                      /* how many there are */
    PTL_FRAMING_FRAMES = PTL_FRAMINGS_OF_PACKETS, /* not packets: engine/link/frame.h */
    PTL_FRAMINGS,
};

/* The word for it in greetings: "cbor", "json", "portolan".  Owns: constant. */
const char *ptl_framing_name(enum ptl_framing framing);

/* The enum ptl_framing of that word, or PTL_EFRAMING. */
int ptl_framing_find(struct ptl_span word);

/*
 * One packet.  With `oddity` or `empty` set, name and body are empty.
 * Owns: name and body lie in the decoder's input or in the decoder, until its next call.
 */
struct ptl_packet {
    struct ptl_span name; /* of the port, in UTF-8; empty: the node port */
    struct ptl_span body; /* the values after the name: plain CBOR, one after the other */
    uint32_t count;       /* how many values */
    int oddity;           /* 0, or PTL_EPACKET: not a packet, to be logged and ignored */
    bool empty;           /* [] */
};

struct ptl_decoder_state; /* io/framing.c */

/* One for each direction of a connection.  Only io/framing.c touches the fields. */
struct ptl_decoder {
    const struct ptl_allocator *allocator;
    struct ptl_decoder_state *state; /* NULL while it holds nothing */
    size_t message_bytes_max;
    int32_t err; /* the first error: for good */
    uint8_t framing;
};

/* Begin between two packets.  Cannot fail. */
void ptl_decoder_init(struct ptl_decoder *decoder, const struct ptl_allocator *allocator,
                      enum ptl_framing framing, size_t message_bytes_max);

/*
 * Take the next packet from `input`, which moves on.  1: here it is; 0: the input is used up (what
 * there is of the next packet is kept inside).  An error is for good, as the stream cannot be
 * trusted any more: PTL_ESYNTAX, PTL_EDEPTH, PTL_ESIZE, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_decoder_next(struct ptl_decoder *decoder, struct ptl_span *input,
                                    struct ptl_packet *packet);

/* Give its memory back.  Allowed after an error and more than once. */
void ptl_decoder_drop(struct ptl_decoder *decoder);

/* How many bytes of memory it holds. */
size_t ptl_decoder_held(const struct ptl_decoder *decoder);

/*
 * Append a packet; `body` is `count` plain values.  Names go out as byte strings where they are
 * ASCII, as text elsewhere: what a real node does.  Errors: PTL_ENOMEM, PTL_ESIZE; nothing was
 * appended then (but `out->err` is set).
 */
PTL_MUST_CHECK int ptl_packet_encode(enum ptl_framing framing, struct ptl_buffer *out,
                                     struct ptl_span name, struct ptl_span body, uint32_t count);

/*
 * Write the part of a packet that stands before `body`, which may then follow as it is.  Returns
 * its bytes; 0 when there is not `room` enough (name.size + PTL_PACKET_HEAD_MAX always is) or the
 * framing has no such thing (JSON): use ptl_packet_encode().
 */
#define PTL_PACKET_HEAD_MAX (2 * PTL_CBOR_HEAD_MAX)
size_t ptl_packet_head(enum ptl_framing framing, uint8_t *out, size_t room, struct ptl_span name,
                       uint32_t count);
