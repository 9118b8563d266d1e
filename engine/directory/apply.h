/*
 * engine/directory/apply.h - what peers say of databases, into the store.
 *
 *   request (a link's owner) --> replacing (the family's shard; slices) --> apply --> update (keys)
 *
 * Of a node that is attached to us, or of a real global one, we take what is within the limits:
 * what is not is left out with a line in the log, and a database over the limit of entries costs
 * its node the link.  Our own global nodes have done that already for what they bring: only how
 * much that is in all is looked at.
 * Thread: the shard's.  Spec: design section 8; AEMP protocol 5.
 */
#pragma once

#include "engine/directory/database.h"
#include "engine/directory/key.h"
#include "engine/directory/update.h"

/* PTL_DIR_OWNER, PTL_DIR_LOST: from a global node of ours. */
void ptl_apply_owner(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_apply_lost(struct ptl_shard *shard, const struct ptl_op *op);

/*
 * An update that is not long: PTL_DIR_UPDATE, of a node without owners; PTL_DIR_OWNED, from a
 * global node of ours; PTL_DIR_CHANGE, from our master.
 */
void ptl_apply_update(struct ptl_shard *shard, const struct ptl_op *op);

/*
 * The same of a long one, for who takes it slice by slice.  Begin: false when there is nothing to
 * take.  Whose entries they are now; false: nobody's any more.  End: tell what was wrong with it.
 * Owns: the update's family and the source lie in `op` or in `room`.
 */
bool ptl_apply_begin(struct ptl_shard *shard, const struct ptl_op *op, struct ptl_update *update,
                     uint8_t room[static PTL_KEY_ROOM]);
bool ptl_apply_source(struct ptl_shard *shard, const struct ptl_op *op, struct ptl_source *source,
                      uint8_t room[static PTL_KEY_ROOM]);

/* Why the link of who brings this is to fail, as far as it is taken by now: PTL_ELIMIT,
 * PTL_EBROUGHT.  PTL_OK: it is not. */
int ptl_apply_excess(struct ptl_shard *shard, const struct ptl_op *op);
void ptl_apply_end(struct ptl_shard *shard, const struct ptl_op *op, struct ptl_update *update);
