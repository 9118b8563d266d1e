/*
 * engine/shard/post.h - the way of an operation to the shard where it belongs.
 *
 *   shard S --post--> [ ring S -> T ] --published at the end of the turn--> T  (take.h)
 *   any other thread --hand--> [ inbox of T ] ------------------------------^
 */
#pragma once

#include "engine/portolan.h"
#include "engine/shard/op.h"

struct ptl_shard;

/*
 * Put an op into the ring to another shard (or our own).  `control` may use the reserve.
 * Errors: PTL_EFULL, PTL_ENOMEM.
 */
PTL_MUST_CHECK int ptl_shard_post(struct ptl_shard *from, unsigned to, const struct ptl_op *op,
                                  bool control);

/*
 * Hand a parcel to a shard from any thread.  Owns: the parcel is the shard's.
 */
void ptl_shard_hand(struct ptl_shard *shard, struct ptl_parcel *parcel, struct ptl_shard *from);

/* Wake it if it sleeps.  Thread: any; `from` is the caller's own shard or NULL. */
void ptl_shard_wake(struct ptl_shard *shard, struct ptl_shard *from);

/* A step of the turn: what was posted is shown to the shards that it is for.  Never due again. */
uint64_t ptl_shard_publish(struct ptl_shard *shard);
