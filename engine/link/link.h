/*
 * engine/link/link.h - what joins this node to one other: its owner's side.
 *
 *          .------------- a connection is proved -------------.
 *          |                                                  v
 *   .--> DOWN --send, observe, keep--> DIALING --proved-----> UP --the node ends--> DOWN
 *   |      | a stale op                 | gives up             | fails
 *   |      v                            v                      v
 *   '-- FAILING <-----------------------'----------------------'
 *       until all shards are told and have answered
 *
 * Exactly one shard owns a link: the one that the node ID's hash names.  A failure is told in two
 * steps (G2): the owner raises its count of failures and tells every shard; each fires its monitors
 * on that node, adopts the count and answers; only when all have answered is anything new written,
 * or a new connection of that node read.  What was issued before (epoch < failed_at) is lost.
 * Thread: the owner's.  Spec: design G2, section 7; AEMP protocol 6.
 */
#pragma once

#include "engine/link/leavings.h"
#include "engine/link/observed.h"
#include "engine/link/peer_role.h"
#include "engine/link/permission.h"
#include "engine/link/shard_links.h"
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
    PTL_LINK_FAILING, /* shards are being told, what it had is being cleared away */
};

/* DIALING: whether the database has been asked where the node listens. */
enum ptl_link_asked {
    PTL_LINK_NOT_ASKED,
    PTL_LINK_ASKING, /* the answer is awaited */
    PTL_LINK_ASKED,  /* it has come: there is nothing more to learn, for now */
};

/*
 * What a link has announced of databases; begins anew with each connection.  The peer's role is a
 * state; what we have said of us are facts that do not depend on each other: a master is asked for
 * a while longer when we are global, and any peer may be a seed.
 */
struct ptl_link_database {
    uint8_t peer;            /* enum ptl_peer_role: what it has said of itself */
    bool master;             /* we are attached to the peer */
    bool told_seed;          /* the peer is a seed of ours, and shard 0 knows */
    bool said_we_are_global; /* we said so */
    uint64_t attachment;     /* of the peer to us, or 0 */
    bool numbered;           /* ... which is not its own number but one of ours */
    uint32_t replacing;      /* the number of the last whole database or copy that it brought */
    unsigned untaken;        /* shards that have not taken theirs: it is not read until they have */
};

struct ptl_link {
    uint64_t hash;
    char id[PTL_NODE_ID_MAX + 1];
    uint8_t id_size;
    uint8_t state;      /* enum ptl_link_state: ptl_link_enter() alone sets it */
    uint64_t failed_at; /* number of the last failure; what is older is stale */
    bool inherited;     /* failed_at is that of an earlier link, perhaps to another node */

    /* DIALING: dial_addresses.c, dialling.c */
    struct ptl_dial *dial;   /* the attempt under way */
    char *addresses;         /* what is left of "HOST:PORT,HOST:PORT", or NULL */
    uint32_t addresses_size; /* of the block */
    uint32_t addresses_at;
    uint8_t asked;       /* enum ptl_link_asked */
    int last_err;        /* why the last attempt failed */
    uint64_t next_at;    /* ns: try the next address, or look again */
    uint64_t give_up_at; /* ns */
    uint64_t dialled_at; /* ns */
    uint64_t redial_at;  /* ns: not dialled before, since the last link did not last */
    uint64_t redial_backoff;
    uint64_t keep_until; /* ns: until then a link is wanted, whatever is sent; 0: not so */
    uint64_t keep_at;    /* ns: try for that */
    uint64_t keep_backoff;

    /* Candidates, and what is known of the peer since the link was last up: joining.c */
    struct ptl_connection *candidates; /* in the making, or proved and waiting */
    uint64_t seeds;                    /* a bit a seed whose address led here */
    uint64_t peer_incarnation;
    uint64_t peer_session;
    uint64_t peer_features;
    uint64_t peer_bytes_max; /* of a message that it takes, when it last said; else UINT64_MAX */
    bool peer_is_portolan;
    bool peer_speaks_global;
    uint64_t rival_told_at; /* ns: when the operator was last told of a rival; 0: never */

