/*
 * engine/link/connection.h - one connection of a link, from the first byte to the last.
 *
 *   CONNECTING --> GREETING ----> PROVING --> BELIEVED --> PROVED --> UP --> FINISHING
 *                   |  ^  |       (a candidate of the link)   |
 *                   v  |  '--> TWIN --'      '--> REFUSED <---'
 *                  MOVING (to the owner's shard)                    any of them --> CLOSING
 *
 * After the peer's first line it is known whom it says it is, and the connection moves to the
 * shard that owns that node, before any proof is sent: reading is cancelled, its last bytes are
 * kept, descriptor and bytes are handed over.
 *
 * What a peer says before its proof is good decides nothing but that.  So we show our own proof
 * last, too, but to a node of ours that we have dialled: one of the two has to begin.
 * Thread: that of its shard.  Spec: AEMP protocol 1, 2 and 6; design, sections 4 and 7.
 */
#pragma once

#include "engine/link/frames_in.h"
#include "engine/link/frames_out.h"
#include "engine/link/making.h"
#include "engine/link/outbox.h"
#include "engine/link/sealing.h"
#include "engine/link/stranger.h"
#include "engine/link/unread.h"
#include "engine/portolan.h"
#include "engine/shard/op.h"
#include "io/framing.h"
#include "io/handshake.h"
#include "io/loop.h"

struct ptl_dial;
struct ptl_link;
struct ptl_secrets;
struct ptl_shard;

/* Unread bytes that a connection may hold before it stops reading: two receive buffers. */
#define PTL_UNREAD_MAX ((size_t)131072)

/* A real node's silence is probed, and unacknowledged bytes may be out for so long. */
#define PTL_REAL_USER_TIMEOUT_MS 10000

/* In this order: a connection goes on or is closed, but for one that moves and greets once more. */
enum ptl_connection_state {
    PTL_CONNECTION_CONNECTING, /* the stream is not there yet, or nothing was said */
    PTL_CONNECTION_GREETING,   /* our greeting is out, theirs is awaited */
    PTL_CONNECTION_TWIN,       /* it goes by our own ID: ourselves, a twin, or a liar */
    PTL_CONNECTION_MOVING,     /* to the shard that owns the peer */
    PTL_CONNECTION_PROVING,    /* on the owner's shard: the peer's proof is awaited */
    PTL_CONNECTION_BELIEVED,   /* that is good; ours is held back until the link allows it */
    PTL_CONNECTION_PROVED,     /* ours is given, too; waits for the link to decide */
    PTL_CONNECTION_REFUSED,    /* not wanted: closed as soon as the peer has our proof */
    PTL_CONNECTION_UP,         /* the link's own: carries packets */
    PTL_CONNECTION_FINISHING,  /* all is sent, but perhaps GOODBYE; the peer's end is awaited */
    PTL_CONNECTION_CLOSING,    /* until the loop has let go */
};

/* Whether one that is UP takes packets. */
enum ptl_hearing {
    PTL_HEARS,
    PTL_HEARS_LATER, /* held: ptl_connection_hold() says for what */
    PTL_DEAF,        /* the node stops: never again */
};

struct ptl_waiter;

