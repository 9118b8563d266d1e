/*
 * engine/directory/op_words.h - what the database's ops say, beside their node and their body.
 *
 *   struct ptl_dir_words --ptl_dir_say()--> struct ptl_op --ring--> ptl_dir_words() --> the same
 *
 * The shard room carries plain words for the database (struct ptl_op_words) and does not know what
 * they mean.  Which kinds say what stands here and in op_words.c, and nowhere else; bodies that are
 * made by this node have their form in body.h.
 *
 * Thread: any.
 */
#pragma once

#include "engine/shard/op.h"

/* Behind each kind: what it says, and what its node and body are. */
enum ptl_directory_op {
    /* From this node's ports and threads to the family's shard ... */
    PTL_DIR_SET = 1, /* body: an entry (body.h) */
    PTL_DIR_DEL,     /* body: an entry */
    PTL_DIR_ASK,     /* body: a question of a reply port's */
    PTL_DIR_WATCH,   /* follower; body: what it watches */
    PTL_DIR_NEXT,    /* follower: it has taken what it was told */
    PTL_DIR_UNWATCH, /* follower: it has gone */
    /* ... and to the follower's. */
    PTL_DIR_TOLD,     /* follower; body: changes */
    PTL_DIR_AGAIN,    /* follower: there was no memory, ask again */
    PTL_DIR_UNFOLLOW, /* follower: a thread ends it */
    /* From the owner of a peer's link; node: the peer. */
    PTL_DIR_PEER_GLOBAL,  /* to all; knows_owners */
    PTL_DIR_REPLACE,      /* to all; by; body: a map */
    PTL_DIR_UPDATE,       /* by; body: family, set, del */
    PTL_DIR_OWNER,        /* to all; body: owner, attachment */
    PTL_DIR_LOST,         /* to all; body: owner, attachment */
    PTL_DIR_OWNED,        /* by.number; body: owner, attachment, family, set, del */
    PTL_DIR_PEER_AGAIN,   /* to all: it wants to be told all once more */
    PTL_DIR_PEER_ASKS,    /* body: a question of the peer's */
    PTL_DIR_PEER_WATCHES, /* body: family */
    PTL_DIR_PEER_LEAVES,  /* body: family */
    PTL_DIR_COPY,         /* from the master; by.number; body: family, map or null */
    PTL_DIR_CHANGE,       /* from the master; by.number; body: family, set, del */
    PTL_DIR_ANSWER,       /* from the master; question; body: the result */
    PTL_DIR_TAKEN,        /* to its link's owner; by.number: that has been taken */
    /* Roles. */
    PTL_DIR_SEED,       /* to shard 0: the node `node` is linked and a seed of ours */
    PTL_DIR_NEEDED,     /* to shard 0: something here needs a master */
    PTL_DIR_WANTED,     /* to shard 0: somebody wants us to be global */
    PTL_DIR_ATTACH,     /* to the link's owner; attachment: attach to `node` */
    PTL_DIR_MASTER,     /* to all; attachment: we are attached to `node` */
    PTL_DIR_GLOBAL,     /* to all: we are global now */
    PTL_DIR_UNATTACHED, /* to all: no node is linked that could be our master */
    PTL_DIR_ADDRESSES,  /* to the shard of 'l: our addresses may have changed */
    /* Links. */
    PTL_DIR_FIND,  /* where does `node` listen? */
    PTL_DIR_FOUND, /* to its link's owner; body: array of addresses or null */
    PTL_DIR_KEEP,  /* to its link's owner: it is global, keep a link to it */
    PTL_DIR_LEAVE, /* to its link's owner: nobody knows it as global any more */
    PTL_DIR_FAIL,  /* to its link's owner; err; no node: all links */
    PTL_DIR_OPS,   /* so many, and 0, which is none */
};

/* A follower, and the shard that has it; to that shard: the ID alone. */
struct ptl_dir_follower {
    uint64_t id;
    uint32_t shard;
};

/* What brings entries, and whose these are where the body does not say so. */
struct ptl_dir_by {
    uint64_t attachment; /* its number; of a global node 0 */
    uint32_t number;     /* of what is taken slice by slice, among all that the owner reads */
    bool global;         /* a real global node, or one of ours that has just become one */
    bool ours;           /* it numbers its attachments itself */
};

struct ptl_dir_attachment {
    uint64_t number;
    bool knows_owners; /* MASTER: the master does */
};

struct ptl_dir_words {
    uint32_t kind; /* enum ptl_directory_op */
    union {        /* what the kind says; nothing for most */
        struct ptl_dir_follower follower;
        struct ptl_dir_by by;
        struct ptl_dir_attachment attachment;
        bool knows_owners; /* the peer does */
        uint64_t question; /* its ID, of the time when it was asked */
        int err;
    };
};

/* An op for a shard that says this; node and body are empty yet. */
struct ptl_op ptl_dir_say(const struct ptl_dir_words *words);

/* The same for a kind that says nothing more. */
struct ptl_op ptl_dir_op(enum ptl_directory_op kind);

/* What an op of the database's says. */
struct ptl_dir_words ptl_dir_words(const struct ptl_op *op);
enum ptl_directory_op ptl_dir_kind(const struct ptl_op *op);
