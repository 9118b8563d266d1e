/*
 * engine/link/outbox.h - what a link has to send, as bytes, in order.
 *
 *   [ chunk 64 KiB, written from the front ] -> [ large message, held ] -> [ chunk, being filled ]
 *     ^ sent up to here
 *
 * Small packets and frames gather in chunks; the body of a large one stays where it is, and so does
 * a piece of one.  Bytes that were handed to the loop are never moved; behind them, writing goes
 * on.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"
#include "io/buffer.h"
#include "io/framing.h"

#define PTL_OUTBOX_CHUNK ((size_t)65536)

/* Of the head of a packet that is kept for the next one: most go where the one before went. */
#define PTL_OUTBOX_HEAD_MAX 80

/* Empty chunks that are kept for the next burst, of whichever outbox of the shard. */
#define PTL_SPARE_CHUNKS_MAX 16

struct ptl_segment;

/* Begins zeroed. */
struct ptl_spare_chunks {
    struct ptl_segment *first;
    unsigned count;
};

struct ptl_outbox {
    const struct ptl_allocator *allocator;
    struct ptl_spare_chunks *spares; /* those of its shard, or NULL: none are kept */
    struct ptl_segment *first, *last;
    size_t sent;               /* bytes of `first` that are out */
    size_t size;               /* bytes to be sent in all */
    struct ptl_buffer scratch; /* where JSON is made; its size_max is what the peer takes */
    /* In CBOR: the head of the last small packet, and how much of it stands before the name. */
    uint8_t head[PTL_OUTBOX_HEAD_MAX];
    uint8_t head_size, head_lead;
};

/* `spares` may be NULL, and outlives it else. */
void ptl_outbox_init(struct ptl_outbox *outbox, const struct ptl_allocator *allocator,
                     struct ptl_spare_chunks *spares);

/*
 * Append one packet.  `whole` (may be NULL) is the message whose body it is: a large one is held
 * and not copied.  Errors: PTL_ENOMEM, PTL_ESIZE (in JSON, more than ptl_outbox_limit() says);
 * nothing is appended then.
 */
PTL_MUST_CHECK int ptl_outbox_packet(struct ptl_outbox *outbox, enum ptl_framing framing,
                                     struct ptl_span name, struct ptl_span body, uint32_t count,
                                     const struct ptl_msg *whole);

/*
 * The short way of a small message to a port, in CBOR.  False, and nothing is appended: it is not
 * that, or does not fit what is left of the last chunk.
 */
bool ptl_outbox_small(struct ptl_outbox *outbox, struct ptl_span name, struct ptl_span body,
                      uint32_t count);

/*
 * Append a frame, or several: `head`, then `body`, which may lie in `whole` (or that is NULL).
 * Errors: PTL_ENOMEM; nothing is appended then.
 */
PTL_MUST_CHECK int ptl_outbox_frame(struct ptl_outbox *outbox, struct ptl_span head,
                                    struct ptl_span body, const struct ptl_msg *whole);

/* The same for a message that fits what is left of the last chunk.  False: it does not. */
bool ptl_outbox_message(struct ptl_outbox *outbox, struct ptl_span head, struct ptl_span body);

/* So many messages for ports end with what was appended last. */
void ptl_outbox_add_messages(struct ptl_outbox *outbox, uint32_t count);

/* A packet in JSON is at most so large: it may grow to six times its values. */
void ptl_outbox_limit(struct ptl_outbox *outbox, size_t packet_bytes_max);

/* The first spans to send, at most `max` (2 at least); returns how many. */
unsigned ptl_outbox_spans(const struct ptl_outbox *outbox, struct ptl_span spans[], unsigned max);

/*
 * How many messages for ports are not wholly out, at most: those of a chunk that is partly out all
 * count.  Requests to the peer's node port, of which most are the database's, do not.
 */
uint64_t ptl_outbox_messages(const struct ptl_outbox *outbox);

/* So many bytes are out. */
void ptl_outbox_sent(struct ptl_outbox *outbox, size_t size);

/* Let everything go. */
void ptl_outbox_drop(struct ptl_outbox *outbox);
void ptl_spare_chunks_drop(struct ptl_spare_chunks *spares, const struct ptl_allocator *allocator);
