/*
 * engine/directory/attachment.h - the numbers by which attachments of one owner are told apart.
 */
#pragma once

#include "io/base.h"

struct ptl_shard;

/*
 * The numbers of attachments.  What others may say is bounded, so that nobody can give one that
 * cannot be outdone.  In our own store a node that is attached to us counts more than what any
 * other says of it: its link tells us when it is gone, and then we ask again whom we have ignored.
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
