/*
 * engine/directory/database.h - what a shard keeps of the replicated database: the families whose
 * names hash to it, and who is told of them.
 *
 *   ports, threads --SET, ASK, WATCH--> the family's shard: store --outlets--> watchers, peers
 *   a peer's link ----REPLACE, UPDATE ...----^                        (outlet.h)
 *
 * Who asks and who answers sit on different shards, so everything is an op (PTL_OP_DIRECTORY) to
 * the shard that has the family; what concerns a whole node goes to all shards.  The owner of a
 * link reads the peer's requests (request.h); shard 0 decides on our role (role_choice.h).
 *
 * An ordinary node keeps of the network's database only the families that are watched here: each
 * as the database of an owner of its own, NUL and the family's name, which ranks before all
 * others.  Whose copy it is may change with the master; watchers see the difference.
 *
 * Thread: the shard's.  Spec: design section 8 and G7; AEMP protocol 5.
 */
#pragma once

#include "engine/directory/op_words.h"
#include "engine/link/peer_role.h"
#include "engine/message/name.h"
#include "engine/portolan.h"
#include "engine/shard/list.h"
#include "engine/shard/map.h"
#include "engine/shard/untold.h"
#include "io/buffer.h"
#include "store/watch.h"

struct ptl_asker;
struct ptl_follower;
struct ptl_link;
struct ptl_outlet;
struct ptl_question;
struct ptl_registration;
struct ptl_replacing;
struct ptl_shard;

/* A node whose link is up and that takes part in the database, as every shard sees it. */
struct ptl_peer {
    uint64_t hash;
    struct ptl_port port; /* its node port: where requests go */
    uint8_t role;         /* enum ptl_peer_role: what it said */
    /* Facts beside it, which hold or not in any role. */
    bool knows_owners;
    bool ignored;         /* something it brought does not count: another source counts more */
    bool asking;          /* it is to be asked to tell all once more */
    bool failing;         /* what it had to be told is lost: its link is to be failed */
    uint64_t left_out_at; /* ns: when the log last named an entry too large for it */
    uint32_t left_out;    /* so many were left out since then */
    struct ptl_replacing *replacing; /* what it brings that is taken in slices, or NULL */
    struct ptl_outlet *feed;         /* of our part of the database, or NULL */
    struct ptl_map watches;          /* outlets of the families that it watches, by their hash */
};

/* What our present master knows of an interest, and we by it; interest.h draws it. */
enum ptl_interest_state {
    PTL_INTEREST_UNASKED, /* on the shard's list */
    PTL_INTEREST_ASKED,   /* it has been asked for the family */
    PTL_INTEREST_FRESH,   /* and its copy has come: its changes are taken */
};

/* A family of the network's that is watched on this ordinary node. */
struct ptl_interest {
    struct ptl_list listed; /* UNASKED, or not: on the list of those */
    struct ptl_list held;   /* outlets that wait for its first copy */
    uint64_t hash;
    uint32_t watchers;
    uint64_t round; /* of which `state` is: in a later one it is UNASKED */
    uint8_t state;  /* enum ptl_interest_state */
    bool copied;    /* a first copy has come, from this master or an earlier one */
    bool ending;    /* on the list of those that have ended, and some of its copy is gone */
    uint8_t family_size;
    uint8_t owner[1 + PTL_FAMILY_MAX]; /* NUL and the family: the copy's owner in the store */
};

/* What questions that went to a master take up. */
struct ptl_asked {
    uint32_t count; /* those that it has now */
    uint64_t held;  /* bytes of its answers that wait for room */
};

/* What this node is in the network; roles.h draws how it changes. */
enum ptl_role {
    PTL_ROLE_ALONE,    /* ordinary, without a master */
    PTL_ROLE_ATTACHED, /* ordinary, attached to a master */
    PTL_ROLE_BECOMING, /* global, and for a while still asking the master that it had */
    PTL_ROLE_GLOBAL,
};

struct ptl_role_choice; /* shard 0 only: role_choice.c */

/* What waits for room in the ring to one shard: ops of ours, in order (post.c). */
struct ptl_posting {
    struct ptl_untold untold;
    struct ptl_parcel *first, *last;
};

/* Each group is changed by the files that stand before it, and read by those above them. */
struct ptl_shard_directory {
    struct ptl_store *store;

