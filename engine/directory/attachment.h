/*
 * engine/directory/attachment.h - the numbers by which attachments of one owner are told apart.
 */
#pragma once

#include "io/base.h"

struct ptl_shard;

/*
 * A node that attaches gives its attachment a number, higher than that of any earlier one.  Of two
 * nodes that both bring the database of one owner, the one with the higher number counts (store.h).
 *
 * On the wire numbers end at PTL_ATTACHMENT_MAX: whoever could say the highest of all could never
 * be outdone.  In our own store the attachments to us have one bit more, so that they count more
 * than what any other node says of the same owner: it is we who know first when such a link is
 * lost, and then we ask those again whom we did not listen to.
 */
#define PTL_ATTACHMENT_MAX ((UINT64_C(1) << 62) - 1) /* on the wire */
#define PTL_ATTACHMENT_HERE (UINT64_C(1) << 63)      /* a bit: it is attached to us */

/* As others know it. */
static inline uint64_t ptl_attachment_told(uint64_t attachment)
{
    return attachment & ~PTL_ATTACHMENT_HERE;
}

/*
 * A number for an attachment: the time, but always more than the last one and than `known`, where
 * that is a time that a clock may say.  No two attachments of one owner may have the same: a copy
 * of the later would begin with what is left of the earlier one.  Thread: any shard's.
 */
uint64_t ptl_attachment_next(struct ptl_shard *shard, uint64_t known);