    /* UP */
    struct ptl_connection *connection; /* never NULL while it is up, always NULL else */
    struct ptl_link_database db;
    struct ptl_permission permission;
    bool dialled;                  /* by us; it stays so until it is up again */
    bool has_rivals;               /* other nodes of its name have proved themselves, and wait */
    uint64_t up_at;                /* ns: since when, or when it last came up */
    uint64_t received_at, sent_at; /* ns */
    uint64_t relay_until;          /* ns: what the peer has had us look for is paid for by then */
    uint64_t relay_last;           /* the hash of the node that it had us look for last */
    uint64_t spawn_until;          /* ns: what it has spawned is paid for by then */
    uint64_t messages_in, messages_out; /* for ports, since it came up */
    uint64_t messages_told;             /* of those out, that the shard has counted */
    uint64_t bytes_in, bytes_out;       /* of its connection, since then */
    uint64_t dirty_at;                  /* ns: since when it gathers, if it does */
    unsigned gathered;                  /* turns */
    bool dirty;                         /* has something to flush */
    struct ptl_link *dirty_next;

    /* What waits and is observed, in any state but FAILING's: link_send.c, observed_*.c */
    struct ptl_parcel *waiting_first, *waiting_last; /* operations, while there is no connection */
    uint64_t weight;                                 /* bytes in `waiting` */
    uint64_t weighed;                                /* bytes of this link in links.weight */
    uint64_t unweighed;                              /* ... in links.unweighed */
    struct ptl_all_observed observed_there;          /* ports there, by shards of ours */
    struct ptl_map monitors_there; /* over our own framing: ptl_observer_number() of who has one */
    struct ptl_map observed_here;  /* ports of ours, by the peer: struct ptl_monitoring */
    struct ptl_fullness fullness;
    struct ptl_map told_full;   /* ports of ours that the peer knows to be full (peer_full.c) */
    struct ptl_map remote_full; /* ports of the peer's that are full */

    /* FAILING: failure.c, telling.c */
    int again;              /* it has failed anew meanwhile, with this error; 0: not so */
    struct ptl_msg *reason; /* told along; NULL: no memory */
    struct ptl_leavings leavings;
    struct ptl_link *failing_next;

    uint64_t idle_at; /* DOWN, ns: since when nobody wants it */
};

/*
 * Go over to another state, which follows from the one it is in (asserted).  Whoever does so has
 * seen to the fields of the state that it leaves.
 */
void ptl_link_enter(struct ptl_link *link, enum ptl_link_state state);

/* Whether something of that node's is observed by us. */
static inline bool ptl_link_observes(const struct ptl_link *link)
{
    return link->observed_there.by_name.count != 0 || link->monitors_there.count != 0;
}

/* Its node's ID. */
static inline struct ptl_span ptl_link_id(const struct ptl_link *link)
{
    return ptl_span(link->id, link->id_size);
}

/* Whether this connection is the one that carries the link's packets.  NULL: a link of none. */
static inline bool ptl_link_runs_on(const struct ptl_link *link,
                                    const struct ptl_connection *connection)
{
    return link != NULL && link->connection == connection;
}

/* Programs come and go, and it is they who connect: whom we call, or who holds the network
 * together, should stay. */
static inline bool ptl_link_is_to_stay(const struct ptl_link *link)
{
    return link->dialled || link->seeds != 0 || link->db.peer == PTL_PEER_GLOBAL;
}

struct ptl_link *ptl_link_find(struct ptl_shard *shard, struct ptl_span node);

/* The link to this node, made if need be.  NULL: no memory. */
struct ptl_link *ptl_link_get(struct ptl_shard *shard, struct ptl_span node);
