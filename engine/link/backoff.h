/*
 * engine/link/backoff.h - when a lost link is dialled again: later each time, up to a bound.
 *
 *   after a link that did not last    10 ms, 20 ms ... 1 s     whoever wants it (redial_at)
 *   of one to a global node           300 ms, 600 ms ... 30 s  while it is down (keep_at)
 *
 * One that has lasted begins both anew.  Thread: the link owner's.
 */
#pragma once

struct ptl_link;
struct ptl_shard;

/*
 * The link, which was up, has failed: after one that did not last the next attempt waits, a little
 * longer each time.  Else what the two of them cannot agree on would make it again for ever.
 */
void ptl_backoff_after_failure(const struct ptl_shard *shard, struct ptl_link *link);

/* A link that is to be kept is about to be dialled: should that fail, the next attempt waits. */
void ptl_backoff_before_keeping(const struct ptl_shard *shard, struct ptl_link *link);
