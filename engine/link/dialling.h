/*
 * engine/link/dialling.h - a link that is dialled, looked at when it is time: the next address, a
 * question where its node listens, patience, or the end of it.
 *
 * Only candidates that we have dialled are waited for, and not for long: others may be anybody's.
 * Thread: the link owner's.  Spec: design, section 7.
 */
#pragma once

struct ptl_link;
struct ptl_shard;

/* It is time to look at this link, which is DIALING; next_at is when to look again. */
void ptl_link_dial_on(struct ptl_shard *shard, struct ptl_link *link);
