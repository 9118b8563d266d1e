/*
 * engine/link/listener.h - who is told of all links: a listener on every shard, of which all or
 * none are made (ptl_on_link()).  Thread: the shard's.
 */
#pragma once

#include "engine/portolan.h"

struct ptl_link;
struct ptl_shard;

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

/* Listen to links; those that are up are told at once.  Owns: the shard. */
void ptl_links_listen(struct ptl_shard *shard, struct ptl_link_listener *listener);

/* Free one that is not (or no longer) told, and what is released with the last of its kind. */
void ptl_link_listener_free(struct ptl_shard *shard, struct ptl_link_listener *listener);

/* A link is up, or (`up` is false, and link->reason says why) down: tell all of this shard. */
void ptl_links_tell_listeners(struct ptl_shard *shard, struct ptl_link *link, bool up);
