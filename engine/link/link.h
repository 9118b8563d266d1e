/*
 * engine/link/link.h - what joins this node to one other: its owner's side.
 *
 *   DOWN --send, watch--> DIALING --proved--> UP --fails--> FAILING --all shards told--> DOWN
 *     |                      '------------- fails ------------^
 *     '--------- a connection is proved --------^
 *
 * Exactly one shard owns a link: the one that the node ID's hash names.  A failure is told in two
 * steps (G2): the owner raises its count of failures and tells every shard; each fires its monitors
 * on that node, adopts the count and answers; only when all have answered is anything new written,
 * or a new connection of that node read.  What was issued before (epoch < failed_at) is lost.
 * Thread: the owner's.  Spec: design G2, section 7; AEMP protocol 6.
 */
#pragma once

#include "engine/link/leavings.h"
#include "engine/link/stranger.h"
#include "engine/link/watched.h"
#include "engine/port/fullness.h"
#include "engine/portolan.h"
#include "engine/shard/map.h"
#include "engine/shard/op.h"

struct ptl_connection;
struct ptl_dial;
struct ptl_shard;

enum ptl_link_state {
    PTL_LINK_DOWN,    /* no connection and no wish for one */
    PTL_LINK_DIALING, /* something waits for a connection */
    PTL_LINK_UP,      /* packets flow */
    PTL_LINK_FAILING, /* shards are being told */
};

/* What a link has announced of databases; begins anew with each connection. */
struct ptl_link_database {
    bool said_global;        /* the peer: it is global */
    bool attached;           /* the peer: to us */
    bool master;             /* we are attached to the peer */
    bool told_seed;          /* the peer is a seed of ours, and shard 0 knows */
    bool said_we_are_global; /* we said so */
    uint64_t attachment;     /* of the peer to us, or 0 */
    bool numbered;           /* ... which is not its own number but one of ours */
};

struct ptl_link {
    uint64_t hash;
    char id[PTL_NODE_ID_MAX + 1];
    uint8_t id_size;
    uint8_t state;      /* enum ptl_link_state */
    uint64_t failed_at; /* number of the last failure; what is older is stale */
    bool inherited;     /* failed_at is that of an earlier link, perhaps to another node */
    int again;          /* FAILING: it has failed anew meanwhile, with this error */
    uint64_t untold;    /* FAILING: a bit a shard that still has to be told */
    struct ptl_link *failing_next;
    struct ptl_msg *reason; /* FAILING */

    struct ptl_connection *connection; /* UP */
    struct ptl_connection *candidates; /* in the making, or proved and waiting */
    uint64_t peer_incarnation;
    uint64_t peer_session;
    uint64_t peer_features;
    uint64_t peer_bytes_max; /* of a message that it takes, when it last said; else UINT64_MAX */
    bool peer_is_portolan;
    bool peer_speaks_global;
    bool dialled; /* UP: by us */
    struct ptl_link_database db;
    uint64_t up_at;                /* ns: since when, or when it last came up */
    uint64_t received_at, sent_at; /* ns */
    bool has_rivals;               /* other nodes of its name have proved themselves, and wait */
    uint64_t rival_told_at;        /* ns: when the operator was last told of one; 0: never */
    uint64_t seeds;                /* a bit a seed whose address led here */

    struct ptl_parcel *waiting_first, *waiting_last; /* packets, while there is no connection */
    uint64_t weight;                                 /* bytes in `waiting` */
    uint64_t weighed;                                /* bytes of this link in links.weight */
    struct ptl_map watched;
    struct ptl_map listeners;     /* the peer's monitors on our ports, by their names */
    struct ptl_leavings leavings; /* FAILING */
    struct ptl_fullness fullness;
    struct ptl_map told_full;   /* ports of ours that the peer knows to be full (peer_room.c) */
    struct ptl_map remote_full; /* ports of the peer's that are full */

    struct ptl_dial *dial;   /* the attempt under way */
    char *addresses;         /* DIALING: what is left of "HOST:PORT,HOST:PORT", or NULL */
    uint32_t addresses_size; /* of the block */
    uint32_t addresses_at;
    bool asking, asked;  /* DIALING: where the node listens */
    uint64_t keep_until; /* ns: until then a link is wanted, whatever is sent; 0: not so */
    uint64_t keep_at;    /* ns: try for that */
    uint64_t keep_backoff;
    uint64_t seek_until; /* ns: what this peer has had us look for is paid for by then */
    uint64_t seek_last;  /* the hash of the node that it had us look for last */
    uint64_t redial_at;  /* ns: not dialled before, since the last link did not last */
    uint64_t redial_backoff;
    uint64_t next_at;    /* ns: try the next address, or look again */
    uint64_t give_up_at; /* ns */
    uint64_t dialled_at; /* ns */
    int last_err;

    bool dirty; /* has something to flush */
    struct ptl_link *dirty_next;
    uint64_t idle_at; /* ns: since when nobody wants it */
};

/* Data that all shards' listeners share: released with the last of them. */
struct ptl_link_audience {
    _Atomic unsigned listeners;
    ptl_release_fn *release;
    void *data;
};

/* Tells the application of links. */
struct ptl_link_listener {
    struct ptl_link_listener *next;
    ptl_link_fn *tell;
    void *data;
    struct ptl_link_audience *audience; /* NULL: nothing is to be released */
};

/* Links of one shard that are up or down; beyond it no more are made for what is sent. */
#define PTL_LINKS_MAX 4096u

