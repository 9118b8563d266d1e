/*
 * io/handshake.h - how two nodes that have just connected come to trust each other.
 *
 *   GREETING --line--> NONCE --line--> PROOF --line--> UP        any bad line: FAILED, for good
 *
 *   ours:    aemp;1;NODE;METHODS;FRAMINGS;KEY=VALUE...    ptl_handshake_greeting(), at once
 *            nonce
 *            METHOD;PROOF;FRAMING                         ptl_handshake_prove(), when it likes
 *
 * Bytes in, bytes out: no socket, no clock, no randomness, so a test or the simulator plays both
 * ends from literal bytes.  Both ends run this same machine.  It takes the peer's lines one at a
 * time, so that its owner can stop after the first (to move the connection to the shard that owns
 * the node) or after the second (to begin TLS, to hold its own proof back), and holds no partial
 * line: what was not used stays with the owner, who needs to keep at most PTL_HANDSHAKE_LINE_MAX
 * bytes.
 *
 * A handshake has no ties to a thread: it may be copied as a value (the copy replaces it) and fed
 * on another thread afterwards.  Spec: docs/protocol.md, "Opening"; AEMP protocol 1 and 2.
 */
#pragma once

#include "io/base.h"
#include "io/err.h"

#define PTL_HANDSHAKE_LINE_MAX 4096      /* bytes of a line, its end included */
#define PTL_HANDSHAKE_NODE_ID_MAX 200    /* bytes of a node ID */
#define PTL_HANDSHAKE_PROVIDER_MAX 64    /* bytes kept of the peer's `provider` */
#define PTL_HANDSHAKE_NONCE_BYTES 66     /* random bytes in our nonce line, 88 characters */
#define PTL_HANDSHAKE_PROOF_LINE_MAX 224 /* bytes of our third line, its end included */

enum ptl_handshake_state {
    PTL_HANDSHAKE_GREETING, /* waits for aemp;1;NODE;METHODS;FRAMINGS... */
    PTL_HANDSHAKE_NONCE,    /* waits for the peer's nonce: any line but ours */
    PTL_HANDSHAKE_PROOF,    /* waits for METHOD;PROOF;FRAMING; ours may be made */
    PTL_HANDSHAKE_UP,       /* the peer knows the secret; packets follow */
    PTL_HANDSHAKE_FAILED,   /* not to be fed any more */
};

/*
 * What a node says of frames, our own framing, which it speaks when that stands first in its list:
 * docs/wire.md, "Agreeing".  All zero: it does not.
 */
struct ptl_handshake_frames {
    uint64_t version;
    uint64_t features;   /* bits */
    uint64_t lanes;      /* connections in one link */
    uint64_t flows;      /* that the other side may have open */
    uint64_t flow_room;  /* bytes that it may send on a new flow */
    uint64_t lane_room;  /* ... and on a lane */
    uint64_t silence_ms; /* after which it is taken for gone */
};

/* How a node has proved itself. */
enum ptl_proved_by {
    PTL_PROVED_BY_NOTHING,     /* it has not, so far; or, once UP, it is let in all the same */
    PTL_PROVED_BY_SECRET,      /* which both have */
    PTL_PROVED_BY_CERTIFICATE, /* which is believed, inside TLS */
};

/* What one node says of itself in all its handshakes. */
struct ptl_handshake_options {
    struct ptl_span node_id;    /* 1 to PTL_HANDSHAKE_NODE_ID_MAX bytes, without '#' */
    struct ptl_span secret;     /* size 0: none, and then nobody is let in but by TLS */
    struct ptl_span other;      /* one that a peer may prove with, too; size 0: none */
    struct ptl_span framings;   /* "cbor,json": those we take and make, the dearest first */
    struct ptl_span provider;   /* "portolan-0.1.0" */
    uint64_t incarnation;       /* this process under this node ID; told to portolan peers */
    uint64_t features;          /* bits of what we can do beyond AEMP; told to portolan peers */
    uint64_t message_bytes_max; /* what we take in one message; told to portolan peers, unless 0 */
    struct ptl_handshake_frames frames; /* told when `framings` begins with them */
    bool tls;                           /* we have a certificate, and offer TLS */
    bool tls_required;                  /* and nothing else */
    /* Who goes by a node ID that begins with this is let in inside TLS without a proof (tls_anon):
     * for the owner to distrust.  Empty: nobody. */
    struct ptl_span anonymous;
};

/*
 * What is known of the far end, line by line.  The spans live until ptl_handshake_drop().
 */
struct ptl_handshake_peer {
    /* After GREETING. */
    struct ptl_span node_id;  /* unescaped; valid UTF-8 without control characters */
    struct ptl_span provider; /* unescaped; empty when it gave none */
    bool own_id;              /* it goes by our own node ID: the owner decides, by the nonce */
    bool node_protocol;       /* mproto=1; without it assume no more than packets to ports */
    bool global_protocol;     /* gproto=1 */
    bool is_portolan;         /* then incarnation and features count, and session after PROOF */
    uint64_t incarnation;
    uint64_t features;
    uint64_t message_bytes_max;         /* what it takes in one message; 0 when it told none */
    struct ptl_handshake_frames frames; /* all zero: it speaks none, as far as we are concerned */
    bool wants_tls;
    /* After NONCE. */
    struct ptl_span nonce; /* without its end */
    bool tls;              /* both want it: it begins here, on both sides */
    int send_framing; /* enum ptl_framing: the first of the peer's that we make too; frames both
                            * ways or not at all */
    /* After PROOF. */
    int receive_framing; /* enum ptl_framing: what the peer will send */
    uint64_t session;    /* of its side of the link; 0 when it told none */
    int proved_by;       /* enum ptl_proved_by */
};

