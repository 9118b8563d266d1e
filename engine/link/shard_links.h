/*
 * engine/link/shard_links.h - what a shard knows of links, connections and attempts to connect.
 *
 * Each list and count belongs to one file of the room, which alone changes it; they stand together
 * so that a shard needs to know of this struct only.  Thread: the shard's.
 */
#pragma once

#include "engine/link/making.h"
#include "engine/link/outbox.h"
#include "engine/link/permission.h"
#include "engine/link/stranger.h"
#include "engine/shard/map.h"
#include "engine/shard/untold.h"

#include <stdint.h>

struct ptl_connection;
struct ptl_connection_hooks;
struct ptl_dial;
struct ptl_link;
struct ptl_link_listener;
struct ptl_node;
struct ptl_shard;

/* Links of one shard that are up or down; beyond it no more are made for what is sent. */
#define PTL_LINKS_MAX 4096u

/* And of those that are kept: as long as their nodes are named as global ones, or for a while after
 * that (kept.c). */
#define PTL_NAMED_MAX 4096u
#define PTL_LOST_MAX 1024u

/* Attempts to connect that are under way, of one shard. */
#define PTL_DIALS_MAX 64u

/* The failures that a shard still has to be told of (downs.c). */
struct ptl_failings {
    struct ptl_untold untold;
    struct ptl_link *next; /* the first of them, of those that are failing; NULL: it knows all */
};

struct ptl_shard_links {
    const struct ptl_connection_hooks *hooks; /* what connections tell their users */
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
    uint32_t named, lost;                          /* links that are kept: kept.c */
    uint64_t named_told_at;                        /* ns: that too many are named; 0: never */
    struct ptl_link *last;                         /* the one that the last op was for */
    uint64_t forgotten_at;                         /* the newest failure of a link that was freed */
    struct ptl_link *failing_first, *failing_last; /* in the order they failed */
    struct ptl_failings failings[PTL_SHARDS_MAX];
    uint64_t told_full;     /* ports that peers know to be full, of all */
    uint64_t weight;        /* bytes that wait for all links, as they weigh */
    uint64_t unweighed;     /* ... and what does not (link_weight.h) */
    uint32_t closing;       /* streams that still have to say `closed` */
    uint64_t tick_at;       /* ns */
    uint64_t looked_at;     /* ns: when all links were last looked at, and ... */
    uint64_t gap;           /* ... how long after the time before that was */
    uint64_t close_at;      /* ns: peers that have all need not close themselves any more */
    _Atomic unsigned evict; /* so many strangers are to go: another shard needs descriptors */
    struct ptl_makings makings;
    struct ptl_rules_seen rules;
    struct ptl_spare_chunks spare_chunks; /* of all its connections' outboxes */
};

/* A link that has lasted for so long was a good one: the next attempt need not wait. */
#define PTL_LINK_LASTED_NS UINT64_C(10000000000)

/* How often links that are up are looked at, at least. */
#define PTL_LINKS_TICK_NS UINT64_C(100000000)

/* ptl_links_tick() is wanted at this time at the latest. */
static inline void ptl_links_tick_at(struct ptl_shard_links *links, uint64_t at)
{
    links->tick_at = at < links->tick_at ? at : links->tick_at;
}