/* Attempts to connect that are under way, of one shard. */
#define PTL_DIALS_MAX 64u

struct ptl_links {
    const struct ptl_allocator *allocator;
    struct ptl_map by_id;
    struct ptl_link *dirty;
    struct ptl_link_listener *listeners;
    struct ptl_connection *half_open_first, *half_open_last; /* by deadline */
    struct ptl_strangers strangers;                          /* the accepted ones of them */
    struct ptl_connection *all;                              /* every connection of this shard */
    struct ptl_dial *dials;
    uint32_t dial_count;
    bool crowded; /* more links are wanted than there may be: idle ones are forgotten at once */
    struct ptl_link *last;                         /* the one that the last op was for */
    uint64_t forgotten_at;                         /* the newest failure of a link that was freed */
    struct ptl_link *failing_first, *failing_last; /* in the order they failed */
    struct ptl_link *untold;                       /* the first of them that not all shards know */
    uint64_t told_full;                            /* ports that peers know to be full, of all */
    uint64_t weight;                               /* bytes that wait for all links */
    uint32_t closing;                              /* streams that still have to say `closed` */
    uint64_t tick_at;                              /* ns */
};

/* A link that has lasted for so long was a good one: the next attempt need not wait. */
#define PTL_LINK_LASTED_NS UINT64_C(10000000000)

/* How often links that are up are looked at. */
#define PTL_LINKS_TICK_NS UINT64_C(100000000)

/* ptl_links_tick() is wanted at this time at the latest. */
static inline void ptl_links_tick_at(struct ptl_links *links, uint64_t at)
{
    links->tick_at = at < links->tick_at ? at : links->tick_at;
}

void ptl_links_init(struct ptl_links *links, const struct ptl_node *node);

struct ptl_link *ptl_link_find(struct ptl_shard *shard, struct ptl_span node);

/* The link to this node, made if need be.  NULL: no memory. */
struct ptl_link *ptl_link_get(struct ptl_shard *shard, struct ptl_span node);

/*
 * An op for a port of another node.  Errors: PTL_ENOMEM; what is stale is lost, and that is none.
 */
PTL_MUST_CHECK int ptl_link_take(struct ptl_shard *shard, const struct ptl_op *op);

/*
 * Write a packet, or let it wait for the connection.  Errors: PTL_ENOMEM, PTL_ESIZE (the peer has
 * said that it takes nothing so large).
 */
PTL_MUST_CHECK int ptl_link_packet(struct ptl_shard *shard, struct ptl_link *link,
                                   struct ptl_span name, struct ptl_span body, uint32_t count,
                                   const struct ptl_msg *whole);

/* Write a request to the peer's node port: its word, and a name.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_link_request(struct ptl_shard *shard, struct ptl_link *link,
                                    const char *request, struct ptl_span name);

/* Write a packet that keeps the connection alive and says nothing. */
void ptl_link_keepalive(struct ptl_shard *shard, struct ptl_link *link);

/* Say that a node that has called us is no program, as was thought when its link came up. */
void ptl_link_log_global(struct ptl_shard *shard, const struct ptl_link *link);

/* A proved connection of this node: it takes the link over. */
void ptl_link_up(struct ptl_shard *shard, struct ptl_link *link, struct ptl_connection *connection);

/* The link is lost: all that waits, too.  `err` says why, and its text goes into the reason. */
void ptl_link_fail(struct ptl_shard *shard, struct ptl_link *link, int err);

/* The peer watches port `name` of ours, and no longer; and its port `name` is gone. */
int ptl_link_peer_watches(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);
void ptl_link_peer_leaves(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name);
void ptl_link_peer_died(struct ptl_shard *shard, struct ptl_link *link, struct ptl_span name,
                        const struct ptl_msg *reason);

/* The connection has sent something. */
void ptl_link_sent(struct ptl_shard *shard, struct ptl_link *link);

/*
 * The peer says that its port `name` is gone: PTL_OP_DOWN to whoever watches it.  Errors: PTL_EFULL
 * when a shard has no room for that now (*to leads there; come again), PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_link_port_down(struct ptl_shard *shard, struct ptl_link *link,
                                      struct ptl_span name, const struct ptl_msg *reason,
                                      struct ptl_port *to);

/*
 * Whether we look for another node, by its hash, because of something that this peer relays: 64 of
 * them at once, then 16 a second.  The same one again costs nothing.
 */
bool ptl_link_may_seek(struct ptl_link *link, uint64_t now, uint64_t hash);

/* Free a link that nobody wants. */
void ptl_link_forget(struct ptl_shard *shard, struct ptl_link *link);

/* Something is to be sent at the end of this turn. */
void ptl_link_dirty(struct ptl_shard *shard, struct ptl_link *link);

/* Send all that has gathered: one send a link. */
void ptl_links_flush(struct ptl_shard *shard);

/*
 * Tell shards of failures that could not be told yet, and let links whose failure all shards have
 * answered begin anew.  Returns whether some are left.
 */
bool ptl_links_tell(struct ptl_shard *shard);

/* Whether all that was accepted for other nodes has left. */
bool ptl_links_flushed(struct ptl_shard *shard);

/* Listen to links; those that are up are told at once.  Owns: the shard. */
void ptl_links_listen(struct ptl_shard *shard, struct ptl_link_listener *listener);

/* Free one that is not (or no longer) told, and what is released with the last of its kind. */
void ptl_link_listener_free(struct ptl_shard *shard, struct ptl_link_listener *listener);

/* Free all. */
void ptl_links_drop(struct ptl_shard *shard);
