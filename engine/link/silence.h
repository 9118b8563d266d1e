/*
 * engine/link/silence.h - links that are up and quiet: keep them alive, and find out whether the
 * peer still lives.  Thread: the link owner's.
 */
#pragma once

struct ptl_link;
struct ptl_shard;

/* It is time to look at this link, which is up. */
void ptl_link_look_at_silence(struct ptl_shard *shard, struct ptl_link *link);
