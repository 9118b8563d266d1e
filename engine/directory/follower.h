/*
 * engine/directory/follower.h - a watch of the database, where it was made: the side that is told.
 *
 *   ptl_db_watch() --WATCH--> family's shard: outlet --TOLD--> port's queue --> tell(), change by
 *                     <-----------NEXT----------------------------' change
 *
 * The family's shard tells some changes and waits until they have been taken; meanwhile it merges
 * what happens.  So a slow watcher costs memory for its keys and nobody time.
 * Thread: the shard's where the watch was made.  Spec: design section 8.
 */
#pragma once

#include "engine/directory/database.h"
#include "engine/portolan.h"
#include "engine/shard/belonging.h"
#include "engine/shard/list.h"

struct ptl_slot;

/* What is due is a state; that its callback runs, and that it is gone, are facts in any of them. */
struct ptl_follower {
    struct ptl_belonging belonging;
    uint64_t id;
    struct ptl_list listed;   /* among those that wait for time, or that have ended */
    struct ptl_untold untold; /* its outlet is to be told what is due */
    uint8_t due;              /* enum ptl_follower_due */
    bool running;             /* its callback */
    bool gone;                /* taken back: freed once its outlet has been told */
    uint32_t place;           /* the family's shard */
    struct ptl_slot *owner;   /* the port it belongs to, or NULL */
    uint32_t generation;
    ptl_db_watch_fn *tell;
    void *data;
    ptl_release_fn *release; /* of `data`, or NULL */
    struct ptl_msg *what;    /* family, how, filter */
    size_t taken;            /* bytes of the changes at hand that it has taken before PTL_LATER */
    /* A port has a queue; others keep here what they said PTL_LATER to: held, or a copy. */
    struct ptl_span rest;
    struct ptl_msg *rest_held;
    uint8_t *rest_room; /* PTL_OP_INLINE_MAX bytes, or NULL */
};

/* A follower that is nowhere yet.  NULL: no memory.  Owns: `what` is the follower's. */
struct ptl_follower *ptl_follower_make(struct ptl_node *node, unsigned place, struct ptl_msg *what,
                                       ptl_db_watch_fn *tell, void *data);

/* Free one that was never added, or has ended, and release its data. */
void ptl_follower_free(struct ptl_shard *shard, struct ptl_follower *follower);

/* Begin: from now on it is the shard's.  Errors: PTL_ENOMEM; then it stays the caller's. */
PTL_MUST_CHECK int ptl_follower_add(struct ptl_shard *shard, struct ptl_follower *follower);

/* One of a thread has arrived.  Owns: the shard; without memory it is lost, and a line says so. */
void ptl_follower_take(struct ptl_shard *shard, struct ptl_follower *follower);

/* End one by its ID, if it is there. */
void ptl_follower_end(struct ptl_shard *shard, uint64_t id);

/*
 * It is told changes: PTL_DIR_TOLD; those of a port go through the port's queue: PTL_OP_EVENT.
 * ptl_follower_run() returns false when it said PTL_LATER: come again with the same changes.
 */
void ptl_follower_told(struct ptl_shard *shard, const struct ptl_op *op);
bool ptl_follower_run(struct ptl_shard *shard, uint64_t id, const struct ptl_msg *changes);

/* There was no memory for its outlet: PTL_DIR_AGAIN. */
void ptl_follower_again(struct ptl_shard *shard, uint64_t id);

/*
 * A step of the turn: call those again that have said PTL_LATER outside of ports, or for whose
 * outlet there was no memory.  Returns when that is due next, in ns, or UINT64_MAX.
 */
uint64_t ptl_followers_work(struct ptl_shard *shard);

void ptl_followers_drop(struct ptl_shard *shard);
