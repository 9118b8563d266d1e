/*
 * engine/link/outside.h - what links ask of the room above, the database.
 *
 *   link --struct ptl_link_outside--> directory                set in engine/node/tower.c
 *
 * Thread: the link owner's.
 */
#pragma once

#include "engine/message/words.h"
#include "engine/portolan.h"

struct ptl_address;
struct ptl_bottleneck;
struct ptl_link;
struct ptl_shard;

/* A peer's request that the link room does not know itself, half taken apart. */
struct ptl_inquiry {
    struct ptl_shard *shard;
    struct ptl_link *link; /* where it came from */
    const char *name;      /* its word */
    struct ptl_span values;
    uint32_t count;                   /* of the values, which stand behind the word */
    struct ptl_bottleneck *full;      /* out, with PTL_EFULL */
    uint8_t room[2 * PTL_DB_KEY_MAX]; /* for the string last taken from the values */
};

/* Such a request's word, and who takes it.  The words are the database's, requests are links'. */
struct ptl_inquiry_word {
    struct ptl_word word;
    /*
     * PTL_EFULL: a shard has no room, *full says which; nothing was done, come again with the same.
     * Other errors fail the link.
     */
    int (*take)(struct ptl_inquiry *inquiry);
};

struct ptl_link_outside {
    const struct ptl_inquiry_word *words; /* sorted by their bytes */
    size_t word_count;

    /* The link is up, and its peer, who is at `peer`, has been told nothing yet but a keepalive. */
    void (*up)(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_address *peer);

    /* A seed of ours has turned out to lead to this link's node. */
    void (*is_seed)(struct ptl_shard *shard, struct ptl_link *link);

    /* Whether what every node says of itself is known here: then find() is answered at once. */
    bool (*knows)(const struct ptl_shard *shard);

    /* Ask where this link's node listens: ptl_link_found() answers.  False: nobody to ask. */
    bool (*find)(struct ptl_shard *shard, struct ptl_link *link);

    /* Whether there will be somebody to ask before long.  Thread: any. */
    bool (*may_find)(const struct ptl_node *node);
};
