/*
 * engine/link/failure.h - a link fails: the first of the two steps that G2 asks for.
 *
 * Its connection is closed, what waited is thrown away, its failure gets the owner's next number.
 * The second step, telling all shards and beginning anew, is telling.h, at the turn's end.
 * Thread: the link owner's.  Spec: design G2.
 */
#pragma once

struct ptl_link;
struct ptl_shard;

/* The link is lost: all that waits, too.  `err` says why, and its text goes into the reason. */
void ptl_link_fail(struct ptl_shard *shard, struct ptl_link *link, int err);