    /* directory.c */
    bool started;                         /* our own entries are set, which come before all else */
    struct ptl_buffer sets, dels, packet; /* where packets are made; empty between two of them */

    /* roles.c */
    uint8_t role;           /* enum ptl_role */
    struct ptl_port master; /* ATTACHED, BECOMING: its node port */
    uint64_t master_until;  /* ns: BECOMING: it is asked until then */
    uint64_t attachment;    /* to the last master; grows */

    /* post.c */
    bool needs_master;                           /* shard 0 knows */
    struct ptl_posting postings[PTL_SHARDS_MAX]; /* to the shards */
    struct ptl_untold failing_untold;            /* while the two below have to be told */
    bool failing;                                /* one of the peers is */
    uint64_t failing_owners; /* a bit a shard: all its links are, nobody knows which it was */

    /* peer.c */
    struct ptl_map peers;            /* struct ptl_peer by node hash */
    bool asking;                     /* one of them is to be asked for all once more ... */
    struct ptl_untold asking_untold; /* ... and waits for room */

    /* mesh.c; role_choice.c */
    uint64_t addresses;                  /* the number of those of ours that stand in 'l */
    struct ptl_role_choice *role_choice; /* shard 0 only */

    /* interest.c */
    struct ptl_map interests; /* struct ptl_interest by family hash; ordinary only */
    struct ptl_list unasked, asked;
    struct ptl_untold unasked_untold; /* the master could not be asked for the first of these */
    struct ptl_list ended;            /* in no map: their copies are still to go */
    uint64_t interest_round;          /* grows with each master, and when there is none */

    /* outlet.c, outlet_follower.c */
    struct ptl_list outlets;    /* all of them */
    struct ptl_list pending;    /* those whose turn it is, in that order */
    struct ptl_map by_follower; /* those to followers, by the follower's ID */

    /* replacing.c; request.c gives the numbers */
    struct ptl_list replacings; /* whole databases that come in: the next one first */
    uint32_t replacing_units;   /* so much of them is still taken in this turn */
    uint32_t last_replacing;    /* number given to one that a link of this shard has brought */

    /* question_book.c, question_master.c */
    struct ptl_list askers_due;      /* those with something to do; the next one first */
    bool questions_news;             /* something has happened that what is to do may wait for */
    struct ptl_list questions_sent;  /* to the master, in that order: of growing IDs */
    struct ptl_asker *own_questions; /* of this node: one for each shard that is to be answered */
    struct ptl_map askers;           /* struct ptl_asker by node hash: of peers */
    struct ptl_asked own_asked, peers_asked;
    uint32_t own_waiting;  /* questions of this node */
    uint32_t answer_bytes; /* of a master's answers, lately */
    uint64_t last_question;

    /* follower.c, registration.c */
    struct ptl_map followers; /* struct ptl_follower by ID: of this shard's ports and threads */
    struct ptl_list followers_later;   /* those that wait for time, the next one first */
    uint64_t followers_at;             /* ns: when these are called again */
    struct ptl_list followers_leaving; /* ended, until their outlets know */
    struct ptl_map registrations;      /* by port and family, until their port is gone */
    struct ptl_list leaving; /* registrations of ports that are gone, until that is told */
};

/* Something has changed that questions may wait for: they are looked at in this turn. */
static inline void ptl_directory_news(struct ptl_shard_directory *directory)
{
    directory->questions_news = true;
}

static inline bool ptl_directory_is_global(const struct ptl_shard_directory *directory)
{
    return directory->role >= PTL_ROLE_BECOMING;
}

/* Whether there is a master to ask. */
static inline bool ptl_directory_has_master(const struct ptl_shard_directory *directory)
{
    return directory->role == PTL_ROLE_ATTACHED || directory->role == PTL_ROLE_BECOMING;
}

/* Whether this node is our master now. */
static inline bool ptl_directory_is_master(const struct ptl_shard_directory *directory,
                                           struct ptl_span node)
{
    return ptl_directory_has_master(directory) &&
           ptl_span_equal(ptl_port_node(&directory->master), node);
}

static inline struct ptl_span ptl_directory_self(const struct ptl_identity *self)
{
    return ptl_span(self->id, self->id_size);
}
