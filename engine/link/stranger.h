/*
 * engine/link/stranger.h - connections that others have made and that have proved nothing yet, by
 * where they come from.
 *
 *   source (an IPv4 address, an IPv6 network) --> connections: silent ones, then those that greeted
 *
 * Whoever can connect may be a stranger, and strangers hold a bounded number of places on a shard.
 * When all are taken, the source that has most loses one: first what has said nothing, then the
 * oldest.  So a flood costs whoever makes it, and a peer from elsewhere gets in meanwhile.
 * Thread: that of the shard.
 */
#pragma once

#include "engine/shard/map.h"

/* Places that each shard has at least, if the node has so many. */
#define PTL_STRANGERS_MIN 64

struct ptl_source;

/* The place of a connection among the strangers; only engine/link/stranger.c touches it. */
struct ptl_stranger {
    struct ptl_source *source; /* NULL: it is none, or none any more */
    struct ptl_stranger *next, **link;
    bool greeted;
};

/* Sources with the same count, and alike in whether some of their connections are silent. */
struct ptl_source_rank {
    struct ptl_source *first, *last;
};

struct ptl_strangers {
    const struct ptl_allocator *allocator;
    unsigned places;     /* at most so many on this shard */
    unsigned per_source; /* and of one source */
    unsigned count;
    unsigned most;                 /* no source has more */
    struct ptl_map sources;        /* struct ptl_source, by address */
    struct ptl_source_rank *ranks; /* two a count up to `places`; from the first stranger on */
};

/* Of `all` places of a node those that each of its shards has. */
unsigned ptl_strangers_share(unsigned all, unsigned shards);

void ptl_strangers_init(struct ptl_strangers *strangers, const struct ptl_allocator *allocator,
                        unsigned places, unsigned per_source);
void ptl_strangers_drop(struct ptl_strangers *strangers);

/*
 * Who has to go so that one more from `source` (ptl_address_source()) has a place; NULL: nobody.
 */
struct ptl_stranger *ptl_strangers_victim(const struct ptl_strangers *strangers, uint64_t source);

/* Who goes when places run out for another reason; NULL: there is nobody. */
struct ptl_stranger *ptl_strangers_worst(const struct ptl_strangers *strangers);

/* It has come; there is a place for it.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_stranger_add(struct ptl_strangers *strangers, struct ptl_stranger *stranger,
                                    uint64_t source);

/* It has said who it is. */
void ptl_stranger_greeted(struct ptl_strangers *strangers, struct ptl_stranger *stranger);

/* It has proved that, or gone.  Nothing happens when it is none. */
void ptl_stranger_remove(struct ptl_strangers *strangers, struct ptl_stranger *stranger);