/* Embedded by value; only io/handshake.c touches the fields.  All zero is a dropped one. */
struct ptl_handshake {
    const struct ptl_allocator *allocator;
    struct ptl_span secret, other;
    struct ptl_span node_id;
    uint8_t *own;    /* our two lines with their ends */
    uint8_t *first;  /* the peer's first line without its end, then its unescaped names */
    uint8_t *second; /* the peer's nonce, without its end */
    uint32_t own_size;
    uint32_t first_size; /* of the line alone */
    uint32_t second_size;
    uint32_t framings; /* bit (1 << framing) for those we take and make */
    struct ptl_span anonymous;
    bool tls, tls_required;
    bool tls_up, tls_verified;
    bool knows_other; /* the peer has proved with that secret, and we answer with it */
    bool sends_tls;   /* our proof is that of TLS, not of the secret */
    enum ptl_handshake_state state;
    struct ptl_handshake_peer peer;
};

/*
 * Begin.  `nonce` is PTL_HANDSHAKE_NONCE_BYTES random bytes, `peer_address` the socket address of
 * the far end as text ("127.0.0.1:4040").
 * Owns: the bytes of options->node_id, ->secret, ->other and ->anonymous are borrowed until
 * ptl_handshake_drop(); the rest is copied.  On an error nothing is held.
 * Errors: PTL_EINVAL (node ID, no known framing, or a greeting that would be too long), PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_handshake_init(struct ptl_handshake *handshake,
                                      const struct ptl_allocator *allocator,
                                      const struct ptl_handshake_options *options,
                                      struct ptl_span nonce, struct ptl_span peer_address);

/*
 * The same with our two lines given literally, their ends included: to replay a recorded opening,
 * or to greet as another implementation would.  Of the options, node_id, secret, other and framings
 * count.
 */
PTL_MUST_CHECK int ptl_handshake_init_lines(struct ptl_handshake *handshake,
                                            const struct ptl_allocator *allocator,
                                            const struct ptl_handshake_options *options,
                                            struct ptl_span lines);

/* Our two lines with their ends, to be sent at once.  Owns: the handshake. */
struct ptl_span ptl_handshake_greeting(const struct ptl_handshake *handshake);

/* Our nonce line without its end.  Owns: the handshake. */
struct ptl_span ptl_handshake_nonce(const struct ptl_handshake *handshake);

/*
 * Take at most one line from the front of `input`.  Returns how many bytes of it were used, its
 * end included; 0 when there is no whole line yet (nothing is used; come again with more); or,
 * with the state now FAILED,
 *   PTL_ELINE      the line is longer than PTL_HANDSHAKE_LINE_MAX
 *   PTL_EGREETING  not a greeting, or a node ID that nobody can have
 *   PTL_EVERSION   a protocol version other than 1
 *   PTL_EECHO      the peer's nonce is our own: an echo, or somebody who plays one
 *   PTL_EMETHOD    no method in common, an unknown one in the third line, or we have no secret
 *   PTL_EONLYTLS   it takes nothing but TLS, which we do not offer
 *   PTL_EFRAMING   no framing in common, or an unknown one in the third line
 *   PTL_EAUTH      the peer's proof is wrong
 *   PTL_ENOTLS     it offers no TLS, and we take nothing else
 *   PTL_ECHANGED   inside TLS: what one of us has greeted with is not what the other has read
 *   PTL_ENOMEM
 * Not to be called once UP or FAILED.
 */
PTL_MUST_CHECK int ptl_handshake_feed(struct ptl_handshake *handshake, struct ptl_span input);

/*
 * Where both want TLS (`tls` of the peer), which begins behind the nonces: whether we are its
 * client, whose nonce is the lower one.  From state PROOF on.
 */
bool ptl_handshake_is_tls_client(const struct ptl_handshake *handshake);

/*
 * Whether the peer, whose greeting is known, may come without a proof: then its certificate is
 * looked at, but it need not have one that is believed.
 */
bool ptl_handshake_may_be_anonymous(const struct ptl_handshake *handshake);

/*
 * TLS is up.  `is_verified`: the certificate of the peer is believed, and a proof by it counts.  In
 * state PROOF, before any of what the peer has said inside TLS is fed.
 */
void ptl_handshake_take_tls(struct ptl_handshake *handshake, bool is_verified);

/* Where it stands. */
enum ptl_handshake_state ptl_handshake_state(const struct ptl_handshake *handshake);

/*
 * Write our third line with its end into `line` and return its size.  In state PROOF or UP only.
 * `session` is told to a portolan peer, 0 is not.  It is proved with the secret that the peer has
 * proved with, or, before it has, with `secret`.  The same bytes come out each time else.
 * Errors: PTL_ENOMEM (the hash needs some).
 */
PTL_MUST_CHECK int ptl_handshake_prove(const struct ptl_handshake *handshake, uint64_t session,
                                       char line[static PTL_HANDSHAKE_PROOF_LINE_MAX]);

/* What is known of the peer; grows with the state.  Owns: the handshake. */
const struct ptl_handshake_peer *ptl_handshake_peer(const struct ptl_handshake *handshake);

/* Wipe and free what it holds; dropping twice is no error. */
void ptl_handshake_drop(struct ptl_handshake *handshake);
