/*
 * engine/link/sealing.h - a connection's TLS: what stands between its bytes and its stream.
 *
 *   lines, outbox --seal--> going --> stream            one send at a time, as without it
 *                  words ---^
 *   lines, packets <--open-- received
 *
 * TLS begins behind the nonces, where both sides offer it.  From then on what is handed to the loop
 * is sealed first, a bounded piece; what of it is plain counts as sent only when all of it is out,
 * so that what a link holds weighs until then.  TLS has words of its own (the handshake, alerts),
 * which go out between.  Thread: that of the connection's shard.
 */
#pragma once

#include "engine/link/unread.h"
#include "io/loop.h"
#include "io/tls.h"

struct ptl_node;
struct ptl_node_options;

/* Plain bytes that are sealed at once, of what there is. */
#define PTL_SEALED_MAX ((size_t)65536)

/* Bytes that one record has beside what is in it, at most. */
#define PTL_SEALED_EXTRA 64

struct ptl_sealing {
    struct ptl_tls *tls;     /* NULL: the connection is in the clear */
    struct ptl_unread early; /* what the peer has sent sealed before we have begun */
    struct ptl_buffer words; /* of TLS itself, that are not on their way yet */
    struct ptl_buffer going; /* handed to the loop, and `gone` bytes of it are out */
    size_t gone;
    size_t plain;  /* bytes of the connection's own that `going` is made of */
    bool finished; /* we have said that nothing more is said */
    int failed;    /* it is over, but the peer is still told why */
};

/*
 * Make the node's certificates from its options, which say whether there are any, and forget them.
 * Errors: PTL_EINVAL, those of ptl_tls_context_make().
 */
PTL_MUST_CHECK int ptl_node_sealing_init(struct ptl_node *node,
                                         const struct ptl_node_options *options);
void ptl_node_sealing_drop(struct ptl_node *node);

/* Whether it has certificates, and so offers TLS.  Thread: any. */
bool ptl_node_sealing_is_offered(struct ptl_node *node);

/* The beginning of the IDs of those that are let in without a proof; empty: nobody is. */
struct ptl_span ptl_node_sealing_anonymous(const struct ptl_node *node);

/*
 * Begin.  `early` is what of the peer's has come already; `node_id` whose certificate it must show,
 * or empty: anybody's that is believed; `demand` whether it must at all.  Errors: PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_sealing_begin(struct ptl_sealing *sealing, struct ptl_node *node,
                                     bool is_client, enum ptl_tls_demand demand,
                                     struct ptl_span node_id, struct ptl_span early);

/* Nothing is sent or received in the clear any more. */
static inline bool ptl_sealing_is_on(const struct ptl_sealing *sealing)
{
    return sealing->tls != NULL;
}

/* How what is said is sealed, "TLSv1.3 TLS13-CHACHA20-POLY1305-SHA256", or "in the clear".  Owns:
 * the session, until the next call. */
const char *ptl_sealing_text(const struct ptl_sealing *sealing);

/* What is said now is for the peer alone: there is no TLS, or it is up. */
bool ptl_sealing_may_say(const struct ptl_sealing *sealing);

/* What the peer says inside TLS still counts. */
bool ptl_sealing_may_hear(const struct ptl_sealing *sealing);

/* TLS has something to say itself. */
static inline bool ptl_sealing_has_words(const struct ptl_sealing *sealing)
{
    return sealing->words.size != 0;
}

/*
 * Hand the next bytes to the loop: words, or as much of the spans as is sealed at once.  No send is
 * under way.  Owns: the spans must stay only for this call.  Errors: those of ptl_tls_seal() and
 * ptl_stream_send().
 */
PTL_MUST_CHECK int ptl_sealing_send(struct ptl_sealing *sealing, struct ptl_loop *loop,
                                    struct ptl_stream *stream, const struct ptl_span spans[],
                                    unsigned count);

/* What is being sent is sealed. */
static inline bool ptl_sealing_is_going(const struct ptl_sealing *sealing)
{
    return sealing->going.size != 0;
}

/*
 * So many bytes of that are out.  Returns how many of the spans are: 0 until all of what was handed
 * to the loop is, and as long `more` is true, and the rest is on its way.  Errors: as above.
 */
PTL_MUST_CHECK int ptl_sealing_sent(struct ptl_sealing *sealing, struct ptl_loop *loop,
                                    struct ptl_stream *stream, size_t size, bool *more);

/* Have TLS say that nothing more is said; true: it has not been said before, and is to be sent. */
bool ptl_sealing_finish(struct ptl_sealing *sealing);

void ptl_sealing_drop(struct ptl_sealing *sealing);
