/*
 * engine/shard/here.h - which shard's turn a thread is in, if any: so what a handler calls knows
 * its own shard, and what any other thread calls knows that it has none.
 */
#pragma once

#include <stddef.h>

struct ptl_node;
struct ptl_shard;

/* What a thread is in; both NULL where it is in no turn.  Only engine/shard/here.c writes it. */
struct ptl_here {
    const struct ptl_node *node;
    struct ptl_shard *shard;
};

extern _Thread_local struct ptl_here ptl_here;

/* The shard of `node` whose turn this thread is in, or NULL. */
static inline struct ptl_shard *ptl_shard_here(const struct ptl_node *node)
{
    return ptl_here.node == node ? ptl_here.shard : NULL;
}

/*
 * This thread begins a turn of that shard (NULL: it is in none any more).  Returns the shard whose
 * turn this interrupts, which only the simulator does: it is entered again at the end.
 */
struct ptl_shard *ptl_shard_enter(struct ptl_shard *shard);