struct ptl_connection {
    struct ptl_connection *all_next, **all_link;    /* of the shard */
    struct ptl_connection *half_next, *half_before; /* until it is UP, but MOVING: by deadline */
    struct ptl_connection *candidate_next;          /* of the link */
    struct ptl_shard *shard;
    struct ptl_stream *stream;
    struct ptl_link *link; /* from PROVING on */
    struct ptl_dial *dial; /* the attempt that it belongs to, until it moves */
    uint8_t state;         /* enum ptl_connection_state: ptl_connection_enter() alone sets it */
    uint8_t hearing;       /* enum ptl_hearing */
    bool accepted;         /* the peer connected to us */
    bool sending;    /* a send is under way: of our lines, while some are left, else the outbox */
    bool proof_sent; /* which proof is first depends on who dialled: so it is no state */
    bool answer_anyway; /* whatever waits for the peer, until it takes something */
    bool reading;       /* the loop reads the stream */
    bool working;       /* in ptl_connection_work(), which is not begun inside itself */
    int end_err;        /* the peer has closed (PTL_ECLOSED), or the stream failed; 0: neither */
    uint64_t answered_anyway;                 /* bytes of answers made since then */
    int refused;                              /* REFUSED: for this error */
    int seed;                                 /* the seed that it was made for, or -1 */
    uint64_t made_at;                         /* ns */
    uint64_t deadline;                        /* ns: of the handshake, on whatever shard */
    uint64_t source;                          /* ptl_address_source() of the peer */
    struct ptl_stranger stranger;             /* accepted: until it is proved */
    struct ptl_address peer;                  /* the far end's socket address */
    char dialled[PTL_ADDRESS_TEXT_MAX + 200]; /* HOST:PORT as given, or "" */
    struct ptl_handshake handshake;
    struct ptl_secrets *secrets; /* which the handshake refers to; NULL: it has not begun */
    bool nonce_listed;           /* among those of the node */
    struct ptl_span opening[2];  /* our lines that still have to go out: greeting, proof */
    char proof[PTL_HANDSHAKE_PROOF_LINE_MAX];
    struct ptl_outbox out; /* packets that have to go out; in use until `closed` */
    struct ptl_sealing sealing;
    struct ptl_unread unread; /* bytes not yet understood */
    struct ptl_decoder decoder;
    bool framed; /* our own framing, both ways: these two are in use, and the decoder is not */
    struct ptl_frames_in frames_in;
    struct ptl_frames_out frames_out;
    struct ptl_making making; /* what it holds of a message */
    struct ptl_waiter *waiter;
    uint64_t turn; /* ns: of the turn in which `taken` bytes have been taken */
    size_t taken;
    struct ptl_parcel *stalled; /* a packet decoded, with no room to deliver it */
    /* The port of the last message: most go where the one before went. */
    char last_name[64];
    uint8_t last_name_size;
    struct ptl_port last_port;
    uint32_t last_allowed_by; /* number of the rules that let the peer send there; 0: none so far */
    int toward;               /* the shard that it brings something for, as far as known; else -1 */
    int handle;               /* while it moves */
    uint64_t handover[16];    /* the parcel it moves as: no memory is needed for that */
};

/*
 * What a connection tells whoever uses it.  There is one table, in stream.c; a shard's links point
 * there, so that this file stands below those that use it.
 */
struct ptl_connection_hooks {
    const struct ptl_stream_hooks *stream; /* what the loop tells of its stream */
    /* It is closed, for `err`, and was in state `was`; its link, dial and seed are still set. */
    void (*closed)(struct ptl_connection *connection, enum ptl_connection_state was, int err);
    ptl_backlog_full_fn *flow_full; /* so much waits in a flow of the connection, or no longer */
};

/* Make one to or from this address, that has a stream soon.  NULL: no memory. */
struct ptl_connection *ptl_connection_make(struct ptl_shard *shard, const struct ptl_address *peer);

/*
 * Connect to an address, for an attempt to reach `host_port` and perhaps that seed (or -1).
 * Errors: PTL_ENOMEM or the loop's.
 */
PTL_MUST_CHECK int ptl_connection_open(struct ptl_shard *shard, const struct ptl_address *address,
                                       const char *host_port, int seed, struct ptl_dial *dial,
                                       struct ptl_connection **connection);

/* It is on the list of all of its shard from now on, and no longer: it moves, or is freed. */
void ptl_connection_list(struct ptl_connection *connection);
void ptl_connection_unlist(struct ptl_connection *connection);

/*
 * Go over to another state, which follows from the one it is in (asserted).  The shard's list of
 * those that have to be UP before a deadline is kept by that.
 */
