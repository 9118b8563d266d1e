/*
 * engine/directory/interest.h - the families of the network that are watched on an ordinary node.
 *
 *   first watcher: g_mon1 --> master --g_chg1, g_chg2--> copy in the store --> watchers
 *   last one gone: g_mon0; another master: asked anew, its first copy is compared with ours
 *
 *   UNASKED --there is room--> ASKED --its first copy--> FRESH       another master: UNASKED
 *
 * Thread: the family's shard.  Spec: AEMP protocol 5; design section 8.
 */
#pragma once

#include "engine/directory/database.h"

struct ptl_interest *ptl_interest_find(struct ptl_shard *shard, struct ptl_span family);

/* One more watcher, and one less.  Errors: PTL_ENOMEM. */
PTL_MUST_CHECK int ptl_interest_add(struct ptl_shard *shard, struct ptl_span family);
void ptl_interest_remove(struct ptl_shard *shard, struct ptl_span family);

struct ptl_span ptl_interest_family(const struct ptl_interest *interest);

/* What the copy is in the store: an owner of its own. */
struct ptl_source ptl_interest_source(const struct ptl_interest *interest);

enum ptl_interest_state ptl_interest_state(const struct ptl_shard *shard,
                                           const struct ptl_interest *interest);

/* A first copy has come, from our present master: watchers that waited for it are told. */
void ptl_interest_copied(struct ptl_shard *shard, struct ptl_interest *interest);

/* There is another master, or none: it will be asked for everything, some a turn. */
void ptl_interests_again(struct ptl_shard *shard);

/* We are global now: the copies go, some a turn. */
void ptl_interests_end(struct ptl_shard *shard);

/* Whether copies are left that do; they show before what was set here. */
bool ptl_interests_are_ending(const struct ptl_shard *shard);

/* A step of the turn: have the master asked for what it was not yet, as there is room; let some
 * copies go. */
void ptl_interests_work(struct ptl_shard *shard);

void ptl_interests_init(struct ptl_shard *shard);
void ptl_interests_drop(struct ptl_shard *shard);