void ptl_connection_enter(struct ptl_connection *connection, enum ptl_connection_state state);

/* The peer has proved that it knows the secret, and so is who it says.  Remains true at the end. */
static inline bool ptl_connection_is_proved(const struct ptl_connection *connection)
{
    return ptl_handshake_state(&connection->handshake) == PTL_HANDSHAKE_UP;
}

/* It says that it is from or to its link's node, and is not the link's own, yet. */
static inline bool ptl_connection_is_candidate(enum ptl_connection_state state)
{
    return state >= PTL_CONNECTION_PROVING && state <= PTL_CONNECTION_REFUSED;
}

/* It holds no place among the strangers any more, if it did: it is proved, moves, or is closed. */
void ptl_connection_leave_place(struct ptl_connection *connection);

/* Whether the peer has sent something that is not understood yet. */
bool ptl_connection_has_bytes(const struct ptl_connection *connection);

/* Fill its outbox with what waits for its turn.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_connection_fill(struct ptl_connection *connection);

/* Bytes of packets that are not sent, and those of them that do not weigh on the link: see
 * engine/link/backlogs.h. */
size_t ptl_connection_unsent(const struct ptl_connection *connection);
size_t ptl_connection_unweighed(const struct ptl_connection *connection);

/*
 * Hand the spans to the loop, sealed where there is TLS; or what that has to say itself.  No send
 * is under way.  Errors: those of ptl_stream_send(), and of ptl_tls_seal().
 */
PTL_MUST_CHECK int ptl_connection_hand(struct ptl_connection *connection,
                                       const struct ptl_span spans[], unsigned count);

/*
 * Hand the front of its outbox to the loop, if there is something; no send is under way.  Errors:
 * those of ptl_stream_send().
 */
PTL_MUST_CHECK int ptl_connection_send(struct ptl_connection *connection);

/* The next packet from `input`, in whatever framing: as ptl_decoder_next(). */
PTL_MUST_CHECK int ptl_connection_decode(struct ptl_connection *connection, struct ptl_span *input,
                                         struct ptl_packet *packet);

/* Bytes of memory that it holds of messages that have not come whole. */
size_t ptl_connection_held(const struct ptl_connection *connection);

/* Time has passed: flows that were idle for long are closed. */
void ptl_connection_look_at_flows(struct ptl_connection *connection, uint64_t now_ns);

/* The link has taken this connection: it carries packets from now on. */
void ptl_connection_take_up(struct ptl_connection *connection);

/* Close a proved one as soon as the peer has our proof, if that is on its way. */
void ptl_connection_refuse(struct ptl_connection *connection, int err);

/* Close it, for `err` (logged at `level`).  It must not be the link's any more. */
void ptl_connection_close(struct ptl_connection *connection, int err, enum ptl_log_level level);

/* Say in the log that it is closed. */
void ptl_connection_log_close(const struct ptl_connection *connection, int err,
                              enum ptl_log_level level);

/* It is closed, or goes on at once: it does not wait for room any more, if it did. */
void ptl_connection_wait_no_more(struct ptl_connection *connection);

/* Take no packet until ptl_connection_resume(): there is no room for the one that is `stalled`, and
 * `waiter` says where; or what the last one brought is still being taken. */
void ptl_connection_hold(struct ptl_connection *connection);

/* Take no packet any more; what is to be sent still goes out. */
void ptl_connection_deafen(struct ptl_connection *connection);

/* Bytes that the peer's system has not confirmed, of one that is finishing. */
size_t ptl_connection_unconfirmed(const struct ptl_connection *connection);

/*
 * Say goodbye: the node stops.  What the peer still sends is not heard.  One that is finishing goes
 * on with it when a send is over.
 */
void ptl_connection_finish(struct ptl_connection *connection);
void ptl_connection_finish_on(struct ptl_connection *connection);

/* Free it: the loop has let go, or is gone itself. */
void ptl_connection_free(struct ptl_connection *connection);
